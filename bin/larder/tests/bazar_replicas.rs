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

/// Six buyers buy so many copies of a new book while `faults` happen, which is
/// given what waits until so many were bought. Nothing that was acknowledged is
/// lost, nothing is bought twice, and all is bought.
fn sold_once_despite(fronts: &[Part], copies: u32, faults: impl FnOnce(&dyn Fn(u32))) {
    let book = add(&fronts[0], "Bestseller", copies);
    let addresses: Vec<SocketAddr> = fronts.iter().map(|front| front.address).collect();
    let (next, done) = (AtomicU32::new(0), AtomicU32::new(0));
    let buyer = || {
        let mut numbers = Vec::new();
        loop {
            let purchase = next.fetch_add(1, SeqCst);
            if purchase >= copies {
                return numbers;
            }
            let address = addresses[purchase as usize % addresses.len()];
            let answer = buy_surely(address, book, &format!("purchase-{purchase}"));
            assert_eq!(answer.status, 201, "{}", answer.text());
            numbers.push(answer.json()["number"].as_u64().expect("a number"));
            done.fetch_add(1, SeqCst);
        }
    };
    let mut numbers: Vec<u64> = std::thread::scope(|threads| {
        let buyers: Vec<_> = (0..6).map(|_| threads.spawn(buyer)).collect();
        faults(&|count| {
            wait_until("they buy", 4 * PATIENCE, || done.load(SeqCst) >= count);
        });
        buyers.into_iter().flat_map(|buyer| buyer.join().expect("a buyer ends")).collect()
    });
    // The buyers' record is the log.
    let log = orders(&fronts[0]);
    let log: Vec<u64> = log.iter().filter_map(|order| order["number"].as_u64()).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!((numbers.len(), &numbers), (copies as usize, &log));
    assert!(fronts.iter().all(|front| stock(front, book) == 0));
}

#[test]
fn replicas_may_die_in_the_middle_of_two_thousand_purchases() {
    for (site, purchases) in sites().iter().zip([2_000, 600]) {
        let (fronts, mut replicas) = site.shop(1, &[]);
        sold_once_despite(&fronts, purchases, |wait_for| {
            for (turn, replica) in (1..).zip(&mut replicas) {
                wait_for(turn * purchases / 6);
                replica.kill_and_restart();
            }
        });
        // Those that died serve again without help.
        let front = &fronts[0];
        wait_until("all answer", SOON, || up(front) == 4);
        let served = || -> Vec<u64> {
            let status = front.client().get("/replicas/status").json();
            let replicas = status["replicas"].as_array().expect("a list").clone();
            replicas.iter().filter_map(|replica| replica["served"].as_u64()).collect()
        };
        let (before, mut more) = (served(), 0);
        wait_until("all serve", SOON, || {
            more += 1;
            buy_surely(front.address, 1, &format!("more-{more}"));
            front.client().get("/books?size=1");
            served().iter().zip(&before).all(|(now, before)| now > before)
        });
    }
}

fn outlive_the_primary(site: &Site, kill: impl FnOnce()) {
    let (fronts, _replicas) = site.shop(2, &[]);
    sold_once_despite(&fronts, 400, |wait_for| {
        wait_for(100);
        kill();
    });
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
