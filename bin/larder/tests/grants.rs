//! Research funding in one process: what its rules promise, under crowds and
//! under `kill -9`.
#![allow(clippy::inconsistent_digit_grouping)] // The cents stand apart.

mod support;

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use serde_json::{Value, json};
use support::grants::{
    Funding, PASSWORD, SOON, Who, ask, bytes_of, draft, email, ends, from_clients, sign_in, today,
};
use support::wait_until;

const BUDGET: i64 = 600_000_00;

fn programme(funding: &Funding, officer: &Who, budget: i64) {
    assert_eq!(officer.at, funding.part.at("agency"));
    let open_call = json!({
        "name": "Open call",
        "budget_cents": budget,
        "minimum_cents": 200_000_00,
        "maximum_cents": 500_000_00,
    });
    officer.does("PUT", "/api/programmes/1", &open_call);
}

fn committed(officer: &Who) -> i64 {
    officer.get("/api/programmes")[0]["committed_cents"].as_i64().expect("a number")
}

#[test]
fn the_rules_answer_at_once_and_know_their_limits_to_the_cent() {
    let funding = Funding::start();
    let (ada, officer) = (funding.researcher("Ada"), funding.officer("agency", "Agnes"));
    programme(&funding, &officer, 10_000_000_00);
    for (cents, state) in [
        (199_999_99, "waiting"),
        (200_000_00, "accepted"),
        (500_000_00, "accepted"),
        (500_000_01, "waiting"),
        (1_000_000_00, "waiting"),
        (1_000_000_01, "rejected"),
    ] {
        let id = ada.propose(&format!("A{cents}"), cents);
        let found = ada.get(&format!("/api/proposals/{id}"));
        assert_eq!(found["state"], state, "{cents}");
        let has_reason = found["answer"].as_str().is_some_and(|why| why.contains("1,000,000.00"));
        assert_eq!(has_reason, state == "rejected", "{found}");
        let log = found["activities"].as_array().expect("a list").clone();
        let states: Vec<_> = log.iter().map(|line| line["state"].as_str()).collect();
        assert_eq!(states, [Some("draft"), Some("submitted"), Some(state)]);
        assert_eq!((&log[1]["by"], &log[2]["by"]), (&json!("Ada"), &Value::Null));
    }
    assert_eq!(committed(&officer), 700_000_00);
}

#[test]
fn two_hundred_proposals_against_a_budget_for_three_get_exactly_three() {
    let funding = Funding::start();
    let (ada, officer) = (funding.researcher("Ada"), funding.officer("agency", "Agnes"));
    programme(&funding, &officer, BUDGET);
    let drafts: Vec<u64> = (0..200).map(|n| ada.draft(&format!("P{n}"), 200_000_00)).collect();
    from_clients(16, drafts.len(), |n| {
        ada.does("POST", &format!("/api/proposals/{}/submit", drafts[n]), &Value::Null);
    });
    let count = |state: &str| ada.list(&format!("/api/proposals?size=1000&state={state}")).len();
    wait_until("all are answered", 3 * SOON, || count("submitted") == 0);
    assert_eq!((count("accepted"), count("waiting")), (3, 197));
    assert_eq!(committed(&officer), BUDGET);
    let university = funding.officer("university", "Una");
    wait_until("the accounts open", SOON, || university.list("/api/accounts").len() == 3);
}

#[test]
fn officers_and_rules_together_never_approve_more_than_the_budget() {
    let funding = Funding::start();
    let (ada, officer) = (funding.researcher("Ada"), funding.officer("agency", "Agnes"));
    programme(&funding, &officer, BUDGET);
    let waiting: Vec<u64> = (0..20).map(|n| ada.propose(&format!("W{n}"), 199_999_99)).collect();
    let drafts: Vec<u64> = (0..20).map(|n| ada.draft(&format!("R{n}"), 200_000_00)).collect();
    let approval = json!({ "budget_cents": 199_999_99, "end_date": "2099-12-31" });
    let refused = AtomicU64::new(0);
    from_clients(16, 40, |n| {
        if n % 2 == 0 {
            let path = format!("/api/proposals/{}/approve", waiting[n / 2]);
            let answer = officer.ask("POST", &path, &approval);
            match answer.status {
                200 => {}
                409 => {
                    assert_eq!(answer.json()["title"], "Over budget");
                    refused.fetch_add(1, SeqCst);
                }
                _ => panic!("{}", answer.text()),
            }
        } else {
            ada.does("POST", &format!("/api/proposals/{}/submit", drafts[n / 2]), &Value::Null);
        }
    });
    let list = |state: &str| ada.list(&format!("/api/proposals?size=1000&state={state}"));
    wait_until("all are answered", SOON, || list("submitted").is_empty());
    let granted =
        list("accepted").iter().map(|it| it["granted_cents"].as_i64()).sum::<Option<i64>>();
    assert_eq!((list("accepted").len(), granted), (3, Some(committed(&officer))));
    assert!(committed(&officer) <= BUDGET && refused.load(SeqCst) > 0);
}

#[test]
fn a_hundred_withdrawals_at_once_never_go_below_zero() {
    let funding = Funding::start();
    let ada = funding.researcher("Ada");
    let account = ada.account("CROWD");
    let done = AtomicU64::new(0);
    // Each one is a 40th.
    from_clients(16, 100, |n| {
        let answer = ada.withdraw(account, 5_000_00, &format!("w{n}")).expect("answered");
        match answer.status {
            201 => done.fetch_add(1, SeqCst),
            409 => {
                assert_eq!(answer.json()["title"], "Over balance", "{}", answer.text());
                0
            }
            _ => panic!("{}", answer.text()),
        };
    });
    assert_eq!(done.load(SeqCst), 40);
    assert_eq!(ada.checked_ledger(account).len(), 41);
    assert_eq!(ada.balance(account), 0);
}

#[test]
fn the_last_day_counts_and_the_day_after_is_too_late() {
    let mut funding = Funding::start();
    let (ada, officer) = (funding.researcher("Ada"), funding.officer("agency", "Agnes"));
    let first_day = today();
    let mut accounts = Vec::new();
    for name in ["LAST", "LATER"] {
        let proposal = ada.propose(name, 100_000_00);
        let approval = json!({ "budget_cents": 100_000_00, "end_date": first_day });
        officer.does("POST", &format!("/api/proposals/{proposal}/approve"), &approval);
        accounts.push(ada.account_of(proposal));
    }
    if first_day != today() {
        return support::tell("skipped: the last day of an account: it is midnight in UTC");
    }
    assert_eq!(ada.withdraw(accounts[0], 1, "a").expect("answered").status, 201);
    let late = json!({ "budget_cents": 1, "end_date": "2020-01-01" });
    let waiting = ada.propose("PAST", 100_000_00);
    let answer = officer.ask("POST", &format!("/api/proposals/{waiting}/approve"), &late);
    assert_eq!((answer.status, &answer.json()["field"]), (400, &json!("end_date")));

    ends(&mut funding.part);
    funding.part.restart_ahead(1);
    let ada = Who::sign_in(funding.part.at("researchers"), "Ada");
    let refused = ada.withdraw(accounts[0], 1, "b").expect("answered");
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains(&format!("ended on {first_day}")), "{}", refused.text());
    // What was done is told again.
    assert_eq!(ada.withdraw(accounts[0], 1, "a").expect("answered").status, 201);
    assert_eq!(ada.balance(accounts[0]), 100_000_00 - 1);

    // Another end date gives it back.
    let una = funding.officer("university", "Una");
    let path = format!("/api/accounts/{}", accounts[0]);
    una.does("PATCH", &path, &json!({ "end_date": "2099-12-31" }));
    assert_eq!(ada.withdraw(accounts[0], 1, "c").expect("answered").status, 201);
    let kinds: Vec<_> = ada.checked_ledger(accounts[0]);
    let kinds: Vec<_> = kinds.iter().map(|line| line["kind"].as_str()).collect();
    let expected = ["opening", "withdrawal", "extension", "withdrawal"];
    assert_eq!(kinds, expected.map(Some));
}

#[test]
fn members_come_and_go_and_a_closed_account_gives_the_rest_back() {
    let funding = Funding::start();
    let (ada, bob) = (funding.researcher("Ada Lovelace"), funding.researcher("Bob"));
    let (officer, una) = (funding.officer("agency", "Agnes"), funding.officer("university", "Una"));
    let account = ada.account("TEAM");
    let found = ada.list("/api/people?query=BOB@tests");
    assert_eq!((found.len(), &found[0]["id"]), (1, &json!(bob.id)));
    assert_eq!(bob.list("/api/people?query=love").len(), 1);
    let of = |rest: &str| format!("/api/accounts/{account}{rest}");
    assert_eq!(bob.ask("GET", &of(""), &Value::Null).status, 404);
    assert_eq!(bob.withdraw(account, 1, "x").expect("answered").status, 404);
    ada.does("POST", &of("/members"), &json!({ "person": bob.id }));
    assert_eq!(bob.list("/api/accounts").len(), 1);
    assert_eq!(bob.withdraw(account, 70_000_00, "y").expect("answered").status, 201);
    // A member is no lead.
    let answer = bob.ask("DELETE", &of(&format!("/members/{}", ada.id)), &Value::Null);
    assert_eq!(answer.status, 403);
    let answer = ada.ask("DELETE", &of(&format!("/members/{}", ada.id)), &Value::Null);
    assert_eq!(answer.status, 409, "{}", answer.text());
    ada.does("DELETE", &of(&format!("/members/{}", bob.id)), &Value::Null);
    assert_eq!(bob.ask("GET", &of(""), &Value::Null).status, 404);
    assert_eq!(bob.withdraw(account, 1, "z").expect("answered").status, 404);
    assert!(bob.list("/api/accounts").is_empty());
    for nobody in [una.id, 4711] {
        let answer = ada.ask("POST", &of("/members"), &json!({ "person": nobody }));
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!("person")));
    }

    let opened = una.list("/api/notifications");
    assert_eq!((opened.len(), &opened[0]["account"]), (1, &json!(account)));
    let number = opened[0]["number"].as_u64().expect("a number");
    una.does("POST", &format!("/api/notifications/{number}/acknowledge"), &Value::Null);
    assert!(una.list("/api/notifications").is_empty());
    assert_eq!(una.list("/api/notifications?all=true")[0]["acknowledged_by"], "Una");
    for (words, found) in [("love", 1), ("TEAM", 1), ("bob", 0), ("team%20ada", 1), ("%25", 0)] {
        let accounts = una.list(&format!("/api/accounts?query={words}"));
        assert_eq!(accounts.len(), found, "{words}");
    }
    let spent = una.get("/api/totals")[0].clone();
    assert_eq!(
        (&spent["budget_cents"], &spent["balance_cents"]),
        (&json!(20000000), &json!(13000000))
    );

    assert_eq!(committed(&officer), 200_000_00);
    let closed = una.does("POST", &of("/close"), &Value::Null);
    assert_eq!(closed["returned_cents"], 130_000_00);
    wait_until("the agency has it back", SOON, || committed(&officer) == 70_000_00);
    assert_eq!((ada.balance(account), ada.get(&of(""))["state"].clone()), (0, json!("closed")));
    assert_eq!(ada.withdraw(account, 1, "late").expect("answered").status, 409);
    assert_eq!(una.ask("POST", &of("/close"), &Value::Null).status, 409);
    ada.checked_ledger(account);
    assert_eq!(una.get("/api/totals")[0]["returned_cents"], 130_000_00);
}

#[test]
fn more_information_is_asked_for_and_given() {
    let funding = Funding::start();
    let (ada, officer) = (funding.researcher("Ada"), funding.officer("agency", "Agnes"));
    let id = ada.propose("MORE", 150_000_00);
    let of = |rest: &str| format!("/api/proposals/{id}{rest}");
    assert_eq!(ada.ask("PUT", &of(""), &draft(1, "MORE", 1)).status, 409);
    officer.does("POST", &of("/ask"), &json!({ "reason": "Why so little?" }));
    let found = ada.get(&of(""));
    assert_eq!(
        (&found["state"], &found["answer"]),
        (&json!("information-wanted"), &json!("Why so little?"))
    );
    ada.does("PUT", &of(""), &draft(1, "MORE", 180_000_00));
    // An officer had the word: the rules don't answer in their place.
    ada.does("POST", &of("/submit"), &Value::Null);
    assert_eq!(ada.state(id), "resubmitted");
    officer.does("POST", &of("/decline"), &json!({ "reason": "No." }));
    assert_eq!(ada.state(id), "rejected");
    let again = officer.ask("POST", &of("/decline"), &json!({ "reason": "No!" }));
    assert_eq!(again.status, 409, "{}", again.text());
    let log = ada.get(&of(""))["activities"].clone();
    let log: Vec<_> =
        log.as_array().expect("a list").iter().map(|line| line["by"].clone()).collect();
    let by =
        [json!("Ada"), json!("Ada"), Value::Null, json!("Agnes"), json!("Ada"), json!("Agnes")];
    assert_eq!(log, by);
    assert_eq!(ada.draft("FREE", 1), id + 1);
    let taken = ada.ask("POST", "/api/proposals", &draft(1, "MORE", 1));
    assert_eq!((taken.status, &taken.json()["field"]), (409, &json!("acronym")));
}

#[test]
fn five_hundred_accounts_at_once_are_all_there_and_one_email_is_one_account() {
    let funding = Funding::start();
    let at = funding.part.at("researchers");
    let new = |name: &str| json!({ "name": name, "email": email(name), "password": PASSWORD });
    from_clients(16, 500, |n| {
        let answer = ask(at, "", "POST", "/api/people", &new(&format!("Person {n}")));
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert!(answer.header("server-timing").is_some_and(|timing| timing.contains("hash;dur=")));
    });
    let made = AtomicU64::new(0);
    from_clients(16, 32, |_| {
        let answer = ask(at, "", "POST", "/api/people", &new("Same"));
        match answer.status {
            201 => made.fetch_add(1, SeqCst),
            409 => {
                assert_eq!(answer.json()["field"], "email", "{}", answer.text());
                0
            }
            _ => panic!("{}", answer.text()),
        };
    });
    assert_eq!(made.load(SeqCst), 1);
    let root = funding.officer("administrator", "Root");
    let people = root.list("/api/people?size=1000&role=researcher");
    let emails: std::collections::BTreeSet<_> =
        people.iter().map(|person| person["email"].as_str()).collect();
    assert_eq!((people.len(), emails.len()), (501, 501));
}

#[test]
fn five_hundred_research_accounts_open_once_each() {
    let funding = Funding::start();
    let officer = funding.officer("agency", "Agnes");
    programme(&funding, &officer, 500 * 200_000_00);
    let people: Vec<Who> = (0..16).map(|n| funding.researcher(&format!("R{n}"))).collect();
    from_clients(16, 500, |n| {
        let ada = &people[n % 16];
        let id = ada.draft(&format!("P{n}"), 200_000_00);
        ada.does("POST", &format!("/api/proposals/{id}/submit"), &Value::Null);
    });
    let una = funding.officer("university", "Una");
    wait_until("all are open", 6 * SOON, || una.list("/api/accounts?size=1000").len() == 500);
    let accounts = una.list("/api/accounts?size=1000");
    let of: std::collections::BTreeSet<_> =
        accounts.iter().map(|account| account["proposal"].as_u64()).collect();
    assert_eq!(of.len(), 500);
    assert_eq!(committed(&officer), 500 * 200_000_00);
}

#[test]
fn kill_9_loses_no_approval_and_opens_no_account_twice() {
    let mut funding = Funding::start();
    let officer = funding.officer("agency", "Agnes");
    let ada = funding.researcher("Ada");
    programme(&funding, &officer, 100_000_000_00);
    let mut approved = Vec::new();
    for round in 0..12 {
        let id = ada.propose(&format!("K{round}"), 100_000_00);
        let path = format!("/api/proposals/{id}/approve");
        let approval = json!({ "budget_cents": 100_000_00, "end_date": "2099-12-31" });
        std::thread::scope(|threads| {
            let asked = threads.spawn(|| officer.try_ask("POST", &path, &approval));
            // From before the approval to after the account is open.
            let so_far = std::time::Instant::now();
            while so_far.elapsed() < std::time::Duration::from_micros(700 * round) {
                std::hint::spin_loop();
            }
            funding.part.kill_and_restart();
            let _ = asked.join();
        });
        let answer = officer.ask("POST", &path, &approval);
        assert!(matches!(answer.status, 200 | 409), "{}", answer.text());
        approved.push(ada.account_of(id));
    }
    let una = funding.officer("university", "Una");
    assert_eq!(una.list("/api/accounts?size=1000").len(), approved.len());
    assert_eq!(una.list("/api/notifications?size=1000").len(), approved.len());
    assert_eq!(committed(&officer), 12 * 100_000_00);
}

#[test]
fn kill_9_in_a_withdrawal_and_a_retry_book_it_once() {
    let mut funding = Funding::start();
    let ada = funding.researcher("Ada");
    let account = ada.account("RETRY");
    for round in 0..12_u64 {
        let key = format!("key-{round}");
        std::thread::scope(|threads| {
            let asked = threads.spawn(|| ada.withdraw(account, 100, &key));
            let so_far = std::time::Instant::now();
            while so_far.elapsed() < std::time::Duration::from_micros(300 * round) {
                std::hint::spin_loop();
            }
            funding.part.kill_and_restart();
            let _ = asked.join();
        });
        let answer = ada.withdraw(account, 100, &key).expect("answered");
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(ada.balance(account), 200_000_00 - 100 * (round as i64 + 1));
    }
    assert_eq!(ada.checked_ledger(account).len(), 13);
    let other = ada.withdraw(account, 200, "key-1").expect("answered");
    assert_eq!(other.status, 422, "{}", other.text());
}

#[test]
fn sessions_end_when_they_should_and_guessing_is_slowed_down() {
    let funding = Funding::start();
    let root = funding.officer("administrator", "Root");
    let ada = funding.researcher("Ada");
    let at = ada.at;
    let second = Who::sign_in(at, "Ada");
    let is_in = |who: &Who| who.ask("GET", "/api/session", &Value::Null).status == 200;
    ada.does("DELETE", "/api/session", &Value::Null);
    assert!(!is_in(&ada) && is_in(&second));
    let third = Who::sign_in(at, "Ada");
    let change = json!({ "old_password": PASSWORD, "password": "another good one" });
    let wrong = json!({ "old_password": "wrong", "password": "another good one" });
    assert_eq!(third.ask("PUT", "/api/password", &wrong).json()["field"], "old_password");
    third.does("PUT", "/api/password", &change);
    assert!(is_in(&third) && !is_in(&second));
    assert_eq!(sign_in(at, &email("Ada"), PASSWORD).status, 401);

    // Another service is for others.
    let elsewhere = sign_in(funding.part.at("agency"), &email("Ada"), "another good one");
    assert_eq!(elsewhere.status, 401);
    assert!(elsewhere.text().contains("another service"), "{}", elsewhere.text());
    assert_eq!(
        third.at(funding.part.at("university")).ask("GET", "/api/accounts", &Value::Null).status,
        401
    );

    let lock = |locked: bool| {
        root.does("PATCH", &format!("/api/people/{}", third.id), &json!({ "is_locked": locked }));
    };
    lock(true);
    assert!(!is_in(&third));
    assert_eq!(sign_in(at, &email("Ada"), "another good one").status, 401);
    lock(false);
    // What was over stays so.
    assert!(!is_in(&third));
    let again = sign_in(at, &email("Ada"), "another good one");
    let token = again.json()["token"].as_str().expect("a text").to_owned();
    let third = Who { token, ..third };
    assert!(is_in(&third));
    let reset = json!({ "password": PASSWORD });
    root.does("PUT", &format!("/api/people/{}/password", third.id), &reset);
    assert!(!is_in(&third));

    let statuses: Vec<u16> =
        (0..7).map(|_| sign_in(at, "Ada@tests.example ", "guess").status).collect();
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert_eq!(sign_in(at, &email("Ada"), PASSWORD).status, 429);
    assert_eq!(sign_in(at, "nobody@tests.example", "guess").status, 401);
    let first =
        json!({ "name": "B", "email": "b@tests.example", "password": PASSWORD, "role": "agency" });
    assert_eq!(root.ask("POST", "/api/people", &first).json()["field"], "agency");
}

#[test]
fn nothing_that_is_secret_is_stored_or_logged() {
    let mut funding = Funding::start();
    let ada = funding.researcher("Ada");
    ada.account("SECRET");
    let wrong = sign_in(ada.at, &email("Ada"), "Wrong-quartz-8");
    assert_eq!(wrong.status, 401);
    ends(&mut funding.part);
    let (stored, log) = (bytes_of(&funding.data()), funding.part.process.log());
    let contains = |bytes: &[u8], secret: &str| {
        bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
    };
    assert!(contains(&stored, &email("Ada")) && contains(&stored, "$argon2id$"));
    for secret in [PASSWORD, "Wrong-quartz-8", ada.token.as_str()] {
        assert!(!contains(&stored, secret) && !log.contains(secret), "{secret}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_words() {
    let funding = Funding::start();
    let (ada, officer) = (funding.researcher("Ada"), funding.officer("agency", "Agnes"));
    let (una, root) =
        (funding.officer("university", "Una"), funding.officer("administrator", "Root"));
    let account = ada.account("GOOD");
    let long = "x".repeat(60_000);
    let mut wrong_title = draft(1, "T", 1);
    wrong_title["title"] = json!("");
    let mut wrong_text = draft(1, "T", 1);
    wrong_text["description"] = json!(long);
    let person = |name: &str, email: &str, password: &str| json!({ "name": name, "email": email, "password": password });
    let withdrawals = format!("/api/accounts/{account}/withdrawals");
    let close = format!("/api/accounts/{account}");
    type Case<'a> = (&'a Who, &'a str, &'a str, Value, u16, Option<&'a str>);
    let cases: [Case<'_>; 24] = [
        (&ada, "POST", "/api/people", person("", "x@y.z", PASSWORD), 400, Some("name")),
        (&ada, "POST", "/api/people", person("X", "x", PASSWORD), 400, Some("email")),
        (&ada, "POST", "/api/people", person("X", "x@y.z", "short"), 400, Some("password")),
        (
            &ada,
            "POST",
            "/api/people",
            person("X", "ADA@tests.example", PASSWORD),
            409,
            Some("email"),
        ),
        (&ada, "POST", "/api/people", json!({ "name": "X" }), 400, None),
        (&ada, "POST", "/api/proposals", draft(4711, "T", 1), 400, Some("programme")),
        (&ada, "POST", "/api/proposals", draft(1, "", 1), 400, Some("acronym")),
        (&ada, "POST", "/api/proposals", draft(1, "T", 0), 400, Some("amount")),
        (&ada, "POST", "/api/proposals", draft(1, "T", -5), 400, Some("amount")),
        (&ada, "POST", "/api/proposals", draft(1, "T", i64::MAX), 400, Some("amount")),
        (&ada, "POST", "/api/proposals", wrong_title, 400, Some("title")),
        (&ada, "POST", "/api/proposals", wrong_text, 400, Some("description")),
        (&ada, "GET", "/api/proposals/abc", Value::Null, 400, Some("id")),
        (&ada, "GET", "/api/proposals/0", Value::Null, 400, Some("id")),
        (&ada, "GET", "/api/proposals/99999999999999999999", Value::Null, 400, Some("id")),
        (&ada, "GET", "/api/proposals?state=paid", Value::Null, 400, Some("state")),
        (&ada, "GET", "/api/proposals/4711", Value::Null, 404, None),
        (
            &ada,
            "POST",
            &withdrawals,
            json!({ "amount_cents": 1, "reason": "" }),
            400,
            Some("reason"),
        ),
        (&ada, "POST", &withdrawals, json!({ "amount_cents": 1.5, "reason": "x" }), 400, None),
        (
            &ada,
            "POST",
            &withdrawals,
            json!({ "amount_cents": 0, "reason": "x" }),
            400,
            Some("amount"),
        ),
        (&una, "PATCH", &close, json!({ "end_date": "2026-02-30" }), 400, None),
        (&una, "PATCH", &close, json!({ "end_date": "2020-01-01" }), 400, Some("end_date")),
        (
            &officer,
            "PUT",
            "/api/programmes/1",
            json!({ "name": "X", "budget_cents": 1, "minimum_cents": 1, "maximum_cents": 1 }),
            400,
            Some("budget"),
        ),
        (&root, "POST", "/api/agencies", json!({ "name": " " }), 400, Some("name")),
    ];
    for (who, method, path, body, status, field) in cases {
        let answer = who.ask(method, path, &body);
        let shown: String = body.to_string().chars().take(80).collect();
        assert_eq!(answer.status, status, "{method} {path} {shown}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let problem = answer.json();
        assert_eq!(problem["field"].as_str(), field, "{method} {path}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10));
    }
    // Texts are texts.
    for hostile in ["'; DROP TABLE people; --", "<script>", "%", "\\", "📚", "a\u{202e}b"] {
        let id = ada.draft(hostile, 1);
        assert_eq!(ada.get(&format!("/api/proposals/{id}"))["acronym"], hostile.trim());
    }
    assert!(ada.list("/api/people?query=%25%25").is_empty());
    let pdf = [b"%PDF-1.4\n".as_slice(), &[0xff; 100_000], b"\n%%EOF\n"].concat();
    let id = ada.draft("FILE", 1);
    let put = |bytes: &[u8]| {
        let path = format!("/api/proposals/{id}/attachment?name=..%2Fplan.pdf");
        let bearer = format!("Bearer {}", ada.token);
        let client = support::http::Client::connect(ada.at);
        let headers = [("Authorization", bearer.as_str())];
        client.and_then(|mut client| client.send("PUT", &path, &headers, bytes)).expect("answered")
    };
    assert_eq!(put(b"<html>").json()["field"], "attachment");
    let large = [pdf.as_slice(), &vec![b' '; 5 << 20]].concat();
    assert!(put(&large).text().contains("larger than 5 MB"));
    assert_eq!(put(&pdf).status, 204);
    let file = ada.ask("GET", &format!("/api/proposals/{id}/attachment"), &Value::Null);
    assert!(
        file.body == pdf
            && file.header("content-disposition").is_some_and(|name| name.ends_with("plan.pdf"))
    );
    // Nobody but the services tells the services anything.
    let told = json!({ "kind": "returned", "programme": 1, "amount": 5 });
    assert_eq!(officer.ask("POST", "/messages/outbox-9", &told).status, 403);
    assert_eq!(officer.ask("POST", "/live/nudge", &Value::Null).status, 403);
}
