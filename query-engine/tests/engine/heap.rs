//! `POST /api/v1/heap`, with somebody who profiles nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use query_engine::api::{HeapAnswer, HeapProfiler, HeapQuestion, HeapRefusal, HeapRun, Server, ServerConfig};
use query_engine::sql::Limits;
use serde_json::json;
use tokio::sync::watch;

use crate::api::{Answer, ask};
use crate::fixture::engine;

const NOBODY: u32 = 7;
const ENDED: u32 = 8;

/// Knows one process, which has ended; counts what was begun and not yet left.
#[derive(Default)]
struct Profiler(Arc<AtomicU32>);

struct Run(Arc<AtomicU32>);

impl Drop for Run {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HeapProfiler for Profiler {
    fn start(&self, question: HeapQuestion) -> Result<Box<dyn HeapRun>, HeapRefusal> {
        match question.pid {
            NOBODY => return Err(HeapRefusal::NoProcess("no process has the number 7".to_owned())),
            ENDED => {}
            _ => return Err(HeapRefusal::Busy("another's heap is being profiled".to_owned())),
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Run(self.0.clone())))
    }
}

impl HeapRun for Run {
    fn is_over(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>) -> HeapAnswer {
        HeapAnswer { pid: ENDED, samples: 3, live_bytes: None, ..HeapAnswer::default() }
    }
}

/// The answers to these bodies, in their order.
async fn answers(heap: Option<Arc<dyn HeapProfiler>>, bodies: &[&str]) -> Vec<Answer> {
    let config = ServerConfig { heap, ..ServerConfig::default() };
    let server = Server::bind("127.0.0.1:0".parse().expect("an address"), config).await.expect("a port");
    let (addr, (stop, stopped)) = (server.addr(), watch::channel(false));
    let served = tokio::spawn(server.serve(engine(0, Limits::default()), stopped));
    let mut answers = vec![];
    for body in bodies {
        answers.push(ask(addr, "POST", "/api/v1/heap", &[("Content-Type", "application/json")], body.as_bytes()).await);
    }
    stop.send(true).expect("it is served");
    served.await.expect("it ends").expect("it ends well");
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heap_is_profiled_by_who_can() {
    let begun = Arc::new(AtomicU32::new(0));
    let profiler: Arc<dyn HeapProfiler> = Arc::new(Profiler(begun.clone()));
    let bodies = [
        r#"{"pid": 8, "seconds": 60}"#,
        r#"{"pid": 7}"#,
        r#"{"pid": 9}"#,
        r#"{"pid": 8, "seconds": 61}"#,
        r#"{"pid": 8, "seconds": 0}"#,
        r#"{"pid": 8, "minutes": 1}"#,
        "",
    ];
    let told = answers(Some(profiler), &bodies).await;
    let statuses: Vec<u16> = told.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 404, 409, 400, 400, 400, 400]);
    let seen = told[0].json();
    assert_eq!((&seen["pid"], &seen["samples"], &seen["live_bytes"]), (&json!(8), &json!(3), &json!(null)));
    assert!(told[1].text().contains("no process has the number 7"), "{}", told[1].text());
    assert!(told[3].text().contains("from 1 to 60"), "{}", told[3].text());
    assert_eq!(begun.load(Ordering::Relaxed), 0, "what is finished is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_captured_no_heap_is_profiled() {
    let told = answers(None, &[r#"{"pid": 8}"#]).await;
    assert_eq!(told[0].status, 503);
    assert!(told[0].text().contains("captures nothing"), "{}", told[0].text());
}
