//! Programs that a test starts: found, ended with the test, and named when they fail.

use std::ffi::OsStr;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(20);
/// How long a program may take to end after SIGTERM before it is killed.
const END_TIME_MAX: Duration = Duration::from_secs(10);

/// The path of a program, or how to get it.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let mut candidates = folders.map(|folder: PathBuf| folder.join(name));
    candidates
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not installed: 'cargo xtask setup --live' installs it"))
}

/// Whether this is root, which capturing and some of the tests' own tricks need.
pub fn is_root() -> bool {
    run("id", ["-u"]).is_ok_and(|id| id.trim() == "0")
}

/// A port of 127.0.0.1 that nobody listens on.
pub fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// Waits until `done` gives something; `what` is waited for.
pub fn wait_until<T>(seconds: u64, what: &str, mut done: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        if let Some(value) = done() {
            return Ok(value);
        }
        anyhow::ensure!(started.elapsed() < Duration::from_secs(seconds), "waited {seconds} s in vain for {what}");
        std::thread::sleep(LOOK);
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

impl Ended {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// Runs a command to its end, which must come within `seconds`.
pub fn run_to_end(command: &mut Command, seconds: u64) -> anyhow::Result<Ended> {
    let folder = tempfile::tempdir().context("cannot create a folder")?;
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let started = Instant::now();
    command.stdout(File::create(&out)?).stderr(File::create(&err)?);
    let mut child = command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let what = format!("the end of {}", command.get_program().display());
    let status = match wait_until(seconds, &what, || child.try_wait().transpose()) {
        Ok(status) => status?,
        Err(late) => {
            child.kill()?;
            child.wait()?;
            return Err(late);
        }
    };
    let text = |path: &Path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Ended { status, out: text(&out)?, err: text(&err)?, took: started.elapsed() })
}

/// How long a client may take that is only waited for.
const CLIENT_SECONDS_MAX: u64 = 60;

/// Runs a client to its successful end and gives what it printed.
pub fn run<S: AsRef<OsStr>>(name: &str, args: impl IntoIterator<Item = S>) -> anyhow::Result<String> {
    succeed(Command::new(program(name)?).args(args))
}

/// A client with nothing on standard input, to its successful end; what it printed.
pub fn succeed(command: &mut Command) -> anyhow::Result<String> {
    let ended = finish(command)?;
    let name = command.get_program().display();
    anyhow::ensure!(ended.status.success(), "{name} ended with {}: {}{}", ended.status, ended.out, ended.err);
    Ok(ended.out)
}

/// A client with nothing on standard input, to its end.
pub fn finish(command: &mut Command) -> anyhow::Result<Ended> {
    run_to_end(command.stdin(Stdio::null()), CLIENT_SECONDS_MAX)
}

/// A program that runs beside the test and ends with it, even when the test is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    folder: PathBuf,
}

impl Process {
    /// Starts `command`; what it prints goes to files in `folder`.
    pub fn start(command: &Command, folder: &Path) -> anyhow::Result<Self> {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut wrapped = Command::new(program("setpriv")?);
        wrapped.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(key, value),
                None => wrapped.env_remove(key),
            };
        }
        wrapped.stdin(Stdio::null());
        wrapped.stdout(File::create(folder.join("out"))?).stderr(File::create(folder.join("err"))?);
        let child = wrapped.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { child, name, folder: folder.to_owned() })
    }

    /// The program's own: what starts it turns into it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn out(&self) -> String {
        std::fs::read_to_string(self.folder.join("out")).unwrap_or_default()
    }

    pub fn err(&self) -> String {
        std::fs::read_to_string(self.folder.join("err")).unwrap_or_default()
    }

    /// Waits until `done` gives something, as long as the program runs.
    pub fn wait_until<T>(&mut self, seconds: u64, what: &str, mut done: impl FnMut(&Self) -> Option<T>) -> anyhow::Result<T> {
        let started = Instant::now();
        loop {
            if let Some(value) = done(self) {
                return Ok(value);
            }
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("{} ended with {status} before {what}: {}{}", self.name, self.out(), self.err());
            }
            let late = started.elapsed() >= Duration::from_secs(seconds);
            anyhow::ensure!(!late, "waited {seconds} s in vain for {what} of {}: {}{}", self.name, self.out(), self.err());
            std::thread::sleep(LOOK);
        }
    }

    pub fn signal(&self, signal: &str) -> anyhow::Result<()> {
        run("sh", ["-c", &format!("kill -{signal} {}", self.pid())]).map(|_| ())
    }

    /// Asks the program to end; how it did, and how long that took.
    pub fn end(&mut self, signal: &str) -> anyhow::Result<(ExitStatus, Duration)> {
        if let Some(status) = self.child.try_wait()? {
            return Ok((status, Duration::ZERO));
        }
        let asked = Instant::now();
        self.signal(signal)?;
        let status =
            wait_until(END_TIME_MAX.as_secs(), &format!("the end of {}", self.name), || self.child.try_wait().transpose())??;
        Ok((status, asked.elapsed()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // a server may have children, which only it can end
        if self.end("TERM").is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
