//! Whole files of each kind: what is found in them.

mod code;
mod damaged;
mod fixture;
mod go;
mod library;
mod raised;
mod records;
