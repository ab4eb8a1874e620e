//! One table: what surrounds its own columns, and its place in the view `requests`.

use crate::Column;

#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub about: &'static str,
    pub prefix: &'static [Column],
    pub own: &'static [Column],
    pub suffix: &'static [Column],
    pub requests: Option<RequestsView>,
    /// Columns of which each combination has one row, the newest that arrived; empty where every row is kept.
    pub newest_by: &'static [&'static str],
}

/// SQL expressions over the table's columns that give its rows in the view `requests`.
#[derive(Clone, Copy, Debug)]
pub struct RequestsView {
    /// VARCHAR: the protocol's name.
    pub protocol: &'static str,
    /// VARCHAR: HTTP method, SQL or Redis command …
    pub operation: &'static str,
    /// VARCHAR: path, key, name …
    pub target: &'static str,
    /// VARCHAR: status as text.
    pub status: &'static str,
    /// BOOLEAN: whether the request failed.
    pub failed: &'static str,
}

impl Table {
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> {
        self.prefix.iter().chain(self.own).chain(self.suffix)
    }

    pub fn meaning(&self) -> &'static str {
        self.about.trim()
    }
}
