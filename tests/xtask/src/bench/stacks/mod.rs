//! earshot's stacks against those of `perf record --call-graph dwarf`, both taken of the same run.
//!
//! They take their samples at different moments, so that no two stacks are the same sample: what is compared is each frame with
//! its caller. A frame of earshot's agrees when perf too has seen it under that caller; it cannot be compared where perf has never
//! seen who calls it. Only user frames are looked at: the kernel unwinds its own for both. A program with many functions has frames
//! that two profilers do not both see in a short time: how many these are is told by each of perf's samples against its others. What
//! earshot saw so often that perf would have seen it, too, if it were there, is no chance, and counted by itself.

mod names;
mod pairs;
mod perf;
mod programs;

use std::path::Path;

use serde_json::{Value, json};

use super::Wanted;
use super::agent::Agent;
use super::placement::Placement;
use super::report::{Section, whole};
use crate::place::Place;
use pairs::{Compared, Stacks};
use perf::Perf;

/// Of both.
pub const HZ: u32 = 299;
/// In place of the callers of a frame that lie behind what was copied of the stack.
const STACK_CUT: &str = "[stack cut]";
/// Pairs that are shown for each program.
const SHOWN: usize = 6;

pub fn measure(place: &Place, earshot: &Path, wanted: &Wanted) -> anyhow::Result<Section> {
    let placement = Placement::find();
    let agent = Agent::start_with(earshot, &["--profile-hz", &HZ.to_string()])?;
    let (mut rows, mut figures, mut notes) = (vec![], vec![], vec![]);
    for mut program in programs::all(place, &placement)? {
        let since = agent.now()?;
        let perf = Perf::start()?;
        (program.run)(wanted.seconds)?;
        let until = agent.now()?;
        let theirs = perf.stacks(program.thread)?;
        let ours = ours(&agent, program.thread, (&since, &until))?;
        let (compared, chance) = (Compared::of(&ours, &theirs), Compared::with_itself(&theirs));
        let row = vec![
            program.name.to_owned(),
            whole(ours.samples() as f64),
            whole(theirs.samples() as f64),
            format!("{:.2} %", compared.percent()),
            format!("{:.2} %", chance.percent()),
            whole(compared.agreed as f64),
            whole(compared.differed() as f64),
            whole(compared.certain as f64),
            whole(compared.unknown as f64),
        ];
        eprintln!("{}", row.join(", "));
        rows.push(row);
        notes.extend(compared.worst(SHOWN).map(|told| format!("{}: {told}", program.name)));
        figures.push(json!({ "program": program.name, "samples": ours.samples(), "perf_samples": theirs.samples(),
            "perf_with_itself": { "agreed": chance.agreed, "differed": chance.differed() }, "agreed": compared.agreed, "differed": compared.differed(), "beyond_chance": compared.certain, "unknown": compared.unknown }));
    }
    agent.stop()?;
    Ok(Section {
        title: "Frames that agree with perf's",
        head: vec![
            "program",
            "samples",
            "perf's samples",
            "agreement",
            "perf's with itself",
            "frames that agree",
            "differ",
            "beyond chance",
            "cannot be compared",
        ],
        rows,
        notes,
        figures: Value::Array(figures),
    })
}

/// earshot's samples of threads of this name while perf took its own, too.
fn ours(agent: &Agent, thread: &str, (since, until): (&str, &str)) -> anyhow::Result<Stacks> {
    let whose = format!(
        "FROM stack_samples s WHERE s.kind = 'on_cpu' AND s.thread_name = '{thread}' AND s.time >= '{since}' AND s.time < '{until}'"
    );
    agent.settled(&format!("SELECT count(*) AS n {whose}"))?;
    let rows = agent.rows(&format!(
        "SELECT t.frames AS frames, s.samples AS samples FROM (SELECT s.stack_id, count(*) AS samples {whose} GROUP BY s.stack_id) s
         LEFT JOIN stacks t ON s.stack_id = t.stack_id"
    ))?;
    let mut stacks = Stacks::default();
    for row in rows {
        let frames = row["frames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        // perf writes nothing where what it copied ends
        let frames = frames.filter(|frame| *frame != STACK_CUT);
        stacks.add(frames, row["samples"].as_u64().unwrap_or_default());
    }
    Ok(stacks)
}
