//! A small blocking HTTP client that can also break the protocol on purpose.
//! Follows nothing, retries nothing: what happened to a request must be known.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let read = serde_json::from_slice(&self.body);
        read.unwrap_or_else(|error| panic!("no JSON: {error}: {}", self.text()))
    }

    /// The whole answer as it may be searched for what must not be in it.
    pub(crate) fn everything(&self) -> String {
        format!("{:?}\n{}", self.headers, self.text())
    }
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

impl Client {
    pub(crate) fn connect(host: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_write_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream: BufReader::new(stream), host })
    }

    /// Sends a request and reads its answer.
    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut request = self.head(method, target, headers, body.len());
        request.extend_from_slice(body);
        self.write(&request)?;
        self.answer(method == "HEAD")
    }

    /// Sends and expects an answer, whatever its status.
    pub(crate) fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Answer {
        let answer = self.send(method, target, &[], body);
        answer.unwrap_or_else(|error| panic!("{method} {target} is not answered: {error}"))
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, b"")
    }

    /// The head of a request whose body has `len` bytes.
    pub(crate) fn head(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        len: usize,
    ) -> Vec<u8> {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("Host: {}\r\n", self.host));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if len > 0 || !matches!(method, "GET" | "HEAD") {
            head.push_str(&format!("Content-Length: {len}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// Sends bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish_sending(&mut self) {
        let _ = self.stream.get_mut().shutdown(std::net::Shutdown::Write);
    }

    /// Whether the server has closed the connection by now.
    pub(crate) fn is_closed_now(&mut self) -> bool {
        let waits = |client: &mut Self, waits: bool| {
            let set = client.stream.get_mut().set_nonblocking(!waits);
            set.expect("a socket can wait or not");
        };
        waits(self, false);
        let is_closed = self.is_closed();
        waits(self, true);
        is_closed
    }

    /// Whether the server has closed the connection, once everything it sent
    /// is read.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut rest = [0; 4096];
        loop {
            match self.stream.read(&mut rest) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    return !matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    );
                }
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Reads status and headers alone.
    pub(crate) fn answer_head(&mut self) -> io::Result<Answer> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| broken("no status"))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Answer { status, headers, body: Vec::new() });
            }
            let (name, value) = line.split_once(':').ok_or_else(|| broken("no header"))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// Reads an answer to its end.
    pub(crate) fn answer(&mut self, head_only: bool) -> io::Result<Answer> {
        let mut answer = self.answer_head()?;
        if head_only || matches!(answer.status, 100 | 204 | 304) {
            return Ok(answer);
        }
        if let Some(len) = answer.header("content-length") {
            let len = len.parse().map_err(|_| broken("no length"))?;
            answer.body = vec![0; len];
            self.stream.read_exact(&mut answer.body)?;
        } else if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let len = usize::from_str_radix(&self.line()?, 16).map_err(|_| broken("chunk"))?;
                let from = answer.body.len();
                answer.body.resize(from + len, 0);
                self.stream.read_exact(&mut answer.body[from..])?;
                self.line()?;
                if len == 0 {
                    break;
                }
            }
        } else {
            self.stream.read_to_end(&mut answer.body)?;
        }
        Ok(answer)
    }
}

/// The path of a key, all of it encoded, slashes too.
pub(crate) fn image_path(key: &str) -> String {
    let mut path = "/images/".to_owned();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            path.push(byte.into());
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

/// A multipart form with the fields `key` and `file`, and its content type.
pub(crate) fn form(key: &str, file: &[u8]) -> (&'static str, Vec<u8>) {
    let mut body = format!(
        "--EdGe\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n{key}\r\n--EdGe\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\
         Content-Type: image/jpeg\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--EdGe--\r\n");
    ("multipart/form-data; boundary=EdGe", body)
}
