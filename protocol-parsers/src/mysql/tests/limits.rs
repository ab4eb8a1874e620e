//! Floods, nonsense and damage: bounded, counted, never a panic.
