//! Accounts that people make themselves: a researcher's, and that of the first
//! administrator, by whoever sits at the machine.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use larder_web::{Checked, Fields, Problem, Visit};

use super::entrance::seated;
use super::form::{Wrong, why};
use super::layout::Frame;
use super::notices::Notice;
use crate::error::{Error, Result};
use crate::model::{NewPassword, NewPerson, Person, Role};
use crate::web::Web;

#[derive(Template)]
#[template(path = "join.html")]
struct JoinPage {
    frame: Frame,
    fields: Fields,
    wrong: Option<Wrong>,
    is_setup: bool,
}

impl JoinPage {
    fn why(&self, field: &str) -> Option<&str> {
        why(self.wrong.as_ref(), field)
    }

    fn fewest(&self) -> usize {
        NewPassword::FEWEST
    }
}

fn join_page_of(web: &Web, visit: &Visit, fields: Fields, is_setup: bool) -> JoinPage {
    let title = if is_setup { "Set up" } else { "Create an account" };
    JoinPage { frame: web.frame(visit, title), fields, wrong: None, is_setup }
}

/// `GET /join`
pub(super) async fn join_page(State(web): State<Web>, visit: Visit) -> Result<Response, Problem> {
    let page = join_page_of(&web, &visit, Fields::default(), false);
    web.answer(&visit, StatusCode::OK, &page)
}

/// `POST /join`
pub(super) async fn join(State(web): State<Web>, form: Checked) -> Result<Response, Problem> {
    let added = match person_of(&form.fields, Role::Researcher) {
        Ok(new) => web.grants().add_person(new).await.map(|added| added.person),
        Err(error) => Err(error),
    };
    welcome(&web, form, added, false).await
}

/// `GET /setup`
pub(super) async fn page(State(web): State<Web>, visit: Visit) -> Result<Response, Problem> {
    if let Some(response) = is_over(&web).await? {
        return Ok(response);
    }
    let page = join_page_of(&web, &visit, Fields::default(), true);
    web.answer(&visit, StatusCode::OK, &page)
}

/// `POST /setup`
pub(super) async fn add(State(web): State<Web>, form: Checked) -> Result<Response, Problem> {
    if let Some(response) = is_over(&web).await? {
        return Ok(response);
    }
    let added = match person_of(&form.fields, Role::Administrator) {
        Ok(new) => web.grants().add_first(new).await,
        Err(error) => Err(error),
    };
    welcome(&web, form, added, true).await
}

/// Elsewhere if there is an administrator; refuses whoever isn't at this
/// machine.
async fn is_over(web: &Web) -> Result<Option<Response>, Problem> {
    if web.grants().has_administrator().await? {
        let sign_in = format!("{}/sign-in", web.base());
        return Ok(Some(Redirect::to(&sign_in).into_response()));
    }
    match web.shown.is_local {
        true => Ok(None),
        false => Err(Error::NotYours(
            "Only who sits at this machine makes the first administrator: by \
             larder grants user add --role administrator.",
        )
        .into()),
    }
}

fn person_of(fields: &Fields, role: Role) -> Result<NewPerson> {
    let (name, email) = (fields.get("name"), fields.get("email"));
    Ok(NewPerson::of(name, email, fields.get("password"), role, None)?)
}

/// Signs in who was just added, or says what is wrong.
async fn welcome(
    web: &Web,
    form: Checked,
    added: Result<Person>,
    is_setup: bool,
) -> Result<Response, Problem> {
    let Checked { visit, fields } = form;
    let wrong = match added {
        Ok(person) => {
            let who = web.grants().begin_session(person).await?;
            let notice = if is_setup { Notice::SetUp } else { Notice::Joined };
            return Ok(seated(web, &visit, &who, "/", notice));
        }
        Err(error) => Wrong::of(error)?,
    };
    let mut page = join_page_of(web, &visit, fields, is_setup);
    page.frame.problem =
        Some(wrong.clone()).filter(|wrong| !wrong.is_in(&["name", "email", "password"]));
    let status = wrong.status;
    page.wrong = Some(wrong);
    web.answer(&visit, status, &page)
}
