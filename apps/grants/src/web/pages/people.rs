//! People and the accounts they may spend, for the university; the
//! administrator also adds them, locks them out and gives new passwords.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_web::{Fields, Problem, csv};

use super::form::{Wrong, why};
use super::layout::{Frame, Tab};
use super::list::{PIECE, Pager, SIZE, address, number};
use super::notices::Notice;
use crate::error::Result;
use crate::model::{AccountId, Agency, NewPassword, NewPerson, Person, PersonId, Role};
use crate::service::Grants;
use crate::store::PeopleFilter;
use crate::web::Web;
use crate::web::seat::{Id, Seat, SeatForm};

/// Accounts of one person that are named.
const ACCOUNTS: usize = 100;

/// Accounts by number and acronym.
type Accounts = Vec<(AccountId, String)>;

const HEAD: &str = "number,name,email,role,agency,locked,accounts";

/// One of the forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Add,
    Agency,
    Password(PersonId),
    Lock,
}

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    frame: Frame,
    query: String,
    people: Vec<(Person, Accounts)>,
    agencies: Vec<Agency>,
    pager: Pager,
    csv: String,
    fields: Fields,
    wrong: Option<(Form, Wrong)>,
}

impl PeoplePage {
    fn why_in(&self, form: Form, field: &str) -> Option<&str> {
        let wrong = self.wrong.as_ref().filter(|(of, _)| *of == form);
        why(wrong.map(|(_, wrong)| wrong), field)
    }

    fn why(&self, field: &str) -> Option<&str> {
        self.why_in(Form::Add, field)
    }

    fn why_agency(&self) -> Option<&str> {
        self.why_in(Form::Agency, "name")
    }

    fn why_password(&self, id: &PersonId) -> Option<&str> {
        self.why_in(Form::Password(*id), "password")
    }

    /// What was typed into the form that adds somebody.
    fn typed(&self, field: &str) -> &str {
        match &self.wrong {
            Some((Form::Add, _)) => self.fields.get(field),
            _ => "",
        }
    }

    fn typed_agency(&self) -> &str {
        match &self.wrong {
            Some((Form::Agency, _)) => self.fields.get("name"),
            _ => "",
        }
    }

    fn roles(&self) -> [Role; 4] {
        [Role::Agency, Role::University, Role::Researcher, Role::Administrator]
    }

    fn agency_name(&self, person: &Person) -> &str {
        agency_name(&self.agencies, person)
    }

    fn is_self(&self, person: &Person) -> bool {
        self.frame.who.as_ref().is_some_and(|who| who.id == person.id)
    }

    fn fewest(&self) -> usize {
        NewPassword::FEWEST
    }
}

fn agency_name<'a>(agencies: &'a [Agency], person: &Person) -> &'a str {
    let agency = agencies.iter().find(|agency| Some(agency.id) == person.agency);
    agency.map_or("", |agency| &agency.name)
}

/// `GET /s/SLOT/people?query=&after=`
pub(super) async fn page(State(web): State<Web>, seat: Seat) -> Result<Response, Problem> {
    shown(&web, &seat, Fields::default(), None).await
}

async fn shown(
    web: &Web,
    seat: &Seat,
    fields: Fields,
    wrong: Option<(Form, Wrong)>,
) -> Result<Response, Problem> {
    let (grants, asked) = (web.grants(), &seat.visit.fields);
    let query = asked.get("query").trim().to_owned();
    let after = number(asked, "after")?;
    let filter = PeopleFilter {
        words: query.clone(),
        after: after.unwrap_or(0),
        most: SIZE + 1,
        ..PeopleFilter::default()
    };
    let mut people = grants.people(seat.person(), filter).await?;
    let url = address(&format!("{}/people", seat.base), &[("query", &query)]);
    let pager = Pager::cut(&mut people, &url, ("after", after.is_none()), |person| person.id);
    let here = address("/people", &[("query", &query), ("after", asked.get("after"))]);
    let mut frame = web.seat_frame(seat, ("People", Tab::People), &here, None).await?;
    let fields_there = ["name", "email", "password", "role", "agency"];
    frame.problem = wrong
        .clone()
        .filter(|(form, wrong)| *form == Form::Lock || !wrong.is_in(&fields_there))
        .map(|(_, wrong)| wrong);
    let status = wrong.as_ref().map_or(StatusCode::OK, |(_, wrong)| wrong.status);
    let page = PeoplePage {
        frame,
        people: with_accounts(grants, seat.person(), people).await?,
        agencies: grants.agencies().await?,
        pager,
        csv: address(&format!("{}/people.csv", seat.base), &[("query", &query)]),
        query,
        fields,
        wrong,
    };
    web.answer(&seat.visit, status, &page)
}

async fn with_accounts(
    grants: &Grants,
    actor: &Person,
    people: Vec<Person>,
) -> Result<Vec<(Person, Accounts)>> {
    let researchers = people.iter().filter(|person| person.role == Role::Researcher);
    let researchers = researchers.map(|person| person.id).collect();
    let mut accounts = grants.accounts_of(actor, researchers, ACCOUNTS).await?;
    let with = |person: Person| {
        let accounts = accounts.remove(&person.id).unwrap_or_default();
        (person, accounts)
    };
    Ok(people.into_iter().map(with).collect())
}

/// `GET /s/SLOT/people.csv?query=`: all of them.
pub(super) async fn export(State(web): State<Web>, seat: Seat) -> Result<Response, Problem> {
    let (grants, actor) = (web.grants().clone(), seat.person().clone());
    let words = seat.visit.fields.get("query").to_owned();
    let more = move |after: Option<u64>| {
        let (grants, actor, words) = (grants.clone(), actor.clone(), words.clone());
        async move {
            let after = after.unwrap_or(0);
            let filter = PeopleFilter { words, after, most: PIECE, ..PeopleFilter::default() };
            let people = grants.people(&actor, filter).await?;
            let last = people.last().filter(|_| people.len() == PIECE as usize);
            let last = last.map(|person| person.id);
            let agencies = grants.agencies().await?;
            let people = with_accounts(&grants, &actor, people).await?;
            Ok::<_, crate::Error>((
                people.iter().map(|found| line(found, &agencies)).collect(),
                last,
            ))
        }
    };
    Ok(csv::file("people.csv", HEAD, more).await?)
}

fn line((person, accounts): &(Person, Accounts), agencies: &[Agency]) -> String {
    let accounts: Vec<_> = accounts.iter().map(|(_, acronym)| acronym.as_str()).collect();
    csv::Line::default()
        .plain(person.id)
        .text(&person.name)
        .text(&person.email)
        .plain(person.role.name())
        .text(agency_name(agencies, person))
        .plain(if person.is_locked { "yes" } else { "no" })
        .text(&accounts.join("; "))
        .end()
}

async fn after(
    web: &Web,
    seat: &Seat,
    fields: Fields,
    form: Form,
    done: Result<Notice>,
) -> Result<Response, Problem> {
    match done {
        Ok(notice) => Ok(seat.go_to("/people", notice)),
        Err(error) => shown(web, seat, fields, Some((form, Wrong::of(error)?))).await,
    }
}

/// `POST /s/SLOT/people`
pub(super) async fn add(State(web): State<Web>, form: SeatForm) -> Result<Response, Problem> {
    let SeatForm { seat, fields, .. } = form;
    let new = || {
        let role = fields.get("role").parse();
        let role = role.map_err(|_| larder_input::Invalid::new("role", "Choose a role."))?;
        let (name, email) = (fields.get("name"), fields.get("email"));
        let agency = fields.get("agency").parse().ok();
        NewPerson::of(name, email, fields.get("password"), role, agency)
    };
    let done = match new() {
        Ok(new) => web.grants().add_officer(seat.person(), new).await,
        Err(invalid) => Err(invalid.into()),
    };
    after(&web, &seat, fields, Form::Add, done.map(|_| Notice::PersonAdded)).await
}

/// `POST /s/SLOT/people/{id}/lock`: out, or in again.
pub(super) async fn lock(
    State(web): State<Web>,
    Id(id): Id,
    form: SeatForm,
) -> Result<Response, Problem> {
    let SeatForm { seat, fields, .. } = form;
    let is_locked = fields.get("locked") == "true";
    let done = web.grants().set_locked(seat.person(), id, is_locked).await;
    let notice = if is_locked { Notice::Locked } else { Notice::Unlocked };
    after(&web, &seat, fields, Form::Lock, done.map(|()| notice)).await
}

/// `POST /s/SLOT/people/{id}/password`
pub(super) async fn reset(
    State(web): State<Web>,
    Id(id): Id,
    form: SeatForm,
) -> Result<Response, Problem> {
    let SeatForm { seat, fields, .. } = form;
    let done = web.grants().reset_password(seat.person(), id, fields.get("password")).await;
    after(&web, &seat, fields, Form::Password(id), done.map(|()| Notice::PasswordSet)).await
}

/// `POST /s/SLOT/agencies`
pub(super) async fn add_agency(
    State(web): State<Web>,
    form: SeatForm,
) -> Result<Response, Problem> {
    let SeatForm { seat, fields, .. } = form;
    let done = web.grants().add_agency(seat.person(), fields.get("name")).await;
    after(&web, &seat, fields, Form::Agency, done.map(|_| Notice::AgencyAdded)).await
}
