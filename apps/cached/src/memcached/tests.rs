//! A connection over pipes in memory, whose other end is the test.

use std::io;
use std::task::{Context, Poll};

use larder_cache::PolicyKind;
use larder_clock::SystemClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::Config;
use crate::items::Count;

impl Stream for DuplexStream {
    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

async fn serve_one(mut client: DuplexStream, worker: Rc<Worker>) -> std::io::Result<()> {
    connection::serve(&mut client, worker).await
}

fn worker(settings: Settings) -> Rc<Worker> {
    let config = Config {
        capacity_bytes: 8 << 20,
        policy: PolicyKind::Lru,
        max_item_bytes: crate::MAX_ITEM_BYTES,
    };
    let cache = MemCache::new(&config, Arc::new(SystemClock));
    let shared = Shared {
        settings,
        users: None,
        tls: None,
        connections: cache.connection_count(),
        accepted: AtomicU64::new(0),
        rejected: AtomicU64::new(0),
        before: Before::default(),
        shutdown: Shutdown::default(),
    };
    Rc::new(Worker::new(cache.items(), Arc::new(shared)))
}

/// Sends pieces, one after the other was taken, and returns all that is
/// answered until the end.
async fn talk(pieces: &[&[u8]], pipe: usize) -> Vec<u8> {
    let (mut client, server) = tokio::io::duplex(pipe);
    let serving = serve_one(server, worker(Settings::default()));
    let talking = async {
        for piece in pieces {
            client.write_all(piece).await.expect("the server reads");
        }
        client.shutdown().await.expect("ends");
        let mut answers = Vec::new();
        client.read_to_end(&mut answers).await.expect("the server answers");
        answers
    };
    let (served, answers) = tokio::join!(serving, talking);
    served.expect("serves to the end");
    answers
}

const SESSION: &[u8] = b"set a 1 0 3\r\nabc\r\nget a\r\ngets a b\r\nappend a 0 0 1 noreply\r\nd\r\n\
    get a\r\nset a 0 0 2\r\nxyz\r\nget a a\r\nnonsense\r\nmg a v k Oq\r\nmg none v q\r\nms b 2 c\r\nhi\r\n\
    mg b s v\r\nmd b q\r\nmn\r\nget b\r\nset big 0 0 9000\r\n";

fn session() -> Vec<u8> {
    [SESSION, &[b'x'; 9000], b"\r\nget big a\r\n", b"incr a 1\r\ntouch a 0\r\nquit\r\n"].concat()
}

#[tokio::test]
async fn the_answers_do_not_depend_on_the_pieces() {
    let whole = talk(&[&session()], 1 << 20).await;
    let text = String::from_utf8_lossy(&whole);
    let start = "STORED\r\nVALUE a 1 3\r\nabc\r\nEND\r\nVALUE a 1 3 1\r\nabc\r\nEND\r\n\
        VALUE a 1 4\r\nabcd\r\nEND\r\nCLIENT_ERROR bad data chunk\r\n";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains("VA 4 ka Oq\r\nabcd\r\nHD c"), "{text}");
    assert!(
        text.contains("VA 2 s2\r\nhi\r\nMN\r\nEND\r\nSTORED\r\nVALUE big 0 9000\r\n"),
        "{text}"
    );
    let end = "CLIENT_ERROR cannot increment or decrement non-numeric value\r\nTOUCHED\r\n";
    assert!(text.ends_with(end), "{text}");
    for size in [1, 2, 7, 100, 4000, 8999] {
        let session = session();
        let pieces: Vec<&[u8]> = session.chunks(size).collect();
        assert_eq!(talk(&pieces, 1 << 20).await, whole, "pieces of {size}");
        // And over a pipe that takes no more at a time, in both directions.
        let (mut reader, server) = tokio::io::duplex(size);
        let serving = serve_one(server, worker(Settings::default()));
        let reading = async {
            let (mut read, mut write) = tokio::io::split(&mut reader);
            let mut answers = Vec::new();
            let sending = async {
                write.write_all(&session).await.expect("the server reads");
            };
            let (_, read) = tokio::join!(sending, read.read_to_end(&mut answers));
            read.expect("the server answers");
            answers
        };
        let (served, answers) = tokio::join!(serving, reading);
        served.expect("serves to the end");
        assert_eq!(answers, whole, "a pipe of {size}");
    }
}

#[tokio::test]
async fn who_says_nothing_has_no_buffers() {
    let worker = worker(Settings::default());
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let tasks = LocalSet::new();
    tasks.spawn_local(serve_one(server, Rc::clone(&worker)));
    tasks
        .run_until(async {
            client.write_all(b"set a 0 0 1\r\nx\r\nget a\r\n").await.expect("sends");
            let mut answer = [0; 8 + 13 + 3 + 5];
            client.read_exact(&mut answer).await.expect("answers");
            tokio::task::yield_now().await;
        })
        .await;
    // Both of its buffers lie with the thread again.
    let (one, other) = (worker.buffer(), worker.buffer());
    assert!(one.capacity() > 0 && other.capacity() > 0);
    assert_eq!(Rc::strong_count(&worker), 2, "the connection is there still");
}

#[tokio::test]
async fn who_does_not_read_is_not_read_from() {
    let worker = worker(Settings::default());
    let value = vec![b'x'; 500_000];
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let tasks = LocalSet::new();
    tasks.spawn_local(serve_one(server, Rc::clone(&worker)));
    tasks
        .run_until(async {
            let head = format!("set big 0 0 {}\r\n", value.len());
            client.write_all(head.as_bytes()).await.expect("sends");
            client.write_all(&value).await.expect("sends");
            client.write_all(b"\r\n").await.expect("sends");
            let mut stored = [0; 8];
            client.read_exact(&mut stored).await.expect("answers");
            // More requests than the pipe and the buffers take.
            let asking = async {
                client.write_all(&[b"get", &*b" big".repeat(10_000), b"\r\n"].concat()).await?;
                loop {
                    client.write_all(&b"get big\r\n".repeat(1000)).await?;
                }
                #[allow(unreachable_code)]
                Ok::<(), io::Error>(())
            };
            let asking = tokio::time::timeout(Duration::from_millis(200), asking).await;
            assert!(asking.is_err(), "somebody reads without end");
        })
        .await;
    let gets = worker.items.counters.sum(Count::Gets);
    assert!(gets < 40, "{gets} answers were prepared that nobody reads");
}

#[tokio::test]
async fn a_value_that_is_too_large_is_passed_over_and_takes_the_old_one_with_it() {
    let too_large = vec![b'x'; 2 << 20];
    let head = format!("set a 0 0 {}\r\n", too_large.len());
    let pieces: [&[u8]; 5] =
        [b"set a 0 0 1\r\nx\r\n", head.as_bytes(), &too_large, b"\r\n", b"get a\r\nquit\r\n"];
    let answers = talk(&pieces, 1 << 16).await;
    let expected = "STORED\r\nSERVER_ERROR object too large for cache\r\nEND\r\n";
    assert_eq!(String::from_utf8_lossy(&answers), expected);
}

#[tokio::test]
async fn many_keys_in_one_line_are_answered_in_their_order() {
    let mut line = b"get".to_vec();
    let mut sets = Vec::new();
    for number in 0..1000 {
        line.extend_from_slice(format!(" a-key-that-is-rather-long-{number}").as_bytes());
        let set = format!("set a-key-that-is-rather-long-{number} 0 0 1 noreply\r\n1\r\n");
        sets.extend_from_slice(set.as_bytes());
    }
    line.extend_from_slice(b"\r\nquit\r\n");
    let answers = talk(&[&sets, &line], 1 << 20).await;
    let answers = String::from_utf8_lossy(&answers);
    let names: Vec<&str> = answers.split("VALUE ").skip(1).collect();
    assert_eq!(names.len(), 1000);
    for (number, name) in names.iter().enumerate() {
        assert!(name.starts_with(&format!("a-key-that-is-rather-long-{number} ")), "{name}");
    }
    assert!(answers.ends_with("END\r\n"));
}

#[tokio::test]
async fn one_line_for_more_than_a_client_takes_at_once_is_answered_in_full() {
    let value = "x".repeat(3000);
    let set = format!("set a 0 0 3000\r\n{value}\r\n");
    let line = format!("gets{}\r\nget a\r\nquit\r\n", " a".repeat(1000));
    let answers = talk(&[set.as_bytes(), line.as_bytes()], 1 << 23).await;
    let answers = String::from_utf8_lossy(&answers);
    assert_eq!(answers.matches("VALUE a 0 3000 1\r\n").count(), 1000);
    assert_eq!(answers.matches("END\r\n").count(), 2);
    assert!(answers.ends_with(&format!("END\r\nVALUE a 0 3000\r\n{value}\r\nEND\r\n")));
}

#[tokio::test]
async fn a_limit_on_memory_is_the_capacity_that_http_sets_too() {
    let (mut client, server) = tokio::io::duplex(100);
    let worker = worker(Settings::default());
    let items = Arc::clone(&worker.items);
    let talking = async {
        client.write_all(b"cache_memlimit 16\r\nquit\r\n").await.expect("the server reads");
        let mut answers = Vec::new();
        client.read_to_end(&mut answers).await.expect("the server answers");
        answers
    };
    let (served, answers) = tokio::join!(serve_one(server, worker), talking);
    served.expect("serves to the end");
    assert_eq!(answers, b"OK\r\n");
    assert_eq!(items.observer.settings().capacity_bytes, 16 << 20);
    assert_eq!(items.stats().capacity_bytes, 16 << 20);
}
