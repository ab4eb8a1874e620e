//! What the tests against a running earshot share: earshot itself, real servers and clients, captures, and rows compared as multisets.
//!
//! Everything that a test starts has ports and folders of its own and ends with the test. Nothing is skipped: what is missing here
//! fails the test and says how to install it. Knows no case.

#![forbid(unsafe_code)]

mod account;
mod answer;
mod captures;
mod certificates;
mod earshot;
mod http;
mod losses;
mod mariadb;
mod peers;
mod postgres;
mod processes;
mod random;
mod rows;
mod servers;
mod tools;

pub use account::Account;
pub use answer::{AnswerServer, Calls, Serving};
pub use captures::captures;
pub use certificates::Certificates;
pub use earshot::{Earshot, binary, command};
pub use http::{Answer, Connection, request};
pub use losses::{accounted, losses, lost, marked, settled, wrk};
pub use mariadb::Mariadb;
pub use peers::{Exchange, Peer, PeerServer};
pub use postgres::{Postgres, postgres_programs};
pub use processes::{Ended, Process, finish, free_port, is_root, program, run, run_to_end, succeed, wait_until};
pub use random::Random;
pub use rows::{RowsDiffer, compare};
pub use servers::{Dnsmasq, Nginx, PythonHttp, Redis, STATUSES};
pub use tools::{built, c_static, cargo, go, java, node, python, stripped, tools_folder};

/// The checkout.
pub fn root() -> std::path::PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let here = std::path::Path::new(&here);
    here.ancestors().find(|folder| folder.join("tests/servers").is_dir()).unwrap_or(here).to_owned()
}
