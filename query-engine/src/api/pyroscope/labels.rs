//! Labels and profile types: which columns of `stack_samples` they are.

/// The profile type of time on a CPU, as all agents call it.
const CPU: &str = "process_cpu:cpu:nanoseconds:cpu:nanoseconds";
const CPU_KIND: &str = "on_cpu";
/// The label that holds a series' profile type.
pub const PROFILE_TYPE: &str = "__profile_type__";

/// Names, and the expressions that they stand for; never null.
const LABELS: [(&str, &str); 9] = [
    ("service_name", "coalesce(CAST(service AS VARCHAR), CAST(process_name AS VARCHAR), '')"),
    ("container_id", "coalesce(CAST(container_id AS VARCHAR), '')"),
    ("host", "coalesce(CAST(host AS VARCHAR), '')"),
    ("namespace", "coalesce(CAST(namespace AS VARCHAR), '')"),
    ("pid", "coalesce(CAST(pid AS VARCHAR), '')"),
    ("pod", "coalesce(CAST(pod AS VARCHAR), '')"),
    ("process_name", "coalesce(CAST(process_name AS VARCHAR), '')"),
    ("thread_name", "coalesce(CAST(thread_name AS VARCHAR), '')"),
    (
        PROFILE_TYPE,
        "CASE WHEN kind = 'on_cpu' THEN 'process_cpu:cpu:nanoseconds:cpu:nanoseconds' \
         ELSE concat(CAST(kind AS VARCHAR), ':', CAST(kind AS VARCHAR), ':', \
         CASE WHEN value_unit = 'ns' THEN 'nanoseconds' ELSE coalesce(CAST(value_unit AS VARCHAR), '') END, \
         ':', CAST(kind AS VARCHAR), ':', \
         CASE WHEN value_unit = 'ns' THEN 'nanoseconds' ELSE coalesce(CAST(value_unit AS VARCHAR), '') END) END",
    ),
];

pub fn names() -> impl Iterator<Item = &'static str> {
    LABELS.iter().map(|(name, _)| *name)
}

/// A label's value; what no sample has is empty.
pub fn expression(name: &str) -> &'static str {
    LABELS.iter().find(|(label, _)| *label == name).map_or("''", |(_, expression)| expression)
}

/// The kind of samples that a profile type is.
pub fn kind(profile_type: &str) -> &str {
    if profile_type == CPU { CPU_KIND } else { profile_type.split(':').next().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_kinds() {
        assert_eq!(kind(CPU), "on_cpu");
        assert_eq!(kind("off_cpu:off_cpu:nanoseconds:off_cpu:nanoseconds"), "off_cpu");
        assert_eq!(kind(""), "");
        assert!(expression(PROFILE_TYPE).contains(CPU));
        assert_eq!(expression("unheard_of"), "''");
    }
}
