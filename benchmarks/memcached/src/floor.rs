//! What the kernel alone takes: a server that knows the client's two requests
//! by their shape, finds values by their number, and does nothing else. No
//! protocol, no table, no eviction, no counters; the same sockets, the same
//! memory, one read and one `writev` for what is there.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;

use anyhow::{Context, Result};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);

/// Slices in one write.
const SLICES: usize = 64;

/// The number in a key ends here: `get key:00000000`.
const NUMBER: std::ops::Range<usize> = 8..16;

const STORED: &[u8] = b"STORED\r\n";
const END: &[u8] = b"\r\nEND\r\n";

/// A value, and what is said before it.
struct Entry {
    head: Vec<u8>,
    value: Vec<u8>,
}

/// A connection.
struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
    /// How much of the input is there and not done.
    held: usize,
    /// A value on its way in, and how much of it and its line's end is here.
    incoming: Option<(usize, usize)>,
    /// Entries to be sent, or that one was stored.
    answers: VecDeque<Option<usize>>,
    /// Sent of the first answer.
    sent: usize,
}

/// Serves for ever.
pub(crate) fn serve(port: u16) -> Result<()> {
    let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let (mut peers, mut entries): (Vec<Option<Peer>>, Vec<Entry>) = (Vec::new(), Vec::new());
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(peers.len()), interest)?;
                    peers.push(Some(Peer::new(stream)));
                }
                continue;
            }
            let peer = &mut peers[event.token().0];
            let goes_on = peer.as_mut().map(|peer| peer.work(&mut entries)).transpose();
            if !matches!(goes_on, Ok(Some(true))) {
                *peer = None;
            }
        }
    }
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        let (input, answers) = (vec![0; 1 << 16], VecDeque::new());
        Self { stream, input, held: 0, incoming: None, answers, sent: 0 }
    }

    /// Does what can be done now; false once the client is gone.
    fn work(&mut self, entries: &mut Vec<Entry>) -> Result<bool> {
        loop {
            self.send(entries)?;
            // Who doesn't read isn't read from.
            if !self.answers.is_empty() {
                return Ok(true);
            }
            match self.receive(entries) {
                Ok(0) => return Ok(false),
                Ok(_) => self.parse(entries)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads what is there, a value to where it is to be.
    fn receive(&mut self, entries: &mut [Entry]) -> io::Result<usize> {
        if let Some((number, filled)) = &mut self.incoming
            && *filled < entries[*number].value.len()
        {
            let read = self.stream.read(&mut entries[*number].value[*filled..])?;
            *filled += read;
            return Ok(read);
        }
        let read = self.stream.read(&mut self.input[self.held..])?;
        self.held += read;
        Ok(read)
    }

    fn parse(&mut self, entries: &mut Vec<Entry>) -> Result<()> {
        let input = &self.input[..self.held];
        let mut at = 0;
        while at < input.len() {
            if let Some((number, filled)) = &mut self.incoming {
                // What came with its command, and the end of its line.
                let value = &mut entries[*number].value;
                let here = (value.len() + 2 - *filled).min(input.len() - at);
                let room = value.get_mut(*filled..).unwrap_or_default();
                let copied = room.len().min(here);
                room[..copied].copy_from_slice(&input[at..at + copied]);
                at += here;
                *filled += here;
                if *filled == value.len() + 2 {
                    self.incoming = None;
                    self.answers.push_back(None);
                }
                continue;
            }
            let Some(end) = input[at..].iter().position(|&byte| byte == b'\n') else { break };
            let line = std::str::from_utf8(&input[at..at + end - 1])?;
            let number: usize = line[NUMBER].parse()?;
            at += end + 1;
            match line.rsplit_once(' ').context("a line of one word")? {
                ("get", _) => self.answers.push_back(Some(number)),
                (_, size) => {
                    let size: usize = size.parse()?;
                    grow(entries, number, size);
                    self.incoming = Some((number, 0));
                }
            }
        }
        self.input.copy_within(at..self.held, 0);
        self.held -= at;
        Ok(())
    }

    fn send(&mut self, entries: &[Entry]) -> io::Result<()> {
        while !self.answers.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let (mut count, mut skip) = (0, self.sent);
            for part in
                self.answers.iter().take(SLICES / 3).flat_map(|answer| parts(answer, entries))
            {
                let skipped = skip.min(part.len());
                skip -= skipped;
                slices[count] = IoSlice::new(&part[skipped..]);
                count += 1;
            }
            match self.stream.write_vectored(&slices[..count]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            while let Some(first) = self.answers.front() {
                let len: usize = parts(first, entries).map(<[u8]>::len).iter().sum();
                if self.sent < len {
                    break;
                }
                self.sent -= len;
                self.answers.pop_front();
            }
        }
        Ok(())
    }
}

fn parts<'a>(answer: &Option<usize>, entries: &'a [Entry]) -> [&'a [u8]; 3] {
    match answer {
        Some(number) => [&entries[*number].head, &entries[*number].value, END],
        None => [STORED, &[], &[]],
    }
}

/// Has an entry of that size there.
fn grow(entries: &mut Vec<Entry>, number: usize, size: usize) {
    while entries.len() <= number {
        entries.push(Entry { head: Vec::new(), value: Vec::new() });
    }
    if entries[number].value.len() != size {
        let head = format!("VALUE key:{number:08} 0 {size}\r\n").into_bytes();
        entries[number] = Entry { head, value: vec![0; size] };
    }
}
