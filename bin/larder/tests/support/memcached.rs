//! A mem-cache server and a client of memcached's protocol that says lines and
//! reads lines.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::{PATIENCE, Process, address_in, larder};

/// A `larder cache` that answers.
pub(crate) struct Cellar {
    pub(crate) process: Process,
    pub(crate) memcached: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Cellar {
    /// Starts on free ports and waits until it is ready.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = larder();
        command.args(["cache", "--memcached-listen", "127.0.0.1:0", "--debug-commands"]);
        command.args(["--cache-listen", "127.0.0.1:0"]).args(arguments);
        let mut process = Process::spawn(&mut command);
        let announcement = process.announcement();
        let http = address_in(&announcement, "mem-cache");
        let memcached = memcached_in(&announcement);
        Self { process, memcached, http }
    }

    /// A new connection.
    pub(crate) fn talk(&self) -> Talk<TcpStream> {
        Talk::to(self.memcached)
    }

    /// Its resident memory in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid()));
        let status = status.expect("a running process has a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = |line: &str| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok();
        1024 * line.and_then(number).unwrap_or_else(|| panic!("no memory in:\n{status}"))
    }

    /// A figure of `stats`.
    pub(crate) fn figure(&self, name: &str) -> u64 {
        let mut talk = self.talk();
        talk.say("stats");
        let lines = talk.lines_until("END");
        let line = lines.iter().find_map(|line| line.strip_prefix(&format!("STAT {name} ")));
        line.and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("no {name}: {lines:?}"))
    }
}

/// Where an announcement says that memcached's protocol is spoken.
pub(crate) fn memcached_in(announcement: &str) -> SocketAddr {
    let line = announcement.lines().find(|line| line.trim().starts_with("memcached"));
    let address = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    address.unwrap_or_else(|| panic!("no memcached in:\n{announcement}"))
}

/// One connection.
pub(crate) struct Talk<S: Read + Write> {
    pub(crate) stream: BufReader<S>,
}

impl Talk<TcpStream> {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("a ready server accepts"))
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time that isn't 0");
        Self { stream: BufReader::new(stream) }
    }
}

impl<S: Read + Write> Talk<S> {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("the server reads");
    }

    /// Says lines.
    pub(crate) fn say(&mut self, text: &str) {
        self.send(format!("{text}\r\n").replace('|', "\r\n").as_bytes());
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the server answers");
        let Some(text) = line.strip_suffix("\r\n") else { panic!("no line: {line:?}") };
        text.to_owned()
    }

    pub(crate) fn lines_until(&mut self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            if line == last {
                return lines;
            }
            lines.push(line);
        }
    }

    /// Says lines and expects lines; `|` ends one in both.
    pub(crate) fn expect(&mut self, said: &str, answer: &str) {
        self.say(said);
        for expected in answer.split('|') {
            assert_eq!(self.line(), expected, "after {said:?}");
        }
    }

    /// What `gets` says of a key.
    pub(crate) fn cas(&mut self, key: &str) -> u64 {
        self.say(&format!("gets {key}"));
        let lines = self.lines_until("END");
        let cas = lines.first().and_then(|line| line.rsplit(' ').next()?.parse().ok());
        cas.unwrap_or_else(|| panic!("no version of {key}: {lines:?}"))
    }

    /// Whether the server hung up.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.stream.fill_buf(), Ok([]) | Err(_))
    }
}
