//! What all pages have around them: title, navigation, who is here, notices,
//! assets, where the page's changes are heard of and which other servers it may
//! go on at; and the page for problems.

use std::fmt::Display;
use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use larder_clock::Timestamp;
use larder_web::text::{self, Moment};
use larder_web::{Problem, ProblemPart, Visit, Way, asset_url};
use rust_embed::RustEmbed;

use super::form::Wrong;
use super::notices::Notice;
use crate::error::Result;
use crate::model::{Money, Person, Role, Room, Service};
use crate::web::Web;
use crate::web::errors::seat_of;
use crate::web::seat::Seat;

/// The most notifications that are counted for the navigation.
const COUNTED: u32 = 100;

/// The most rooms of one page, some less than a listener may have.
const ROOMS: usize = 60;

/// Style sheet and scripts of the pages.
#[derive(RustEmbed)]
#[folder = "assets"]
pub(super) struct Files;

/// Where in the navigation a page belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Home,
    New,
    Programmes,
    People,
    Transactions,
    Notifications,
    /// Not in the navigation.
    None,
}

/// One link of the navigation.
pub(super) struct Link {
    pub(super) tab: Tab,
    pub(super) path: &'static str,
    pub(super) text: &'static str,
}

impl Link {
    /// Whether it says how many notifications nobody has seen to.
    pub(super) fn tells_unread(&self) -> bool {
        self.tab == Tab::Notifications
    }
}

const fn link(tab: Tab, path: &'static str, text: &'static str) -> Link {
    Link { tab, path, text }
}

const RESEARCHERS: &[Link] =
    &[link(Tab::Home, "/", "My research"), link(Tab::New, "/proposals/new", "New proposal")];
const AGENCY: &[Link] =
    &[link(Tab::Home, "/", "Proposals"), link(Tab::Programmes, "/programmes", "Programmes")];
const UNIVERSITY: &[Link] = &[
    link(Tab::Home, "/", "Accounts"),
    link(Tab::People, "/people", "People"),
    link(Tab::Transactions, "/transactions", "Transactions"),
    link(Tab::Notifications, "/notifications", "Notifications"),
];

/// What the layout needs to know.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) tab: Tab,
    pub(super) service: Service,
    /// What every address of the service begins with.
    pub(super) base: String,
    /// What every address of the seat begins with; empty for who has none.
    pub(super) seat: String,
    /// Where the page itself is to be had, also if a form brought here.
    pub(super) page: String,
    pub(super) who: Option<Arc<Person>>,
    pub(super) form_token: String,
    pub(super) notice: Option<Notice>,
    /// What couldn't be done, unless it is a field's fault.
    pub(super) problem: Option<Wrong>,
    /// Where changes of what the page shows are heard of.
    pub(super) rooms: String,
    /// Where else the service is to be had.
    pub(super) peers: Vec<String>,
    /// Notifications nobody has seen to; those are counted up to a bound.
    pub(super) unread: usize,
    pub(super) currency: String,
}

impl Web {
    /// What the layout needs for a visitor who isn't signed in.
    pub(super) fn frame(&self, visit: &Visit, title: &str) -> Frame {
        Frame {
            form_token: visit.form_token.value().to_owned(),
            notice: Notice::of(visit.fields.get("done")),
            ..self.bare_frame(title)
        }
    }

    /// What the layout needs when nothing is known of the visitor.
    fn bare_frame(&self, title: &str) -> Frame {
        Frame {
            title: title.to_owned(),
            tab: Tab::None,
            service: self.service(),
            base: self.base().to_owned(),
            seat: String::new(),
            page: String::new(),
            who: None,
            form_token: String::new(),
            notice: None,
            problem: None,
            rooms: String::new(),
            peers: self.grants().backups(self.service()),
            unread: 0,
            currency: self.grants().currency().to_owned(),
        }
    }

    /// What the layout needs for somebody at a seat. `page` is the page's path
    /// behind the seat's; `room` is that of the record it shows.
    ///
    /// # Errors
    /// The store fails.
    pub(super) async fn seat_frame(
        &self,
        seat: &Seat,
        (title, tab): (&str, Tab),
        page: &str,
        room: Option<Room>,
    ) -> Result<Frame> {
        let person = seat.person();
        let mut rooms: Vec<Room> = room.into_iter().collect();
        let mut unread = 0;
        match self.service() {
            Service::Researchers => rooms.push(Room::Person(person.id)),
            Service::Agency => match person.agency {
                Some(agency) => rooms.push(Room::Agency(agency)),
                None => {
                    let agencies = self.grants().agencies().await?;
                    rooms.extend(agencies.iter().map(|agency| Room::Agency(agency.id)));
                }
            },
            Service::University => {
                rooms.push(Room::University);
                unread = self.grants().notifications(person, false, COUNTED).await?.len();
            }
        }
        let rooms: Vec<_> = rooms.iter().take(ROOMS).map(Room::to_string).collect();
        Ok(Frame {
            tab,
            seat: seat.base.clone(),
            page: format!("{}{page}", seat.base),
            who: Some(person.clone()),
            rooms: rooms.join(","),
            unread,
            ..self.frame(&seat.visit, title)
        })
    }

    /// A page as an answer. It may ask the other servers of its service whether
    /// they are there.
    ///
    /// # Errors
    /// The template fails.
    pub(super) fn answer(
        &self,
        visit: &Visit,
        status: StatusCode,
        page: &impl Template,
    ) -> Result<Response, Problem> {
        let mut response = visit.answer(status, page)?;
        let peers = self.grants().backups(self.service());
        let origins: Vec<_> = peers.iter().map(|address| origin(address)).collect();
        if let Ok(policy) = HeaderValue::from_str(&policy(&origins.join(" "))) {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        Ok(response)
    }
}

/// Scheme, host and port of an address.
fn origin(address: &str) -> &str {
    let host = address.find("://").map_or(0, |at| at + 3);
    let end = address[host..].find('/').map_or(address.len(), |at| host + at);
    &address[..end]
}

/// The guard's policy of pages, with others to connect to.
fn policy(others: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self' {others}; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

impl Frame {
    /// The address of an asset.
    pub(super) fn asset(&self, name: &str) -> String {
        format!("{}{}", self.base, asset_url::<Files>(name))
    }

    pub(super) fn links(&self) -> &'static [Link] {
        match self.service {
            _ if self.who.is_none() => &[],
            Service::Researchers => RESEARCHERS,
            Service::Agency => AGENCY,
            Service::University => UNIVERSITY,
        }
    }

    pub(super) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// Where the service begins, for whoever looks.
    pub(super) fn start(&self) -> String {
        format!("{}/", if self.seat.is_empty() { &self.base } else { &self.seat })
    }

    pub(super) fn is_administrator(&self) -> bool {
        self.who.as_ref().is_some_and(|who| who.role == Role::Administrator)
    }

    pub(super) fn unread_text(&self) -> String {
        match self.unread < COUNTED as usize {
            true => self.unread.to_string(),
            false => format!("{}+", COUNTED - 1),
        }
    }

    /// A moment as a page shows it.
    pub(super) fn at(&self, time: &Timestamp) -> Moment {
        Moment::of(*time)
    }

    /// An amount with its currency.
    pub(super) fn money(&self, money: impl Display) -> String {
        format!("{money} {}", self.currency)
    }

    pub(super) fn bytes(&self, bytes: &u64) -> String {
        text::bytes(*bytes)
    }

    /// What part of an amount another one is, in a thousand.
    pub(super) fn part(&self, part: &Money, whole: &Money) -> i64 {
        let thousandth = (whole.in_cents() / 1000).max(1);
        (part.in_cents() / thousandth).clamp(0, 1000)
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    part: ProblemPart<'a>,
}

/// A problem as a page; `here` is the path behind the service's base.
pub(in crate::web) fn error_page(web: &Web, problem: &Problem, id: &str, here: &str) -> String {
    let seat = seat_of(here).map(|seat| format!("{}{seat}", web.base())).unwrap_or_default();
    let frame = Frame { seat, ..web.bare_frame(&problem.title) };
    // The same page at other servers, should this one be what is wrong.
    let peers = frame.peers.iter().filter(|_| problem.status.is_server_error());
    let mut ways: Vec<_> = peers
        .map(|peer| {
            let host = peer.split('/').nth(2).unwrap_or("another server");
            Way::primary(format!("{peer}{here}"), format!("Go on at {host}"))
        })
        .collect();
    let start = if ways.is_empty() { Way::primary } else { Way::other };
    ways.push(start(frame.start(), "Go to the start".to_owned()));
    let mut part = ProblemPart::new(problem, id, ways);
    if !frame.seat.is_empty() {
        part = part.or(&format!("{}/sign-in", frame.base), "Sign in");
    }
    ProblemPart::page(problem, id, &ErrorPage { frame, part })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_connects_to_the_origins_of_its_peers() {
        for (address, expected) in [
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("https://a.example/grants/agency", "https://a.example"),
        ] {
            assert_eq!(origin(address), expected);
        }
        assert!(policy("http://a:1 http://b:2").contains("connect-src 'self' http://a:1 http"));
    }
}
