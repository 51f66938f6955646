//! `larder` as whoever starts it meets it: what it refuses and in which words,
//! where its settings come from, how it ends, and what it shows of its
//! secrets. What it stores is tested elsewhere.

mod support;

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::http::image_path;
use support::pictures::small;
use support::{Client, Ended, Process, Server, folder, larder, run, serve, wait_until};

/// A refusal is exit code 2 and a sentence that names what to change.
fn assert_refused(command: &mut Command, names: &str) {
    let told = format!("{command:?}");
    let Ended { code, out, log } = run(command);
    assert_eq!(code, Some(2), "{told}\n{log}");
    assert_eq!(out, "", "{told}: nothing is announced");
    assert!(log.contains(names), "{told} doesn't name {names}:\n{log}");
    // The parser adds how to use the program; our own checks say one line.
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let is_ours = lines.len() == 1 && lines[0].starts_with("larder: ");
    let is_the_parsers = lines[0].starts_with("error: ")
        && lines[1..].iter().all(|line| {
            ["--help", "tip:", "Usage:", "[possible values:"].iter().any(|hint| line.contains(hint))
        });
    assert!(is_ours || is_the_parsers, "{told}: more than a sentence:\n{log}");
}

#[test]
fn a_taken_port_is_refused_by_the_name_of_its_flag() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound").to_string();
    for flag in ["--listen", "--cache-listen"] {
        let command = &mut serve(folder.path());
        assert_refused(command.args([flag, &address]), &format!("larder: {flag} {address}: "));
    }
}

#[test]
fn a_data_folder_that_can_not_be_used_is_refused_by_name() {
    let folder = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("writes");
    for data in [file.join("data"), file, "/proc/larder".into()] {
        assert_refused(&mut serve(&data), &format!("larder: --data {}: ", data.display()));
    }
    let used = folder.path().join("used");
    let server = Server::start(&used, &[]);
    assert_refused(&mut serve(&used), &format!("larder: --data {}: another", used.display()));
    assert_eq!(server.client().get("/healthz").status, 200, "the first one goes on");
}

#[test]
fn a_wrong_value_is_refused_by_the_name_of_its_flag() {
    let folder = folder();
    for (flag, values) in [
        ("--capacity", &["0", "-1", "abc", "1 TB", "", "99999GB"][..]),
        ("--cache-capacity", &["0", "x", "99999GB"]),
        ("--max-upload", &["0", "ten"]),
        ("--max-pixels", &["0", "-5", "many"]),
        ("--min-free", &["some"]),
        ("--policy", &["nonsense", ""]),
        ("--objective", &["cost", ""]),
        ("--listen", &["nonsense", "127.0.0.1", "127.0.0.1:99999", ":5000"]),
        ("--cache-listen", &["nonsense"]),
        ("--database", &["nonsense", "sqlite:", "mysql://x"]),
        ("--blobs", &["nonsense", "s3://", "s3://b?regoin=x", "s3://key:secret@b"]),
        ("--classic-key", &["both"]),
        ("--log", &["loud"]),
        ("--log-level", &["a=b=c"]),
        ("--admin-token-file", &["/nowhere/at/all"]),
    ] {
        for value in values {
            assert_refused(serve(folder.path()).arg(format!("{flag}={value}")), flag);
        }
    }
    assert_refused(serve(folder.path()).arg("--frobnicate"), "--frobnicate");
    assert_refused(larder().arg("frobnicate"), "frobnicate");
    let short = folder.path().join("token");
    std::fs::write(&short, "short\n").expect("writes");
    assert_refused(serve(folder.path()).arg("--admin-token-file").arg(short), "at least 16");
}

#[test]
fn a_listener_open_to_others_is_refused_without_a_token() {
    let folder = folder();
    for flag in ["--listen", "--cache-listen"] {
        for address in ["0.0.0.0:0", "[::]:0"] {
            let command = &mut serve(folder.path());
            assert_refused(command.args([flag, address]), &format!("larder: {flag} {address} "));
        }
    }
}

#[test]
fn wrong_settings_of_the_environment_and_the_file_are_refused_too() {
    let folder = folder();
    let data = folder.path().join("data");
    assert_refused(serve(&data).env("LARDER_CAPACITY", "abc"), "--capacity");
    assert_refused(serve(&data).env("LARDER_POLICY", "abc"), "--policy");
    let missing = folder.path().join("missing.toml");
    assert_refused(serve(&data).env("LARDER_CONFIG", &missing), "missing.toml");
    let file = folder.path().join("larder.toml");
    for (text, names) in [
        ("capacity = \"abc\"", "--capacity"),
        ("frobnicate = 1", "--frobnicate"),
        ("not a setting", "larder.toml"),
        ("[listen]\nport = 1", "larder.toml"),
    ] {
        std::fs::write(&file, text).expect("writes");
        let mut command = serve(&data);
        let Ended { code, log, .. } = run(command.current_dir(folder.path()));
        assert_eq!(code, Some(2), "{text}: {log}");
        assert!(log.contains(names), "{text}: {log}");
    }
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file_and_that_over_the_default() {
    let folder = folder();
    let capacity = |file: Option<&str>, variable: Option<&str>, flag: Option<&str>| {
        let path = folder.path().join("larder.toml");
        std::fs::write(path, file.unwrap_or_default()).expect("writes");
        let data = folder.path().join("data");
        let mut command = serve(&data);
        command.current_dir(folder.path());
        variable.map(|value| command.env("LARDER_CAPACITY", value));
        flag.map(|value| command.args(["--capacity", value]));
        let server = Server::ready(Process::spawn(&mut command), &data);
        let line = server.announcement.lines().find_map(|line| line.trim().strip_prefix("cache "));
        line.expect("the cache is announced").trim().to_owned()
    };
    let file = Some("capacity = \"11MB\"\npolicy = \"sieve\"");
    assert!(capacity(None, None, None).starts_with("256 MB, W-TinyLFU"));
    assert!(capacity(file, None, None).starts_with("11 MB, SIEVE"));
    assert!(capacity(file, Some("12MB"), None).starts_with("12 MB, SIEVE"));
    assert!(capacity(file, Some("12MB"), Some("13MB")).starts_with("13 MB, SIEVE"));
    assert!(capacity(file, None, Some("13MB")).starts_with("13 MB, SIEVE"));
    let file = Some("policy = \"gdsf\"\nobjective = \"bytes\"\nautopilot = true");
    assert!(capacity(file, None, None).starts_with("256 MB, GDSF under the autopilot"));
}

#[test]
fn help_names_each_flag_with_its_variable() {
    let Ended { code, out, .. } = run(larder().args(["serve", "--help"]));
    assert_eq!(code, Some(0));
    for flag in [
        "listen",
        "cache-listen",
        "host",
        "data",
        "database",
        "min-free",
        "capacity",
        "policy",
        "objective",
        "autopilot",
        "cache-capacity",
        "max-upload",
        "max-pixels",
        "allow-svg",
        "classic-key",
        "admin-token-file",
        "allow-anonymous",
        "log",
        "log-level",
    ] {
        let variable = format!("LARDER_{}", flag.to_uppercase().replace('-', "_"));
        assert!(out.contains(&format!("--{flag}")), "--{flag}");
        assert!(out.contains(&format!("[env: {variable}")), "{variable}");
    }
    assert!(out.contains("larder.toml") && out.contains("LARDER_CONFIG"));
    let Ended { code, out, .. } = run(larder().arg("--version"));
    assert_eq!((code, out.as_str()), (Some(0), concat!("larder ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn an_upload_in_flight_is_finished_before_the_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = folder();
        let mut server = Server::start(folder.path(), &[]);
        let image = small("slow");
        let mut client = server.client();
        let request = client.head("PUT", "/images/slow", &[], image.len());
        client.write(&request).expect("the head is sent");
        client.write(&image[..image.len() / 2]).expect("half of the body is sent");
        // Another request on another connection shows that ours was read.
        assert_eq!(server.client().get("/healthz").status, 200);
        let began = Instant::now();
        server.process.signal(signal);
        wait_until("no new connection is taken", Duration::from_secs(5), || {
            Client::connect(server.images).is_err()
        });
        client.write(&image[image.len() / 2..]).expect("the rest is sent");
        let answer = client.answer(false).expect("the upload is answered");
        assert_eq!(answer.status, 201, "{}", answer.text());
        let status = server.process.wait(Duration::from_secs(5));
        assert_eq!(status.code(), Some(0), "{}", server.process.log());
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

        let server = Server::start(folder.path(), &[]);
        assert_eq!(server.client().get("/images/slow").body, image);
    }
}

#[test]
fn connections_that_do_nothing_do_not_hold_up_the_end() {
    let folder = folder();
    let mut server = Server::start(folder.path(), &[]);
    let mut idle = server.client();
    assert_eq!(idle.get("/healthz").status, 200);
    let mut idle_cache = Client::connect(server.cache).expect("connects");
    assert!(idle_cache.send("GET", "/healthz", &[], b"").is_ok());
    let silent = server.client();
    let mut events = server.client();
    let request = events.head("GET", "/statistics/events", &[], 0);
    events.write(&request).expect("asks for events");
    let head = events.answer_head().expect("events begin");
    assert_eq!(head.header("content-type"), Some("text/event-stream"));

    let (code, took) = server.end(Signal::TERM);
    assert_eq!(code, Some(0), "{}", server.process.log());
    assert!(took < Duration::from_secs(3), "it took {took:?}");
    assert!(events.is_closed());
    drop((idle, silent));
}

#[test]
fn a_client_that_never_finishes_holds_up_the_end_for_a_bounded_time() {
    let folder = folder();
    let mut server = Server::start(folder.path(), &[]);
    let mut client = server.client();
    let request = client.head("PUT", "/images/never", &[], 1000);
    client.write(&request).expect("the head is sent");
    assert_eq!(server.client().get("/healthz").status, 200);
    let (code, took) = server.end(Signal::TERM);
    assert_eq!(code, Some(0), "{}", server.process.log());
    assert!(took < Duration::from_secs(15), "it took {took:?}");
}

#[test]
fn settings_that_were_saved_are_in_force_after_a_restart() {
    let folder = folder();
    let mut server = Server::start(folder.path(), &["--capacity", "64MB"]);
    let mut client = server.client();
    let page = client.get("/cache");
    let cookie = page.header("set-cookie").and_then(|cookie| cookie.split(';').next());
    let cookie = cookie.expect("a new visitor gets a cookie").to_owned();
    let token = cookie.split_once('=').expect("a pair").1;
    let choices = "capacity=33.5&policy=sieve&objective=bytes&autopilot=on";
    let fields = format!("form_token={token}&{choices}");
    let kind = "application/x-www-form-urlencoded";
    let headers = [("Cookie", cookie.as_str()), ("Content-Type", kind)];
    let answer = client.send("POST", "/cache/apply", &headers, fields.as_bytes());
    let answer = answer.expect("is answered");
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(server.end(Signal::TERM).0, Some(0));
    let server = Server::start(folder.path(), &["--capacity", "64MB"]);
    let announced = "33.5 MB, SIEVE under the autopilot";
    assert!(server.announcement.contains(announced), "{}", server.announcement);
}

#[test]
fn it_listens_on_loopback_only_and_on_no_datagram_socket() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]);
    let root = format!("/proc/{}", server.process.pid());
    let descriptors = std::fs::read_dir(format!("{root}/fd")).expect("our child's are readable");
    let inodes: Vec<String> = descriptors
        .flatten()
        .filter_map(|fd| std::fs::read_link(fd.path()).ok()?.to_str().map(str::to_owned))
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let sockets = |kind: &str| -> Vec<String> {
        let table = std::fs::read_to_string(format!("{root}/net/{kind}")).unwrap_or_default();
        let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        // Columns: local address 1, state 3, inode 9; 0A is LISTEN.
        rows.filter(|row| row.get(9).is_some_and(|inode| inodes.iter().any(|i| i == inode)))
            .filter(|row| !kind.starts_with("tcp") || row[3] == "0A")
            .map(|row| row[1].to_owned())
            .collect()
    };
    let mut listening = sockets("tcp");
    listening.sort();
    // memcached's protocol has a listener for each thread.
    listening.dedup();
    let memcached = support::memcached::memcached_in(&server.announcement);
    let mut expected =
        [server.images, server.cache, memcached].map(|at| format!("0100007F:{:04X}", at.port()));
    expected.sort();
    assert_eq!(listening, expected);
    for kind in ["tcp6", "udp", "udp6", "raw", "raw6"] {
        assert_eq!(sockets(kind), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn changes_need_the_token_and_no_answer_or_log_shows_a_secret() {
    const CANARY: &str = "canary-5d1f0c0ffee";
    const TOKEN: &str = "token-0123456789abcdef";
    let folder = folder();
    let token = folder.path().join("token");
    std::fs::write(&token, format!("{TOKEN}\n")).expect("writes");
    let data = folder.path().join("data");
    let mut command = serve(&data);
    command.arg("--admin-token-file").arg(&token).args(["--log-level", "trace"]);
    command.env("LARDER_TEST_CANARY", CANARY).env("PASSWORD", CANARY);
    let mut server = Server::ready(Process::spawn(&mut command), &data);

    let (path, image) = (image_path("secret/less"), small("secret"));
    let mut client = server.client();
    let mut answers = Vec::new();
    let mut put = |authorization: &[(&str, &str)]| {
        let answer = client.send("PUT", &path, authorization, &image).expect("is answered");
        answers.push(answer.everything());
        answer.status
    };
    assert_eq!(put(&[]), 401);
    assert_eq!(put(&[("Authorization", "Bearer wrong-0123456789abcdef")]), 401);
    assert_eq!(put(&[("Authorization", TOKEN)]), 401);
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(put(&[("Authorization", &bearer)]), 201);
    for (method, target) in [("DELETE", path.as_str()), ("POST", "/api/delete_all")] {
        assert_eq!(client.ask(method, target, b"").status, 401, "{method} {target}");
    }
    let pages = "/ /search /search?key=secret%2Fless /keys /keys/delete?key=secret%2Fless \
        /keys/delete-all /cache /statistics /statistics/data /docs /sign-in /images /image \
        /images/nothing /openapi.json /healthz /readyz /metrics /nowhere /api/upload /%ff /images/%00";
    for target in pages.split_whitespace().chain([path.as_str()]) {
        for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
            let mut client = server.client();
            for headers in [&[("Accept", "text/html")][..], &[]] {
                let answer = client.send(method, target, headers, b"").expect("is answered");
                assert_ne!(answer.status, 500, "{method} {target}");
                answers.push(answer.everything());
            }
        }
    }
    assert_eq!(server.client().get(&path).body, image, "nothing of that changed anything");
    assert_eq!(server.end(Signal::TERM).0, Some(0));
    for said in answers.iter().chain([&server.announcement, &server.process.log()]) {
        for secret in [CANARY, TOKEN] {
            assert!(!said.contains(secret), "{secret} is in: {said}");
        }
    }
}
