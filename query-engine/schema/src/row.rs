//! How a row reaches a batch without either side knowing the other.

use crate::{Table, Type};

/// One value of a row.
///
/// Text is bytes as they were on the wire: whoever stores or shows it escapes what is not UTF-8 as `\xNN`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int32(i32),
    /// Also nanoseconds of a time.
    Int64(i64),
    /// Of which there may be many or few different ones.
    Text(&'a [u8]),
    List(&'a [&'a [u8]]),
}

/// Takes a row's values, in the order of the columns: one run of them after the other.
pub trait ColumnWriter {
    fn values(&mut self, values: &[Value<'_>]);
}

/// A column type of the `table!` declaration: which Rust value a row has for it.
pub trait ColumnKind {
    type Value<'a>: Copy;
    const TYPE: Type;
    fn value(value: Self::Value<'_>) -> Value<'_>;
}

/// A run of columns that is written together: a prefix, a protocol's own columns, a suffix.
pub trait Columns {
    fn write(&self, to: &mut dyn ColumnWriter);
}

/// A table's own columns, with the table they belong to.
pub trait Row: Columns {
    fn table(&self) -> &'static Table;
}

/// Declares a run of columns: a struct with one field a column, and the column list `COLUMNS`. A column is its meaning, then
/// `name: Kind`, with its unit in brackets, and with `redacted` and a [`Redaction`](crate::Redaction) when it holds values.
#[macro_export]
macro_rules! columns {
    (
        $(#[$meta:meta])*
        $vis:vis struct $row:ident {
            $( $(#[doc = $about:literal])+ $col:ident : $kind:ident $([$unit:ident])? $(redacted $redaction:ident)? ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default)]
        $vis struct $row<'a> {
            $( $(#[doc = $about])+ pub $col: <$crate::kinds::$kind as $crate::ColumnKind>::Value<'a>, )*
            #[doc(hidden)]
            pub borrowed: core::marker::PhantomData<&'a [u8]>,
        }
        impl $row<'_> {
            pub const COLUMNS: &'static [$crate::Column] = &[
                $( $crate::Column {
                    name: stringify!($col),
                    ty: <$crate::kinds::$kind as $crate::ColumnKind>::TYPE,
                    unit: $crate::columns!(@unit $($unit)?),
                    about: concat!($($about),+),
                    redaction: $crate::columns!(@redaction $($redaction)?),
                } ),*
            ];
        }
        impl $crate::Columns for $row<'_> {
            fn write(&self, to: &mut dyn $crate::ColumnWriter) {
                to.values(&[ $( <$crate::kinds::$kind as $crate::ColumnKind>::value(self.$col) ),* ]);
            }
        }
    };
    (@unit) => { None };
    (@unit $unit:ident) => { Some($crate::Unit::$unit) };
    (@redaction) => { None };
    (@redaction $redaction:ident) => { Some($crate::Redaction::$redaction) };
}

/// Declares a table: `columns!` plus its name, its meaning, the prefix and suffix that surround it, and, for a traffic
/// table, how its rows appear in the view `requests`; for a table of states, the key of which the newest row counts.
#[macro_export]
macro_rules! table {
    (
        $(#[doc = $table_about:literal])+
        $vis:vis struct $row:ident in $name:literal, $around:ident $(, requests $requests:expr)? $(, newest_by $newest_by:expr)? ;
        { $($columns:tt)* }
    ) => {
        $crate::columns! {
            $(#[doc = $table_about])+
            $vis struct $row { $($columns)* }
        }
        impl $row<'_> {
            pub const TABLE: &'static $crate::Table = &$crate::Table {
                name: $name,
                about: concat!($($table_about),+),
                prefix: $crate::table!(@prefix $around),
                own: <$row<'static>>::COLUMNS,
                suffix: $crate::table!(@suffix $around),
                requests: $crate::table!(@requests $($requests)?),
                newest_by: $crate::table!(@newest_by $($newest_by)?),
            };
        }
        impl $crate::Row for $row<'_> {
            fn table(&self) -> &'static $crate::Table {
                $row::TABLE
            }
        }
    };
    (@prefix traffic) => { $crate::TrafficPrefix::COLUMNS };
    (@suffix traffic) => { $crate::TrafficSuffix::COLUMNS };
    (@prefix process) => { $crate::ProcessPrefix::COLUMNS };
    (@suffix process) => { &[] };
    (@prefix host) => { $crate::HostPrefix::COLUMNS };
    (@suffix host) => { &[] };
    (@requests) => { None };
    (@requests $requests:expr) => { Some($requests) };
    (@newest_by) => { &[] };
    (@newest_by $newest_by:expr) => { &$newest_by };
}
