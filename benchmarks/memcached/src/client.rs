//! One thread that keeps requests under way on many connections. Answers are
//! counted, and large ones dropped in the kernel, so that the client costs less
//! than the server.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::net::RecvFlags;
use rustix::time::{ClockId, clock_gettime};

use crate::dialect::Dialect;
use crate::server::Server;

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) size: usize,
    pub(crate) keys: usize,
    pub(crate) depth: usize,
    pub(crate) connections: usize,
}

/// What came of it in a window of time.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) rate: f64,
    pub(crate) cpu_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// The client's own processor time, as a part of one core's.
    pub(crate) client_share: f64,
}

struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    sent: usize,
    awaited: usize,
    since: Instant,
}

/// All connections to one server.
pub(crate) struct Client {
    poll: Poll,
    connections: Vec<Connection>,
    load: Load,
    dialect: Dialect,
    value: Vec<u8>,
    dice: u64,
    count: u64,
    buffer: Vec<u8>,
    times: Vec<f64>,
}

/// Keeps this process on some cores.
pub(crate) fn pin_to(cores: &[usize]) -> Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    for &core in cores {
        set.set(core);
    }
    rustix::thread::sched_setaffinity(None, &set).context("two cores are needed")?;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
    Ok(())
}

impl Client {
    /// Puts all keys and connects.
    pub(crate) fn connect(server: &Server, load: Load) -> Result<Self> {
        let value = vec![b'x'; load.size];
        preload(server, load, &value)?;
        let poll = Poll::new()?;
        let mut connections = Vec::new();
        for number in 0..load.connections {
            let stream = std::net::TcpStream::connect(server.address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(number), interest)?;
            let since = Instant::now();
            connections.push(Connection { stream, out: Vec::new(), sent: 0, awaited: 0, since });
        }
        Ok(Self {
            poll,
            connections,
            load,
            dialect: server.dialect,
            value,
            dice: 88_172_645_463_325_252,
            count: 0,
            buffer: vec![0; 1 << 18],
            times: Vec::new(),
        })
    }

    /// Asks for so long.
    pub(crate) fn run(&mut self, server: &Server, length: Duration) -> Result<Window> {
        self.times.clear();
        let (before, since) = (server.processor_seconds()?, Instant::now());
        let own_before = processor_time();
        let end = since + length;
        for number in 0..self.connections.len() {
            self.begin(number)?;
        }
        let mut answered = 0_u64;
        let mut open = self.connections.len();
        let mut events = Events::with_capacity(1024);
        while open > 0 {
            self.poll.poll(&mut events, Some(Duration::from_secs(10)))?;
            if events.is_empty() {
                bail!("{} doesn't answer", server.name);
            }
            for event in &events {
                let number = event.token().0;
                if self.connections[number].awaited == 0 {
                    continue;
                }
                self.write(number)?;
                if self.read(number)? {
                    answered += self.load.depth as u64;
                    let time = self.connections[number].since.elapsed();
                    self.times.push(time.as_secs_f64() * 1e6);
                    if Instant::now() < end {
                        self.begin(number)?;
                    } else {
                        open -= 1;
                    }
                }
            }
        }
        let (length, used) = (since.elapsed(), server.processor_seconds()? - before);
        self.times.sort_by(f64::total_cmp);
        let at = |share: f64| self.times[(self.times.len() as f64 * share) as usize];
        Ok(Window {
            rate: answered as f64 / length.as_secs_f64(),
            cpu_us: used * 1e6 / answered as f64,
            p50_us: at(0.5),
            p99_us: at(0.99),
            client_share: (processor_time() - own_before) / length.as_secs_f64(),
        })
    }

    /// Sends requests: nine reads, then a write.
    fn begin(&mut self, number: usize) -> Result<()> {
        let connection = &mut self.connections[number];
        connection.out.clear();
        connection.sent = 0;
        connection.awaited = 0;
        connection.since = Instant::now();
        for _ in 0..self.load.depth {
            self.dice ^= self.dice << 13;
            self.dice ^= self.dice >> 7;
            self.dice ^= self.dice << 17;
            let key = (self.dice % self.load.keys as u64) as usize;
            self.count += 1;
            connection.awaited += if self.count.is_multiple_of(10) {
                self.dialect.set(key, &self.value, &mut connection.out)
            } else {
                self.dialect.get(key, self.load.size, &mut connection.out)
            };
        }
        self.write(number)
    }

    fn write(&mut self, number: usize) -> Result<()> {
        let connection = &mut self.connections[number];
        while connection.sent < connection.out.len() {
            match connection.stream.write(&connection.out[connection.sent..]) {
                Ok(sent) => connection.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// True once all is answered.
    fn read(&mut self, number: usize) -> Result<bool> {
        let connection = &mut self.connections[number];
        while connection.awaited > 0 {
            let read = if self.load.size * self.load.depth >= 4096 {
                let most = self.buffer.len().min(connection.awaited);
                let buffer = &mut self.buffer[..most];
                rustix::net::recv(&connection.stream, buffer, RecvFlags::TRUNC)
                    .map(|(_, read)| read)
                    .map_err(io::Error::from)
            } else {
                connection.stream.read(&mut self.buffer)
            };
            match read {
                Ok(0) => bail!("the server hung up"),
                Ok(read) if read > connection.awaited => bail!("a longer answer than it should be"),
                Ok(read) => connection.awaited -= read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}

/// This thread's processor time, in seconds.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Puts all keys, some hundreds at a time.
fn preload(server: &Server, load: Load, value: &[u8]) -> Result<()> {
    let mut stream = std::net::TcpStream::connect(server.address)?;
    let batch = (1 << 20) / (load.size + 100) + 1;
    for first in (0..load.keys).step_by(batch) {
        let (mut out, mut awaited) = (Vec::new(), 0);
        for key in first..load.keys.min(first + batch) {
            awaited += server.dialect.set(key, value, &mut out);
        }
        stream.write_all(&out)?;
        let mut answers = vec![0; awaited];
        stream.read_exact(&mut answers)?;
    }
    Ok(())
}
