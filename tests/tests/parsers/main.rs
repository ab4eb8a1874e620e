//! The parsers over every capture: what detection says of it, and what they make of it when it is damaged.

mod captured;
mod damage;
mod detection;
mod generated;
mod looks;
mod page;
