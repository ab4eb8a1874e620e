//! An HTTP/1 client that knows what it wrote.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::Context;

/// Longest wait for a server.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// The bytes of a request; a body brings its Content-Length.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: earshot.test\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !body.is_empty() {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// In order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Without chunk framing.
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One connection, kept open between requests.
#[derive(Debug)]
pub struct Connection<S = TcpStream> {
    pub stream: S,
    unread: Vec<u8>,
}

impl Connection {
    pub fn open(address: impl ToSocketAddrs) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        stream.set_nodelay(true)?;
        Ok(Self::on(stream))
    }

    pub fn local_port(&self) -> anyhow::Result<u16> {
        Ok(self.stream.local_addr()?.port())
    }
}

impl<S: Read + Write> Connection<S> {
    pub fn on(stream: S) -> Self {
        Self { stream, unread: vec![] }
    }

    pub fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).context("cannot send")
    }

    pub fn get(&mut self, target: &str) -> anyhow::Result<Answer> {
        self.ask("GET", target, &[], b"")
    }

    pub fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<Answer> {
        self.send(&request(method, target, headers, body))?;
        self.answer(method == "HEAD")
    }

    /// Reads the next answer, an interim one too.
    pub fn answer(&mut self, without_body: bool) -> anyhow::Result<Answer> {
        let head = String::from_utf8_lossy(&self.until(b"\r\n\r\n")?).into_owned();
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status =
            first.split(' ').nth(1).and_then(|s| s.parse().ok()).with_context(|| format!("no status line: {first}"))?;
        let headers =
            lines.filter_map(|l| l.split_once(':')).map(|(k, v)| (k.to_ascii_lowercase(), v.trim().to_owned())).collect();
        let mut answer = Answer { status, headers, body: vec![] };
        if !without_body && status >= 200 && status != 204 && status != 304 {
            answer.body = self.body(&answer)?;
        }
        Ok(answer)
    }

    fn body(&mut self, head: &Answer) -> anyhow::Result<Vec<u8>> {
        if head.header("transfer-encoding") == Some("chunked") {
            let mut body = vec![];
            loop {
                let size = String::from_utf8_lossy(&self.until(b"\r\n")?).into_owned();
                let size = usize::from_str_radix(size.trim(), 16).with_context(|| format!("no chunk size: {size}"))?;
                let chunk = self.exactly(size + 2)?;
                if size == 0 {
                    return Ok(body);
                }
                body.extend_from_slice(&chunk[..size]);
            }
        }
        match head.header("content-length") {
            Some(length) => {
                let length = length.parse().with_context(|| format!("no length: {length}"))?;
                self.exactly(length)
            }
            None => {
                while self.read_more()? {}
                Ok(std::mem::take(&mut self.unread))
            }
        }
    }

    /// The bytes before `mark`, which is taken as well.
    pub fn until(&mut self, mark: &[u8]) -> anyhow::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.windows(mark.len()).position(|w| w == mark) {
                let rest = self.unread.split_off(at + mark.len());
                let mut taken = std::mem::replace(&mut self.unread, rest);
                taken.truncate(at);
                return Ok(taken);
            }
            anyhow::ensure!(self.read_more()?, "the server closed the connection early");
        }
    }

    pub fn exactly(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        while self.unread.len() < length {
            anyhow::ensure!(self.read_more()?, "the server closed the connection early");
        }
        let rest = self.unread.split_off(length);
        Ok(std::mem::replace(&mut self.unread, rest))
    }

    fn read_more(&mut self) -> anyhow::Result<bool> {
        let mut buffer = [0; 65536];
        let n = self.stream.read(&mut buffer).context("cannot read from the server")?;
        self.unread.extend_from_slice(&buffer[..n]);
        Ok(n > 0)
    }
}
