//! What the tests of the real program share: starting it, ending it in every
//! way, talking to it, and knowing what it must hold. Starts nothing but
//! `larder` on loopback and leaves no process behind.
#![allow(dead_code, unused_imports)] // Each test program uses its part.

pub(crate) mod disk;
pub(crate) mod grants;
pub(crate) mod http;
pub(crate) mod ledger;
pub(crate) mod load;
pub(crate) mod memcached;
pub(crate) mod pictures;
pub(crate) mod shop;
pub(crate) mod verify;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use larder_servers::Place;
use rustix::process::{Pid, Signal, kill_process};

pub(crate) use http::{Answer, Client};

/// Long enough for a debug build on a busy machine; only failures take it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a condition, and fails with its name when it doesn't come.
pub(crate) fn wait_until(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < within, "after {within:?} still not: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Says something on the test's output that the harness doesn't hold back.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "\n{text}");
}

/// The program, with none of the settings of whoever runs the tests.
pub(crate) fn larder() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LARDER_") {
            command.env_remove(name);
        }
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A run that ended by itself.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) log: String,
}

/// Runs a command that is expected to end by itself soon.
pub(crate) fn run(command: &mut Command) -> Ended {
    let mut process = Process::spawn(command);
    let status = process.wait(PATIENCE);
    let lines: Vec<String> = process.lines.iter().collect();
    Ended { code: status.code(), out: lines.join("\n"), log: process.log() }
}

/// A running `larder`, killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    log: Arc<Mutex<Vec<u8>>>,
    log_ends: Receiver<()>,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let out = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let mut errors = child.stderr.take().expect("standard error is piped");
        let (line, lines) = channel();
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).try_for_each(|l| line.send(l))
        });
        let log = Arc::new(Mutex::new(Vec::new()));
        let (shared, (ended, log_ends)) = (log.clone(), channel());
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(len @ 1..) = errors.read(&mut piece) {
                shared.lock().expect("no writer panics").extend_from_slice(&piece[..len]);
            }
            drop(ended);
        });
        Self { child, lines, log, log_ends }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("a child that wasn't waited for can be signalled");
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().expect("no writer panics")).into_owned()
    }

    /// Waits for its end and for the last of its log.
    pub(crate) fn wait(&mut self, within: Duration) -> ExitStatus {
        let mut status = None;
        let log = self.log.clone();
        let since = Instant::now();
        while status.is_none() {
            let log = || String::from_utf8_lossy(&log.lock().expect("no panic")).into_owned();
            assert!(since.elapsed() < within, "runs still after {within:?}; log:\n{}", log());
            std::thread::park_timeout(Duration::from_millis(1));
            status = self.child.try_wait().expect("a child can be waited for");
        }
        let _ = self.log_ends.recv_timeout(PATIENCE);
        status.expect("the loop ended with it")
    }

    /// Waits until it is ready; returns what it printed.
    pub(crate) fn announcement(&mut self) -> String {
        let (mut announcement, since) = (String::new(), Instant::now());
        while !announcement.contains("\n  stop ") {
            let left = PATIENCE.saturating_sub(since.elapsed());
            let Ok(line) = self.lines.recv_timeout(left) else {
                self.kill();
                panic!("it doesn't get ready; it printed:\n{announcement}\n{}", self.log());
            };
            announcement.push_str(&line);
            announcement.push('\n');
        }
        announcement
    }

    /// Kills it as `kill -9` does and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The address behind a label of an announcement.
pub(crate) fn address_in(announcement: &str, label: &str) -> SocketAddr {
    let line = announcement.lines().find(|line| line.trim().starts_with(label));
    let url = line.and_then(|line| line.split_whitespace().nth(1));
    let address = url.and_then(|url| url.strip_prefix("http://")?.parse().ok());
    address.unwrap_or_else(|| panic!("no address of {label} in:\n{announcement}"))
}

/// A `larder serve` that answers.
pub(crate) struct Server {
    pub(crate) process: Process,
    /// Pages and API.
    pub(crate) images: SocketAddr,
    /// The mem-cache service.
    pub(crate) cache: SocketAddr,
    /// What it printed when it was ready.
    pub(crate) announcement: String,
    pub(crate) folder: PathBuf,
    /// Whether the blobs are files in its folder.
    pub(crate) has_files: bool,
}

/// The command that serves `folder` on free ports.
pub(crate) fn serve(folder: &Path) -> Command {
    let mut command = larder();
    command.args(["serve", "--listen", "127.0.0.1:0", "--cache-listen", "127.0.0.1:0"]);
    command.args(["--memcached-listen", "127.0.0.1:0"]);
    command.args(["--only", "images,cache", "--min-free", "0", "--data"]).arg(folder);
    // Rows and blobs are where `LARDER_TEST_STORES` says, at each start of one
    // folder in the same place.
    static PLACES: Mutex<BTreeMap<PathBuf, Place>> = Mutex::new(BTreeMap::new());
    let mut places = PLACES.lock().expect("nobody panics with it");
    let place = places.entry(folder.into()).or_insert_with(Place::chosen);
    command.args(place.database.iter().flat_map(|url| ["--database", url]));
    command.args(place.blobs.iter().flat_map(|url| ["--blobs", url]));
    command
}

impl Server {
    /// Starts on `folder` and waits until it is ready.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::ready(Process::spawn(serve(folder).args(arguments)), folder)
    }

    /// Waits until a started process is ready.
    pub(crate) fn ready(mut process: Process, folder: &Path) -> Self {
        let announcement = process.announcement();
        let address = |label: &str| address_in(&announcement, label);
        let (images, cache) = (address("images"), address("mem-cache"));
        let has_files = !announcement.contains("\n  blobs ");
        Self { process, images, cache, announcement, folder: folder.into(), has_files }
    }

    /// A new connection.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.images).expect("a server that is ready takes connections")
    }

    /// Asks it to end, and says how and after how long it did.
    pub(crate) fn end(&mut self, signal: Signal) -> (Option<i32>, Duration) {
        let since = Instant::now();
        self.process.signal(signal);
        let status = self.process.wait(PATIENCE);
        (status.code(), since.elapsed())
    }

    /// Its resident memory in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.figure("VmRSS:")
    }

    /// The most its resident memory was since [`Server::forget_peak`].
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.figure("VmHWM:")
    }

    /// Forgets the peak of its memory; returns what it has now.
    pub(crate) fn forget_peak(&self) -> u64 {
        let reset = std::fs::write(format!("/proc/{}/clear_refs", self.process.pid()), "5");
        reset.expect("our child's figures can be reset");
        self.memory_bytes()
    }

    fn figure(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid()));
        let status = status.expect("a running process has a status");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = |line: &str| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok();
        1024 * line.and_then(number).unwrap_or_else(|| panic!("no {name} in:\n{status}"))
    }
}

/// Regular files below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let below = |path: PathBuf| if path.is_dir() { files_below(&path) } else { vec![path] };
    entries.flatten().flat_map(|entry| below(entry.path())).collect()
}

/// Blobs in a data folder: what is named by a hash, a point and a number.
pub(crate) fn blobs_below(folder: &Path) -> Vec<PathBuf> {
    let is_blob = |path: &PathBuf| path.file_name().is_some_and(|name| name.len() == 64 + 1 + 16);
    files_below(&folder.join("blobs")).into_iter().filter(is_blob).collect()
}

/// A folder that goes with the test.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

/// Random numbers from a seed: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// From `LARDER_TEST_SEED`, or else a new seed; tells which.
    pub(crate) fn thrown(test: &str) -> Self {
        let given = std::env::var("LARDER_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seed = given.unwrap_or_else(|| now.unwrap_or_default().as_nanos() as u64);
        tell(&format!("{test}: LARDER_TEST_SEED={seed}"));
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `0..top`.
    pub(crate) fn below(&mut self, top: usize) -> usize {
        (self.next() % top as u64) as usize
    }
}

/// Keeps busy for a random time below `top`: a moment that no event marks.
pub(crate) fn spin(dice: &mut Dice, top: Duration) {
    let (since, length) = (Instant::now(), top.mul_f64(dice.below(1000) as f64 / 1000.0));
    while since.elapsed() < length {
        std::hint::spin_loop();
    }
}
