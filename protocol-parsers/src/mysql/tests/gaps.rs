//! Connections that were joined, and holes.
