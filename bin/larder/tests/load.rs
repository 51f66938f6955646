//! The load tool as it is run, against real services and against a store that
//! lies: what it finds, what it leaves behind, and how it ends.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use support::grants::Funding;
use support::{Ended, Process, folder, larder, run, wait_until};

const SOON: Duration = Duration::from_secs(30);

/// Starts a service; returns where it is.
fn start(arguments: &[&str]) -> (Process, SocketAddr) {
    let mut process = Process::spawn(larder().args(arguments));
    let announcement = process.announcement();
    let address = announcement.split_whitespace().find_map(|word| {
        let address = word.strip_prefix("http://")?;
        address.trim_end_matches('/').parse().ok()
    });
    (process, address.expect("it says where it is"))
}

fn load(out: &Path, arguments: &[&str]) -> Ended {
    run(larder().arg("load").args(arguments).arg("--out").arg(out))
}

fn results(out: &Path) -> Value {
    let text = std::fs::read(out.join("results.json")).expect("results are saved");
    serde_json::from_slice(&text).expect("as JSON")
}

fn counted(results: &Value, what: &str) -> u64 {
    let runs = results["runs"].as_array().expect("a list");
    runs.iter().map(|run| run["counts"][what].as_u64().expect("a number")).sum()
}

#[test]
fn an_image_store_is_measured_by_both_its_apis_and_every_answer_is_right() {
    let place = folder();
    let data = place.path().join("data").display().to_string();
    let (images, at) =
        start(&["images", "--listen", "127.0.0.1:0", "--min-free", "0", "--data", &data]);
    let (url, pid) = (format!("http://{at}"), images.pid().to_string());
    for api in ["classic", "rest"] {
        let out = place.path().join(api);
        let mix = ["--ratio", "20:80,80:20", "--clients", "1,4", "--requests", "40,80"];
        let values = ["--keys", "10", "--size", "1KB..8KB", "--seed", "7", "--pid", &pid];
        let ended = load(&out, &[&["images", &url, "--api", api], &mix[..], &values[..]].concat());
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.log);
        let results = results(&out);
        assert_eq!((counted(&results, "requests"), counted(&results, "failed")), (480, 0));
        assert_eq!(results["is_complete"], true);
        assert_eq!(results["seed"], 7);
        let cpu = |run: &Value| run["cpu_seconds"].as_f64().expect("a number");
        assert!(results["runs"].as_array().expect("a list").iter().map(cpu).sum::<f64>() > 0.0);
        assert!(ended.out.contains("CPU/request"), "{}", ended.out);
        let says_hits = counted(&results, "hits") > 0;
        assert_eq!(says_hits, api == "rest");
        for graph in ["latency-by-requests-20-80", "throughput-by-clients-80-20"] {
            assert!(out.join(graph).with_extension("svg").exists(), "{graph}");
            assert!(out.join(graph).with_extension("png").exists(), "{graph}");
        }
        let page = std::fs::read_to_string(out.join("report.html")).expect("a page");
        assert!(page.contains("<svg") && page.contains("All of 480 answers were right."));
        let fetches = ["src=", "href=", "<script", "@import", "url("];
        assert!(fetches.iter().all(|it| !page.contains(it)), "the page needs the network");
        let lines = std::fs::read_to_string(out.join("results.csv")).expect("a file");
        assert_eq!(lines.lines().count(), 1 + 8 * 3);
    }
    let [one, two] = ["classic", "rest"].map(|api| place.path().join(api).display().to_string());
    let ended = load(&place.path().join("both"), &["compare", &one, &two]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.out.contains("times the first"), "{}", ended.out);
}

#[test]
fn a_seed_repeats_the_requests_of_a_run() {
    let place = folder();
    let data = place.path().join("data").display().to_string();
    let (_images, at) =
        start(&["images", "--listen", "127.0.0.1:0", "--min-free", "0", "--data", &data]);
    let url = format!("http://{at}");
    let bytes = ["a", "b", "c"].map(|name| {
        let seed = if name == "c" { "2" } else { "1" };
        let out = place.path().join(name);
        let how = ["--requests", "60", "--clients", "3", "--keys", "9", "--size", "1KB..9KB"];
        let all =
            [&["images", &url, "--api", "rest", "--seed", seed, "--ratio", "0:100"], &how[..]];
        assert_eq!(load(&out, &all.concat()).code, Some(0));
        counted(&results(&out), "bytes")
    });
    assert_eq!(bytes[0], bytes[1]);
    assert_ne!(bytes[0], bytes[2]);
}

#[test]
fn a_bookstore_sells_what_it_has_and_the_audit_says_so() {
    let place = folder();
    let data = place.path().join("data").display().to_string();
    let (_shop, at) = start(&["bazar", "--listen", "127.0.0.1:0", "--data", &data]);
    let out = place.path().join("out");
    let url = format!("http://{at}");
    let ended =
        load(&out, &["bazar", &url, "--ratio", "70:30", "--clients", "4", "--requests", "300"]);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.log);
    let found = results(&out);
    assert_eq!((counted(&found, "requests"), counted(&found, "failed")), (300, 0));
    assert_eq!(found["findings"][0]["is_right"], true);
    assert!(ended.out.contains("bought"), "{}", ended.out);
}

#[test]
fn funding_is_measured_by_those_who_join_who_withdraw_and_who_watch() {
    let funding = Funding::start();
    let url = format!("http://{}", funding.part.at("researchers"));
    let place = folder();
    for (work, parts) in [("accounts", 2), ("withdrawals", 0), ("live", 2)] {
        let out = place.path().join(work);
        let how = ["--requests", "12", "--clients", "2", "--rounds", "2"];
        let ended = load(&out, &[&["grants", &url, "--work", work], &how[..]].concat());
        assert_eq!(ended.code, Some(0), "{work}: {}\n{}", ended.out, ended.log);
        let found = results(&out);
        assert_eq!((counted(&found, "requests"), counted(&found, "failed")), (24, 0));
        let named = found["runs"][0]["parts"].as_array().expect("a list");
        assert_eq!(named.len(), parts, "{work}");
        assert!(named.iter().all(|part| part[1]["count"] == 12), "{work}: {named:?}");
    }
    let audit = &results(&place.path().join("withdrawals"))["findings"][0];
    assert_eq!(audit["is_right"], true, "{audit}");
}

/// A program of the system that listens on a free port; killed when dropped.
struct Peer(std::process::Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Peer {
    /// None where the program isn't installed.
    fn start(program: &str, arguments: &[&str]) -> Option<(Self, SocketAddr)> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
        let at = free.expect("a free port");
        let (out, port) = (std::process::Stdio::null, at.port().to_string());
        let mut command = std::process::Command::new(program);
        command.args(arguments).arg(port).stdout(out()).stderr(out());
        let Ok(child) = command.spawn() else {
            support::tell(&format!("skipped: {program} is not installed"));
            return None;
        };
        let peer = Self(child);
        wait_until("it listens", SOON, || TcpStream::connect(at).is_ok());
        Some((peer, at))
    }
}

#[test]
fn caches_are_measured_one_by_one_in_flight_together_and_in_turn() {
    let place = folder();
    let data = place.path().display().to_string();
    let memcached =
        Peer::start("memcached", &["-u", "root", "-l", "127.0.0.1", "-U", "0", "-m", "64", "-p"]);
    let redis = Peer::start("redis-server", &["--save", "", "--dir", &data, "--port"]);
    let how = ["--keys", "50", "--size", "1..40KB", "--requests", "500", "--clients", "3"];
    let mut both = Vec::new();
    for (kind, peer) in [("memcached", &memcached), ("redis", &redis)] {
        let Some((_, at)) = peer else { continue };
        let (out, at) = (place.path().join(kind), at.to_string());
        let ended = load(&out, &[&[kind, &at, "--depth", "20"], &how[..]].concat());
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.log);
        let found = results(&out);
        assert_eq!((counted(&found, "requests"), counted(&found, "misses")), (500, 0));
        let version = found["targets"][0]["version"].as_str().expect("a text");
        assert!(version.starts_with("version "), "{version}");
        both.push(format!("{kind}:{at}"));
    }
    let [one, two] = both.as_slice() else { return };
    let out = place.path().join("both");
    let ended = load(&out, &[&["compare", one, two, "--rounds", "2"], &how[..]].concat());
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.log);
    let found = results(&out);
    let runs = found["runs"].as_array().expect("a list");
    let order: Vec<_> = runs.iter().map(|run| run["target"].as_str().expect("a text")).collect();
    assert_eq!(order, [one, two, one, two]);
}

#[test]
fn a_cache_in_front_of_a_trace_is_filled_by_its_misses() {
    let place = folder();
    let trace = place.path().join("trace.txt");
    std::fs::write(&trace, "a,900\nb,500\na,900\nc,100\n").expect("written");
    let arguments = ["-u", "root", "-l", "127.0.0.1", "-U", "0", "-p"];
    let Some((_peer, at)) = Peer::start("memcached", &arguments) else { return };
    let (at, trace) = (at.to_string(), trace.display().to_string());
    let how = ["--set-after-miss", "--no-fill", "--ratio", "100:0", "--clients", "1"];
    let all = [&["memcached", &at, "--trace", &trace, "--requests", "8"], &how[..]];
    let ended = load(&place.path().join("out"), &all.concat());
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.log);
    let found = results(&place.path().join("out"));
    assert_eq!((counted(&found, "hits"), counted(&found, "misses")), (5, 3));
}

/// A store that answers everything, and every read with the same wrong bytes.
fn liar() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has one");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || lie(stream));
        }
    });
    address
}

fn lie(mut stream: TcpStream) {
    let (mut read, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let head = read.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
        let length = head.map(|head| {
            let text = String::from_utf8_lossy(&read[..head]).to_lowercase();
            let line = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            head + line.map_or(0, |length| length.parse::<usize>().expect("a number"))
        });
        match length.filter(|&length| read.len() >= length) {
            Some(length) => {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlies";
                if stream.write_all(answer).is_err() {
                    return;
                }
                read.drain(..length);
            }
            None => match stream.read(&mut piece) {
                Ok(count @ 1..) => read.extend_from_slice(&piece[..count]),
                _ => return,
            },
        }
    }
}

#[test]
fn a_store_that_lies_is_named_first_and_ends_the_run_with_1() {
    let place = folder();
    let url = format!("http://{}", liar());
    let how = ["--api", "rest", "--ratio", "50:50", "--requests", "100", "--clients", "2"];
    let ended = load(place.path(), &[&["images", &url], &how[..]].concat());
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.out.starts_with("WRONG ANSWERS: "), "{}", ended.out);
    let found = results(place.path());
    assert!(counted(&found, "wrong") > 20 && found["is_complete"] == true);
}

#[test]
fn a_run_that_is_interrupted_keeps_what_it_measured() {
    let place = folder();
    let data = place.path().join("data").display().to_string();
    let (_images, at) =
        start(&["images", "--listen", "127.0.0.1:0", "--min-free", "0", "--data", &data]);
    let (url, out) = (format!("http://{at}"), place.path().join("out"));
    let how = ["--api", "rest", "--ratio", "90:10", "--requests", "50,1000000000"];
    let mut command = larder();
    command.args(["load", "images", &url, "--clients", "2", "--keys", "5", "--size", "1KB"]);
    let mut process = Process::spawn(command.args(how).arg("--out").arg(&out));
    wait_until("the first step is saved", SOON, || out.join("results.json").exists());
    // The second one has begun, and never ends by itself.
    assert_eq!(results(&out)["runs"].as_array().map(Vec::len), Some(1));
    process.signal(Signal::INT);
    assert_eq!(process.wait(SOON).code(), Some(130), "{}", process.log());
    let found = results(&out);
    assert_eq!(
        (&found["is_complete"], &found["runs"][0]["is_complete"]),
        (&false.into(), &true.into())
    );
    assert_eq!(found["runs"][0]["counts"]["requests"], 50);
    assert!(out.join("report.html").exists());
}

#[test]
fn what_cannot_be_measured_is_said_in_a_sentence() {
    let place = folder();
    let ended = load(place.path(), &["images", "http://127.0.0.1:1"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.log.contains("127.0.0.1:1 can’t be reached"), "{}", ended.log);
    let ended = load(place.path(), &["images", "https://127.0.0.1:1"]);
    assert!(ended.log.contains("TLS would be measured too"), "{}", ended.log);
    let both = ["compare", "a=memcached:127.0.0.1:1", "b=redis:127.0.0.1:1", "--pid", "c=1"];
    let ended = load(place.path(), &both);
    assert_eq!(ended.code, Some(2));
    assert!(ended.log.contains("whose process 1 is by NAME=PID: one of a, b"), "{}", ended.log);
}
