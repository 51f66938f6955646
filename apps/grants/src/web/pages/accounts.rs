//! All research accounts, as the university sees them: filtered, page by page,
//! as a file, and their totals by agency.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_web::text::Moment;
use larder_web::{Fields, Problem, csv};

use super::chart::Chart;
use super::layout::{Frame, Tab};
use super::list::{PIECE, Pager, SIZE, address, number};
use crate::model::{Account, AccountState, Agency};
use crate::store::AccountFilter;
use crate::web::Web;
use crate::web::seat::Seat;

const HEAD: &str = "number,acronym,title,lead,members,agency,budget,balance,currency,end date,\
                    state,opened";

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    frame: Frame,
    query: String,
    state: String,
    agency: u64,
    agencies: Vec<Agency>,
    accounts: Vec<(Account, AccountState)>,
    pager: Pager,
    csv: String,
    chart: Chart,
}

impl AccountsPage {
    fn states(&self) -> [AccountState; 3] {
        AccountState::ALL
    }

    fn is_filtered(&self) -> bool {
        !self.query.is_empty() || !self.state.is_empty() || self.agency > 0
    }
}

fn filter_of(web: &Web, fields: &Fields) -> Result<AccountFilter, Problem> {
    let state = AccountState::of(fields.get("state"));
    Ok(AccountFilter {
        agency: number(fields, "agency")?,
        state: state.map(|state| (state, web.grants().today())),
        words: fields.get("query").to_owned(),
        before: number(fields, "before")?,
        ..AccountFilter::default()
    })
}

/// `GET /s/SLOT/?query=&state=&agency=&before=`
pub(super) async fn page(State(web): State<Web>, seat: Seat) -> Result<Response, Problem> {
    let (person, fields, grants) = (seat.person(), &seat.visit.fields, web.grants());
    let filter = AccountFilter { most: SIZE + 1, ..filter_of(&web, fields)? };
    let (is_first, agency) = (filter.before.is_none(), filter.agency.unwrap_or(0));
    let mut accounts = grants.accounts(person, filter).await?;
    let asked: Vec<_> =
        ["query", "state", "agency"].iter().map(|name| (*name, fields.get(name).trim())).collect();
    let url = address(&format!("{}/", seat.base), &asked);
    let pager = Pager::cut(&mut accounts, &url, ("before", is_first), |account| account.id);
    let csv = address(&format!("{}/accounts.csv", seat.base), &asked);
    let mut here = asked.clone();
    here.push(("before", fields.get("before")));
    let here = address("/", &here);
    let today = grants.today();
    let page = AccountsPage {
        frame: web.seat_frame(&seat, ("Accounts", Tab::Home), &here, None).await?,
        query: fields.get("query").trim().to_owned(),
        state: fields.get("state").to_owned(),
        agency,
        agencies: grants.agencies().await?,
        accounts: accounts
            .into_iter()
            .map(|account| {
                let state = account.state(today);
                (account, state)
            })
            .collect(),
        pager,
        csv,
        chart: Chart::of(&grants.totals(person).await?, grants.currency()),
    };
    web.answer(&seat.visit, StatusCode::OK, &page)
}

/// `GET /s/SLOT/accounts.csv?query=&state=&agency=`: all of them.
pub(super) async fn export(State(web): State<Web>, seat: Seat) -> Result<Response, Problem> {
    let filter = AccountFilter { most: PIECE, ..filter_of(&web, &seat.visit.fields)? };
    let (grants, person) = (web.grants().clone(), seat.person().clone());
    let (today, currency) = (grants.today(), grants.currency().to_owned());
    let line = move |account: &Account| {
        let members: Vec<_> = account.members.iter().map(|member| member.name.as_str()).collect();
        let lead = members.first().copied().unwrap_or_default();
        csv::Line::default()
            .plain(account.id)
            .text(&account.acronym)
            .text(&account.title)
            .text(lead)
            .text(&members.join("; "))
            .text(&account.agency_name)
            .plain(account.budget.plain())
            .plain(account.balance.plain())
            .plain(&currency)
            .plain(account.end_date)
            .plain(account.state(today).name())
            .plain(Moment::of(account.opened_at).iso)
            .end()
    };
    let line = std::sync::Arc::new(line);
    let more = move |before: Option<u64>| {
        let (grants, person, line) = (grants.clone(), person.clone(), line.clone());
        let filter = AccountFilter { before, ..filter.clone() };
        async move {
            let accounts = grants.accounts(&person, filter).await?;
            let last = accounts.last().filter(|_| accounts.len() == PIECE as usize);
            let lines = accounts.iter().map(|account| line(account)).collect();
            Ok::<_, crate::Error>((lines, last.map(|account| account.id)))
        }
    };
    Ok(csv::file("accounts.csv", HEAD, more).await?)
}
