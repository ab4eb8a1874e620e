//! `earshot flamegraph`: a file from a running earshot.

use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use query_engine::flamegraph::Parameters;

use crate::args::FlamegraphArgs;
use crate::client::ServerArg;
use crate::exit::{Done, Failure};

pub fn flamegraph(args: FlamegraphArgs) -> Done {
    let (diff_from, diff_until) = match args.diff.as_deref() {
        Some([from, until]) => (Some(from.clone()), Some(until.clone())),
        _ => (None, None),
    };
    let parameters = Parameters {
        from: Some(args.from),
        until: Some(args.until),
        where_: args.where_,
        requests: args.requests,
        kind: Some(args.kind),
        root: Some(args.root),
        format: Some(args.format),
        diff_from,
        diff_until,
        normalize: args.normalize.then_some(true),
        frames: args.frames,
    };
    check(&parameters)?;
    write(&args.server, &parameters, args.output.as_deref())
}

/// What cannot be meant is wrong usage, whether or not an earshot runs.
pub fn check(parameters: &Parameters) -> Done {
    let read = parameters.read(now_ns());
    read.map(|_| ()).map_err(|wrong| Failure::Usage(anyhow::anyhow!("{}; {}", wrong.detail, wrong.hint)))
}

/// The flame graph that these ask for, to a file or to standard output.
pub fn write(server: &ServerArg, parameters: &Parameters, output: Option<&Path>) -> Done {
    let request = server.get("/api/v1/flamegraph").query_pairs(parameters.pairs());
    let answer = server.checked(request.call())?;
    let body = answer.into_body().into_with_config().limit(u64::MAX).read_to_vec().context("the answer ended early")?;
    match output {
        Some(path) => std::fs::write(path, body).with_context(|| format!("cannot write {}", path.display()))?,
        None => {
            let mut out = std::io::stdout().lock();
            out.write_all(&body).and_then(|()| out.flush()).map_err(anyhow::Error::from)?;
        }
    }
    Ok(())
}

fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
