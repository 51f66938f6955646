//! The pages for people: what they can do at each service on one screen of
//! routes. Works without JavaScript but for what changes by itself. Holds no
//! rules and no SQL.

mod account;
mod accounts;
mod chart;
mod decide;
mod entrance;
mod form;
mod home;
mod layout;
mod list;
mod notices;
mod notifications;
mod password;
mod people;
mod programmes;
mod proposal;
mod proposals;
mod setup;
mod start;
mod transactions;

use axum::Router;
use axum::routing::{any, get, post};
use larder_web::{Assets, Problem};

use super::Web;
use crate::model::Service;
pub(super) use layout::error_page;
pub(super) use start::start;

/// The routes of all pages of a service.
pub(super) fn router(service: Service) -> Router<Web> {
    let own = match service {
        Service::Researchers => researchers(),
        Service::Agency => agency(),
        Service::University => university(),
    };
    own.route("/", get(entrance::start))
        .route("/sign-in", get(entrance::page).post(entrance::enter))
        .route("/s/{slot}", get(home::slash))
        .route("/s/{slot}/sign-out", post(entrance::leave))
        .route("/s/{slot}/password", get(password::page).post(password::change))
        .merge(Assets::<layout::Files>::router().with_state(()))
        .route("/{*rest}", any(nothing))
}

fn researchers() -> Router<Web> {
    Router::new()
        .route("/join", get(setup::join_page).post(setup::join))
        .route("/s/{slot}/", get(home::page))
        .route("/s/{slot}/proposals/new", get(proposal::new_page).post(proposal::add))
        .route("/s/{slot}/proposals/{id}", get(proposal::page).post(proposal::edit))
        .route("/s/{slot}/proposals/{id}/delete", post(proposal::delete))
        .route("/s/{slot}/proposals/{id}/attachment", get(proposal::attachment))
        .route("/s/{slot}/accounts/{id}", get(account::page))
        .route("/s/{slot}/accounts/{id}/withdraw", post(account::withdraw))
        .route("/s/{slot}/accounts/{id}/members", post(account::add_member))
        .route("/s/{slot}/accounts/{id}/members/{person}/remove", post(account::remove_member))
}

fn agency() -> Router<Web> {
    Router::new()
        .route("/setup", get(setup::page).post(setup::add))
        .route("/s/{slot}/", get(proposals::page))
        .route("/s/{slot}/proposals/{id}", get(decide::page))
        .route("/s/{slot}/proposals/{id}/attachment", get(proposal::attachment))
        .route("/s/{slot}/proposals/{id}/approve", post(decide::approve))
        .route("/s/{slot}/proposals/{id}/decline", post(decide::decline))
        .route("/s/{slot}/proposals/{id}/ask", post(decide::ask))
        .route("/s/{slot}/programmes", get(programmes::page).post(programmes::add))
        .route("/s/{slot}/programmes/{id}", post(programmes::change))
}

fn university() -> Router<Web> {
    Router::new()
        .route("/setup", get(setup::page).post(setup::add))
        .route("/s/{slot}/", get(accounts::page))
        .route("/s/{slot}/accounts.csv", get(accounts::export))
        .route("/s/{slot}/accounts/{id}", get(account::page))
        .route("/s/{slot}/accounts/{id}/end-date", post(account::extend))
        .route("/s/{slot}/accounts/{id}/close", post(account::close))
        .route("/s/{slot}/people", get(people::page).post(people::add))
        .route("/s/{slot}/people.csv", get(people::export))
        .route("/s/{slot}/people/{id}/lock", post(people::lock))
        .route("/s/{slot}/people/{id}/password", post(people::reset))
        .route("/s/{slot}/agencies", post(people::add_agency))
        .route("/s/{slot}/transactions", get(transactions::page))
        .route("/s/{slot}/transactions.csv", get(transactions::export))
        .route("/s/{slot}/notifications", get(notifications::page))
        .route("/s/{slot}/notifications/{id}/acknowledge", post(notifications::acknowledge))
}

async fn nothing() -> Problem {
    Problem::not_found("There is nothing at this address.")
}
