//! Which protocol is recognised in which traffic: a confusion matrix over every capture and over bytes that are none.
//!
//! `EARSHOT_WRITE_REFERENCE=1`, which `cargo xtask reference` sets, writes `deploy/reference/detection.md` instead of comparing it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use tests::{Random, captures, root};

use super::looks::{Talk, VIEWS, View, looks};
use super::{captured, generated, page};

const SEED: u64 = 1;

/// Traffic of one kind, and what was said of it.
pub struct Kind {
    pub name: String,
    /// What it may be taken for.
    right: &'static [&'static str],
    said: BTreeMap<View, Vec<Option<&'static str>>>,
}

impl Kind {
    fn new(name: &str, right: &'static [&'static str]) -> Self {
        Self { name: name.to_owned(), right, said: BTreeMap::new() }
    }

    fn look(&mut self, talks: &[Talk], random: &mut Random) {
        for view in VIEWS {
            for talk in talks {
                self.said.entry(view).or_default().extend(looks(talk, view, random));
            }
        }
    }

    pub fn said(&self, view: View) -> &[Option<&'static str>] {
        self.said.get(&view).map_or(&[], Vec::as_slice)
    }
}

/// Kinds of captured traffic: the beginning of a capture's path, and what it is. The first that fits counts.
const CAPTURED: &[(&str, &str, &[&str])] = &[
    ("http/", "HTTP/1", &["http"]),
    ("http2/recorded-upgrade", "HTTP/1.1 upgraded to HTTP/2", &["http", "http2"]),
    ("http2/grpc", "gRPC", &["http2"]),
    ("http2/recorded-grpc", "gRPC", &["http2"]),
    ("http2/", "HTTP/2", &["http2"]),
    ("redis/", "Redis", &["redis"]),
    ("dns/", "DNS", &["dns"]),
    ("postgres/", "PostgreSQL", &["postgres"]),
    ("mysql/", "MySQL, MariaDB", &["mysql"]),
    ("nats/", "NATS", &[]),
    ("tls/recorded-after-mysql", "MySQL, then TLS", &["mysql", "tls"]),
    ("tls/recorded-after-postgres", "PostgreSQL, then TLS", &["postgres", "tls"]),
    ("tls/recorded-after-smtp", "SMTP, then TLS", &["tls"]),
    ("tls/", "TLS", &["tls"]),
];

type Generate = fn(&mut Random) -> Vec<Talk>;
const GENERATED: &[(&str, &[&str], Generate)] = &[
    ("WebSocket *", &["websocket"], generated::websocket),
    ("TLS records *", &["tls"], generated::tls_records),
    ("gRPC messages without HTTP/2 *", &[], generated::grpc_messages),
    ("random bytes *", &[], generated::random_bytes),
    ("random datagrams *", &[], generated::random_datagrams),
    ("random text *", &[], generated::random_text),
];

fn kinds() -> anyhow::Result<Vec<Kind>> {
    let mut kinds: Vec<Kind> = vec![];
    let mut random = Random::new(SEED);
    let folder = root().join("tests/captures").canonicalize()?;
    for path in captures()? {
        let path = path.canonicalize()?;
        let name = path.strip_prefix(&folder)?.to_string_lossy().into_owned();
        let (_, called, right) =
            CAPTURED.iter().find(|(begins, ..)| name.starts_with(begins)).with_context(|| format!("what is {name}?"))?;
        if !kinds.iter().any(|kind| kind.name == *called) {
            kinds.push(Kind::new(called, right));
        }
        let talks = captured::talks(&path)?;
        let kind = kinds.iter_mut().find(|kind| kind.name == *called).context("just added")?;
        kind.look(&talks, &mut random);
    }
    // in the order of the list, whatever the folders are called
    kinds.sort_by_key(|kind| CAPTURED.iter().position(|(_, called, _)| *called == kind.name));
    for (name, right, generate) in GENERATED {
        let mut kind = Kind::new(name, right);
        let talks = generate(&mut random);
        kind.look(&talks, &mut random);
        kinds.push(kind);
    }
    Ok(kinds)
}

#[test]
fn no_protocol_claims_the_traffic_of_another() -> anyhow::Result<()> {
    let mut wrong = vec![];
    for kind in kinds()? {
        assert!(!kind.said.is_empty(), "nothing was said of {}", kind.name);
        for view in VIEWS {
            let claimed = kind.said(view).iter().flatten().filter(|name| !kind.right.contains(name));
            wrong.extend(claimed.map(|name| format!("{} {view:?} is taken for {name}", kind.name)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

/// What begins as nothing that is known: words of a mail server, records without a handshake.
const BEGINS_UNKNOWN: [&str; 2] = ["SMTP, then TLS", "TLS records *"];

#[test]
fn what_is_seen_from_its_start_is_recognised() -> anyhow::Result<()> {
    for kind in kinds()?.iter().filter(|kind| !kind.right.is_empty() && !BEGINS_UNKNOWN.contains(&kind.name.as_str())) {
        let unknown = kind.said(View::Start).iter().filter(|said| said.is_none()).count();
        assert_eq!(unknown, 0, "connections of {}", kind.name);
    }
    Ok(())
}

#[test]
fn the_page_is_current() -> anyhow::Result<()> {
    let (page, path) = (page::page(&kinds()?), root().join(page::PATH));
    if std::env::var_os("EARSHOT_WRITE_REFERENCE").is_some() {
        return std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()));
    }
    let kept = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    assert!(kept == page, "{} is not what detection says; 'cargo xtask reference' renews it", page::PATH);
    Ok(())
}
