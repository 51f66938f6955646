//! One client: what it sent and isn't carried out yet, and what it is answered.
//! While it says nothing it has no buffers. It never waits for anything but its
//! own socket.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use larder_wire::{Block, Get, Step, Store, Words, block, reply, step};

use super::auth::{self, Login};
use super::output::Output;
use super::transport::Transport;
use super::worker::{BUFFER_BYTES, Worker};
use super::{batch::Batch, text};
use crate::items::{Count, PartialValue, Reception};

/// A value of this size or more that isn't here as a whole gets its own memory
/// and is received there.
const LARGE_BYTES: usize = 4096;

/// What the next bytes are.
enum Expects {
    /// Lines, and blocks that are small or here already.
    Lines,
    /// A large value.
    Value(Box<Receiving>),
    /// So many bytes that mean nothing.
    Nothing(usize),
    /// Whatever they are, first these keys are to be read, with their versions
    /// or without.
    Keys(Vec<u8>, bool),
}

/// A large value on its way in.
struct Receiving {
    store: Store<'static>,
    value: PartialValue,
    _room: Reception,
}

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It does, with the next command.
    Go,
    /// It ends once it was answered.
    Hangup,
}

/// A client's connection.
pub(super) struct Connection {
    pub(super) worker: Rc<Worker>,
    input: Vec<u8>,
    /// How much of the input is carried out.
    at: usize,
    pub(super) output: Output,
    expects: Expects,
    is_known: bool,
    is_ending: bool,
}

/// Serves a client until it goes.
pub(super) async fn serve(transport: &mut impl Transport, worker: Rc<Worker>) -> io::Result<()> {
    let mut connection = Connection::new(worker);
    while connection.receive(transport).await? {
        let mut goes_on = true;
        while goes_on {
            goes_on = connection.work();
            if !connection.output.is_empty() {
                let sent = connection.output.send(transport).await?;
                connection.worker.counters.add(Count::BytesWritten, sent);
            }
        }
        if connection.is_ending {
            return Ok(());
        }
        connection.rest();
    }
    Ok(())
}

impl Connection {
    fn new(worker: Rc<Worker>) -> Self {
        let is_known = worker.shared.users.is_none();
        Self {
            worker,
            input: Vec::new(),
            at: 0,
            output: Output::default(),
            expects: Expects::Lines,
            is_known,
            is_ending: false,
        }
    }

    /// Waits for bytes; false at the end.
    async fn receive(&mut self, transport: &mut impl Transport) -> io::Result<bool> {
        let read = poll_fn(|context| self.poll_receive(context, transport)).await?;
        self.worker.counters.add(Count::BytesRead, read as u64);
        Ok(read > 0)
    }

    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        transport: &mut impl Transport,
    ) -> Poll<io::Result<usize>> {
        if let Expects::Value(receiving) = &mut self.expects
            && receiving.value.has_remaining_mut()
        {
            return transport.poll_read(context, &mut receiving.value);
        }
        if self.input.is_empty() {
            ready!(transport.poll_ready(context))?;
            self.begin();
        }
        if self.input.len() == self.input.capacity() {
            // A line that asks for many keys; `step` limits its length.
            self.input.reserve(self.input.len().max(BUFFER_BYTES));
        }
        let read = transport.poll_read(context, &mut self.input);
        if read.is_pending() {
            self.rest();
        }
        read
    }

    /// Takes buffers to work with.
    fn begin(&mut self) {
        if self.input.capacity() == 0 {
            self.input = self.worker.buffer();
        }
        if self.output.bytes.capacity() == 0 {
            self.output.bytes = self.worker.buffer();
        }
    }

    /// Gives back the buffers that hold nothing.
    fn rest(&mut self) {
        if self.input.is_empty() && self.input.capacity() > 0 {
            self.worker.give_back(std::mem::take(&mut self.input));
        }
        if self.output.is_empty() && self.output.bytes.capacity() > 0 {
            self.worker.give_back(self.output.take_buffer());
        }
    }

    /// Carries out what is here. True if there is more to do once the answers
    /// are sent.
    fn work(&mut self) -> bool {
        let input = std::mem::take(&mut self.input);
        let mut at = self.at;
        while !self.output.is_full() && !self.is_ending {
            let used = match &mut self.expects {
                Expects::Nothing(rest) => skip(rest, &input[at..]),
                Expects::Value(_) => self.end_value(&input[at..]),
                Expects::Lines => self.lines(&input[at..]),
                Expects::Keys(..) => {
                    self.read_rest();
                    continue;
                }
            };
            if matches!(self.expects, Expects::Nothing(0)) {
                self.expects = Expects::Lines;
            }
            at += used;
            if used == 0 {
                break;
            }
        }
        let goes_on = self.output.is_full() && !self.is_ending;
        self.keep(input, at);
        goes_on
    }

    /// Keeps what isn't carried out, at the start of the buffer.
    fn keep(&mut self, mut input: Vec<u8>, at: usize) {
        if self.output.is_full() {
            self.at = at;
        } else {
            self.at = 0;
            input.drain(..at);
        }
        self.input = input;
    }

    /// Remembers keys that are to be read once the answers so far are sent.
    pub(super) fn put_off(&mut self, rest: Get<'_>) {
        self.expects = Expects::Keys(rest.keys.bytes().to_vec(), rest.with_cas);
    }

    /// Reads the keys that were put off.
    fn read_rest(&mut self) {
        let before = std::mem::replace(&mut self.expects, Expects::Lines);
        let Expects::Keys(keys, with_cas) = before else { return };
        let worker = Rc::clone(&self.worker);
        let mut batch = Batch::new(&worker);
        let rest = batch.get(Get { keys: Words::of(&keys), with_cas }, &mut self.output);
        batch.flush(&mut self.output);
        if let Some(rest) = rest {
            self.put_off(rest);
        }
    }

    /// Carries out whole lines, with the blocks that belong to them; how many
    /// bytes they took.
    fn lines(&mut self, input: &[u8]) -> usize {
        if !self.is_known {
            return self.login(input);
        }
        let worker = Rc::clone(&self.worker);
        let mut batch = Batch::new(&worker);
        let mut at = 0;
        while at < input.len() && !self.output.is_full() {
            match step(&input[at..]) {
                Step::More => break,
                Step::Command { command, used } => {
                    at += used;
                    if text::run(self, command, &mut batch) == Next::Hangup {
                        self.is_ending = true;
                        break;
                    }
                }
                Step::Store { store, used } => {
                    batch.flush(&mut self.output);
                    let taken = self.take_block(store, &input[at + used..]);
                    let Some(taken) = taken else { break };
                    at += used + taken;
                    if !matches!(self.expects, Expects::Lines) {
                        break;
                    }
                }
                Step::Bad { error, used, skip, quiet } => {
                    batch.flush(&mut self.output);
                    at += used;
                    self.refuse(error, quiet);
                    if skip > 0 {
                        self.expects = Expects::Nothing(skip);
                        break;
                    }
                }
                Step::Close => {
                    self.is_ending = true;
                    break;
                }
            }
        }
        batch.flush(&mut self.output);
        at
    }

    /// Stores the block that is here, or begins to receive it; how many bytes
    /// it took, or `None` if it is to be waited for.
    fn take_block(&mut self, store: Store<'_>, input: &[u8]) -> Option<usize> {
        let items = &self.worker.items;
        if items.is_too_large(store.key.len(), store.len) {
            text::refuse_large(self, &store);
            self.expects = Expects::Nothing(store.len + 2);
            return Some(0);
        }
        match block(input, store.len) {
            Block::Value(value) => {
                text::store(self, &store, value.into());
                Some(store.len + 2)
            }
            Block::Bad => {
                self.refuse(reply::BAD_BLOCK, store.quiet && store.meta.is_none());
                Some(store.len + 2)
            }
            Block::More(_) if store.len < LARGE_BYTES => None,
            Block::More(_) => Some(self.begin_value(store, input)),
        }
    }

    /// Makes room for a large value and takes what is here of it.
    fn begin_value(&mut self, store: Store<'_>, input: &[u8]) -> usize {
        let Some(room) = self.worker.items.receive(store.len) else {
            self.worker.counters.add(Count::NoMemory, 1);
            self.refuse(reply::NO_MEMORY, store.quiet && store.meta.is_none());
            self.expects = Expects::Nothing(store.len + 2);
            return 0;
        };
        let mut value = PartialValue::new(store.len);
        let filled = input.len().min(store.len);
        value.put_slice(&input[..filled]);
        let store = store.into_owned();
        self.expects = Expects::Value(Box::new(Receiving { store, value, _room: room }));
        filled
    }

    /// Stores a large value once it is here and ends as it should; how many
    /// bytes its end took.
    fn end_value(&mut self, input: &[u8]) -> usize {
        let Expects::Value(receiving) = &self.expects else { return 0 };
        if receiving.value.has_remaining_mut() || input.len() < 2 {
            return 0;
        }
        let Expects::Value(receiving) = std::mem::replace(&mut self.expects, Expects::Lines) else {
            return 0;
        };
        let Receiving { store, value, .. } = *receiving;
        let Some(value) = value.whole() else { return 0 };
        if input.starts_with(reply::LINE_END) {
            text::store(self, &store, value);
        } else {
            self.refuse(reply::BAD_BLOCK, store.quiet && store.meta.is_none());
        }
        2
    }

    /// Reads a line of one who has not said who it is.
    fn login(&mut self, input: &[u8]) -> usize {
        let Some(users) = self.worker.shared.users.clone() else { return 0 };
        let (login, used) = auth::login(&users.read(), input);
        match login {
            Login::More => return 0,
            Login::Close => self.is_ending = true,
            Login::Known => {
                self.worker.counters.add(Count::AuthTries, 1);
                self.is_known = true;
                self.output.bytes.extend_from_slice(reply::STORED);
            }
            Login::Refused(why) => {
                if why == auth::WRONG {
                    self.worker.counters.add(Count::AuthTries, 1);
                    self.worker.counters.add(Count::AuthErrors, 1);
                }
                self.refuse(why, false);
            }
        }
        used
    }

    /// Answers what is wrong, unless no answer is wanted.
    pub(super) fn refuse(&mut self, error: &str, quiet: bool) {
        if !quiet {
            reply::line(&mut self.output.bytes, error);
        }
    }
}

/// Passes over what means nothing; how many bytes.
fn skip(rest: &mut usize, input: &[u8]) -> usize {
    let skipped = input.len().min(*rest);
    *rest -= skipped;
    skipped
}
