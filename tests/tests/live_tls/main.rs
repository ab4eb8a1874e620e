//! What is said inside TLS, of real programs under a running earshot; and the page that says in what earshot sees it.

mod attach;
mod cells;
mod clients;
mod databases;
mod grpc;
mod handshakes;
mod lighttpd;
mod load;
mod odd;
mod seen;
mod servers;
