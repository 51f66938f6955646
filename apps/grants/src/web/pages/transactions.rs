//! All lines of all ledgers, the latest first, for the university.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_web::text::Moment;
use larder_web::{Fields, Problem, csv};

use super::layout::{Frame, Tab};
use super::list::{PIECE, Pager, SIZE, address, number};
use crate::model::{Entry, EntryKind};
use crate::store::EntryFilter;
use crate::web::Web;
use crate::web::seat::Seat;

const HEAD: &str = "number,account,acronym,kind,who,amount,balance after,currency,reason,time";

#[derive(Template)]
#[template(path = "transactions.html")]
struct TransactionsPage {
    frame: Frame,
    query: String,
    kind: String,
    entries: Vec<Entry>,
    pager: Pager,
    csv: String,
}

impl TransactionsPage {
    fn kinds(&self) -> [EntryKind; 4] {
        EntryKind::ALL
    }
}

fn filter_of(fields: &Fields) -> Result<EntryFilter, Problem> {
    Ok(EntryFilter {
        kind: EntryKind::of(fields.get("kind")),
        words: fields.get("query").to_owned(),
        before: number(fields, "before")?,
        ..EntryFilter::default()
    })
}

/// `GET /s/SLOT/transactions?query=&kind=&before=`
pub(super) async fn page(State(web): State<Web>, seat: Seat) -> Result<Response, Problem> {
    let fields = &seat.visit.fields;
    let filter = EntryFilter { most: SIZE + 1, ..filter_of(fields)? };
    let is_first = filter.before.is_none();
    let mut entries = web.grants().entries(seat.person(), filter).await?;
    let asked = [("query", fields.get("query").trim()), ("kind", fields.get("kind"))];
    let url = address(&format!("{}/transactions", seat.base), &asked);
    let pager = Pager::cut(&mut entries, &url, ("before", is_first), |entry| entry.number);
    let here = address("/transactions", &[asked[0], asked[1], ("before", fields.get("before"))]);
    let title = ("Transactions", Tab::Transactions);
    let page = TransactionsPage {
        frame: web.seat_frame(&seat, title, &here, None).await?,
        query: asked[0].1.to_owned(),
        kind: asked[1].1.to_owned(),
        entries,
        pager,
        csv: address(&format!("{}/transactions.csv", seat.base), &asked),
    };
    web.answer(&seat.visit, StatusCode::OK, &page)
}

/// `GET /s/SLOT/transactions.csv?query=&kind=`: all of them.
pub(super) async fn export(State(web): State<Web>, seat: Seat) -> Result<Response, Problem> {
    let filter = EntryFilter { most: PIECE, ..filter_of(&seat.visit.fields)? };
    let (grants, person) = (web.grants().clone(), seat.person().clone());
    let more = move |before: Option<u64>| {
        let (grants, person) = (grants.clone(), person.clone());
        let filter = EntryFilter { before, ..filter.clone() };
        async move {
            let entries = grants.entries(&person, filter).await?;
            let last = entries.last().filter(|_| entries.len() == PIECE as usize);
            let lines = entries.iter().map(|entry| line(entry, grants.currency())).collect();
            Ok::<_, crate::Error>((lines, last.map(|entry| entry.number)))
        }
    };
    Ok(csv::file("transactions.csv", HEAD, more).await?)
}

fn line(entry: &Entry, currency: &str) -> String {
    csv::Line::default()
        .plain(entry.number)
        .plain(entry.account)
        .text(&entry.acronym)
        .plain(entry.kind.name())
        .text(entry.by.as_deref().unwrap_or_default())
        .plain(entry.amount.plain())
        .plain(entry.balance_after.plain())
        .plain(currency)
        .text(&entry.reason)
        .plain(Moment::of(entry.at).iso)
        .end()
}
