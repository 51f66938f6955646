//! The bookstore under crowds and faults, in one process and in many over real
//! databases: never oversold, never older, each purchase once, whatever dies.

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};

use support::shop::{Part, Plain, SOON, Site, add, buy_surely, orders, plain, sites, stock, up};
use support::{PATIENCE, wait_until};

/// What must hold of a crowd, whatever the shop runs on.
fn sell_out(front: &Part, addresses: &[SocketAddr]) {
    let few = add(front, "Few copies", 3);
    let bought = AtomicU32::new(0);
    std::thread::scope(|threads| {
        for buyer in 0..4 {
            let (bought, address) = (&bought, addresses[buyer % addresses.len()]);
            threads.spawn(move || {
                match buy_surely(address, few, &format!("few {buyer}").replace(' ', "-")).status {
                    201 => drop(bought.fetch_add(1, SeqCst)),
                    409 => {}
                    status => panic!("answered with {status}"),
                }
            });
        }
    });
    assert_eq!((bought.into_inner(), stock(front, few)), (3, 0));

    let titles: Vec<u64> = (0..10).map(|n| add(front, &format!("Title {n}"), 100)).collect();
    let before = orders(front).len();
    let refused = AtomicU32::new(0);
    std::thread::scope(|threads| {
        for buyer in 0..101_usize {
            let (titles, refused, address) =
                (&titles, &refused, addresses[buyer % addresses.len()]);
            threads.spawn(move || {
                // Each begins at another title.
                for step in 0..titles.len() {
                    let title = titles[(buyer + step) % titles.len()];
                    match buy_surely(address, title, &format!("{buyer}-{title}")).status {
                        201 => {}
                        409 => drop(refused.fetch_add(1, SeqCst)),
                        status => panic!("answered with {status}"),
                    }
                }
            });
        }
    });
    assert_eq!(refused.into_inner(), 10);
    assert!(titles.iter().all(|&title| stock(front, title) == 0));
    let orders = orders(front);
    assert_eq!(orders.len() - before, 1_000);
    let numbers: BTreeSet<u64> = orders.iter().filter_map(|o| o["number"].as_u64()).collect();
    assert_eq!(numbers.len(), orders.len(), "no number was used twice");
}

#[test]
fn nothing_is_sold_that_is_not_there() {
    let Plain { part: shop, _folder } = plain(&[]);
    sell_out(&shop, &[shop.address]);
    for site in sites() {
        let (fronts, _replicas) = site.shop(2, &[]);
        let addresses: Vec<SocketAddr> = fronts.iter().map(|front| front.address).collect();
        sell_out(&fronts[0], &addresses);
        assert!(stock(&fronts[1], 1) > 0);
    }
}

/// Two front ends that hold one item each, so that most reads miss while the
/// purchases run.
#[test]
fn no_front_end_shows_an_older_stock_than_was_sold() {
    for site in sites() {
        let (fronts, _replicas) = site.shop(2, &["--items", "1"]);
        let copies = 150;
        let books = [add(&fronts[0], "One", copies), add(&fronts[0], "Other", copies)];
        // What is known of each: at most so many are left.
        let left = books.map(|_| AtomicU64::new(copies.into()));
        let (reads, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|threads| {
            for reader in 0..4_usize {
                let (left, reads, is_over) = (&left, &reads, &is_over);
                let mut client = fronts[reader % 2].client();
                threads.spawn(move || {
                    while !is_over.load(SeqCst) {
                        for (book, left) in books.iter().zip(left) {
                            let known = left.load(SeqCst);
                            let shown = client.get(&format!("/info/{book}")).json();
                            let shown = shown["quantity"].as_u64().expect("a number");
                            assert!(shown <= known, "{shown} are shown, {known} are left");
                            left.fetch_min(shown, SeqCst);
                            reads.fetch_add(1, SeqCst);
                        }
                    }
                });
            }
            for sold in 1..=u64::from(copies) {
                for (index, (book, left)) in books.iter().zip(&left).enumerate() {
                    let front = &fronts[(sold as usize + index) % 2];
                    let key = format!("{book}-{sold}");
                    assert_eq!(buy_surely(front.address, *book, &key).status, 201);
                    left.fetch_min(u64::from(copies) - sold, SeqCst);
                }
            }
            is_over.store(true, SeqCst);
        });
        assert!(reads.into_inner() > 300, "hardly anybody read");
        assert!(fronts.iter().all(|front| books.iter().all(|&book| stock(front, book) == 0)));
    }
}

#[test]
fn replicas_may_die_in_the_middle_of_two_thousand_purchases() {
    const PURCHASES: u32 = 2_000;
    for site in sites() {
        let (fronts, mut replicas) = site.shop(1, &[]);
        let front = &fronts[0];
        let (book, address) = (add(front, "Bestseller", PURCHASES), front.address);
        let (next, done) = (AtomicU32::new(0), AtomicU32::new(0));
        let mut numbers: Vec<u64> = Vec::new();
        let buyer = || {
            let mut numbers = Vec::new();
            loop {
                let purchase = next.fetch_add(1, SeqCst);
                if purchase >= PURCHASES {
                    return numbers;
                }
                let answer = buy_surely(address, book, &format!("purchase-{purchase}"));
                assert_eq!(answer.status, 201, "{}", answer.text());
                numbers.push(answer.json()["number"].as_u64().expect("a number"));
                done.fetch_add(1, SeqCst);
            }
        };
        std::thread::scope(|threads| {
            let buyers: Vec<_> = (0..6).map(|_| threads.spawn(buyer)).collect();
            for (turn, replica) in (1..).zip(&mut replicas) {
                wait_until("its turn comes", 4 * PATIENCE, || {
                    done.load(SeqCst) >= turn * PURCHASES / 6
                });
                replica.kill_and_restart();
            }
            for buyer in buyers {
                numbers.extend(buyer.join().expect("a buyer doesn't panic"));
            }
        });
        // The buyers' record is the log, and nobody bought twice.
        let log: Vec<u64> = orders(front).iter().filter_map(|o| o["number"].as_u64()).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!((numbers.len(), &numbers), (PURCHASES as usize, &log));
        assert_eq!(stock(front, book), 0);
        // Those that died serve again without help.
        wait_until("all answer", SOON, || up(front) == 4);
        let served = |front: &Part| -> Vec<u64> {
            let status = front.client().get("/replicas/status").json();
            let replicas = status["replicas"].as_array().expect("a list").clone();
            replicas.iter().filter_map(|replica| replica["served"].as_u64()).collect()
        };
        let before = served(front);
        wait_until("all serve", SOON, || {
            let key = format!("more-{}", next.fetch_add(1, SeqCst));
            buy_surely(front.address, 1, &key);
            front.client().get("/books?size=1");
            served(front).iter().zip(&before).all(|(now, before)| now > before)
        });
    }
}

/// Buys while the database's primary is killed: nothing that was acknowledged
/// is lost, nothing is bought twice, and buying goes on.
fn outlive_the_primary(site: &Site, kill: impl FnOnce()) {
    const PURCHASES: u32 = 400;
    let (fronts, _replicas) = site.shop(2, &[]);
    let (book, next) = (add(&fronts[0], "Bestseller", PURCHASES), AtomicU32::new(0));
    let addresses = [fronts[0].address, fronts[1].address];
    let done = AtomicU32::new(0);
    let buyer = || {
        let mut numbers = Vec::new();
        loop {
            let purchase = next.fetch_add(1, SeqCst);
            if purchase >= PURCHASES {
                return numbers;
            }
            let address = addresses[purchase as usize % 2];
            let answer = buy_surely(address, book, &format!("purchase-{purchase}"));
            assert_eq!(answer.status, 201, "{}", answer.text());
            numbers.push(answer.json()["number"].as_u64().expect("a number"));
            done.fetch_add(1, SeqCst);
        }
    };
    let mut numbers: Vec<u64> = std::thread::scope(|threads| {
        let buyers: Vec<_> = (0..4).map(|_| threads.spawn(buyer)).collect();
        wait_until("they buy", PATIENCE, || done.load(SeqCst) > PURCHASES / 4);
        kill();
        buyers.into_iter().flat_map(|buyer| buyer.join().expect("a buyer ends")).collect()
    });
    let log: Vec<u64> = orders(&fronts[1]).iter().filter_map(|o| o["number"].as_u64()).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!((numbers.len(), &numbers), (PURCHASES as usize, &log));
    assert!(fronts.iter().all(|front| stock(front, book) == 0));
}

/// Takes two minutes, and so only runs with `LARDER_TEST_LONG`.
#[test]
fn the_shop_goes_on_when_the_databases_primary_dies() {
    if std::env::var_os("LARDER_TEST_LONG").is_none() {
        return;
    }
    if let Some(mut servers) = larder_servers::Patroni::start() {
        let site = Site::new(servers.url("postgres"), true);
        outlive_the_primary(&site, || {
            servers.wait_until_synchronous();
            servers.kill_leader();
        });
    }
    if let Some(mut servers) = larder_servers::SemiSync::start() {
        let site = Site::new(servers.make_database("shop"), true);
        outlive_the_primary(&site, || {
            servers.fail_over();
            // It has to have a copy somewhere before it acknowledges anything.
            servers.restart();
        });
    }
}

#[test]
fn one_key_is_one_order_whoever_is_asked_at_once() {
    for site in sites() {
        let (fronts, _replicas) = site.shop(2, &[]);
        let addresses = [fronts[0].address, fronts[1].address];
        let before = stock(&fronts[0], 1);
        for round in 0..10 {
            let key = format!("round-{round}");
            let answers: BTreeSet<String> = std::thread::scope(|threads| {
                let key = &key;
                let ask = move |n: usize| buy_surely(addresses[n % 2], 1, key).text();
                let asked: Vec<_> = (0..6).map(|n| threads.spawn(move || ask(n))).collect();
                asked.into_iter().map(|asked| asked.join().expect("is answered")).collect()
            });
            assert_eq!(answers.len(), 1, "{answers:?}");
        }
        assert_eq!(stock(&fronts[1], 1), before - 10);
    }
}
