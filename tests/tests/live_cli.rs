//! The command line: exit codes, messages, formats, and what is left behind.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};
use tests::{AnswerServer, Calls, Earshot, Ended, Process, Serving, command, compare, free_port, program, root, run_to_end};

/// `earshot ARGS` to its end.
fn earshot(args: &[&str]) -> anyhow::Result<Ended> {
    ended(&mut command(args)?)
}

fn ended(command: &mut Command) -> anyhow::Result<Ended> {
    let ended = run_to_end(command, 30)?;
    anyhow::ensure!(!ended.err.contains("panicked at"), "it panicked: {}", ended.err);
    Ok(ended)
}

/// The exit code, and what the message must say.
fn expect(ended: &Ended, code: i32, says: &str) -> anyhow::Result<()> {
    anyhow::ensure!(ended.code() == Some(code), "ended with {} instead of {code}: {}{}", ended.status, ended.out, ended.err);
    anyhow::ensure!(ended.err.contains(says), "the message does not say {says}: {}", ended.err);
    Ok(())
}

fn capture(name: &str) -> anyhow::Result<PathBuf> {
    let path = root().join("tests/captures").join(name);
    path.canonicalize().with_context(|| format!("no {}", path.display()))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// `earshot run` with a port and a folder that are free; more arguments win.
fn run_args<'a>(folder: &'a str, listen: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--listen", listen, "--pg-listen", "127.0.0.1:0", "--data-dir", folder], more].concat()
}

/// The command as nobody, with a copy of the binary that nobody can reach.
fn as_nobody(folder: &Path, args: &[&str]) -> anyhow::Result<Command> {
    let copy = folder.join("earshot");
    std::fs::copy(tests::binary()?, &copy)?;
    for path in [folder, &copy] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    }
    let mut command = Command::new(program("setpriv")?);
    command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]);
    command.arg(copy).args(args).current_dir("/").env("HOME", "/nonexistent");
    Ok(command)
}

#[test]
fn wrong_usage_is_2_and_help_has_examples() -> anyhow::Result<()> {
    for args in [
        &["listen"][..],
        &["--no-such"],
        &["run", "--listen", "nonsense"],
        &["replay"],
        &["sql"],
        &["sql", "SELECT 1", "--format", "xml"],
        &["record"],
        &["flamegraph", "--format", "xml"],
        &["flamegraph", "--from", "yesterday-ish"],
        &["flamegraph", "--from", "-1m", "--until", "-2m"],
        &["flamegraph", "--root", "host"],
    ] {
        let done = earshot(args)?;
        expect(&done, 2, "")?;
        assert!(done.out.is_empty() && !done.err.is_empty(), "{args:?}: {done:?}");
    }
    for name in ["run", "replay", "record", "sql", "flamegraph", "doctor", "tables"] {
        let help = earshot(&[name, "--help"])?;
        expect(&help, 0, "")?;
        assert!(help.out.contains(&format!("earshot {name}")) && help.out.contains("Example"), "{name}: {}", help.out);
    }
    Ok(())
}

#[test]
fn what_cannot_start_says_why() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let taken = listener.local_addr()?.to_string();
    expect(&earshot(&run_args(text(&data), &taken, &[]))?, 1, &taken)?;

    let file = folder.path().join("a-file");
    std::fs::write(&file, "")?;
    expect(&earshot(&run_args(text(&file.join("data")), "127.0.0.1:0", &[]))?, 1, "a-file")?;

    expect(&earshot(&run_args(text(&data), "0.0.0.0:0", &[]))?, 2, "token")?;
    let config = folder.path().join("earshot.toml");
    std::fs::write(&config, "memory_mib = \"much\"\n")?;
    expect(&earshot(&run_args(text(&data), "127.0.0.1:0", &["--config", text(&config)]))?, 2, "memory_mib")?;
    std::fs::write(&config, "no_such_key = 1\n")?;
    expect(&earshot(&run_args(text(&data), "127.0.0.1:0", &["--config", text(&config)]))?, 2, "no_such_key")
}

#[test]
fn without_privileges() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let refused = ended(&mut as_nobody(folder.path(), &run_args(text(&data), "127.0.0.1:0", &[]))?)?;
    expect(&refused, 5, "CAP_BPF")?;
    let told = ended(&mut as_nobody(folder.path(), &["doctor"])?)?;
    expect(&told, 1, "")?;
    assert!(told.out.contains("CAP_BPF"), "{}", told.out);

    let file = folder.path().join("http.pcap");
    std::fs::copy(capture("http/httpv1.pcap")?, &file)?;
    let query = ["replay", text(&file), "--format", "json", "--sql", "SELECT req_method, resp_status FROM http_events"];
    let replayed = ended(&mut as_nobody(folder.path(), &query)?)?;
    expect(&replayed, 0, "")?;
    assert_eq!(replayed.out, "{\"req_method\":\"POST\",\"resp_status\":200}\n");

    let listen = format!("127.0.0.1:{}", free_port()?);
    let serving = as_nobody(folder.path(), &run_args(text(&data), &listen, &["--no-probes"]))?;
    let mut serving = Process::start(&serving, folder.path())?;
    serving.wait_until(20, "the ready line", |p| p.out().starts_with("earshot ready: ").then_some(()))?;
    let answer = earshot(&["sql", "--url", &format!("http://{listen}"), "--format", "csv", "SELECT 1 AS n"])?;
    expect(&answer, 0, "")?;
    assert_eq!(answer.out, "n\n1\n");
    Ok(())
}

#[test]
fn without_the_kernels_types() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let binary = tests::binary()?;
    // a mount namespace of its own, in which the kernel seems to have no BTF
    let hidden = |arguments: &str| -> anyhow::Result<Ended> {
        let script = format!("mount -t tmpfs none /sys/kernel/btf && exec {} {arguments}", binary.display());
        ended(Command::new(program("unshare")?).args(["--mount", "sh", "-c", &script]))
    };
    let run = hidden(&run_args(text(folder.path()), "127.0.0.1:0", &[]).join(" "))?;
    expect(&run, 1, "/sys/kernel/btf/vmlinux")?;
    let doctor = hidden("doctor")?;
    expect(&doctor, 1, "does not work here")?;
    anyhow::ensure!(doctor.out.contains("CONFIG_DEBUG_INFO_BTF"), "no advice: {}", doctor.out);
    Ok(())
}

#[test]
fn asking_and_being_refused() -> anyhow::Result<()> {
    let nobody = format!("127.0.0.1:{}", free_port()?);
    expect(&earshot(&["sql", "--url", &format!("http://{nobody}"), "SELECT 1"])?, 4, &nobody)?;

    let running = Earshot::start()?;
    let url = running.url();
    let wrong = earshot(&["sql", "--url", &url, "SELECT no_such_column FROM http_events"])?;
    expect(&wrong, 1, "no_such_column")?;
    assert!(wrong.err.contains("line 1, column 8") && wrong.out.is_empty(), "{wrong:?}");

    let query = "SELECT 1 AS a, 'x,\"y\"' AS b UNION ALL SELECT 2, NULL ORDER BY a";
    let lines = earshot(&["sql", "--url", &url, "--format", "json", query])?.out;
    let rows: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(rows, [json!({ "a": 1, "b": "x,\"y\"" }), json!({ "a": 2, "b": null })]);
    assert_eq!(earshot(&["sql", "--url", &url, "--format", "csv", query])?.out, "a,b\n1,\"x,\"\"y\"\"\"\n2,\n");
    let table = earshot(&["sql", "--url", &url, "--format", "table", query])?.out;
    assert!(table.lines().count() >= 4 && table.contains("x,\"y\""), "{table}");

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("query.sql");
    std::fs::write(&file, "SELECT 7 AS n")?;
    let mut piped = command(&["sql", "--url", &url, "--format", "csv", "-"])?;
    assert_eq!(ended(piped.stdin(std::fs::File::open(&file)?))?.out, "n\n7\n");
    Ok(())
}

#[test]
fn damaged_captures_give_what_stands_before_the_damage() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let whole = std::fs::read(capture("http/sw8.pcap")?)?;
    let query = |file: &Path| earshot(&["replay", text(file), "--format", "json", "--sql", "SELECT req_path FROM http_events"]);
    let rows = query(&capture("http/sw8.pcap")?)?.out.lines().count();
    assert_eq!(rows, 3);
    for (name, bytes) in [
        ("empty.pcap", &[][..]),
        ("text.pcap", b"this is no capture at all"),
        ("cut.pcap", &whole[..whole.len() - 5]),
        ("no-header.pcap", &whole[..10]),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes)?;
        let done = query(&file)?;
        expect(&done, 3, name)?;
        assert_eq!(done.out.lines().count(), if name == "cut.pcap" { 3 } else { 0 }, "{name}: {}", done.out);
    }
    expect(&query(&folder.path().join("none.pcap"))?, 1, "none.pcap")?;
    expect(&earshot(&["tables", "no_such_table"])?, 1, "no_such_table")?;
    let catalogue = earshot(&["tables", "http_events"])?;
    assert!(catalogue.out.contains("req_path") && catalogue.out.contains("latency_ns"), "{}", catalogue.out);
    Ok(())
}

#[test]
fn rows_survive_a_restart() -> anyhow::Result<()> {
    let server = AnswerServer::start(Calls::default(), Serving::Here)?;
    let first = Earshot::start()?;
    let mut connection = server.connect()?;
    let mut expected = vec![];
    for i in 0..100 {
        connection.get(&format!("/{i}"))?;
        expected.push(json!({ "req_path": format!("/{i}"), "resp_status": 200, "pid": server.pid() }));
    }
    // at once: the rows of the last moment are drained and kept
    let (status, took, folder) = first.stop()?;
    assert_eq!(status.code(), Some(0));
    assert!(took.as_secs_f64() < 5.0, "it took {took:?}");
    let second = Earshot::start_in(folder, &["--no-probes"])?;
    let rows =
        second.rows(&format!("SELECT req_path, resp_status, pid FROM http_events WHERE local_port = {}", server.port))?;
    compare(&expected, &rows)?;
    let (status, _, _folder) = second.stop()?;
    assert_eq!(status.code(), Some(0));
    Ok(())
}

#[test]
fn a_recording_replays_to_the_same_rows() -> anyhow::Result<()> {
    let server = AnswerServer::start(Calls::default(), Serving::Here)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("recording");
    let mut recorder = Process::start(&command(&["record", text(&file)])?, folder.path())?;
    recorder.wait_until(20, "its start", |p| p.err().contains("recording").then_some(()))?;
    let mut connection = server.connect()?;
    let mut expected = vec![];
    for i in 0..20 {
        connection.get(&format!("/{i}"))?;
        expected.push(json!({ "req_path": format!("/{i}"), "resp_status": 200, "resp_body_bytes": 0 }));
    }
    let (status, took) = recorder.end("INT")?;
    assert!(status.success() && took.as_secs_f64() < 5.0, "{status} after {took:?}");
    let query = format!("SELECT req_path, resp_status, resp_body_bytes FROM http_events WHERE local_port = {}", server.port);
    let replayed = earshot(&["replay", text(&file), "--format", "json", "--sql", &query])?;
    expect(&replayed, 0, "")?;
    let rows: Vec<Value> = replayed.out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    Ok(compare(&expected, &rows)?)
}
