//! The shape of the checkout: who may depend on whom, where `unsafe` may be, how long a file may get, what a protocol's folder holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;
use tests::{root, run};

/// Each crate and those that it may depend on: data flows from left to right, and so do these edges.
const EDGES: &[(&str, &[&str])] = &[
    ("ebpf-abi", &[]),
    ("schema", &[]),
    ("statements", &[]),
    ("protocol-parsers", &["schema"]),
    ("collector", &["ebpf-abi", "protocol-parsers", "schema", "statements"]),
    ("query-engine", &["schema", "statements"]),
    ("earshot", &["collector", "protocol-parsers", "query-engine", "schema"]),
    ("tests", &["collector", "protocol-parsers", "schema"]),
    ("xtask", &["protocol-parsers", "schema", "tests"]),
];

/// Crates that must stay free of others, however indirectly (INV-2, INV-4).
const FREE_OF: &[(&str, &[&str])] = &[
    ("protocol-parsers", &["datafusion", "tokio", "aya", "arrow-array"]),
    ("ebpf-abi", &["datafusion", "tokio", "aya", "arrow-array"]),
    ("statements", &["datafusion", "tokio", "aya", "arrow-array"]),
    ("query-engine", &["aya", "ebpf-abi", "collector"]),
    ("collector", &["datafusion", "axum"]),
];

/// Folders in which `unsafe` may stand.
const UNSAFE_FOLDERS: [&str; 2] = ["ebpf/", "collector/src/kernel/"];

/// The longest file written by hand, in lines. A ratchet: it may be lowered, never raised.
const FILE_LINES_MAX: usize = 600;

/// Files that every protocol's folder has.
/// What the parsers' tests talk with: the only folder that is no protocol's.
const HARNESS: &str = "conversation";
const PROTOCOL_FILES: [&str; 5] = ["mod.rs", "detect.rs", "frame.rs", "pair.rs", "tests.rs"];
/// And one for each table: versions of a protocol may share theirs.
const TABLE_FILE: &str = "table.rs";

fn metadata() -> anyhow::Result<Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let manifest = root().join("Cargo.toml");
    let output = std::process::Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
            "--manifest-path",
        ])
        .arg(manifest)
        .output()
        .context("cannot run cargo metadata")?;
    anyhow::ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Of each package by its id: its name, and the ids of what it is built with. Dependencies of tests alone are left out.
struct Graph {
    names: BTreeMap<String, String>,
    uses: BTreeMap<String, BTreeSet<String>>,
    ours: BTreeSet<String>,
    /// Names of the crates that ask for the Arrow side of `schema`, which is a feature.
    with_arrow: BTreeSet<String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn graph(with_tests: bool) -> anyhow::Result<Graph> {
    let metadata = metadata()?;
    let packages = list(&metadata["packages"]);
    let names = packages.iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
    let ours = packages.iter().filter(|p| p["source"].is_null()).map(|p| text(&p["id"])).collect();
    let asks_for_arrow =
        |d: &Value| d["name"] == "schema" && d["kind"] != "dev" && list(&d["features"]).iter().any(|f| f == "arrow");
    let arrow = packages.iter().filter(|p| list(&p["dependencies"]).iter().any(asks_for_arrow));
    let with_arrow = arrow.map(|p| text(&p["name"])).collect();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in list(&metadata["resolve"]["nodes"]) {
        let built_with = |dep: &&Value| with_tests || list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev");
        uses.insert(text(&node["id"]), list(&node["deps"]).iter().filter(built_with).map(|dep| text(&dep["pkg"])).collect());
    }
    Ok(Graph { names, uses, ours, with_arrow })
}

#[test]
fn dependencies_point_one_way() -> anyhow::Result<()> {
    let graph = graph(true)?;
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut wrong = vec![];
    for id in &graph.ours {
        let name = &graph.names[id];
        let to = allowed.get(name.as_str()).with_context(|| format!("{name} is new: give it a place in EDGES"))?;
        for used in graph.uses[id].intersection(&graph.ours) {
            if !to.contains(&graph.names[used].as_str()) {
                wrong.push(format!("{name} -> {}", graph.names[used]));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that point the wrong way: {wrong:?}");
    assert_eq!(graph.ours.len(), EDGES.len(), "EDGES names crates that are gone");
    Ok(())
}

#[test]
fn light_crates_stay_light() -> anyhow::Result<()> {
    let graph = graph(false)?;
    for (name, banned) in FREE_OF {
        let start = graph.ours.iter().find(|id| graph.names[*id] == *name).with_context(|| format!("no crate {name}"))?;
        let (mut seen, mut next) = (BTreeSet::new(), vec![start.clone()]);
        while let Some(id) = next.pop() {
            if seen.insert(id.clone()) && (graph.names[&id] != "schema" || graph.with_arrow.contains(*name)) {
                next.extend(graph.uses.get(&id).into_iter().flatten().cloned());
            }
        }
        let names: BTreeSet<&str> = seen.iter().map(|id| graph.names[id].as_str()).collect();
        let found: Vec<_> = banned.iter().filter(|b| names.contains(*b)).collect();
        assert!(found.is_empty(), "{name} depends on {found:?}");
    }
    Ok(())
}

/// Files in the checkout with one of these endings, generated and foreign ones left out.
fn files(endings: &[&str]) -> anyhow::Result<Vec<String>> {
    let at = root();
    let listed = run("git", ["-C", &at.to_string_lossy(), "ls-files", "--cached", "--others", "--exclude-standard"])?;
    let wanted =
        |name: &&str| endings.iter().any(|e| name.ends_with(e)) && !name.starts_with("ui/dist/") && at.join(name).is_file();
    Ok(listed.lines().filter(wanted).map(str::to_owned).collect())
}

#[test]
fn unsafe_is_where_it_may_be() -> anyhow::Result<()> {
    let word = concat!("un", "safe");
    for name in files(&[".rs"])?.iter().filter(|name| !UNSAFE_FOLDERS.iter().any(|folder| name.starts_with(folder))) {
        let text = std::fs::read_to_string(root().join(name))?;
        for (at, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let used = [" {", " fn", " impl", " extern", "("].iter().any(|after| code.contains(&format!("{word}{after}")));
            assert!(!used, "{name}:{}: {word} outside {UNSAFE_FOLDERS:?}", at + 1);
        }
    }
    Ok(())
}

#[test]
fn each_block_in_the_kernel_folder_says_why_it_is_sound() -> anyhow::Result<()> {
    let block = concat!("un", "safe {");
    for name in files(&[".rs"])?.iter().filter(|name| name.starts_with("collector/src/kernel/")) {
        let text = std::fs::read_to_string(root().join(name))?;
        let lines: Vec<&str> = text.lines().collect();
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| line.contains(block)) {
            let before = lines[..=at].iter().rev().take(6);
            assert!(before.into_iter().any(|line| line.contains("SAFETY:")), "{name}:{}: no // SAFETY:", at + 1);
        }
    }
    Ok(())
}

#[test]
fn files_do_not_grow() -> anyhow::Result<()> {
    let mut longest = (0, String::new());
    for name in files(&[".rs", ".ts", ".tsx", ".mjs", ".css", ".py"])? {
        let lines = std::fs::read_to_string(root().join(&name))?.lines().count();
        longest = longest.max((lines, name));
    }
    let (lines, name) = longest;
    assert!(lines <= FILE_LINES_MAX, "{name} has {lines} lines, more than {FILE_LINES_MAX}: it is two rooms");
    Ok(())
}

#[test]
fn every_protocol_has_the_same_files() -> anyhow::Result<()> {
    let folder = root().join("protocol-parsers/src");
    let (mut protocols, mut tables) = (0, 0);
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with(HARNESS) {
            protocols += 1;
            tables += usize::from(path.join(TABLE_FILE).is_file());
            for file in PROTOCOL_FILES {
                assert!(path.join(file).is_file(), "{} has no {file}", path.display());
            }
        }
    }
    let registered: BTreeSet<&str> = protocol_parsers::PROTOCOLS.iter().map(|p| p.name).collect();
    assert_eq!(protocols, registered.len(), "folders and registry differ");
    assert_eq!(tables, protocol_parsers::tables().count(), "each table is declared in one folder's {TABLE_FILE}");
    Ok(())
}

/// Words of a document that look like paths of this checkout.
fn paths(document: &str, folders: &BTreeSet<String>) -> Vec<String> {
    let words = document.split(|c: char| c.is_whitespace() || "`()[]|,;\"'".contains(c));
    let is_path = |word: &&str| word.split('/').next().is_some_and(|first| word.contains('/') && folders.contains(first));
    let trimmed = words.map(|word| word.trim_end_matches(['.', ':']));
    trimmed.filter(is_path).filter(|word| !word.contains(['*', '<', '$', '…'])).map(str::to_owned).collect()
}

#[test]
fn paths_in_the_documents_exist() -> anyhow::Result<()> {
    let folders: BTreeSet<String> = std::fs::read_dir(root())?
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "target")
        .collect();
    let mut missing = vec![];
    for document in files(&["README.md"])?.iter().filter(|name| !name.starts_with("tests/captures/")) {
        let beside = root().join(Path::new(document).parent().unwrap_or(Path::new("")));
        for path in paths(&std::fs::read_to_string(root().join(document))?, &folders) {
            let there = |from: &PathBuf| from.join(&path).exists();
            if !there(&root()) && !there(&beside) {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "documents name what is not there: {missing:?}");
    Ok(())
}

#[test]
fn paths_are_found_in_text() {
    let folders = BTreeSet::from(["cli".to_owned(), "tests".to_owned()]);
    let found = paths("see `cli/src` (tests/xtask). `deploy/x`, cli/… and and/or", &folders);
    assert_eq!(found, ["cli/src", "tests/xtask"]);
}
