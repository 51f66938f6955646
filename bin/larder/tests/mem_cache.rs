//! The image store with its images on a mem-cache service: two real processes,
//! never an image that is out of date, whatever becomes of the service.

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use larder_picture::samples::photo_of_about;
use rustix::process::Signal;
use support::memcached::Cellar;
use support::pictures::{Photos, small};
use support::{Answer, Client, PATIENCE, Process, Server, folder, larder, run, serve, wait_until};

/// An image store on `folder` whose images are kept at `cellar`.
fn store(folder: &Path, cellar: &Cellar, arguments: &[&str]) -> Server {
    let service = format!("http://{}", cellar.http);
    let mut command = serve(folder);
    command.args(["--cache", &service]).args(arguments);
    let server = Server::ready(Process::spawn(&mut command), folder);
    assert!(server.announcement.contains(&service), "{}", server.announcement);
    server
}

fn put(client: &mut Client, key: &str, bytes: &[u8]) {
    let answer = client.ask("PUT", &format!("/images/{key}"), bytes);
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
}

/// Reads an image and says whether it came from the cache.
fn read(client: &mut Client, target: &str, bytes: &[u8]) -> bool {
    let answer = client.get(&format!("/images/{target}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.body == bytes, "{target} has other bytes");
    is_hit(&answer)
}

fn is_hit(answer: &Answer) -> bool {
    answer.header("x-cache") == Some("hit")
}

fn path_of(bytes: &[u8]) -> String {
    format!("/cache/images/{}", blake3::hash(bytes))
}

#[test]
fn the_service_keeps_the_images_also_over_a_restart_of_the_store() {
    let (folder, cellar) = (folder(), Cellar::start(&[]));
    let mut server = store(folder.path(), &cellar, &[]);
    let small = Photos::develop();
    let mut photos: Vec<_> = [0, 5, 9].map(|dice| small.stamped(dice, "kept")).into();
    photos.push(photo_of_about(2 << 20, 3));
    let mut client = server.client();
    for (number, photo) in photos.iter().enumerate() {
        put(&mut client, &format!("photo-{number}"), photo);
        assert!(!read(&mut client, &format!("photo-{number}"), photo), "nobody had read it");
        assert!(read(&mut client, &format!("photo-{number}"), photo), "it was just read");
    }
    // The classic API and a part of an image are from there, too.
    let classic = client.ask("POST", "/api/key/photo-1", b"");
    assert_eq!(classic.json()["success"], "true");
    let mut there = Client::connect(cellar.http).expect("it listens");
    assert!(there.get(&path_of(&photos[2])).body == photos[2], "it has them under their hash");

    server.end(Signal::TERM);
    let server = store(folder.path(), &cellar, &[]);
    assert!(read(&mut server.client(), "photo-2", &photos[2]), "it was kept meanwhile");

    // Thumbnails are there as well, and are made again where they are lost.
    let mut client = server.client();
    let made = client.get("/images/photo-1?w=40");
    assert_eq!((made.status, is_hit(&made)), (200, false));
    assert!(read(&mut client, "photo-1?w=40", &made.body));
    assert_eq!(there.ask("POST", "/clear", b"").status, 200);
    assert!(!read(&mut client, "photo-1?w=40", &made.body));
    assert!(read(&mut client, "photo-1?w=40", &made.body));

    // Who has them already is told so, and nothing goes from there to here.
    for target in ["/images/photo-1?w=40", "/images/photo-1"] {
        let whole = client.get(target);
        let (path, etag) = (path_of(&whole.body), whole.header("etag").expect("it has one"));
        assert_eq!(there.ask("DELETE", &path, b"").status, 204);
        let again = client.send("GET", target, &[("If-None-Match", etag)], b"").expect("answers");
        assert_eq!((again.status, is_hit(&again)), (304, true));
        assert_eq!(there.get(&path).status, 404, "{target} was read, and put there again");
    }

    // What nobody names any more is taken out.
    assert!(!read(&mut client, "photo-0", &photos[0]));
    assert_eq!(client.ask("DELETE", "/images/photo-0", b"").status, 204);
    wait_until("the deleted image is gone there", PATIENCE, || {
        there.get(&path_of(&photos[0])).status == 404
    });
}

#[test]
fn nobody_reads_an_older_image_than_was_acknowledged() {
    let (folder, cellar) = (folder(), Cellar::start(&[]));
    let server = store(folder.path(), &cellar, &[]);
    let images = server.images;
    let connect = move || Client::connect(images).expect("it is ready");
    let acknowledged = AtomicU64::new(0);
    let version = |number: u64| small(&format!("version {number:06}"));
    put(&mut server.client(), "one", &version(0));
    const WRITES: u64 = 150;
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut client = connect();
                loop {
                    let oldest = acknowledged.load(Ordering::SeqCst);
                    let bytes = client.get("/images/one").body;
                    let newest = (oldest..=WRITES).find(|number| version(*number) == bytes);
                    assert!(newest.is_some(), "older than version {oldest}");
                    if oldest == WRITES {
                        return;
                    }
                }
            });
        }
        let mut client = server.client();
        let mut there = Client::connect(cellar.http).expect("it listens");
        for number in 1..=WRITES {
            // Others fill the service as they like.
            match number % 5 {
                0 => there.ask("POST", "/clear", b""),
                1 => there.ask("PUT", &path_of(&version(number)), &version(number - 1)),
                _ => there.ask("PUT", &path_of(&version(number)), b"no image"),
            };
            put(&mut client, "one", &version(number));
            acknowledged.store(number, Ordering::SeqCst);
        }
    });
}

#[test]
fn without_the_service_or_with_wrong_bytes_in_it_the_store_answers() {
    let (folder, mut cellar) = (folder(), Cellar::start(&[]));
    let server = store(folder.path(), &cellar, &["--capacity", "9MB", "--policy", "lru"]);
    let (mut client, photo) = (server.client(), small("here"));
    put(&mut client, "photo", &photo);
    read(&mut client, "photo", &photo);
    assert!(read(&mut client, "photo", &photo));

    // Somebody has put something else under its hash.
    let mut there = Client::connect(cellar.http).expect("it listens");
    assert_eq!(there.ask("PUT", &path_of(&photo), b"something else").status, 201);
    assert!(!read(&mut client, "photo", &photo), "the store has the right bytes");
    assert!(read(&mut client, "photo", &photo), "and the service has them again");
    let metrics = client.get("/metrics").text();
    assert!(metrics.contains("larder_mem_cache_wrong_total 1\n"), "{metrics}");

    let port = cellar.http.port();
    cellar.process.kill();
    for _ in 0..3 {
        assert!(!read(&mut client, "photo", &photo), "nobody keeps it");
    }
    // Settings that are changed meanwhile are in force when it is back.
    let settings = br#"{"capacity_bytes": 7340032, "policy": "sieve"}"#;
    assert_eq!(client.ask("PATCH", "/cache/settings", settings).status, 200);
    let address = format!("127.0.0.1:{port}");
    let _cellar = Cellar::start(&["--cache-listen", &address]);
    wait_until("the service is used again", PATIENCE, || read(&mut client, "photo", &photo));
    let config = || Client::connect(cellar.http).expect("it listens").get("/config").json();
    wait_until("it has the settings", PATIENCE, || {
        let config = config();
        config["capacity_bytes"] == 7_340_032 && config["policy"] == "sieve"
    });
}

#[test]
fn the_settings_page_sets_up_and_empties_the_service() {
    let (folder, cellar) = (folder(), Cellar::start(&[]));
    let server = store(folder.path(), &cellar, &["--capacity", "9MB", "--policy", "lru"]);
    let mut there = Client::connect(cellar.http).expect("it listens");
    let config = there.get("/config").json();
    assert_eq!((&config["capacity_bytes"], &config["policy"]), (&9_437_184.into(), &"lru".into()));
    let mut client = server.client();
    let settings = br#"{"capacity_bytes": 5242880, "policy": "random", "autopilot": true}"#;
    let now = client.ask("PATCH", "/cache/settings", settings).json();
    assert_eq!((&now["capacity_bytes"], &now["policy"]), (&5_242_880.into(), &"random".into()));
    let config = there.get("/config").json();
    assert_eq!(
        (&config["capacity_bytes"], &config["autopilot"]),
        (&5_242_880.into(), &true.into())
    );
    assert!(client.get("/cache").text().contains("The images are on a mem-cache server"));

    let photo = small("cleared");
    put(&mut client, "photo", &photo);
    read(&mut client, "photo", &photo);
    assert_eq!(there.get("/stats").json()["items"], 1);
    wait_until("the statistics count what is there", PATIENCE, || {
        client.get("/metrics").text().contains("larder_cache_items 1\n")
    });
    assert_eq!(client.ask("POST", "/api/delete_all", b"").status, 200);
    wait_until("nothing is there", PATIENCE, || there.get("/stats").json()["items"] == 0);
}

#[test]
fn a_service_with_a_token_and_flags_that_cannot_be() {
    let folder = folder();
    let token = folder.path().join("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef\n").expect("the folder is ours");
    let token = token.to_str().expect("a plain path");
    let cellar = Cellar::start(&["--admin-token-file", token]);
    let data = folder.path().join("data");
    let server = store(&data, &cellar, &["--cache-token-file", token]);
    let (mut client, photo) = (server.client(), small("token"));
    put(&mut client, "photo", &photo);
    read(&mut client, "photo", &photo);
    assert!(read(&mut client, "photo", &photo));
    drop(server);

    // Without it nothing can be kept there, and nothing is wrong with reading.
    let server = store(&data, &cellar, &[]);
    let (mut client, other) = (server.client(), small("no token"));
    put(&mut client, "other", &other);
    assert!(!read(&mut client, "other", &other) && !read(&mut client, "other", &other));
    wait_until("the log says why", PATIENCE, || {
        server.process.log().contains("the mem-cache service refuses its settings")
    });

    for (flags, reason) in [
        (vec!["--cache", "https://127.0.0.1:1"], "expected http://HOST:PORT"),
        (vec!["--cache", "http://127.0.0.1:1", "--node-address", "127.0.0.1:0"], "--node-address"),
        (vec!["--cache-token-file", token], "--cache <URL>"),
    ] {
        let ended = run(larder().arg("images").args(flags));
        assert_eq!(ended.code, Some(2), "{}", ended.log);
        assert!(ended.log.contains(reason), "{}", ended.log);
    }
}

#[test]
fn everything_on_one_machine_stores_the_statistics_of_both_caches() {
    let folder = folder();
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    let mut command = larder();
    command.args(["serve", "--only", "images,cache", "--listen", "127.0.0.1:0", "--min-free", "0"]);
    command.args(["--cache-listen", "127.0.0.1:0", "--memcached-listen", "127.0.0.1:0"]);
    command.args(["--database", &url, "--data"]).arg(folder.path());
    let server = Server::ready(Process::spawn(&mut command), folder.path());
    let mut there = Client::connect(server.cache).expect("it listens");
    assert_eq!(there.get("/cache/shelf/none").status, 404);

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let url = url.parse().expect("a URL");
    let config = larder_sql::Config { url, readers: 1 };
    let rows = runtime.block_on(larder_sql::Database::open(&config)).expect("it opens");
    let count = |sql: &str| {
        let row = runtime.block_on(rows.query_one(sql.to_owned(), vec![])).ok().flatten();
        row.map_or(0, |row| row.get::<i64>(0).expect("a number"))
    };
    wait_until("both have a row", PATIENCE, || {
        let there = count("SELECT COALESCE(SUM(request_count), 0) FROM memcache_stats");
        there == 1 && count("SELECT COUNT(*) FROM cache_stats") > 0
    });
}
