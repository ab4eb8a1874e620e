//! The view `requests`: all traffic tables as one, made from their declarations.

use schema::{Column, Table, TrafficPrefix, TrafficSuffix, Type};

/// The view's name.
pub(super) const REQUESTS: &str = "requests";

const OWN: &[Column] = &[
    column("protocol", Type::Text, "The protocol's name."),
    column("operation", Type::Text, "HTTP method, gRPC method, SQL or Redis command …"),
    column("target", Type::Text, "Path, normalised statement, key, name …"),
    column("status", Type::Text, "Status as text."),
    column("failed", Type::Bool, "Whether the request failed: an error of the server or of the connection."),
];

const fn column(name: &'static str, ty: Type, about: &'static str) -> Column {
    Column { name, ty, unit: None, about, redaction: None }
}

/// The view's columns, as a catalogue lists them.
pub fn requests_columns() -> impl Iterator<Item = &'static Column> {
    TrafficPrefix::COLUMNS.iter().chain(OWN).chain(TrafficSuffix::COLUMNS)
}

/// The view's query; `None` when no table takes part.
pub(super) fn requests_sql(tables: &[&'static Table]) -> Option<String> {
    let parts: Vec<String> = tables.iter().filter_map(|table| part(table)).collect();
    (!parts.is_empty()).then(|| parts.join(" UNION ALL "))
}

fn part(table: &Table) -> Option<String> {
    let view = table.requests?;
    let plain = |columns: &[Column]| columns.iter().map(|c| quoted(c.name)).collect::<Vec<_>>();
    let own = [
        ("VARCHAR", view.protocol, "protocol"),
        ("VARCHAR", view.operation, "operation"),
        ("VARCHAR", view.target, "target"),
        ("VARCHAR", view.status, "status"),
        ("BOOLEAN", view.failed, "failed"),
    ];
    let own = own.map(|(ty, expression, name)| format!("CAST({expression} AS {ty}) AS {name}"));
    let mut columns = plain(TrafficPrefix::COLUMNS);
    columns.extend(own);
    columns.extend(plain(TrafficSuffix::COLUMNS));
    Some(format!("SELECT {} FROM {}", columns.join(", "), quoted(table.name)))
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}
