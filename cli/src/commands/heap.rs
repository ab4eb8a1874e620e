//! `earshot heap`: has a running earshot profile the heap of a process, and writes the flame graph of it.

use anyhow::Context;
use query_engine::api::{HeapAnswer, HeapQuestion};
use query_engine::flamegraph::Parameters;

use super::flamegraph;
use crate::args::HeapArgs;
use crate::exit::{Done, Failure};

pub fn heap(args: HeapArgs) -> Done {
    let question = HeapQuestion { pid: args.pid, seconds: Some(args.for_), every_bytes: args.every };
    // what cannot be meant is said before the process is touched
    flamegraph::check(&parameters(&args, None))?;
    let body = serde_json::to_string(&question).map_err(anyhow::Error::from)?;
    let request = args.server.post("/api/v1/heap").header("Content-Type", "application/json");
    let answer = args.server.checked(request.send(body))?;
    let text = answer.into_body().read_to_string().context("the answer ended early")?;
    let seen: HeapAnswer =
        serde_json::from_str(&text).map_err(|e| Failure::Failed(anyhow::anyhow!("the answer is not understood: {e}")))?;
    tell(&seen);
    flamegraph::write(&args.server, &parameters(&args, Some(&seen)), args.output.as_deref())
}

fn parameters(args: &HeapArgs, seen: Option<&HeapAnswer>) -> Parameters {
    let live = if args.live { " AND state = 'live'" } else { "" };
    Parameters {
        from: seen.map(|seen| seen.from.clone()),
        until: seen.map(|seen| seen.until.clone()),
        where_: Some(format!("pid = {}{live}", args.pid)),
        kind: Some("heap".to_owned()),
        root: Some(args.root.clone()),
        format: Some(args.format.clone()),
        ..Parameters::default()
    }
}

/// A summary on standard error; the file is on standard output.
fn tell(seen: &HeapAnswer) {
    let HeapAnswer { allocations, allocated_bytes, frees, samples, sampled_bytes, .. } = seen;
    eprintln!("earshot: {allocations} allocations of {allocated_bytes} bytes, {frees} given back");
    let live = seen.live_bytes.map_or_else(
        || "what was given back is not seen".to_owned(),
        |live| format!("{live} bytes of them were not given back by the end"),
    );
    eprintln!("earshot: {samples} samples stand for {sampled_bytes} bytes; {live}");
    if seen.unwatched > 0 {
        eprintln!(
            "earshot: of {} samples it was not seen whether they were given back; they are told as freed",
            seen.unwatched
        );
    }
    for refused in &seen.refused {
        eprintln!("earshot: not probed: {refused}");
    }
}
