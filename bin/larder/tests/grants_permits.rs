//! Who may do what to which thing in which state: every cell of the table,
//! asked of the real program with real sessions, as a browser or a stranger
//! would. The expectations are written down here a second time.
#![allow(clippy::inconsistent_digit_grouping)] // The cents stand apart.

mod support;

use serde_json::{Value, json};
use support::grants::{Funding, Who, ask, draft, ends, today};

const STATES: [&str; 7] =
    ["draft", "submitted", "accepted", "rejected", "waiting", "information-wanted", "resubmitted"];

/// Those who ask, at the service whose pages they have.
struct Cast {
    lead: Who,
    other: Who,
    officer: Who,
    other_officer: Who,
    university: Who,
    administrator: Who,
}

impl Cast {
    fn new(funding: &Funding) -> Self {
        let administrator = funding.officer("administrator", "Root");
        administrator.does("POST", "/api/agencies", &json!({ "name": "Another agency" }));
        let data = funding.data().display().to_string();
        support::grants::add_user(
            &["--data", &data],
            "agency",
            "Olga",
            &["--agency", "Another agency"],
        );
        support::grants::add_user(
            &["--data", &data],
            "agency",
            "Agnes",
            &["--agency", "National Research Agency"],
        );
        let officer = Who::sign_in(funding.part.at("agency"), "Agnes");
        let open_call = json!({
            "name": "Open call", "budget_cents": 900_000_000_00_i64,
            "minimum_cents": 200_000_00, "maximum_cents": 500_000_00,
        });
        officer.does("PUT", "/api/programmes/1", &open_call);
        Self {
            lead: funding.researcher("Lea"),
            other: funding.researcher("Otto"),
            officer,
            other_officer: Who::sign_in(funding.part.at("agency"), "Olga"),
            university: funding.officer("university", "Una"),
            administrator,
        }
    }

    /// All of them, and somebody without a session.
    fn all(&self) -> [(&'static str, Option<&Who>); 7] {
        [
            ("lead", Some(&self.lead)),
            ("other researcher", Some(&self.other)),
            ("officer", Some(&self.officer)),
            ("other agency's officer", Some(&self.other_officer)),
            ("university", Some(&self.university)),
            ("administrator", Some(&self.administrator)),
            ("nobody", None),
        ]
    }
}

/// A new proposal in a state; `submitted` is made by hand, because the agency
/// answers at once.
fn proposal(cast: &Cast, state: &str, acronym: &str) -> u64 {
    let Cast { lead, officer, .. } = cast;
    let decide = |id: u64, verb: &str| {
        officer.does("POST", &format!("/api/proposals/{id}/{verb}"), &json!({ "reason": "Why?" }));
    };
    let id = match state {
        "draft" | "submitted" => lead.draft(acronym, 100_000_00),
        "accepted" => lead.propose(acronym, 200_000_00),
        "rejected" => lead.propose(acronym, 2_000_000_00),
        _ => lead.propose(acronym, 100_000_00),
    };
    if matches!(state, "information-wanted" | "resubmitted") {
        decide(id, "ask");
    }
    if state == "resubmitted" {
        lead.does("POST", &format!("/api/proposals/{id}/submit"), &Value::Null);
    }
    id
}

const OF_RESEARCHERS: [&str; 5] = ["view", "edit", "attach", "submit", "delete"];
const OF_AGENCY: [&str; 4] = ["view at the agency", "approve", "decline", "ask"];

fn expected_of_proposal(who: &str, action: &str, state: &str) -> u16 {
    let is_in_work = matches!(state, "draft" | "information-wanted");
    let is_undecided = matches!(state, "waiting" | "resubmitted");
    let at_agency = OF_AGENCY.contains(&action);
    match (who, at_agency) {
        ("lead", false) => match action {
            "view" => 200,
            "edit" if is_in_work => 200,
            "attach" if is_in_work => 204,
            "submit" if is_in_work => 202,
            "delete" if state == "draft" => 204,
            _ => 409,
        },
        ("other researcher", false) => 404,
        ("officer", true) => match action {
            _ if state == "draft" => 404,
            "view at the agency" => 200,
            _ if is_undecided => 200,
            _ => 409,
        },
        ("other agency's officer", true) => 404,
        ("administrator", true) => match action {
            _ if state == "draft" => 404,
            "view at the agency" => 200,
            _ => 403,
        },
        // Their session is no good at that service.
        _ => 401,
    }
}

fn act_on_proposal(funding: &Funding, token: &str, action: &str, id: u64) -> u16 {
    let (researchers, agency) = (funding.part.at("researchers"), funding.part.at("agency"));
    let of = |rest: &str| format!("/api/proposals/{id}{rest}");
    let reason = json!({ "reason": "Because." });
    let approval = json!({ "budget_cents": 1, "end_date": "2099-12-31" });
    let (at, method, path, body) = match action {
        "view" => (researchers, "GET", of(""), Value::Null),
        "edit" => (researchers, "PUT", of(""), draft(1, &format!("EDITED{id}"), 100_000_00)),
        "attach" => (researchers, "DELETE", of("/attachment"), Value::Null),
        "submit" => (researchers, "POST", of("/submit"), Value::Null),
        "delete" => (researchers, "DELETE", of(""), Value::Null),
        "view at the agency" => (agency, "GET", of(""), Value::Null),
        "approve" => (agency, "POST", of("/approve"), approval),
        "decline" => (agency, "POST", of("/decline"), reason),
        "ask" => (agency, "POST", of("/ask"), reason),
        _ => unreachable!("{action}"),
    };
    ask(at, token, method, &path, &body).status
}

#[test]
fn proposals_by_person_action_and_state() {
    let mut funding = Funding::start();
    let cast = Cast::new(&funding);
    // What is refused changes nothing, so one proposal is enough for those.
    let allowed = |who, action, state| expected_of_proposal(who, action, state) < 300;
    let actions = || OF_RESEARCHERS.into_iter().chain(OF_AGENCY);
    let mut cells = Vec::new();
    for state in STATES {
        let shared = proposal(&cast, state, &format!("SHARED-{state}"));
        for (who, _) in cast.all() {
            for action in actions() {
                let id = match allowed(who, action, state) && !action.starts_with("view") {
                    true => proposal(&cast, state, &format!("{state}-{action}")),
                    false => shared,
                };
                cells.push((who, action, state, id));
            }
        }
    }
    assert_eq!(cells.len(), 7 * 9 * 7);
    make_submitted(&mut funding, &cells);
    for (who, action, state, id) in cells {
        let (_, person) = *cast.all().iter().find(|(name, _)| *name == who).expect("is cast");
        let token = person.map_or("", |person| person.token.as_str());
        let status = act_on_proposal(&funding, token, action, id);
        assert_eq!(status, expected_of_proposal(who, action, state), "{who} {action} {state}");
    }
}

/// Puts proposals into the state in which the agency hasn't answered yet.
fn make_submitted(funding: &mut Funding, cells: &[(&str, &str, &str, u64)]) {
    ends(&mut funding.part);
    let ids: Vec<u64> =
        cells.iter().filter(|cell| cell.2 == "submitted").map(|cell| cell.3).collect();
    let url = larder_sql::DatabaseUrl::Sqlite(funding.data().join("grants.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let config = larder_sql::Config { url, readers: 1 };
        let database = larder_sql::Database::open_existing(&config).await.expect("is there");
        let work = move |rows: &mut dyn larder_sql::Connection| {
            for id in &ids {
                let sql = "UPDATE proposals SET state = 'submitted' WHERE id = ?";
                rows.execute(sql, &[(*id).into()])?;
            }
            Ok::<_, larder_sql::Error>(())
        };
        database.write(work).await.expect("is written");
        database.close().await;
    });
    funding.part.restart_ahead(0);
}

const OF_MEMBERS: [&str; 5] = ["view", "ledger", "withdraw", "add member", "remove member"];
const OF_UNIVERSITY: [&str; 4] =
    ["view at the university", "ledger at the university", "extend", "close"];

fn expected_of_account(who: &str, action: &str, state: &str) -> u16 {
    let at_university = OF_UNIVERSITY.contains(&action);
    let is_closed = state == "closed";
    match (who, at_university) {
        ("lead" | "member", false) => match action {
            "view" | "ledger" => 200,
            "withdraw" => {
                if state == "open" {
                    201
                } else {
                    409
                }
            }
            _ if who == "member" => 403,
            _ if is_closed => 409,
            "add member" => 201,
            _ => 204,
        },
        ("removed member" | "other researcher", false) => 404,
        ("university", true) => match action {
            "extend" | "close" if is_closed => 409,
            _ => 200,
        },
        ("administrator", true) => match action {
            "extend" | "close" => 403,
            _ => 200,
        },
        _ => 401,
    }
}

#[test]
fn accounts_by_person_action_and_state() {
    let mut funding = Funding::start();
    let cast = Cast::new(&funding);
    let (mate, gone) = (funding.researcher("Mate"), funding.researcher("Gone"));
    let team = |account: u64, lead: &Who| {
        let of = |rest: &str| format!("/api/accounts/{account}/members{rest}");
        for person in [mate.id, gone.id] {
            lead.does("POST", &of(""), &json!({ "person": person }));
        }
        lead.does("DELETE", &of(&format!("/{}", gone.id)), &Value::Null);
        account
    };
    // Accounts that end today, for tomorrow.
    let first_day = today();
    let ended: Vec<u64> = (0..3)
        .map(|n| {
            let proposal = cast.lead.propose(&format!("ENDS{n}"), 100_000_00);
            let approval = json!({ "budget_cents": 100_000_00, "end_date": first_day });
            cast.officer.does("POST", &format!("/api/proposals/{proposal}/approve"), &approval);
            team(cast.lead.account_of(proposal), &cast.lead)
        })
        .collect();
    ends(&mut funding.part);
    funding.part.restart_ahead(1);
    let again = |who: &Who, service: &str, name: &str| {
        let again = Who::sign_in(funding.part.at(service), name);
        assert_eq!(again.id, who.id);
        again
    };
    let lead = again(&cast.lead, "researchers", "Lea");
    let university = again(&cast.university, "university", "Una");
    let cast = [
        ("lead", Some(lead.clone())),
        ("member", Some(again(&mate, "researchers", "Mate"))),
        ("removed member", Some(again(&gone, "researchers", "Gone"))),
        ("other researcher", Some(again(&cast.other, "researchers", "Otto"))),
        ("officer", Some(again(&cast.officer, "agency", "Agnes"))),
        ("university", Some(university.clone())),
        ("administrator", Some(again(&cast.administrator, "university", "Root"))),
        ("nobody", None),
    ];
    let mut cells = 0;
    for state in ["open", "ended", "closed"] {
        let mut left = ended.clone();
        let mut number = 0;
        let mut fresh = || {
            number += 1;
            let open = || team(lead.account(&format!("{state}{number}")), &lead);
            match state {
                "ended" => left.pop().expect("there are enough"),
                "closed" => {
                    let account = open();
                    university.does(
                        "POST",
                        &format!("/api/accounts/{account}/close"),
                        &Value::Null,
                    );
                    account
                }
                _ => open(),
            }
        };
        let shared = fresh();
        for (who, person) in &cast {
            for action in OF_MEMBERS.into_iter().chain(OF_UNIVERSITY) {
                let expected = expected_of_account(who, action, state);
                let is_end = matches!(action, "extend" | "close") && expected == 200;
                let account = if is_end { fresh() } else { shared };
                let token = person.as_ref().map_or("", |person| person.token.as_str());
                let status = act_on_account(&funding, token, action, account, mate.id, gone.id);
                assert_eq!(status, expected, "{who} {action} {state}");
                if action == "remove member" && expected == 204 {
                    team(account, &lead);
                } else if action == "add member" && expected == 201 {
                    let path = format!("/api/accounts/{account}/members/{}", gone.id);
                    lead.does("DELETE", &path, &Value::Null);
                }
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 3 * 8 * 9);
}

fn act_on_account(
    funding: &Funding,
    token: &str,
    action: &str,
    account: u64,
    mate: u64,
    gone: u64,
) -> u16 {
    let (researchers, university) = (funding.part.at("researchers"), funding.part.at("university"));
    let of = |rest: &str| format!("/api/accounts/{account}{rest}");
    let withdrawal = json!({ "amount_cents": 1, "reason": "x" });
    let (at, method, path, body) = match action {
        "view" => (researchers, "GET", of(""), Value::Null),
        "ledger" => (researchers, "GET", of("/ledger"), Value::Null),
        "withdraw" => (researchers, "POST", of("/withdrawals"), withdrawal),
        "add member" => (researchers, "POST", of("/members"), json!({ "person": gone })),
        "remove member" => (researchers, "DELETE", of(&format!("/members/{mate}")), Value::Null),
        "view at the university" => (university, "GET", of(""), Value::Null),
        "ledger at the university" => (university, "GET", of("/ledger"), Value::Null),
        "extend" => (university, "PATCH", of(""), json!({ "end_date": "2099-12-31" })),
        "close" => (university, "POST", of("/close"), Value::Null),
        _ => unreachable!("{action}"),
    };
    ask(at, token, method, &path, &body).status
}
