//! Clients that keep a server busy until it dies, and write down in a ledger
//! what they sent and what they were answered.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::http::{Answer, Client, form, image_path};
use super::ledger::{Ledger, Outcome};
use super::pictures::Photos;
use super::{Dice, PATIENCE, spin, wait_until};

/// Keys that all clients fight over; each kind of character that has a
/// meaning somewhere.
const HOT: [&str; 6] = ["hot", "hot/er", "../hot", "'; DROP TABLE images; --", "🦀 crab", "a b%2F"];

/// Stamps that several keys share, so that they name one blob.
const SHARED: usize = 4;

/// How many work at once.
const CLIENTS: usize = 4;

/// Clients, what they were told, and what they send.
pub(crate) struct Clients {
    pub(crate) ledger: Ledger,
    photos: Photos,
    /// For names of new keys.
    new_keys: AtomicUsize,
    /// Set before the server is killed: from then on broken connections are
    /// no surprise.
    is_ending: AtomicBool,
    /// Set while a store of the server is in trouble: a refusal with 503 is
    /// an answer then, if it is put in the right form.
    is_troubled: AtomicBool,
    /// How many such refusals there were.
    refusals: AtomicUsize,
}

impl Clients {
    pub(crate) fn new() -> Self {
        Self {
            ledger: Ledger::default(),
            photos: Photos::develop(),
            new_keys: AtomicUsize::new(0),
            is_ending: AtomicBool::new(false),
            is_troubled: AtomicBool::new(false),
            refusals: AtomicUsize::new(0),
        }
    }

    /// Lets them all work while `events` happen to the stores of a server
    /// that goes on; returns how often they were refused.
    pub(crate) fn work_during(
        &self,
        images: SocketAddr,
        dice: &mut Dice,
        events: impl FnOnce(),
    ) -> usize {
        self.is_ending.store(false, Ordering::SeqCst);
        self.is_troubled.store(true, Ordering::SeqCst);
        self.refusals.store(0, Ordering::SeqCst);
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                let mut dice = Dice(dice.next());
                scope.spawn(move || {
                    while !self.is_ending.load(Ordering::SeqCst) {
                        let worked = Client::connect(images).and_then(|mut client| {
                            (0..20).try_for_each(|_| self.work(&mut client, &mut dice))
                        });
                        if let Err(error) = worked {
                            let broke = format!("a connection to a living server broke: {error}");
                            self.ledger.complain(broke);
                        }
                    }
                });
            }
            // Also when the events panic, or the clients would work for ever.
            let events = std::panic::catch_unwind(std::panic::AssertUnwindSafe(events));
            self.is_ending.store(true, Ordering::SeqCst);
            if let Err(panic) = events {
                std::panic::resume_unwind(panic);
            }
        });
        self.is_troubled.store(false, Ordering::SeqCst);
        self.refusals.load(Ordering::SeqCst)
    }

    /// Whether this is how a server refuses whose store is in trouble.
    fn is_refusal(&self, answer: &Answer) -> bool {
        let is_refusal = self.is_troubled.load(Ordering::SeqCst) && is_refusal(answer);
        self.refusals.fetch_add(usize::from(is_refusal), Ordering::SeqCst);
        is_refusal
    }

    /// Lets them all work until up to `most` more changes are acknowledged
    /// and then some milliseconds longer; `end` has to end the server.
    pub(crate) fn work_until<T>(
        &self,
        images: SocketAddr,
        dice: &mut Dice,
        most: usize,
        end: impl FnOnce() -> T,
    ) -> T {
        self.is_ending.store(false, Ordering::SeqCst);
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                let dice = Dice(dice.next());
                scope.spawn(move || self.run(images, dice));
            }
            let enough = self.ledger.acknowledged() + dice.below(most);
            wait_until("enough was acknowledged", PATIENCE, || {
                self.ledger.acknowledged() >= enough || !self.ledger.complaints().is_empty()
            });
            spin(dice, Duration::from_millis(4));
            self.is_ending.store(true, Ordering::SeqCst);
            end()
        })
    }

    /// One client: works until the server is gone.
    fn run(&self, images: SocketAddr, mut dice: Dice) {
        loop {
            let worked = Client::connect(images).and_then(|mut client| {
                // A few requests on each connection.
                (0..20).try_for_each(|_| self.work(&mut client, &mut dice))
            });
            if let Err(error) = worked {
                if !self.is_ending.load(Ordering::SeqCst) {
                    self.ledger.complain(format!("a connection to a living server broke: {error}"));
                }
                return;
            }
        }
    }

    fn work(&self, client: &mut Client, dice: &mut Dice) -> io::Result<()> {
        let hot = HOT[dice.below(HOT.len())];
        let new = self.new_key(dice);
        match dice.below(20) {
            0..6 => self.put(client, dice, &new),
            6..12 => self.put(client, dice, hot),
            12..14 => self.upload_classic(client, dice, hot),
            14..16 => self.delete(client, hot),
            16 => {
                let old = self.old_key(dice);
                self.delete(client, &old)
            }
            _ => self.get(client, hot),
        }
    }

    fn new_key(&self, dice: &mut Dice) -> String {
        let number = self.new_keys.fetch_add(1, Ordering::Relaxed);
        format!("new/{}/{number}", dice.below(10))
    }

    fn old_key(&self, dice: &mut Dice) -> String {
        let number = dice.below(self.new_keys.load(Ordering::Relaxed).max(1));
        let keys = (0..10).map(|part| format!("new/{part}/{number}"));
        keys.into_iter().find(|key| self.ledger.knows(key)).unwrap_or_else(|| HOT[0].to_owned())
    }

    /// An image that no other upload has, or now and then one that many have.
    fn image(&self, dice: &mut Dice, key: &str) -> Vec<u8> {
        if dice.below(10) == 0 {
            return self.photos.stamped(0, &format!("shared:{}", dice.below(SHARED)));
        }
        let nonce = dice.next();
        self.photos.stamped(dice.below(10), &format!("{key}:{nonce:016x}"))
    }

    fn put(&self, client: &mut Client, dice: &mut Dice, key: &str) -> io::Result<()> {
        let image = self.image(dice, key);
        let mut request = client.head("PUT", &image_path(key), &[], image.len());
        request.extend_from_slice(&image);
        let ticket = self.ledger.begin(key, Some(blake3::hash(&image)));
        // Some are sent in two goes, so that a server can die between them.
        let split = if dice.below(8) == 0 { dice.below(request.len()) } else { request.len() };
        let mut send = || {
            client.write(&request[..split])?;
            if split < request.len() {
                spin(dice, Duration::from_millis(2));
                client.write(&request[split..])?;
            }
            client.answer(false)
        };
        let answer = send();
        self.end(ticket, answer, "PUT", |answer| match answer.status {
            200 | 201 => Some(Outcome::Acknowledged(answer.json()["version"].as_u64())),
            _ => None,
        })
    }

    fn upload_classic(&self, client: &mut Client, dice: &mut Dice, key: &str) -> io::Result<()> {
        let image = self.image(dice, key);
        let (kind, body) = form(key, &image);
        let ticket = self.ledger.begin(key, Some(blake3::hash(&image)));
        let answer = client.send("POST", "/api/upload", &[("Content-Type", kind)], &body);
        self.end(ticket, answer, "POST /api/upload", |answer| match answer.status {
            200 if answer.json()["success"] == "true" => Some(Outcome::Acknowledged(None)),
            _ => None,
        })
    }

    fn delete(&self, client: &mut Client, key: &str) -> io::Result<()> {
        let ticket = self.ledger.begin(key, None);
        let answer = client.send("DELETE", &image_path(key), &[], b"");
        self.end(ticket, answer, "DELETE", |answer| match answer.status {
            204 => Some(Outcome::Acknowledged(None)),
            404 => Some(Outcome::NotDone),
            _ => None,
        })
    }

    fn get(&self, client: &mut Client, key: &str) -> io::Result<()> {
        let began = self.ledger.now();
        let answer = client.send("GET", &image_path(key), &[], b"")?;
        match answer.status {
            200 => self.ledger.found(key, began, Some(blake3::hash(&answer.body))),
            404 => self.ledger.found(key, began, None),
            _ if self.is_refusal(&answer) => {}
            _ => self.ledger.complain(format!("GET {key:?}: {} {}", answer.status, answer.text())),
        }
        Ok(())
    }

    fn end(
        &self,
        ticket: super::ledger::Ticket,
        answer: io::Result<Answer>,
        what: &str,
        read: impl FnOnce(&Answer) -> Option<Outcome>,
    ) -> io::Result<()> {
        let outcome = match &answer {
            Ok(answer) if self.is_refusal(answer) => Some(Outcome::Unknown),
            Ok(answer) => read(answer),
            Err(_) => Some(Outcome::Unknown),
        };
        if let (None, Ok(answer)) = (&outcome, &answer) {
            self.ledger.complain(format!("{what}: {} {}", answer.status, answer.text()));
        }
        self.ledger.end(ticket, outcome.unwrap_or(Outcome::Unknown));
        answer.map(|_| ())
    }
}

/// Whether an answer says in the right form that a store is in trouble: 503
/// with when to come again, or 507 for a full disk; never a page.
pub(crate) fn is_refusal(answer: &Answer) -> bool {
    let status = match answer.status {
        503 if answer.header("retry-after").is_some() => 503,
        507 => 507,
        _ => return false,
    };
    match answer.header("content-type") {
        Some("application/problem+json") => answer.json()["status"] == status,
        // The classic API's own form.
        Some("application/json") => {
            answer.json()["success"] == "false" && answer.json()["error"]["code"] == status
        }
        _ => false,
    }
}
