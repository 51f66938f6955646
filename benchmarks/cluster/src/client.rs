//! A plain HTTP client on one kept connection, as cheap as it can be, so that
//! it takes little from the processes it measures. Retries nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// No write waits longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    /// The last answer, head and body.
    answer: Vec<u8>,
}

/// Who answered a read, by `X-Cache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Hit,
    Peer,
    Miss,
    /// It wasn't said.
    Unknown,
}

/// What is measured of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) source: Source,
    /// Where the body begins.
    body: usize,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, answer: Vec::with_capacity(1 << 18) })
    }

    /// Sends a request that was made before, and reads its answer to the end.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request)?;
        self.answer.clear();
        let body = loop {
            let from = self.answer.len().saturating_sub(3);
            self.read_more()?;
            if let Some(at) = self.answer[from..].windows(4).position(|end| end == b"\r\n\r\n") {
                break from + at + 4;
            }
        };
        let (answer, length) = read_head(&self.answer[..body])?;
        while self.answer.len() < body + length {
            self.read_more()?;
        }
        Ok(answer)
    }

    pub(crate) fn get(&mut self, target: &str) -> Result<Answer> {
        self.ask(&get(target))
    }

    /// Stores an image; anything but its success is an error.
    pub(crate) fn put(&mut self, key: &str, image: &[u8]) -> Result<()> {
        let answer = self.ask(&put(key, image))?;
        if !matches!(answer.status, 200 | 201) {
            bail!("{key} isn't stored: {}", String::from_utf8_lossy(self.body(answer)));
        }
        Ok(())
    }

    /// A header of the last answer.
    pub(crate) fn header(&self, answer: Answer, name: &str) -> Option<&str> {
        let head = std::str::from_utf8(&self.answer[..answer.body]).ok()?;
        let mut headers = head.split("\r\n").filter_map(|line| line.split_once(": "));
        headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body of the last answer.
    pub(crate) fn body(&self, answer: Answer) -> &[u8] {
        &self.answer[answer.body..]
    }

    fn read_more(&mut self) -> Result<()> {
        let len = self.answer.len();
        self.answer.resize(len + (1 << 17), 0);
        let read = self.stream.read(&mut self.answer[len..]);
        self.answer.truncate(len + *read.as_ref().unwrap_or(&0));
        if read? == 0 {
            bail!("the connection ended");
        }
        Ok(())
    }
}

/// The request that reads a target.
pub(crate) fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").into_bytes()
}

/// The request that reads an image.
pub(crate) fn get_image(key: &str) -> Vec<u8> {
    get(&format!("/images/{key}"))
}

/// The request that stores an image.
pub(crate) fn put(key: &str, image: &[u8]) -> Vec<u8> {
    let length = image.len();
    let head = format!(
        "PUT /images/{key} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), image].concat()
}

/// What is measured, and the body's length.
fn read_head(head: &[u8]) -> Result<(Answer, usize)> {
    let text = std::str::from_utf8(head)?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.context("there is no status")?;
    let (mut source, mut length) = (Source::Unknown, 0);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse()?;
        } else if name.eq_ignore_ascii_case("x-cache") {
            source = match value {
                "hit" => Source::Hit,
                "peer" => Source::Peer,
                "miss" => Source::Miss,
                _ => Source::Unknown,
            };
        }
    }
    Ok((Answer { status, source, body: head.len() }, length))
}
