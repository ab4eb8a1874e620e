//! What is said inside TLS, of real programs under a running earshot; and the page that says in what earshot sees it.

mod cells;
mod databases;
mod handshakes;
mod seen;
mod servers;
