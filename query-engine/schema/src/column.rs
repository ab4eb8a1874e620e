//! One column: its name, type, unit and meaning, and what of it is shown when values are not to be kept.

/// How a column is stored and compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    Bool,
    /// Arrow Int32: ports, codes, process numbers.
    Int32,
    /// Arrow Int64: identifiers below 2^53, sizes, durations.
    Int64,
    /// Arrow Utf8: text with many different values.
    Text,
    /// Arrow Dictionary(Int32, Utf8): text of any length that often comes again soon. The dictionary may have a value twice.
    Recurring,
    /// Arrow Dictionary(Int32, Utf8): text with few different values.
    Name,
    /// Arrow Timestamp(Nanosecond, "UTC").
    Time,
    /// Arrow List(Utf8): texts in an order, none of them null.
    List,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    Nanoseconds,
    Bytes,
    Packets,
    Events,
    Json,
}

impl Unit {
    pub const fn as_str(self) -> &'static str {
        match self {
            Unit::Nanoseconds => "ns",
            Unit::Bytes => "bytes",
            Unit::Packets => "packets",
            Unit::Events => "events",
            Unit::Json => "JSON",
        }
    }
}

impl Type {
    /// The type's name in SQL, as the catalogue shows it.
    pub const fn sql(self) -> &'static str {
        match self {
            Type::Bool => "BOOLEAN",
            Type::Int32 => "INT",
            Type::Int64 => "BIGINT",
            Type::Text | Type::Recurring | Type::Name => "VARCHAR",
            Type::Time => "TIMESTAMP",
            Type::List => "VARCHAR[]",
        }
    }
}

/// What becomes of a column's values when they are not to be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Redaction {
    PostgresSql,
    MysqlSql,
    Values,
    Key,
    Code,
    Whole,
}

impl Redaction {
    /// As the reference tells it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Redaction::PostgresSql | Redaction::MysqlSql => "literals, and what comments say, are `?`",
            Redaction::Values => "each value is `\"?\"`, but for the one that a column `key` shows; the list keeps its length",
            Redaction::Key => "stays",
            Redaction::Code => "the leading code stays, the text is `?`",
            Redaction::Whole => "`?`",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub ty: Type,
    pub unit: Option<Unit>,
    /// One line, as the declaration's doc comment has it.
    pub about: &'static str,
    /// `None`: it stays as it is.
    pub redaction: Option<Redaction>,
}

impl Column {
    pub fn meaning(&self) -> &'static str {
        self.about.trim()
    }
}

/// The words that a `table!` declaration uses for types.
pub mod kinds {
    use super::Type;
    use crate::row::{ColumnKind, Value};

    macro_rules! kind {
        ($name:ident, $ty:expr, $type:ty, $value:ident) => {
            #[derive(Debug)]
            pub enum $name {}
            impl ColumnKind for $name {
                type Value<'a> = Option<$type>;
                const TYPE: Type = $ty;
                #[inline]
                fn value(value: Self::Value<'_>) -> Value<'_> {
                    value.map_or(Value::Null, Value::$value)
                }
            }
        };
    }
    kind!(Bool, Type::Bool, bool, Bool);
    kind!(Int32, Type::Int32, i32, Int32);
    kind!(Int64, Type::Int64, i64, Int64);
    kind!(Time, Type::Time, i64, Int64);
    kind!(Text, Type::Text, &'a [u8], Text);
    kind!(Recurring, Type::Recurring, &'a [u8], Text);
    kind!(Name, Type::Name, &'a [u8], Text);
    kind!(List, Type::List, &'a [&'a [u8]], List);
}
