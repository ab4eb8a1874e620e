//! Feeds scripts of HTTP/1 and compares their rows.

pub use crate::conversation::http::{Step, assert_rows};
use crate::conversation::{Fed, Subject, http};
use crate::{Flow, Settings, Skipped, State};

static HTTP1: Subject = http::subject(&crate::http1::PROTOCOL, |row, exchange| http::words(row, exchange, escaped));

fn escaped(value: &[u8]) -> String {
    value.escape_ascii().to_string().replace("\\\"", "\"").replace("\\\\", "\\")
}

pub fn request(bytes: impl AsRef<[u8]>) -> Step {
    Step::Bytes(Flow::ToServer, bytes.as_ref().to_vec())
}

pub fn response(bytes: impl AsRef<[u8]>) -> Step {
    Step::Bytes(Flow::ToClient, bytes.as_ref().to_vec())
}

pub fn talk(settings: &Settings, from_start: bool) -> Fed {
    HTTP1.talk_with(settings, from_start)
}

/// What a script gives, its bytes in portions of at most `portion` bytes.
pub fn run(settings: &Settings, from_start: bool, steps: &[Step], portion: usize) -> Fed {
    let mut fed = talk(settings, from_start);
    for step in steps {
        fed.turn(step, || portion);
    }
    fed
}

/// The rows of a script on a connection seen from its start; the same in whole segments and byte by byte.
#[track_caller]
pub fn check(steps: &[Step], rows: &[&str]) {
    let whole = run(&Settings::default(), true, steps, usize::MAX);
    assert_rows(&whole.rows.lines, rows);
    assert_eq!(whole.rows.skipped, [], "skipped");
    whole.rows.assert_same(&run(&Settings::default(), true, steps, 1).rows);
    let mut of_what_counts = talk(&Settings::default(), true);
    of_what_counts.passes_over = true;
    for step in steps {
        of_what_counts.turn(step, || 1);
    }
    whole.rows.assert_same(&of_what_counts.rows);
}

/// The rows and losses of a script on a connection joined or damaged.
#[track_caller]
pub fn check_damaged(from_start: bool, steps: &[Step], rows: &[&str], skipped: &[(Skipped, u64, u64)]) {
    let got = run(&Settings::default(), from_start, steps, usize::MAX);
    assert_rows(&got.rows.lines, rows);
    assert_eq!(got.rows.skipped, skipped);
}

/// The state after a script.
pub fn state(steps: &[Step]) -> State {
    run(&Settings::default(), true, steps, usize::MAX).parser.state()
}
