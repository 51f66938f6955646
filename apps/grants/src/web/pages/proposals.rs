//! The proposals sent to an agency, those that wait for a decision first.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_web::Problem;

use super::layout::{Frame, Tab};
use super::list::{Pager, SIZE, TabLink, Tabs, address, number};
use crate::model::{Proposal, State as ProposalState};
use crate::store::ProposalFilter;
use crate::web::Web;
use crate::web::seat::Seat;

/// Tabs: name, title, and the states of the proposals there; any if none.
const TABS: Tabs<5> = [
    (
        "waiting",
        "To decide",
        &[ProposalState::Waiting, ProposalState::Resubmitted, ProposalState::Submitted],
    ),
    ("asked", "Asked for more", &[ProposalState::InformationWanted]),
    ("accepted", "Accepted", &[ProposalState::Accepted]),
    ("rejected", "Rejected", &[ProposalState::Rejected]),
    ("all", "All", &[]),
];

#[derive(Template)]
#[template(path = "proposals.html")]
struct ProposalsPage {
    frame: Frame,
    tabs: Vec<TabLink>,
    tab: &'static str,
    query: String,
    proposals: Vec<Proposal>,
    pager: Pager,
}

/// `GET /s/SLOT/?tab=&query=&before=`
pub(super) async fn page(State(web): State<Web>, seat: Seat) -> Result<Response, Problem> {
    let (person, fields) = (seat.person(), &seat.visit.fields);
    let query = fields.get("query").trim().to_owned();
    let words = ProposalFilter { words: query.clone(), ..ProposalFilter::default() };
    let counts = web.grants().proposal_counts(person, words.clone()).await?;
    let current = TABS.iter().find(|(name, ..)| *name == fields.get("tab"));
    let (tab, _, states) = current.unwrap_or(&TABS[0]);
    let before = number(fields, "before")?;
    let filter = ProposalFilter { states: states.to_vec(), before, most: SIZE + 1, ..words };
    let mut proposals = web.grants().proposals(person, filter).await?;
    let url = |tab: &str| {
        let tab = if tab == TABS[0].0 { "" } else { tab };
        address(&format!("{}/", seat.base), &[("tab", tab), ("query", &query)])
    };
    let pager = Pager::cut(&mut proposals, &url(tab), ("before", before.is_none()), |p| p.id);
    let here = address("/", &[("tab", tab), ("query", &query), ("before", fields.get("before"))]);
    let page = ProposalsPage {
        frame: web.seat_frame(&seat, ("Proposals", Tab::Home), &here, None).await?,
        tabs: TabLink::all(&TABS, tab, &counts, url),
        tab,
        query,
        proposals,
        pager,
    };
    web.answer(&seat.visit, StatusCode::OK, &page)
}
