//! `earshot sql`: asks a running earshot.

use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;

use anyhow::Context;
use arrow::ipc::reader::StreamReader;
use query_engine::format::{Encoder, Format};
use query_engine::sql::SqlError;

use crate::args::SqlArgs;
use crate::client::problem;
use crate::exit::{Done, Failure};

/// Longest query text from standard input.
const QUERY_BYTES_MAX: u64 = 4 << 20;

/// An error of the SQL engine with its place and hint.
pub fn explained(error: &SqlError) -> anyhow::Error {
    let place = error.place.as_ref().map(|p| format!(" (line {}, column {})", p.line, p.column)).unwrap_or_default();
    let hint = error.hint.as_ref().map(|h| format!("; {h}")).unwrap_or_default();
    anyhow::anyhow!("{}{place}{hint}", error.message)
}

pub fn sql(args: SqlArgs) -> Done {
    let query = if args.query == "-" {
        let mut text = String::new();
        std::io::stdin()
            .take(QUERY_BYTES_MAX)
            .read_to_string(&mut text)
            .context("cannot read the query from standard input")?;
        text
    } else {
        args.query.clone()
    };
    if args.follow {
        return follow(&args, &query);
    }
    loop {
        ask(&args, &query)?;
        let Some(seconds) = args.watch else { return Ok(()) };
        std::thread::sleep(
            Duration::try_from_secs_f64(seconds).map_err(|_| Failure::Usage(anyhow::anyhow!("--watch takes seconds")))?,
        );
    }
}

fn ask(args: &SqlArgs, query: &str) -> Done {
    let format = args.format.chosen();
    // a table's widths depend on all rows, so it is laid out here
    let wire = if format == Format::Table { Format::Arrow } else { format };
    let request = args.server.post("/api/v1/sql").header("Accept", wire.media_type());
    let body = serde_json::json!({ "query": query }).to_string();
    let answer = args.server.checked(request.header("Content-Type", "application/json").send(body))?;
    let body = answer.into_body().into_with_config().limit(u64::MAX).reader();
    if format == Format::Table { table(body) } else { copy(body, format) }
}

fn table(body: impl Read) -> Done {
    let reader = StreamReader::try_new(BufReader::new(body), None).context("the answer is damaged")?;
    let mut encoder = Encoder::new(Format::Table, &reader.schema()).map_err(anyhow::Error::from)?;
    let mut out = std::io::stdout().lock();
    for batch in reader {
        let batch = batch.context("the answer ended early: the query failed")?;
        out.write_all(&encoder.batch(&batch).map_err(anyhow::Error::from)?).map_err(anyhow::Error::from)?;
    }
    out.write_all(&encoder.finish().map_err(anyhow::Error::from)?).map_err(anyhow::Error::from)?;
    Ok(out.flush().map_err(anyhow::Error::from)?)
}

/// Passes the answer on; an error that came after the first rows is its last line.
fn copy(mut body: impl Read, format: Format) -> Done {
    let mut out = std::io::stdout().lock();
    if format != Format::Json {
        std::io::copy(&mut body, &mut out).context("the answer ended early: the query failed")?;
        return Ok(out.flush().map_err(anyhow::Error::from)?);
    }
    let mut body = BufReader::new(body);
    let mut line = vec![];
    while body.read_until(b'\n', &mut line).context("the answer ended early")? > 0 {
        if line.starts_with(b"{\"error\":{")
            && let Ok(value) = serde_json::from_slice::<serde_json::Value>(&line)
            && let Some(text) = value.get("error").and_then(|e| problem(&e.to_string()))
        {
            return Err(Failure::Failed(anyhow::anyhow!("{text}")));
        }
        out.write_all(&line).map_err(anyhow::Error::from)?;
        line.clear();
    }
    Ok(out.flush().map_err(anyhow::Error::from)?)
}

fn follow(args: &SqlArgs, query: &str) -> Done {
    let request = args.server.get("/api/v1/stream").query("query", query).header("Accept", "text/event-stream");
    let answer = args.server.checked(request.call())?;
    let body = answer.into_body().into_with_config().limit(u64::MAX).reader();
    let mut out = std::io::stdout().lock();
    for line in BufReader::new(body).lines() {
        let line = line.context("earshot ended the stream")?;
        if let Some(row) = line.strip_prefix("data:") {
            writeln!(out, "{}", row.trim_start()).and_then(|()| out.flush()).map_err(anyhow::Error::from)?;
        }
    }
    Ok(())
}
