//! What a put and a miss cost on each pair of stores, beside what the stores
//! themselves take for the same: the statements alone, the file with its
//! fsyncs or the S3 request alone, and the bare HTTP request alone. All in
//! turn, in several rounds; medians of the rounds' medians.
//!
//! `cargo bench --bench stores`, with `-- --quick` for one short round, or a
//! part of a pair's name, such as `-- files`, for those pairs alone.

#![allow(clippy::print_stdout, missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use larder_blobs::{BlobId, BlobStore};
use larder_servers::{MariaDb, Postgres, S3Server};
use larder_sql::{Config, Connection, Database, Error, Value};
use support::http::image_path;
use support::pictures::Photos;
use support::{Process, Server, folder, serve};
use tokio::runtime::Runtime;

/// How the work is done: by so many at once, each so often.
#[derive(Clone, Copy)]
struct Load {
    clients: usize,
    each: usize,
}

/// What one operation took.
#[derive(Clone, Copy, Debug)]
struct Took {
    /// Median latency.
    p50: Duration,
    /// Operations per second of all clients together.
    per_second: f64,
}

fn measure(load: Load, work: impl Fn(usize) + Sync) -> Took {
    let began = Instant::now();
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let work = &work;
        let clients: Vec<_> = (0..load.clients)
            .map(|client| {
                scope.spawn(move || {
                    let timed = |n: usize| {
                        let began = Instant::now();
                        work(client * load.each + n);
                        began.elapsed()
                    };
                    (0..load.each).map(timed).collect::<Vec<_>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().expect("works")).collect()
    });
    let per_second = times.len() as f64 / began.elapsed().as_secs_f64();
    times.sort_unstable();
    Took { p50: times[times.len() / 2], per_second }
}

/// The median of several rounds.
fn median(mut rounds: Vec<Took>) -> Took {
    rounds.sort_by_key(|took| took.p50);
    let p50 = rounds[rounds.len() / 2].p50;
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    Took { p50, per_second: rounds[rounds.len() / 2].per_second }
}

/// The statements of a put under a new key, as the image store makes them.
fn put_row(c: &mut dyn Connection, key: &str, id: &BlobId) -> Result<(), Error> {
    let lock = c.dialect().for_update();
    let (hash, location): (Value, Value) = (id.hash.to_string().into(), id.to_string().into());
    let find = format!(
        "SELECT \"key\", version, location, type, size, width, height, frames, created_at,
             updated_at FROM images WHERE \"key\" = ?{lock}"
    );
    c.query_one(&find, &[key.into()])?;
    c.execute(
        "INSERT INTO images (\"key\", version, location, hash, type, size, width, height, frames,
             created_at, updated_at) VALUES (?, 1, ?, ?, 'jpeg', 100000, 800, 600, 1, 1, 1)",
        &[key.into(), location.clone(), hash.clone()],
    )?;
    c.query_one("SELECT version FROM tombstones WHERE \"key\" = ?", &[key.into()])?;
    let live = format!(
        "SELECT location, unreferenced_at FROM blobs WHERE hash = ? AND state = 'live'
         ORDER BY location LIMIT 1{lock}"
    );
    c.query_one(&live, std::slice::from_ref(&hash))?;
    c.execute(
        "INSERT INTO blobs (location, hash, size, state, created_at) VALUES (?, ?, ?, 'live', ?)",
        &[location, hash, 100_000.into(), 1.into()],
    )?;
    c.execute(
        "UPDATE totals SET images = images + 1, bytes = bytes + 100000 WHERE id = ? AND frozen = 0",
        &[(1 + i64::from(id.shard()) % 64).into()],
    )?;
    Ok(())
}

/// A file as durable as an image's, by the plainest code.
fn write_file(folder: &Path, name: &str, bytes: &[u8]) {
    let (aside, place) = (folder.join(format!("{name}.tmp")), folder.join(name));
    let mut file = std::fs::File::create(&aside).expect("makes");
    file.write_all(bytes).expect("writes");
    file.sync_all().expect("syncs");
    std::fs::rename(&aside, &place).expect("renames");
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).expect("syncs");
}

/// The stores alone, without Larder.
struct Alone {
    runtime: Runtime,
    database: Database,
    s3: Option<Arc<dyn BlobStore>>,
    folder: tempfile::TempDir,
}

impl Alone {
    fn put(&self, name: &str, bytes: &[u8]) -> BlobId {
        let id = BlobId::new(larder_blobs::Hash::of(bytes));
        match &self.s3 {
            None => write_file(self.folder.path(), name, bytes),
            Some(s3) => self.runtime.block_on(async {
                let mut spool = s3.spool();
                spool.write(bytes.to_vec().into()).await.expect("gathers");
                s3.put(&id, spool.finish().await.expect("gathers")).await.expect("puts");
            }),
        }
        let key = name.to_owned();
        let work = move |c: &mut dyn Connection| put_row(c, &key, &id);
        self.runtime.block_on(self.database.write(work)).expect("commits");
        id
    }

    fn get(&self, name: &str, id: &BlobId) {
        let sql = "SELECT \"key\", version, location, type, size, width, height, frames,
             created_at, updated_at FROM images WHERE \"key\" = ?";
        let row = self.runtime.block_on(self.database.query_one(sql, vec![name.into()]));
        assert!(row.expect("reads").is_some());
        let len = match &self.s3 {
            None => std::fs::read(self.folder.path().join(name)).expect("reads").len(),
            Some(s3) => self.runtime.block_on(s3.get(id)).expect("gets").len(),
        };
        assert!(len > 90_000);
    }
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let rounds = if quick { 1 } else { 5 };
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let (maria, postgres, s3) = (MariaDb::start(), Postgres::start(), S3Server::start());
    println!(
        "| rows, blobs | clients | put | alone | request | ratio | miss | alone | request | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut number = 0;
    for blobs in ["files", "S3"] {
        for rows in ["SQLite", "MariaDB", "PostgreSQL"] {
            let make = |name: &str| match rows {
                "MariaDB" => maria.as_ref().map(|server| server.make_database(name)),
                "PostgreSQL" => postgres.as_ref().map(|server| server.make_database(name)),
                _ => Some(String::new()),
            };
            let name = format!("{rows}, {blobs}");
            if !wanted.iter().all(|part| name.contains(part)) {
                continue;
            }
            number += 1;
            let urls = make(&format!("served_{number}")).zip(make(&format!("alone_{number}")));
            let Some((served, alone)) = urls else { continue };
            let bucket = |name: &str| {
                s3.as_ref().map(|server| {
                    server.make_bucket(name);
                    server.url(name)
                })
            };
            let buckets = match blobs {
                "S3" => {
                    let [a, b] =
                        ["served", "alone"].map(|name| bucket(&format!("{name}-{number}")));
                    let Some(both) = a.zip(b) else { continue };
                    Some(both)
                }
                _ => None,
            };
            pair(&name, rounds, quick, [served, alone], buckets.as_ref());
        }
    }
}

/// Starts a server on these stores.
fn start(data: &Path, database: &str, bucket: Option<&str>) -> Server {
    let mut command = serve(data);
    // Next to nothing stays in memory, so that every read is a miss.
    command.args(["--capacity", "120KB"]);
    if !database.is_empty() {
        command.args(["--database", database]);
    }
    if let Some(bucket) = bucket {
        command.args(["--blobs", bucket]);
    }
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env(name, S3Server::environment(name).expect("S3's key has both"));
    }
    Server::ready(Process::spawn(&mut command), data)
}

fn pair(
    name: &str,
    rounds: usize,
    quick: bool,
    [served, alone]: [String; 2],
    buckets: Option<&(String, String)>,
) {
    let folder = folder();
    let data = folder.path().join("served");
    let server = start(&data, &served, buckets.map(|(served, _)| served.as_str()));
    // The tables of the other place are made by a server that ends again.
    let other = folder.path().join("alone");
    drop(start(&other, &alone, None));
    let runtime = Runtime::new().expect("a runtime");
    let url = match alone.as_str() {
        "" => format!("sqlite:{}", other.join("larder.db").display()),
        url => url.to_owned(),
    };
    let url = url.parse().expect("a URL");
    let database = runtime.block_on(Database::open(&Config { url, readers: 8 })).expect("opens");
    let s3 = buckets.map(|(_, bucket)| {
        let url = bucket.parse().expect("a URL");
        let opening = larder_blobs::open(&url, &other, false, &S3Server::environment);
        runtime.block_on(opening).expect("opens")
    });
    let files = tempfile::tempdir_in(folder.path()).expect("a folder");
    let alone = Alone { runtime, database, s3, folder: files };

    let photo = larder_picture::samples::photo_of_about(100_000, 1);
    let photos = Photos::of(vec![photo]);
    let nothing = vec![0; photos.stamped(0, "0").len()];
    for clients in [1, 16] {
        let each = match (quick, clients) {
            (true, _) => 20,
            (false, 1) => 200,
            (false, _) => 40,
        };
        let load = Load { clients, each };
        let (mut puts, mut puts_alone, mut refused) = (vec![], vec![], vec![]);
        let (mut misses, mut reads_alone, mut hits) = (vec![], vec![], vec![]);
        for round in 0..rounds {
            let key = |n: usize| format!("{clients}-{round}-{n}");
            let connections = connect(&server, clients);
            let client = |n: usize| connections[n / each].lock().expect("one at a time");
            let image = |n: usize| photos.stamped(0, &key(n));
            puts.push(measure(load, |n| {
                let answer = client(n).ask("PUT", &image_path(&key(n)), &image(n));
                assert_eq!(answer.status, 201, "{}", answer.text());
            }));
            let ids: Vec<_> = (0..clients * each).map(|_| std::sync::OnceLock::new()).collect();
            puts_alone.push(measure(load, |n| {
                let _ = ids[n].set(alone.put(&key(n), &image(n)));
            }));
            // As many bytes, taken in and refused.
            refused.push(measure(load, |n| {
                assert_eq!(client(n).ask("PUT", "/images/no", &nothing).status, 415);
            }));
            misses.push(measure(load, |n| {
                let answer = client(n).get(&image_path(&key(n)));
                assert_eq!(answer.header("x-cache"), Some("miss"));
            }));
            reads_alone.push(measure(load, |n| {
                alone.get(&key(n), ids[n].get().expect("was put"));
            }));
            client(0).get(&image_path(&key(0)));
            hits.push(measure(load, |n| {
                assert_eq!(client(n).get(&image_path(&key(0))).status, 200);
            }));
        }
        let [put, put_alone, refused] = [puts, puts_alone, refused].map(median);
        let [miss, read_alone, hit] = [misses, reads_alone, hits].map(median);
        let line = |whole: Took, alone: Took, request: Took| match clients {
            1 => {
                let ms = |took: Took| took.p50.as_secs_f64() * 1000.0;
                let ratio = ms(whole) / (ms(alone) + ms(request));
                format!(
                    "{:.2} ms | {:.2} ms | {:.2} ms | {ratio:.2}",
                    ms(whole),
                    ms(alone),
                    ms(request)
                )
            }
            _ => {
                let both = 1.0 / (1.0 / alone.per_second + 1.0 / request.per_second);
                let ratio = both / whole.per_second;
                format!(
                    "{:.0}/s | {:.0}/s | {:.0}/s | {ratio:.2}",
                    whole.per_second, alone.per_second, request.per_second
                )
            }
        };
        let (put, miss) = (line(put, put_alone, refused), line(miss, read_alone, hit));
        println!("| {name} | {clients} | {put} | {miss} |");
    }
}

fn connect(server: &Server, clients: usize) -> Vec<std::sync::Mutex<support::Client>> {
    (0..clients).map(|_| std::sync::Mutex::new(server.client())).collect()
}
