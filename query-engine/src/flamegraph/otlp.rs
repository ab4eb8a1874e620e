//! Profiles for OpenTelemetry: the protocol buffer `ExportProfilesServiceRequest` of `v1development`, as it is since the profiles'
//! tables are shared by a whole message
//! (<https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/profiles/v1development/profiles.proto>).
//!
//! A service is a resource, a kind of samples one profile of it, a frame a name without a place. Does not send anything.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use futures::FutureExt;
use futures::future::BoxFuture;
use hashbrown::HashMap;

use super::ask::{self, Gathered};
use super::{Format, Question, Root, Window, within};
use crate::format::plain;
use crate::protobuf::Message;
use crate::sql::{Query, SqlEngine, SqlError};

/// The largest frames of a kind; the rest is `[other]`.
const FRAMES_MAX: usize = 200_000;
/// Kinds of samples that are asked for.
const KINDS_MAX: usize = 16;
const SCOPE: &str = "earshot";

/// The samples of a window; `None` when there are none.
pub fn otlp<'a>(engine: &'a SqlEngine, host: &'a str, window: Window) -> BoxFuture<'a, Result<Option<Vec<u8>>, SqlError>> {
    async move {
        let mut request = Request::default();
        for kind in kinds(engine, window).await? {
            let question = question(&kind, window);
            let gathered = ask::samples(engine, &question).await?;
            request.add(&kind, window, gathered);
        }
        Ok((!request.services.is_empty()).then(|| request.write(host)))
    }
    .boxed()
}

async fn kinds(engine: &SqlEngine, window: Window) -> Result<Vec<String>, SqlError> {
    let query =
        format!("SELECT DISTINCT CAST(kind AS VARCHAR) AS kind FROM stack_samples WHERE {} ORDER BY kind", within(window));
    let mut kinds = vec![];
    for batch in engine.query(Query { rows_max: Some(KINDS_MAX), ..Query::new(query) }).await?.collect().await? {
        let batch = plain(&batch).map_err(SqlError::unreadable)?;
        let texts = batch.column(0).as_string_opt::<i32>();
        kinds.extend(texts.into_iter().flatten().flatten().map(str::to_owned));
    }
    Ok(kinds)
}

fn question(kind: &str, window: Window) -> Question {
    Question {
        window,
        diff: None,
        where_: None,
        requests: None,
        kind: kind.to_owned(),
        root: Root::Service,
        format: Format::Json,
        normalize: false,
        frames_max: FRAMES_MAX,
    }
}

/// What the conventions call time on a CPU.
fn sample_type(kind: &str) -> &str {
    if kind == "on_cpu" { "cpu" } else { kind }
}

/// Messages by their place, which others name them by; the first one stands for none.
#[derive(Default)]
struct Places {
    by_text: HashMap<String, u64>,
    texts: Vec<String>,
}

impl Places {
    fn of(&mut self, text: &str) -> u64 {
        if let Some(known) = self.by_text.get(text) {
            return *known;
        }
        self.texts.push(text.to_owned());
        let place = self.texts.len() as u64;
        self.by_text.insert(text.to_owned(), place);
        place
    }
}

/// A message in the making.
#[derive(Default)]
struct Request {
    /// Frames: each text is one function and one location of the same place.
    texts: Places,
    /// Locations, the leaf first.
    stacks: Vec<Vec<u64>>,
    known_stacks: HashMap<Vec<u64>, u64>,
    /// Profiles of each service.
    services: BTreeMap<String, Vec<Message>>,
}

impl Request {
    fn add(&mut self, kind: &str, window: Window, gathered: Gathered) {
        let unit = if gathered.unit == "ns" { "nanoseconds" } else { &gathered.unit };
        let mut value_type = Message::default();
        value_type.number(1, self.texts.of(sample_type(kind))).number(2, self.texts.of(unit));
        let tree = gathered.tree.largest(FRAMES_MAX);
        let mut profiles: BTreeMap<String, Message> = BTreeMap::new();
        for (node, values) in tree.ends() {
            // the root is the service; the rest of all of them has none
            let path = tree.path(node);
            let names: Vec<&str> = path.iter().map(|name| tree.names[*name as usize].as_ref()).collect();
            let Some((service, frames)) = names.split_first() else { continue };
            let leaf_first = frames.iter().rev().map(|frame| self.texts.of(frame)).collect();
            let mut sample = Message::default();
            sample.number(1, self.stack(leaf_first)).numbers(4, std::iter::once(values.after as u64));
            profiles.entry((*service).to_owned()).or_default().bytes(2, &sample.0);
        }
        for (service, mut profile) in profiles {
            let length = window.until.saturating_sub(window.from);
            profile.bytes(1, &value_type.0).fixed(3, window.from as u64).number(4, length as u64);
            self.services.entry(service).or_default().push(profile);
        }
    }

    fn stack(&mut self, locations: Vec<u64>) -> u64 {
        if locations.is_empty() {
            return 0;
        }
        if let Some(known) = self.known_stacks.get(&locations) {
            return *known;
        }
        self.stacks.push(locations.clone());
        let place = self.stacks.len() as u64;
        self.known_stacks.insert(locations, place);
        place
    }

    fn write(self, host: &str) -> Vec<u8> {
        let mut request = Message::default();
        for (service, profiles) in &self.services {
            let [mut resource, mut scope, mut scoped, mut of_service] = [(); 4].map(|()| Message::default());
            attribute(&mut resource, "service.name", service);
            attribute(&mut resource, "host.name", host);
            scope.bytes(1, SCOPE.as_bytes()).bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
            scoped.bytes(1, &scope.0);
            for profile in profiles {
                scoped.bytes(2, &profile.0);
            }
            of_service.bytes(1, &resource.0).bytes(2, &scoped.0);
            request.bytes(1, &of_service.0);
        }
        request.bytes(2, &self.dictionary().0);
        request.0
    }

    fn dictionary(&self) -> Message {
        const MAPPINGS: u64 = 1;
        const LOCATIONS: u64 = 2;
        const FUNCTIONS: u64 = 3;
        const LINKS: u64 = 4;
        const TEXTS: u64 = 5;
        const ATTRIBUTES: u64 = 6;
        const STACKS: u64 = 7;
        let mut dictionary = Message::default();
        for table in [MAPPINGS, LOCATIONS, FUNCTIONS, LINKS, TEXTS, ATTRIBUTES, STACKS] {
            dictionary.bytes(table, b"");
        }
        for (place, text) in (1..).zip(&self.texts.texts) {
            let (mut line, mut location, mut function) = (Message::default(), Message::default(), Message::default());
            line.number(1, place);
            location.bytes(3, &line.0);
            function.number(1, place);
            dictionary.bytes(LOCATIONS, &location.0).bytes(FUNCTIONS, &function.0).bytes(TEXTS, text.as_bytes());
        }
        for locations in &self.stacks {
            let mut stack = Message::default();
            stack.numbers(1, locations.iter().copied());
            dictionary.bytes(STACKS, &stack.0);
        }
        dictionary
    }
}

fn attribute(resource: &mut Message, key: &str, value: &str) {
    let (mut text, mut pair) = (Message::default(), Message::default());
    text.bytes(1, value.as_bytes());
    pair.bytes(1, key.as_bytes()).bytes(2, &text.0);
    resource.bytes(1, &pair.0);
}

#[cfg(test)]
mod tests {
    use super::super::tree::{Tree, Values};
    use super::*;
    use crate::protobuf::{Held, fields};

    /// A message's fields of one number.
    fn all(bytes: &[u8], number: u64) -> Vec<&[u8]> {
        let held = fields(bytes).expect("a message").into_iter().filter(|(n, _)| *n == number);
        held.filter_map(|(_, held)| if let Held::Bytes(bytes) = held { Some(bytes) } else { None }).collect()
    }

    fn number(bytes: &[u8], number: u64) -> u64 {
        let held = fields(bytes).expect("a message").into_iter().find(|(n, _)| *n == number).map(|(_, held)| held);
        match held {
            Some(Held::Number(value)) => value,
            Some(Held::Double(bits)) => bits.to_bits(),
            Some(Held::Bytes(packed)) => u64::from(packed[0]),
            None => 0,
        }
    }

    fn texts(bytes: Vec<&[u8]>) -> Vec<String> {
        bytes.into_iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }

    /// `service kind unit value frames`, as a receiver finds it by following each place.
    fn received(request: &[u8]) -> Vec<String> {
        let dictionary = all(request, 2)[0];
        let [locations, functions, stacks] = [2, 3, 7].map(|table| all(dictionary, table));
        let strings = texts(all(dictionary, 5));
        let name = |location: u8| {
            let function = number(all(locations[location as usize], 3)[0], 1);
            strings[number(functions[function as usize], 1) as usize].clone()
        };
        let mut lines = vec![];
        for of_service in all(request, 1) {
            let attributes = all(all(of_service, 1)[0], 1);
            let service = texts(all(all(attributes[0], 2)[0], 1)).concat();
            for profile in all(all(of_service, 2)[0], 2) {
                assert_eq!((number(profile, 3), number(profile, 4)), (1000, 500));
                let value_type = all(profile, 1)[0];
                let [kind, unit] = [1, 2].map(|field| strings[number(value_type, field) as usize].clone());
                for sample in all(profile, 2) {
                    let stack = stacks[number(sample, 1) as usize];
                    let leaf_first = all(stack, 1).first().map_or(vec![], |packed| packed.iter().map(|l| name(*l)).collect());
                    lines.push(format!("{service} {kind} {unit} {} {}", number(sample, 4), leaf_first.join("<")));
                }
            }
        }
        lines
    }

    fn gathered(stacks: &[(&str, i64)], unit: &str) -> Gathered {
        let mut tree = Tree::default();
        for (folded, value) in stacks {
            tree.add(folded.split(';'), Values { before: 0, after: *value });
        }
        Gathered { tree, unit: unit.to_owned() }
    }

    #[test]
    fn a_receiver_finds_services_kinds_and_stacks() {
        let mut request = Request::default();
        let window = Window { from: 1000, until: 1500 };
        request.add("on_cpu", window, gathered(&[("shop;main;work", 70), ("shop;main", 30), ("db;main", 5)], "ns"));
        request.add("page_fault", window, gathered(&[("shop;main;work", 9), ("[other]", 1)], "bytes"));
        let bytes = request.write("here");
        let mut lines = received(&bytes);
        lines.sort();
        assert_eq!(
            lines,
            [
                "[other] page_fault bytes 1 ",
                "db cpu nanoseconds 5 main",
                "shop cpu nanoseconds 30 main",
                "shop cpu nanoseconds 70 work<main",
                "shop page_fault bytes 9 work<main",
            ]
        );
        // the first of each table stands for none
        let dictionary = all(&bytes, 2)[0];
        assert!((1..=7).all(|table| all(dictionary, table)[0].is_empty()));
        // one stack is told once, whoever has it
        assert_eq!(all(dictionary, 7).len(), 1 + 2);
        assert!(texts(all(&bytes, 1)).iter().all(|of_service| of_service.contains("host.name") && of_service.contains("here")));
    }
}
