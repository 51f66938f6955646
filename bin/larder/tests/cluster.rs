//! Several real nodes over one real database and shared blobs: any of them
//! answers, none ever with an old image; their memories add up; one that dies
//! or leaves changes nothing but which address answers. Faults under load are
//! in `tests/torment`.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use larder_servers::S3Server;
use rustix::process::Signal;
use serde_json::{Value, json};
use support::http::{Answer, Client, image_path};
use support::pictures::small;
use support::{Process, Server, folder, larder, run, serve, wait_until};

/// Within which a cluster does what it does at once.
const SOON: Duration = Duration::from_secs(10);

/// What all nodes of a cluster share.
struct Site {
    folder: tempfile::TempDir,
    database: String,
    blobs: String,
}

impl Site {
    fn new(database: String) -> Self {
        let folder = folder();
        std::fs::write(folder.path().join("secret"), "0123456789abcdef".repeat(4))
            .expect("can be written");
        let blobs = format!("file:{}", folder.path().join("shared").display());
        Self { folder, database, blobs }
    }

    /// The same with its blobs in an S3 store, if there is one.
    fn with_s3(self) -> Self {
        let Some(server) = larder_servers::s3() else { return self };
        let bucket = fresh_name();
        server.make_bucket(&bucket);
        Self { blobs: server.url(&bucket), ..self }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn arguments(&self) -> Vec<String> {
        let secret = self.place("secret").display().to_string();
        ["--database", &self.database, "--blobs", &self.blobs, "--cluster-secret-file", &secret]
            .into_iter()
            .chain(["--node-address", "127.0.0.1:0"])
            .map(str::to_owned)
            .collect()
    }

    /// What starts a node on a data folder of its own.
    fn command(&self, data: &Path) -> Command {
        let mut command = serve(data);
        command.args(self.arguments()).envs([
            ("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY),
        ]);
        command
    }

    /// A node with a data folder of its own, ready.
    fn node(&self, name: &str) -> Server {
        self.node_with(name, &[])
    }

    fn node_with(&self, name: &str, more: &[&str]) -> Server {
        let data = self.place(name);
        let mut command = self.command(&data);
        command.args(more);
        let server = Server::ready(Process::spawn(&mut command), &data);
        wait_until("the node is in the cluster", SOON, || {
            server.client().get("/readyz").status == 200
        });
        server
    }

    fn nodes(&self, count: usize) -> Vec<Server> {
        let nodes: Vec<Server> = (0..count).map(|n| self.node(&format!("node {n}"))).collect();
        for node in &nodes {
            wait_until("all know of all", SOON, || pool(node)["members"] == count);
        }
        nodes
    }
}

/// A name that no other test's database has.
fn fresh_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("pool{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A fresh database on PostgreSQL, if that is there.
fn site() -> Option<Site> {
    larder_servers::postgres().map(|server| Site::new(server.make_database(&fresh_name())))
}

/// A fresh database for each engine that is there.
fn sites() -> Vec<Site> {
    let maria =
        larder_servers::mariadb().map(|server| Site::new(server.make_database(&fresh_name())));
    site().into_iter().chain(maria.map(Site::with_s3)).collect()
}

fn put(node: &Server, key: &str, stamp: &str) -> Answer {
    node.client().ask("PUT", &image_path(key), &small(stamp))
}

fn get(node: &Server, key: &str) -> Answer {
    node.client().get(&image_path(key))
}

fn pool(node: &Server) -> Value {
    node.client().get("/cluster/status").json()["pool"].clone()
}

fn change_pool(node: &Server, change: &Value) -> Answer {
    let headers = [("Content-Type", "application/json")];
    let body = change.to_string();
    let sent = node.client().send("PATCH", "/cluster/pool", &headers, body.as_bytes());
    sent.expect("is answered")
}

/// How a read was answered.
fn source(answer: &Answer) -> &str {
    answer.header("x-cache").unwrap_or("nothing")
}

/// Sets the pool's size at one node, and waits until all keep to it.
fn resize(nodes: &[Server], size: usize) {
    let answer = change_pool(&nodes[0], &json!({ "size": size }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    for node in nodes {
        wait_until("all keep to the size", SOON, || pool(node)["size"] == size);
    }
}

#[test]
fn what_is_written_at_one_node_is_read_at_all_and_never_the_old() {
    for site in sites() {
        let nodes = site.nodes(3);
        for version in 1..=30 {
            let stamp = format!("version {version}");
            let answer = put(&nodes[version % 3], "a/key", &stamp);
            assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
            assert_eq!(answer.json()["version"], version);
            for node in nodes.iter().chain(&nodes) {
                assert!(get(node, "a/key").body == small(&stamp), "{stamp}");
            }
        }
        assert_eq!(nodes[1].client().ask("DELETE", &image_path("a/key"), b"").status, 204);
        for node in &nodes {
            assert_eq!(get(node, "a/key").status, 404);
        }
    }
}

#[test]
fn a_key_is_in_the_memory_of_its_owner_and_the_others_ask_there() {
    let Some(site) = site() else { return };
    let nodes = site.nodes(3);
    let keys: Vec<String> = (0..60).map(|number| format!("key {number}")).collect();
    let mut owned = [0; 3];
    for key in &keys {
        assert_eq!(put(&nodes[0], key, key).status, 201);
        assert_eq!(source(&get(&nodes[0], key)), "miss");
        // The owner keeps it once it has heard that the write is over.
        wait_until("it is in memory", SOON, || source(&get(&nodes[0], key)) != "miss");
        let sources: Vec<String> =
            nodes.iter().map(|node| source(&get(node, key)).to_owned()).collect();
        let owner = sources.iter().position(|source| source == "hit");
        let owner = owner.unwrap_or_else(|| panic!("{key}: {sources:?}"));
        owned[owner] += 1;
        assert_eq!(sources.iter().filter(|source| *source == "peer").count(), 2, "{sources:?}");
    }
    assert!(owned.iter().all(|&keys| keys > 5), "{owned:?}");
    // A key that is asked for often is kept where it is asked for.
    let hot = keys.iter().find(|key| source(&get(&nodes[0], key)) == "peer");
    let hot = hot.expect("another node owns some");
    wait_until("a hot key is kept", SOON, || source(&get(&nodes[0], hot)) == "hit");
    assert_eq!(put(&nodes[1], hot, "new").status, 200);
    assert!(get(&nodes[0], hot).body == small("new"), "and is dropped when it is written");
    // Thumbnails come from the owner too.
    let thumbnail = format!("{}?w=16", image_path(&keys[0]));
    let first = nodes[0].client().get(&thumbnail);
    assert_eq!(first.status, 200, "{}", first.text());
    for node in &nodes {
        let again = node.client().get(&thumbnail);
        assert!(again.body == first.body && matches!(source(&again), "hit" | "peer"));
    }
}

/// Read at A; grow, so that the key moves to B; write through B; shrink. A
/// must not serve what it read first.
#[test]
fn a_pool_that_grows_and_shrinks_serves_nothing_old() {
    let Some(site) = site() else { return };
    let nodes = site.nodes(3);
    let keys: Vec<String> = (0..20).map(|number| format!("key {number}")).collect();
    for round in 0..3 {
        resize(&nodes, 1);
        let (old, new) = (format!("old {round}"), format!("new {round}"));
        for key in &keys {
            put(&nodes[0], key, &old);
            nodes.iter().for_each(|node| assert!(get(node, key).body == small(&old)));
        }
        resize(&nodes, 3);
        for (number, key) in keys.iter().enumerate() {
            nodes.iter().for_each(|node| assert!(get(node, key).body == small(&old)));
            put(&nodes[number % 3], key, &new);
        }
        resize(&nodes, 1);
        for key in &keys {
            nodes.iter().for_each(|node| assert!(get(node, key).body == small(&new), "{key}"));
        }
    }
    let decisions = pool(&nodes[0])["decisions"].as_array().expect("a list").clone();
    assert!(decisions.iter().any(|decision| decision["reason"] == "set by hand"));
}

#[test]
fn a_node_that_dies_delays_one_write_and_one_that_leaves_none() {
    let Some(site) = site() else { return };
    let mut nodes = site.nodes(3);
    assert_eq!(put(&nodes[0], "key", "before").status, 201);
    nodes.iter().for_each(|node| assert_eq!(get(node, "key").status, 200));
    nodes.remove(2).process.kill();
    let killed = Instant::now();
    assert_eq!(put(&nodes[0], "key", "after").status, 200);
    // 0.9 s until it is evicted, 2.5 s until its lease has surely ended.
    assert!(killed.elapsed() > Duration::from_secs(2), "it was waited out");
    nodes.iter().for_each(|node| assert!(get(node, "key").body == small("after")));
    // One that is asked to end says goodbye, and nobody waits for it.
    let (code, _) = nodes.remove(1).end(Signal::TERM);
    assert_eq!(code, Some(0));
    let members = nodes[0].client().get("/cluster/status").json();
    let members = members["overview"]["members"].as_array().expect("a list").len();
    assert_eq!(members, 1, "nobody but the one is left");
    assert_eq!(put(&nodes[0], "key", "alone").status, 200);
    // The one that was killed comes back under its number.
    let back = site.node("node 2");
    assert!(get(&back, "key").body == small("alone"));
}

#[test]
fn settings_and_clearing_at_one_node_are_those_of_all() {
    let Some(site) = site() else { return };
    let nodes = site.nodes(2);
    assert_eq!(put(&nodes[0], "key", "key").status, 201);
    nodes.iter().for_each(|node| drop((get(node, "key"), get(node, "key"))));
    let items = |node: &Server| {
        let metrics = node.client().get("/metrics").text();
        let line = metrics.lines().find(|line| line.starts_with("larder_cache_items"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok())
    };
    assert!(nodes.iter().any(|node| items(node) == Some(1.0)));
    let settings = json!({ "policy": "lru", "capacity_bytes": 5 << 20 }).to_string();
    let headers = [("Content-Type", "application/json")];
    let changed = nodes[0].client().send("PATCH", "/cache/settings", &headers, settings.as_bytes());
    assert_eq!(changed.expect("is answered").status, 200);
    for node in &nodes {
        wait_until("all have the settings", SOON, || {
            let now = node.client().get("/cache/settings").json();
            now["policy"] == "lru" && now["capacity_bytes"] == 5 << 20
        });
    }
    assert_eq!(nodes[1].client().ask("POST", "/api/delete_all", b"").status, 200);
    for node in &nodes {
        assert_eq!(get(node, "key").status, 404);
        assert_eq!(items(node), Some(0.0), "memory is empty");
    }
}

#[test]
fn the_classic_calls_run_the_pool() {
    let Some(site) = site() else { return };
    let nodes = site.nodes(2);
    let ask = |target: &str| nodes[0].client().ask("POST", target, b"");
    let set = ask("/api/configure_cache?mode=manual&numNodes=2&cacheSize=3&policy=RR");
    assert_eq!(
        set.json(),
        json!({"success": "true", "mode": "manual", "numNodes": 2, "cacheSize": 3, "policy": "RR"})
    );
    assert_eq!(ask("/api/configure_cache?numNodes=1").json()["numNodes"], 1);
    assert_eq!(ask("/api/getNumNodes").json(), json!({"success": "true", "numNodes": 1}));
    for refused in ["numNodes=9", "numNodes=x", "mode=fast", "expRatio=1", "maxMiss=0", "policy=x"]
    {
        let answer = ask(&format!("/api/configure_cache?{refused}"));
        assert!(matches!(answer.status, 400 | 422), "{refused}: {}", answer.text());
        assert_eq!(answer.json()["success"], "false");
    }
    assert_eq!(put(&nodes[0], "key", "key").status, 201);
    get(&nodes[0], "key");
    wait_until("the rate is that of one miss", SOON, || {
        ask("/api/getRate?rate=miss").json()
            == json!({"success": "true", "rate": "miss", "value": 1.0})
    });
    assert_eq!(ask("/api/getRate?rate=other").status, 400);
}

#[test]
fn a_pool_that_is_to_have_more_nodes_than_there_are_calls_for_them() {
    let Some(site) = site() else { return };
    let called = site.place("called");
    let command = format!("echo $LARDER_POOL_SIZE > '{}'", called.display());
    let node = site.node_with("node", &["--scale-command", &command]);
    let answer = change_pool(&node, &json!({ "size": 3 }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    wait_until("the command is run", SOON, || {
        std::fs::read_to_string(&called).is_ok_and(|size| size == "3\n")
    });
    let decision = pool(&node)["decisions"][0].clone();
    assert_eq!(decision["reason"], "set by hand; 1 of 3 nodes are there so far");
}

#[test]
fn a_pool_may_start_its_nodes_on_this_machine_and_end_them() {
    let Some(site) = site() else { return };
    let mut first = site.node_with("first", &["--scale-locally"]);
    let members_are = |node: &Server, count: u64| {
        wait_until("so many are there", 2 * SOON, || pool(node)["members"] == count);
    };
    for version in 0..20 {
        assert_eq!(put(&first, &format!("key {version}"), "stamp").status, 201);
    }
    assert_eq!(change_pool(&first, &json!({ "size": 3 })).status, 200);
    members_are(&first, 3);
    let answers = || -> Vec<String> {
        let read = |version| get(&first, &format!("key {version}"));
        (0..20).map(|version| source(&read(version)).to_owned()).collect()
    };
    wait_until("others answer too", SOON, || answers().iter().any(|source| source == "peer"));
    assert_eq!(change_pool(&first, &json!({ "size": 2 })).status, 200);
    members_are(&first, 2);

    let status = first.client().get("/cluster/status").json();
    let listens =
        status["overview"]["members"][1]["load"]["listens"].as_str().expect("it has reported");
    let child = std::net::SocketAddr::from_str(listens).expect("an address");
    let answers = || std::net::TcpStream::connect(child).is_ok();
    assert!(answers());
    first.process.kill();
    wait_until("none outlives who started it", SOON, || !answers());
    // The pool is what it was, with the same nodes.
    let first = site.node_with("first", &["--scale-locally"]);
    members_are(&first, 2);
    let nodes = first.client().get("/cluster/status").json()["overview"]["members"].clone();
    assert_eq!(nodes.as_array().expect("members").len(), 2, "{nodes}");
}

#[test]
fn a_node_may_keep_nothing_and_ask_for_each_read() {
    for site in sites() {
        let strict = site.node_with("strict", &["--coherence", "strict-db"]);
        assert_eq!(put(&strict, "key", "first").status, 201);
        let sources =
            |node: &Server| [get(node, "key"), get(node, "key")].map(|a| source(&a).to_owned());
        assert_eq!(sources(&strict), ["miss", "miss"]);
        let keeper = site.node("keeper");
        wait_until("it owns all keys", SOON, || pool(&strict)["size"] == 1);
        assert_eq!(sources(&keeper), ["miss", "hit"]);
        assert_eq!(sources(&strict), ["peer", "peer"]);
        assert_eq!(put(&keeper, "key", "second").status, 200);
        assert!(get(&strict, "key").body == small("second"));
    }
}

/// Makes a program's clocks run at another rate, if that is there.
fn with_clock_rate(command: &mut Command, rate: &str) -> bool {
    let of_architectures = std::fs::read_dir("/usr/lib").expect("is there");
    let library = of_architectures
        .filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketimeMT.so.1")))
        .find(|library| library.is_file());
    let Some(library) = library else {
        eprintln!("skipped: wrong clocks: faketime is not installed");
        return false;
    };
    command.env("LD_PRELOAD", library).env("FAKETIME", format!("+0 x{rate}"));
    true
}

#[test]
fn a_node_whose_clock_is_wrong_keeps_nothing() {
    for site in sites() {
        let right = site.node("right");
        for (name, rate) in [("slow", "0.5"), ("fast", "2.0")] {
            let data = site.place(name);
            let mut command = site.command(&data);
            if !with_clock_rate(&mut command, rate) {
                return;
            }
            let mut wrong = Server::ready(Process::spawn(&mut command), &data);
            let standing = || -> Value {
                let status = right.client().get("/cluster/status").json();
                let members = status["overview"]["members"].as_array().expect("members").clone();
                members.last().expect("it joined last")["standing"].clone()
            };
            wait_until("it steps aside", 2 * SOON, || standing() == "passthrough");
            assert_eq!(put(&right, name, "stamp").status, 201);
            assert!(get(&wrong, name).body == small("stamp"));
            assert_ne!(source(&get(&wrong, name)), "hit");
            assert_eq!(standing(), "passthrough", "it doesn't come back");
            // Killed it would leave shared memory of faketime behind.
            wrong.end(Signal::TERM);
        }
    }
}

#[test]
fn in_auto_mode_the_miss_rate_decides() {
    let Some(site) = site() else { return };
    let nodes = site.nodes(3);
    resize(&nodes, 1);
    let auto = json!({
        "mode": "auto", "most": 3, "interval_seconds": 5,
        "max_miss_rate": 0.5, "min_miss_rate": 0.1,
    });
    assert_eq!(change_pool(&nodes[1], &auto).status, 200);
    // Keys that are read once miss: the pool grows by twice to two, to four,
    // which is more than three.
    let has_become = |size: u64, reason: &str| {
        let pool = pool(&nodes[0]);
        let latest = pool["decisions"][0]["reason"].as_str().unwrap_or_default();
        pool["size"] == size && latest.contains(reason)
    };
    let mut number = 0;
    wait_until("it has grown to its bound", 6 * SOON, || {
        let key = format!("cold {number}");
        number += 1;
        put(&nodes[0], &key, &key);
        get(&nodes[0], &key);
        has_become(3, "is above 50.0 %")
    });
    put(&nodes[0], "hot", "hot");
    wait_until("it has shrunk to one", 6 * SOON, || {
        get(&nodes[0], "hot");
        has_become(1, "is below 10.0 %")
    });
    let minutes = nodes[2].client().get("/cluster/status").json()["minutes"].clone();
    let minutes = minutes.as_array().expect("a list").clone();
    assert!(minutes.iter().any(|minute| minute["requests"].as_u64() > Some(0)), "{minutes:?}");
}

#[test]
fn strangers_learn_nothing_at_the_port_for_peers() {
    let Some(site) = site() else { return };
    let node = site.node("node");
    let line = node.announcement.lines().find(|line| line.trim().starts_with("node"));
    let address = line.and_then(|line| line.split_whitespace().last()?.parse().ok());
    let mut peer = Client::connect(address.expect("is announced")).expect("takes connections");
    assert_eq!(put(&node, "key", "key").status, 201);
    for (method, target) in [
        ("POST", "/v1/messages"),
        ("GET", "/v1/entries/00036b6579"),
        ("GET", "/images/key"),
        ("GET", "/metrics"),
    ] {
        for code in ["", "00", &"0".repeat(64)] {
            let answer =
                peer.send(method, target, &[("X-Larder-Code", code)], b"").expect("answers");
            assert!(matches!(answer.status, 401 | 404), "{method} {target}: {}", answer.status);
            assert!(answer.body.is_empty(), "{}", answer.everything());
        }
    }
    // Nor does a node with another secret take part in what these say.
    std::fs::write(site.place("secret"), "another secret, as long as needed").expect("is written");
    let other = site.node("other");
    assert!(get(&other, "key").body == small("key"), "it reads the store");
    assert_eq!(source(&get(&other, "key")), "hit", "and its own memory");
}

#[test]
fn a_cluster_is_refused_where_it_could_not_be_one() {
    let folder = folder();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "too short").expect("can be written");
    let secret = secret.display().to_string();
    let node = ["--node-address", "127.0.0.1:0", "--cluster-secret-file", &secret];
    let rows = ["--database", "postgres://127.0.0.1:1/none"];
    for (more, says) in [
        (vec!["--node-address", "127.0.0.1:0"], "--cluster-secret-file"),
        (node.to_vec(), "--database"),
        ([&node[..], &rows].concat(), "--blobs"),
        ([&node[..], &rows, &["--blobs", "file:/tmp/nowhere"]].concat(), "at least 32"),
    ] {
        let mut command = larder();
        command.args(["images", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path());
        let ended = run(command.args(&more));
        assert_eq!(ended.code, Some(2), "{more:?}: {}", ended.log);
        assert!(ended.log.contains(says), "{more:?}: {}", ended.log);
    }
}

#[test]
fn the_members_are_shown_on_a_terminal_and_on_a_page() {
    let Some(site) = site() else { return };
    let nodes = site.nodes(2);
    assert_eq!(put(&nodes[0], "key", "key").status, 201);
    let mut command = larder();
    command.args(["admin", "cluster", "--database", &site.database]);
    let shown = run(&mut command);
    assert_eq!(shown.code, Some(0), "{}", shown.log);
    for node in &nodes {
        wait_until("its report is there", SOON, || {
            run(larder().args(["admin", "cluster", "--database", &site.database]))
                .out
                .contains(&node.images.to_string())
        });
        let page = node.client().get("/cluster").text();
        for word in ["Members", "caching", "Grow by one", "The last 30 minutes"] {
            assert!(page.contains(word), "{word}");
        }
    }
    assert!(shown.out.contains("2 members, 2 own keys"), "{}", shown.out);
}
