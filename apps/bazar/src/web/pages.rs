//! The pages for people: what they can do on one screen of routes. Works
//! without JavaScript, better with it. Holds no rules and no SQL.

mod admin;
mod book;
mod buy;
mod covers;
mod edit;
mod layout;
mod order;
mod orders;
mod pager;
mod replicas;
mod shop;
mod sign_in;
mod view;

use axum::Router;
use axum::routing::{get, post};
use larder_web::Assets;

use super::Web;
pub(crate) use covers::Covers;
pub(crate) use layout::error_page;

/// The routes of all pages.
pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/", get(shop::page))
        .route("/book/{id}", get(book::page))
        .route("/covers/{id}", get(covers::cover))
        .route("/buy/{id}", get(buy::ask).post(buy::buy))
        .route("/order", get(order::look_up))
        .route("/order/{number}", get(order::page))
        .route("/admin", get(admin::page))
        .route("/admin/add", get(edit::add_page).post(edit::add))
        .route("/admin/books/{id}", get(edit::page).post(edit::change))
        .route("/admin/orders", get(orders::page))
        .route("/admin/orders.csv", get(orders::export))
        .route("/replicas", get(replicas::page))
        .route("/replicas/stop", post(replicas::stop))
        .route("/replicas/start", post(replicas::start))
        .route("/sign-in", get(sign_in::page).post(sign_in::enter))
        .route("/sign-out", post(sign_in::leave))
        .merge(Assets::<layout::Files>::router().with_state(()))
}
