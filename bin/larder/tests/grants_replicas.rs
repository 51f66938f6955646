//! Research funding by several processes over a real database: nothing stale,
//! nothing twice, and the work goes on at a backup.
#![allow(clippy::inconsistent_digit_grouping)] // The cents stand apart.

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use larder_servers::HaProxy;
use rustix::process::Signal;
use serde_json::{Value, json};
use support::grants::{Part, SOON, Site, Who, from_clients, try_ask};
use support::{PATIENCE, wait_until};

fn address(part: &Part) -> SocketAddr {
    *part.services.values().next().expect("one service")
}

#[test]
fn a_hundred_withdrawals_through_two_replicas_are_one_chain_and_nobody_sees_an_old_balance() {
    for site in Site::all() {
        let parts = site.pairs();
        let [_, _, researchers] = &parts;
        let at = [address(&researchers[0]), address(&researchers[1])];
        let ada = Who::join(at[0], "Ada");
        // A session is one everywhere.
        let both = [ada.at(at[0]), ada.at(at[1])];
        let account = both[1].account("CROWD");
        let lowest = std::sync::Mutex::new(200_000_00);
        from_clients(16, 100, |n| {
            let (here, there) = (&both[n % 2], &both[(n + 1) % 2]);
            let answer = here.withdraw(account, 5_000_00, &format!("w{n}")).expect("answered");
            match answer.status {
                201 => {
                    let after = answer.json()["balance_after_cents"].as_i64().expect("a number");
                    let before = {
                        let mut lowest = lowest.lock().expect("no client panics");
                        *lowest = after.min(*lowest);
                        *lowest
                    };
                    // What was answered to anybody is the most that is left.
                    let seen = there.balance(account);
                    assert!(seen <= before, "{seen} after {before}");
                }
                409 => assert_eq!(answer.json()["title"], "Over balance"),
                _ => panic!("{}", answer.text()),
            }
        });
        for here in &both {
            assert_eq!(here.checked_ledger(account).len(), 41);
            assert_eq!(here.balance(account), 0);
        }
    }
}

#[test]
fn who_is_removed_or_signed_out_at_one_replica_is_so_at_the_other_at_once() {
    for site in Site::all() {
        let parts = site.pairs();
        let [_, _, researchers] = &parts;
        let at = [address(&researchers[0]), address(&researchers[1])];
        let ada = Who::join(at[0], "Ada");
        let account = ada.account("TEAM");
        let path = format!("/api/accounts/{account}");
        for round in 0..10 {
            let bob = Who::join(at[1], &format!("Bob {round}"));
            let there = bob.at(at[0]);
            let can_see = |who: &Who| who.ask("GET", &path, &Value::Null).status == 200;
            ada.does("POST", &format!("{path}/members"), &json!({ "person": bob.id }));
            assert!(can_see(&bob) && can_see(&there));
            ada.does("DELETE", &format!("{path}/members/{}", bob.id), &Value::Null);
            assert!(!can_see(&bob) && !can_see(&there));
            assert_eq!(bob.withdraw(account, 1, "x").expect("answered").status, 404);
            bob.does("DELETE", "/api/session", &Value::Null);
            assert_eq!(there.ask("GET", "/api/session", &Value::Null).status, 401);
        }
    }
}

#[test]
fn kill_9_of_any_service_between_approval_and_opening_leaves_one_account() {
    for site in Site::all() {
        let mut parts = site.pairs();
        let at = |parts: &[[Part; 2]; 3], service: usize, n: usize| address(&parts[service][n]);
        let officer = site.officer("agency", "Agnes", at(&parts, 1, 0));
        let una = site.officer("university", "Una", at(&parts, 0, 0));
        let ada = Who::join(at(&parts, 2, 0), "Ada");
        let mut opened = 0;
        for round in 0..9 {
            // Which service loses both of its replicas, and then gets them back.
            let victim = round % 3;
            let id = ada.propose(&format!("K{round}"), 100_000_00);
            let path = format!("/api/proposals/{id}/approve");
            let approval = json!({ "budget_cents": 100_000_00, "end_date": "2099-12-31" });
            std::thread::scope(|threads| {
                let asked = threads.spawn(|| officer.try_ask("POST", &path, &approval));
                let since = std::time::Instant::now();
                while since.elapsed() < Duration::from_micros(900 * round as u64) {
                    std::hint::spin_loop();
                }
                for part in &mut parts[victim] {
                    part.kill_and_restart();
                }
                let _ = asked.join();
            });
            let answered = |answer: &support::Answer| matches!(answer.status, 200 | 409);
            wait_until("the approval is answered", 2 * PATIENCE, || {
                let answer = officer.try_ask("POST", &path, &approval);
                answer.is_some_and(|answer| answered(&answer))
            });
            wait_until("the account is open", 2 * PATIENCE, || {
                let found = ada.try_ask("GET", &format!("/api/proposals/{id}"), &Value::Null);
                found.is_some_and(|found| found.status == 200 && found.json()["account"].is_u64())
            });
            opened += 1;
            assert_eq!(una.list("/api/accounts?size=100").len(), opened);
        }
        assert_eq!(una.list("/api/notifications?size=100").len(), opened);
        let committed = officer.get("/api/programmes")[0]["committed_cents"].as_i64();
        assert_eq!(committed, Some(100_000_00 * opened as i64));
    }
}

#[test]
fn a_withdrawal_that_lost_its_replica_is_booked_once_at_the_backup() {
    for site in Site::all() {
        let mut parts = site.pairs();
        let at = [address(&parts[2][0]), address(&parts[2][1])];
        let ada = Who::join(at[0], "Ada");
        let account = ada.account("RETRY");
        for round in 0..4_u64 {
            let (first, backup) = ((round % 2) as usize, ((round + 1) % 2) as usize);
            let key = format!("key-{round}");
            let here = ada.at(at[first]);
            std::thread::scope(|threads| {
                let asked = threads.spawn(|| here.withdraw(account, 100, &key));
                let since = std::time::Instant::now();
                while since.elapsed() < Duration::from_micros(1_500 * round) {
                    std::hint::spin_loop();
                }
                parts[2][first].process.signal(Signal::KILL);
                let _ = asked.join();
            });
            // The backup answers once the dead one is out of the cluster.
            let there = ada.at(at[backup]);
            wait_until("it is booked", 2 * PATIENCE, || {
                let answer = there.withdraw(account, 100, &key);
                answer.is_some_and(|answer| answer.status == 201)
            });
            assert_eq!(there.balance(account), 200_000_00 - 100 * (round as i64 + 1));
            parts[2][first].kill_and_restart();
        }
        let lines = ada.at(at[0]).checked_ledger(account);
        let mut of: BTreeMap<String, u32> = BTreeMap::new();
        for line in &lines {
            *of.entry(line["kind"].to_string()).or_default() += 1;
        }
        assert_eq!(of.values().copied().collect::<Vec<_>>(), [1, 4]);
    }
}

#[test]
fn behind_haproxy_the_work_goes_on_when_a_replica_dies() {
    let Some(site) = Site::all().into_iter().next() else { return };
    let parts = site.pairs();
    let [_, _, [first, second]] = &parts;
    let Some(proxy) = HaProxy::start_for_grants(5002, &[address(first), address(second)]) else {
        return;
    };
    let ada = Who::join(address(first), "Ada").at(proxy.address());
    wait_until("the replicas are found", SOON, || {
        try_ask(ada.at, "", &[], "GET", "/readyz", &Value::Null).is_ok_and(|it| it.status == 200)
    });
    let account = ada.account("PROXY");
    first.process.signal(Signal::KILL);
    // Reads go on without one failure; a change waits for the dead one's lease.
    for round in 0..50 {
        assert_eq!(ada.balance(account), 200_000_00, "round {round}\n{}", proxy.log_tail());
    }
    let mut done = None;
    wait_until("it is booked", 2 * PATIENCE, || {
        done = ada.withdraw(account, 100, "one").filter(|answer| answer.status == 201);
        done.is_some()
    });
    assert_eq!(ada.balance(account), 200_000_00 - 100);
    assert_eq!(ada.checked_ledger(account).len(), 2);
}

#[test]
fn all_services_of_a_machine_share_one_database() {
    for site in Site::all() {
        let folder = support::folder();
        let data = folder.path().display().to_string();
        let listen = ["--listen", "127.0.0.1:0", "--cache-listen", "127.0.0.1:0"];
        let mut all = support::Process::spawn(
            support::larder().arg("serve").args(listen).args(["--min-free", "0"]).args([
                "--data",
                &data,
                "--database",
                &site.database,
            ]),
        );
        let at = support::address_in(&all.announcement(), "images");
        let get = |target: &str| support::Client::connect(at).expect("connects").get(target);
        for target in ["/images", "/bazar/info/1", "/grants", "/grants/agency/sign-in"] {
            assert_eq!(get(target).status, 200, "{target}");
        }
        let ada = json!({ "name": "Ada", "email": "a@tests.example", "password": "correct horse" });
        let body = ada.to_string();
        let mut client = support::Client::connect(at).expect("connects");
        let joined = client.ask("POST", "/grants/researchers/api/people", body.as_bytes());
        assert_eq!(joined.status, 201, "{}", joined.text());
        all.signal(Signal::TERM);
        assert_eq!(all.wait(PATIENCE).code(), Some(0));
    }
}
