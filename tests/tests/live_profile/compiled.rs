//! Compiled programs, all at once: the branches of each are seen from its root to its leaf, with their shares.

use std::process::Command;

use crate::programs::{Workshop, run_together, text};
use crate::stacks::{earshot, most, of, settle, shares};

const SECONDS: &str = "2";
const GCC: [&str; 3] = ["gcc", "-O2", "-pthread"];

/// A program, the frames of its two branches, and the function that it begins with.
struct Case {
    command: Command,
    branches: [Vec<String>; 2],
    root: &'static str,
}

impl Case {
    /// `frame` is how the language writes a function.
    fn new(mut command: Command, main: &str, root: &'static str, frame: impl Fn(&str) -> String) -> Self {
        command.arg(SECONDS);
        let branch = |names: &[&str]| [main.to_owned()].into_iter().chain(names.iter().map(|name| frame(name))).collect();
        Self { command, branches: [branch(&["alpha", "inner", "spin"]), branch(&["beta", "spin"])], root }
    }

    fn c(command: Command) -> Self {
        Self::new(command, "main", "_start", str::to_owned)
    }
}

fn c(shop: &Workshop, called: &str, flags: &[&str]) -> anyhow::Result<Case> {
    Ok(Case::c(Command::new(shop.build(&[&GCC, flags].concat(), "burn.c", called)?)))
}

/// Stripped, with its symbols in a file of their own.
fn separated(shop: &Workshop) -> anyhow::Result<Case> {
    let program = shop.build(&GCC, "burn.c", "c-separate")?;
    let program = text(&program)?;
    let symbols = shop.path("c-separate.debug");
    let symbols = text(&symbols)?;
    shop.tool("objcopy", &["--only-keep-debug", program, symbols])?;
    shop.tool("objcopy", &["--strip-all", &format!("--add-gnu-debuglink={symbols}"), program])?;
    Ok(Case::c(Command::new(program)))
}

fn loading(shop: &Workshop) -> anyhow::Result<Case> {
    let library = shop.build(&[&GCC[..], &["-shared", "-fPIC", "-DLIBRARY"]].concat(), "burn.c", "branches.so")?;
    let mut case = c(shop, "c-loading", &["-DHOST"])?;
    case.command.arg(library);
    Ok(case)
}

fn cpp(shop: &Workshop) -> anyhow::Result<Case> {
    let command = Command::new(shop.build(&["g++", "-O2"], "burn.cpp", "cpp")?);
    Ok(Case::new(command, "main", "_start", |name| format!("outer::Box<unsigned long>::{name}")))
}

fn rust(shop: &Workshop) -> anyhow::Result<Case> {
    let command = Command::new(shop.build(&["rustc", "-O"], "burn.rs", "rust")?);
    Ok(Case::new(command, "burn::main", "_start", |name| match name {
        "inner" | "spin" => format!("burn::deep::{name}"),
        name => format!("<burn::Burner as burn::Work>::{name}"),
    }))
}

fn go(shop: &Workshop, called: &str, flags: &[&str]) -> anyhow::Result<Case> {
    let command = Command::new(shop.build(&[&["go", "build"], flags].concat(), "burn.go", called)?);
    Ok(Case::new(command, "main.main", "runtime.goexit", |name| format!("main.{name}")))
}

#[test]
fn every_branch_of_compiled_programs_is_seen_from_the_root() -> anyhow::Result<()> {
    let shop = Workshop::new()?;
    let mut cases = vec![
        c(&shop, "c-pointers", &["-fno-omit-frame-pointer", "-mno-omit-leaf-frame-pointer"])?,
        c(&shop, "c-plain", &["-fomit-frame-pointer"])?,
        c(&shop, "c-static", &["-static"])?,
        c(&shop, "c-fixed", &["-no-pie"])?,
        separated(&shop)?,
        loading(&shop)?,
        cpp(&shop)?,
        rust(&shop)?,
        go(&shop, "go", &[])?,
        go(&shop, "go-stripped", &["-ldflags=-s -w"])?,
    ];
    let earshot = earshot()?;
    let mut commands: Vec<Command> =
        cases.iter_mut().map(|case| std::mem::replace(&mut case.command, Command::new(""))).collect();
    let ran = run_together(&mut commands)?;
    settle(&earshot)?;
    for ((case, command), ran) in cases.iter().zip(&commands).zip(&ran) {
        let judged = || {
            let stacks = of(&earshot, ran)?;
            let [first, second] = case.branches.each_ref().map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
            // a language's own threads, and what starts a program, are others
            most(&stacks, 20, |s| s.find(&first[..1]).is_some())?;
            let within: Vec<_> = stacks.into_iter().filter(|s| s.find(&first[..1]).is_some()).collect();
            shares(&within, &first, &second)?;
            most(&within, 5, |s| s.frames[0].starts_with(case.root)).map(|_| ())
        };
        judged().map_err(|e: anyhow::Error| e.context(format!("{command:?}")))?;
    }
    Ok(())
}

#[test]
fn inlined_functions_are_frames_where_there_is_debug_information() -> anyhow::Result<()> {
    let shop = Workshop::new()?;
    let built = |called, flag| shop.build(&[&GCC[..], &[flag]].concat(), "inlined.c", called);
    let mut commands = [built("told", "-g")?, built("untold", "-g0")?].map(|program| {
        let mut command = Command::new(program);
        command.arg(SECONDS);
        command
    });
    let earshot = earshot()?;
    let ran = run_together(&mut commands)?;
    settle(&earshot)?;
    let [told, untold] = [of(&earshot, &ran[0])?, of(&earshot, &ran[1])?];
    most(&untold, 5, |s| s.find(&["main", "outer"]).is_some() && s.find(&["middle"]).is_none())?;
    most(&told, 5, |s| s.find(&["main", "outer"]).is_some())?;
    // on a busy machine the first samples come before the debug information is read
    most(&told, 50, |s| s.find(&["main", "outer", "middle", "spin"]).is_some()).map(|_| ())
}
