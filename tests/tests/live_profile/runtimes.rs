//! Programs whose code is made, or interpreted, while they run.

use std::process::Command;

use tests::program;

use crate::programs::{Workshop, run_together, source, text};
use crate::stacks::{earshot, most, of, settle, shares};

const SECONDS: &str = "3";

#[test]
fn what_a_runtime_tells_of_its_functions_is_shown_and_the_rest_is_marked() -> anyhow::Result<()> {
    let shop = Workshop::new()?;
    shop.tool("javac", &["-d", ".", text(&source("Burn.java"))?])?;
    let mut node = Command::new(program("node")?);
    // without inlining the functions stay apart; what the runtime writes of them stays in a folder that ends with the test
    node.args(["--perf-basic-prof", "--interpreted-frames-native-stack", "--no-turbo-inlining"]).arg(source("burn.js"));
    let mut java = Command::new(program("java")?);
    java.arg("-cp").arg(shop.path("")).arg("Burn");
    let mut python = Command::new(program("python3")?);
    python.arg(source("burn.py"));
    let mut commands = [node, java, python];
    for command in &mut commands {
        command.arg(SECONDS).current_dir(shop.path(""));
    }
    let earshot = earshot()?;
    let ran = run_together(&mut commands)?;
    settle(&earshot)?;
    let [node, java, python] = [0, 1, 2].map(|at| of(&earshot, &ran[at]));
    let _ = std::fs::remove_file(format!("/tmp/perf-{}.map", ran[0].pid()?));

    let node: Vec<_> = node?.into_iter().filter(|s| s.find(&["spin"]).is_some()).collect();
    shares(&node, &["alpha", "inner", "spin"], &["beta", "spin"])?;
    most(&node, 5, |s| s.frames[0] == "_start")?;

    let known = ["JavaMain", "[anonymous code]", "start_thread", "_start"];
    most(&java?, 10, |s| known.iter().any(|name| s.find(&[name]).is_some()) || s.frames.iter().any(|f| f.starts_with('[')))?;

    let python: Vec<_> = python?.into_iter().filter(|s| s.find(&["spin"]).is_some()).collect();
    shares(&python, &["<module>", "main", "alpha", "inner", "spin"], &["<module>", "main", "beta", "spin"])?;
    most(&python, 5, |s| s.frames[0] == "_start").map(|_| ())
}
