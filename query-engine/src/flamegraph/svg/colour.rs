//! Colours of frames: by name, so that one function looks the same everywhere, or by change.

use super::super::tree::Values;

/// Frames in brackets are not functions.
const NO_FUNCTION: &str = "#c9ccd1";

/// Warm where a CPU is busy, cool for waiting, green for memory.
pub fn of_name(name: &str, kind: &str) -> String {
    if name.starts_with('[') {
        return NO_FUNCTION.to_owned();
    }
    let hue = match kind {
        "on_cpu" => 10,
        "off_cpu" => 190,
        _ => 90,
    };
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("hsl({},{}%,{}%)", hue + hash % 45, 65 + (hash >> 8) % 20, 62 + (hash >> 16) % 14)
}

/// White where nothing changed, red where it is all new, blue where it is all gone.
pub fn of_change(values: Values) -> String {
    let both = values.both();
    if both <= 0 {
        return "hsl(0,0%,95%)".to_owned();
    }
    let change = (values.after.saturating_sub(values.before)) as f64 / both as f64;
    let hue = if change < 0.0 { 215 } else { 5 };
    format!("hsl({hue},85%,{:.0}%)", 95.0 - 35.0 * change.abs().min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_red_and_shrinking_blue() {
        let colour = |before, after| of_change(Values { before, after });
        assert_eq!(
            (colour(0, 9), colour(9, 0), colour(5, 5)),
            ("hsl(5,85%,60%)".into(), "hsl(215,85%,60%)".into(), "hsl(5,85%,95%)".into())
        );
        assert_eq!(of_name("[other]", "on_cpu"), NO_FUNCTION);
        assert_eq!(of_name("f", "off_cpu"), of_name("f", "off_cpu"));
        assert_ne!(of_name("f", "off_cpu"), of_name("f", "on_cpu"));
    }
}
