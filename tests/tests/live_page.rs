//! The page in a real browser, over an earshot that watches real requests.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tests::{Connection, Dnsmasq, Earshot, Nginx, Redis, program, root, run, run_to_end};

/// Between two requests, so that the list keeps moving while the browser looks at it.
const PAUSE: Duration = Duration::from_millis(40);

fn traffic(port: u16, done: &AtomicBool) -> anyhow::Result<()> {
    let mut connection = Connection::open(("127.0.0.1", port))?;
    for i in 0.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let status = tests::STATUSES[i % tests::STATUSES.len()];
        connection.ask(
            "POST",
            &format!("/status/{status}/{i}?page=test"),
            &[("X-Page", "test")],
            b"{\"from\": \"the test\"}",
        )?;
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

#[test]
fn every_view_in_a_browser() -> anyhow::Result<()> {
    let modules = root().join("ui/node_modules/playwright-core");
    anyhow::ensure!(modules.is_dir(), "the page's packages are not installed: 'cargo xtask ui check' installs them");
    let chromium = program("chromium")?;
    let (nginx, redis, dns) = (Nginx::start()?, Redis::start()?, Dnsmasq::start()?);
    let earshot = Earshot::start()?;
    run("redis-cli", ["-p", &redis.port.to_string(), "SET", "page", "test"])?;
    run("dig", ["-p", &dns.port.to_string(), "@127.0.0.1", "page.any.earshot.test"])?;

    let pictures = std::env::current_exe()?.with_file_name("page-pictures");
    let mut browser = Command::new(program("node")?);
    browser.current_dir(root().join("ui")).env("CHROMIUM", chromium);
    browser.arg("tests/browser.mjs").arg(earshot.url()).arg(&pictures).arg("--live");

    let done = AtomicBool::new(false);
    let port = nginx.port;
    let (ended, made) = std::thread::scope(|threads| {
        let maker = threads.spawn(|| traffic(port, &done));
        // the first rows must be there when the browser comes
        let first = earshot.rows_when(&format!("SELECT req_path FROM http_events WHERE local_port = {port}"), 20);
        let ended = first.and_then(|_| run_to_end(&mut browser, 180));
        done.store(true, Ordering::Relaxed);
        (ended, maker.join())
    });
    made.map_err(|_| anyhow::anyhow!("the client panicked"))??;
    let ended = ended?;
    anyhow::ensure!(ended.status.success(), "the browser test ended with {}: {}{}", ended.status, ended.out, ended.err);
    eprintln!("{}pictures: {}", ended.out, pictures.display());
    Ok(())
}
