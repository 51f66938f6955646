//! Where researchers begin: their proposals, and the accounts they belong to.

use askama::Template;
use axum::extract::{OriginalUri, State};
use axum::response::{Redirect, Response};
use http::StatusCode;
use larder_web::Problem;

use super::layout::{Frame, Tab};
use super::list::{Pager, SIZE, TabLink, Tabs, address, count, number};
use crate::model::{Account, AccountState, Proposal, State as ProposalState};
use crate::store::{AccountFilter, ProposalFilter};
use crate::web::Web;
use crate::web::seat::Seat;

/// Accounts that are shown at most: few people have as many.
const ACCOUNTS: u32 = 200;

/// Tabs: name, title, and the states of the proposals there.
const TABS: Tabs<4> = [
    ("accepted", "Accepted", &[ProposalState::Accepted]),
    ("rejected", "Rejected", &[ProposalState::Rejected]),
    (
        "waiting",
        "Waiting",
        &[
            ProposalState::Submitted,
            ProposalState::Waiting,
            ProposalState::InformationWanted,
            ProposalState::Resubmitted,
        ],
    ),
    ("drafts", "Drafts", &[ProposalState::Draft]),
];

/// Which tab is shown to who asks for none: the first of these with something.
const FIRST: [&str; 4] = ["waiting", "drafts", "accepted", "rejected"];

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    tabs: Vec<TabLink>,
    tab: &'static str,
    proposals: Vec<Proposal>,
    pager: Pager,
    accounts: Vec<(Account, AccountState)>,
}

/// `GET /s/SLOT`: to the page, for which alone there is the cookie.
pub(super) async fn slash(OriginalUri(uri): OriginalUri) -> Redirect {
    Redirect::to(&format!("{}/", uri.path()))
}

/// `GET /s/SLOT/?tab=&before=`
pub(super) async fn page(State(web): State<Web>, seat: Seat) -> Result<Response, Problem> {
    let (person, fields) = (seat.person(), &seat.visit.fields);
    let counts = web.grants().proposal_counts(person, ProposalFilter::default()).await?;
    let of = |name: &str| TABS.iter().find(|(tab, ..)| *tab == name);
    let first =
        FIRST.iter().filter_map(|name| of(name)).find(|(_, _, states)| count(&counts, states) > 0);
    let (tab, _, states) = of(fields.get("tab")).or(first).unwrap_or(&TABS[2]);
    let before = number(fields, "before")?;
    let filter = ProposalFilter {
        states: states.to_vec(),
        before,
        most: SIZE + 1,
        ..ProposalFilter::default()
    };
    let mut proposals = web.grants().proposals(person, filter).await?;
    let url = |tab: &str| address(&format!("{}/", seat.base), &[("tab", tab)]);
    let pager = Pager::cut(&mut proposals, &url(tab), ("before", before.is_none()), |p| p.id);
    let accounts = AccountFilter { most: ACCOUNTS, ..AccountFilter::default() };
    let accounts = web.grants().accounts(person, accounts).await?;
    let today = web.grants().today();
    let here = address("/", &[("tab", fields.get("tab")), ("before", fields.get("before"))]);
    let page = HomePage {
        frame: web.seat_frame(&seat, ("My research", Tab::Home), &here, None).await?,
        tabs: TabLink::all(&TABS, tab, &counts, url),
        tab,
        proposals,
        pager,
        accounts: accounts
            .into_iter()
            .map(|account| {
                let state = account.state(today);
                (account, state)
            })
            .collect(),
    };
    web.answer(&seat.visit, StatusCode::OK, &page)
}
