//! A research account: what is left of the money and what became of the rest;
//! members spend it, the lead chooses them, the university looks after it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_input::{IdempotencyKey, Invalid};
use larder_web::{Fields, Problem};

use super::form::{Wrong, why};
use super::layout::{Frame, Tab};
use super::list::{Pager, SIZE, address, number};
use super::notices::Notice;
use crate::error::Result;
use crate::model::{
    Account, AccountId, AccountState, Action, Day, Entry, Money, Person, Relation, Room, Service,
    Withdrawal, on_account,
};
use crate::store::EntryFilter;
use crate::web::Web;
use crate::web::seat::{Id, Member, Seat, SeatForm};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    account: Arc<Account>,
    state: AccountState,
    spent: Money,
    /// How long it lasts, in words.
    lasts: String,
    entries: Vec<Entry>,
    pager: Pager,
    may: May,
    /// What makes the withdrawal one, however often its form is sent.
    key: String,
    amount: String,
    reason: String,
    today: Day,
    end_date: String,
    /// Words that were looked for, and who was found.
    find: String,
    found: Vec<Person>,
    wrong: Option<Wrong>,
}

/// What the viewer may do.
struct May {
    withdraw: bool,
    change_members: bool,
    look_after: bool,
}

impl AccountPage {
    fn why(&self, field: &str) -> Option<&str> {
        why(self.wrong.as_ref(), field)
    }

    fn is_university(&self) -> bool {
        self.frame.service == Service::University
    }
}

/// `GET /s/SLOT/accounts/{id}?before=&find=`
pub(super) async fn page(
    State(web): State<Web>,
    seat: Seat,
    Id(id): Id,
) -> Result<Response, Problem> {
    shown(&web, &seat, id, &Fields::default(), None).await
}

async fn shown(
    web: &Web,
    seat: &Seat,
    id: AccountId,
    typed: &Fields,
    wrong: Option<Wrong>,
) -> Result<Response, Problem> {
    let (grants, person, query) = (web.grants(), seat.person(), &seat.visit.fields);
    let account = grants.account(person, id).await?;
    let today = grants.today();
    let state = account.state(today);
    let relation = Relation::to_account(person, &account);
    let may = |action| on_account(relation, action, state).is_ok();
    let may = May {
        withdraw: may(Action::Withdraw),
        change_members: may(Action::ChangeMembers),
        look_after: may(Action::Extend),
    };
    let before = number(query, "before")?;
    let filter =
        EntryFilter { account: Some(id), before, most: SIZE + 1, ..EntryFilter::default() };
    let mut entries = grants.entries(person, filter).await?;
    let path = format!("/accounts/{id}");
    let url = format!("{}{path}", seat.base);
    let pager = Pager::cut(&mut entries, &url, ("before", before.is_none()), |entry| entry.number);
    let find = query.get("find").trim().to_owned();
    let found = match may.change_members {
        true => grants.find_researchers(person, &find).await?,
        false => Vec::new(),
    };
    let here = address(&path, &[("before", query.get("before")), ("find", &find)]);
    let room = Some(Room::Account(id));
    let mut frame = web.seat_frame(seat, (&account.acronym, Tab::None), &here, room).await?;
    let is_shown_at_field = |wrong: &Wrong| {
        (may.withdraw && wrong.is_in(&["amount", "reason"]))
            || (may.look_after && wrong.is_in(&["end_date"]))
    };
    frame.problem = wrong.clone().filter(|wrong| !is_shown_at_field(wrong)).map(|wrong| {
        let kept = if may.withdraw { "" } else { typed.get("reason") };
        Wrong { kept: kept.to_owned(), ..wrong }
    });
    let status = wrong.as_ref().map_or(StatusCode::OK, |wrong| wrong.status);
    let key = typed.get("key").parse().ok();
    // A key that was used for something else is good for nothing.
    let key = key.filter(|_| status != StatusCode::CONFLICT);
    let key: IdempotencyKey = key.unwrap_or_else(|| IdempotencyKey::random(larder_web::random()));
    let page = AccountPage {
        frame,
        state,
        spent: account.budget.minus(account.balance),
        lasts: lasts(&account, state, today),
        entries,
        pager,
        may,
        key: key.as_str().to_owned(),
        amount: typed.get("amount").to_owned(),
        reason: typed.get("reason").to_owned(),
        end_date: match typed.has("end_date") {
            true => typed.get("end_date").to_owned(),
            false => account.end_date.to_string(),
        },
        today,
        find,
        found,
        wrong,
        account,
    };
    web.answer(&seat.visit, status, &page)
}

fn lasts(account: &Account, state: AccountState, today: Day) -> String {
    match state {
        AccountState::Open => match account.end_date.days_after(today) {
            0 => "Today is the last day".into(),
            1 => "1 day left".into(),
            days => format!("{} days left", larder_web::text::count(days.unsigned_abs())),
        },
        AccountState::Ended => "The end date has passed".into(),
        AccountState::Closed => "Closed; the rest went back".into(),
    }
}

async fn after(
    web: &Web,
    seat: &Seat,
    id: AccountId,
    fields: &Fields,
    done: Result<()>,
    notice: Notice,
) -> Result<Response, Problem> {
    match done {
        Ok(()) => Ok(seat.go_to(&format!("/accounts/{id}"), notice)),
        Err(error) => shown(web, seat, id, fields, Some(Wrong::of(error)?)).await,
    }
}

/// `POST /s/SLOT/accounts/{id}/withdraw`
pub(super) async fn withdraw(
    State(web): State<Web>,
    Id(id): Id,
    form: SeatForm,
) -> Result<Response, Problem> {
    let SeatForm { seat, fields, .. } = form;
    let asked = || -> Result<_> {
        let amount = Money::read("amount", fields.get("amount"))?;
        let reason = fields.get("reason").to_owned();
        Ok((Withdrawal { amount, reason }, fields.get("key").parse::<IdempotencyKey>()?))
    };
    let done = match asked() {
        Ok((withdrawal, key)) => {
            web.grants().withdraw(seat.person(), id, withdrawal, key).await.map(drop)
        }
        Err(error) => Err(error),
    };
    after(&web, &seat, id, &fields, done, Notice::Withdrawn).await
}

/// `POST /s/SLOT/accounts/{id}/members`
pub(super) async fn add_member(
    State(web): State<Web>,
    Id(id): Id,
    form: SeatForm,
) -> Result<Response, Problem> {
    let SeatForm { seat, fields, .. } = form;
    let person = fields.get("person").parse();
    let done = match person {
        Ok(person) => web.grants().set_member(seat.person(), id, person, true).await,
        Err(_) => Err(Invalid::new("person", "Choose one of those who were found.").into()),
    };
    after(&web, &seat, id, &fields, done, Notice::MemberAdded).await
}

/// `POST /s/SLOT/accounts/{id}/members/{person}/remove`
pub(super) async fn remove_member(
    State(web): State<Web>,
    Id(id): Id,
    Member(person): Member,
    form: SeatForm,
) -> Result<Response, Problem> {
    let SeatForm { seat, fields, .. } = form;
    let done = web.grants().set_member(seat.person(), id, person, false).await;
    after(&web, &seat, id, &fields, done, Notice::MemberRemoved).await
}

/// `POST /s/SLOT/accounts/{id}/end-date`
pub(super) async fn extend(
    State(web): State<Web>,
    Id(id): Id,
    form: SeatForm,
) -> Result<Response, Problem> {
    let SeatForm { seat, fields, .. } = form;
    let done = match Day::read("end_date", fields.get("end_date")) {
        Ok(day) => web.grants().extend(seat.person(), id, day).await,
        Err(invalid) => Err(invalid.into()),
    };
    after(&web, &seat, id, &fields, done, Notice::Extended).await
}

/// `POST /s/SLOT/accounts/{id}/close`
pub(super) async fn close(
    State(web): State<Web>,
    Id(id): Id,
    form: SeatForm,
) -> Result<Response, Problem> {
    let SeatForm { seat, fields, .. } = form;
    let done = web.grants().close_account(seat.person(), id).await.map(drop);
    after(&web, &seat, id, &fields, done, Notice::Closed).await
}
