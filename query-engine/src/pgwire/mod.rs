//! PostgreSQL's protocol, version 3: the simple query, so that `psql` and scripts can ask.
//!
//! In: connections from this host, or, with a token as the password, from others. Out: rows as text; errors with a SQLSTATE.
//! Deliberately not here: prepared statements (answered with `feature_not_supported`), TLS, a catalogue that pretends to be
//! PostgreSQL's.

mod message;
mod value;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::api::{BindError, listen, same, until};
use crate::sql::{QUERY_BYTES_MAX, Query, QueryStream, SqlEngine};
use message::{Failure, Out};

/// Connections at once; one more is told so.
const CONNECTIONS_MAX: usize = 100;
/// How long a client may take to introduce itself.
const STARTUP_TIME_MAX: Duration = Duration::from_secs(10);
const STARTUP_BYTES_MAX: usize = 10_000;
const MESSAGE_BYTES_MAX: usize = QUERY_BYTES_MAX + 1024;
/// Bytes of rows that are collected before they are sent.
const FLUSH_BYTES: usize = 64 << 10;

const PROTOCOL_MAJOR: i32 = 3;
const CANCEL_REQUEST: i32 = 80_877_102;
const TLS_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;

/// A listening server that does not answer yet.
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    token: Option<Arc<str>>,
}

impl Server {
    /// `token` is asked for as the password; needed for an address that is not loopback.
    pub async fn bind(addr: SocketAddr, token: Option<String>) -> Result<Self, BindError> {
        let (listener, addr) = listen(addr, token.is_some()).await?;
        Ok(Self { listener, addr, token: token.map(Arc::from) })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers until `stopped` is true; connections end with it.
    pub fn serve(self, engine: SqlEngine, stopped: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        async move {
            let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
            let mut connections = tokio::task::JoinSet::new();
            let stop = until(stopped);
            tokio::pin!(stop);
            loop {
                let accepted = tokio::select! {
                    accepted = self.listener.accept() => accepted,
                    Some(_) = connections.join_next() => continue,
                    () = &mut stop => return,
                };
                let stream = match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        // out of descriptors, most likely: no use in asking again at once
                        tracing::warn!(%error, "cannot accept a connection on the PostgreSQL port");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                let _ = stream.set_nodelay(true);
                let connection = Connection { stream, engine: engine.clone(), token: self.token.clone() };
                let place = Arc::clone(&places).try_acquire_owned();
                connections.spawn(async move {
                    let served = match place {
                        Ok(_place) => connection.serve().await,
                        Err(_) => connection.refuse().await,
                    };
                    if let Err(error) = served {
                        tracing::debug!(%error, "a connection on the PostgreSQL port broke off");
                    }
                });
            }
        }
        .boxed()
    }
}

struct Connection {
    stream: TcpStream,
    engine: SqlEngine,
    token: Option<Arc<str>>,
}

fn broken(what: &'static str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what)
}

impl Connection {
    async fn refuse(mut self) -> std::io::Result<()> {
        self.send(Out::new().failure(&Failure::new("53300", format!("{CONNECTIONS_MAX} connections are open")))).await
    }

    async fn serve(mut self) -> std::io::Result<()> {
        match tokio::time::timeout(STARTUP_TIME_MAX, self.start()).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(broken("no startup message in time")),
        }
        // after an error in an extended query, everything up to Sync is skipped
        let mut skipping = false;
        loop {
            let Some((tag, body)) = self.message().await? else { return Ok(()) };
            match tag {
                b'X' => return Ok(()),
                b'S' => {
                    skipping = false;
                    self.send(Out::new().ready()).await?;
                }
                b'Q' if !skipping => self.simple_query(&body).await?,
                b'P' | b'B' | b'D' | b'E' | b'C' | b'F' if !skipping => {
                    skipping = tag != b'F';
                    let failure = Failure::new("0A000", "prepared statements and function calls are not supported yet")
                        .hint("use the simple query protocol, for example psql -c");
                    let out = Out::new().failure(&failure);
                    self.send(if skipping { out } else { out.ready() }).await?;
                }
                b'Q' | b'P' | b'B' | b'D' | b'E' | b'C' | b'F' | b'H' | b'd' | b'c' | b'f' => {}
                _ => {
                    self.send(Out::new().failure(&Failure::new("08P01", "unknown kind of message"))).await?;
                    return Err(broken("unknown kind of message"));
                }
            }
        }
    }

    /// Introductions; false when the client wanted nothing further.
    async fn start(&mut self) -> std::io::Result<bool> {
        loop {
            let length = self.stream.read_i32().await?;
            let code = self.stream.read_i32().await?;
            let rest = usize::try_from(length).unwrap_or(0).wrapping_sub(8);
            if rest > STARTUP_BYTES_MAX {
                return Err(broken("a startup message of impossible length"));
            }
            let mut body = vec![0; rest];
            self.stream.read_exact(&mut body).await?;
            match code {
                TLS_REQUEST | GSS_REQUEST => self.stream.write_all(b"N").await?,
                CANCEL_REQUEST => return Ok(false),
                _ if code >> 16 == PROTOCOL_MAJOR => return self.greet(code & 0xffff, &body).await,
                _ => {
                    self.send(Out::new().failure(&Failure::new("08P01", "only version 3 of the protocol is supported")))
                        .await?;
                    return Ok(false);
                }
            }
        }
    }

    async fn greet(&mut self, minor: i32, parameters: &[u8]) -> std::io::Result<bool> {
        let names = parameters.split(|b| *b == 0).step_by(2);
        let options: Vec<&[u8]> = names.filter(|n| n.starts_with(b"_pq_.")).collect();
        if minor > 0 || !options.is_empty() {
            self.send(Out::new().only_version_3_0(&options)).await?;
        }
        if let Some(token) = self.token.clone() {
            self.send(Out::new().ask_password()).await?;
            let given = self.message().await?;
            let right = given
                .is_some_and(|(tag, body)| tag == b'p' && same(body.strip_suffix(b"\0").unwrap_or(&body), token.as_bytes()));
            if !right {
                self.send(Out::new().failure(&Failure::new("28P01", "the password is not the configured token"))).await?;
                return Ok(false);
            }
        }
        self.send(Out::new().welcome().ready()).await?;
        Ok(true)
    }

    /// The next message; `None` when the client is gone.
    async fn message(&mut self) -> std::io::Result<Option<(u8, Vec<u8>)>> {
        let tag = match self.stream.read_u8().await {
            Ok(tag) => tag,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = usize::try_from(self.stream.read_i32().await?).unwrap_or(0).wrapping_sub(4);
        if length > MESSAGE_BYTES_MAX {
            let failure = Failure::new("54000", format!("a message has at most {MESSAGE_BYTES_MAX} bytes"));
            self.send(Out::new().failure(&failure)).await?;
            return Err(broken("a message of impossible length"));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(Some((tag, body)))
    }

    async fn send(&mut self, out: Out) -> std::io::Result<()> {
        self.stream.write_all(&out.bytes).await
    }

    async fn simple_query(&mut self, body: &[u8]) -> std::io::Result<()> {
        let Ok(text) = std::str::from_utf8(body.strip_suffix(b"\0").unwrap_or(body)) else {
            return self.send(Out::new().failure(&Failure::new("22021", "the query is not UTF-8")).ready()).await;
        };
        if text.trim_matches([' ', '\t', '\r', '\n', ';']).is_empty() {
            return self.send(Out::new().empty_query().ready()).await;
        }
        let started = self.engine.query(Query::new(text));
        let started = tokio::select! {
            started = started => started,
            () = gone(&self.stream) => return Ok(()),
        };
        match started {
            Ok(rows) => self.rows(rows).await,
            Err(error) => self.send(Out::new().failure(&error.into()).ready()).await,
        }
    }

    async fn rows(&mut self, mut rows: QueryStream) -> std::io::Result<()> {
        let mut out = Out::new().columns(rows.schema());
        let mut count = 0;
        loop {
            let batch = tokio::select! {
                batch = rows.next() => batch,
                () = gone(&self.stream) => return Ok(()),
            };
            let batch = match batch {
                None => return self.send(out.complete(count).ready()).await,
                Some(Err(error)) => return self.send(out.failure(&error.into()).ready()).await,
                Some(Ok(batch)) => batch,
            };
            let values = match value::Values::new(&batch) {
                Ok(values) => values,
                Err(error) => return self.send(out.failure(&Failure::new("XX000", error.to_string())).ready()).await,
            };
            for row in 0..batch.num_rows() {
                out = out.row(&values, row);
                count += 1;
                if out.bytes.len() >= FLUSH_BYTES {
                    self.send(std::mem::take(&mut out)).await?;
                }
            }
        }
    }
}

/// Waits until the client has closed the connection.
async fn gone(stream: &TcpStream) {
    let mut byte = [0];
    if let Ok(1) = stream.peek(&mut byte).await {
        // the next message is already here, so the client is too; it waits for its turn
        std::future::pending::<()>().await;
    }
}
