//! Assets: style sheets, scripts and pictures of the pages, embedded in the
//! program. An asset's address holds a hash of its bytes, so browsers keep it
//! for ever and still see every change.

use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::Problem;

/// What pages of all services share: style sheet, colours, logo.
#[derive(RustEmbed)]
#[folder = "assets"]
struct Base;

/// What the names of [`Base`]'s files begin with.
const BASE: &str = "base/";

/// Serves the embedded folder `E`, and as `base/…` what all services share.
pub struct Assets<E>(std::marker::PhantomData<E>);

impl<E: RustEmbed + 'static> Assets<E> {
    /// Routes that answer `GET /assets/{name}`.
    pub fn router() -> Router {
        let of = |Path(name): Path<String>, RawQuery(query): RawQuery| answer::<E>(name, query);
        Router::new().route("/assets/{*name}", get(of))
    }

    /// The same beside those of another: `GET /assets/{folder}/{name}`. The
    /// names of `E` begin with the folder's.
    pub fn router_under(folder: &'static str) -> Router {
        let of = move |Path(name): Path<String>, RawQuery(query): RawQuery| {
            answer::<E>(format!("{folder}/{name}"), query)
        };
        Router::new().route(&format!("/assets/{folder}/{{*name}}"), get(of))
    }
}

/// The address of asset `name` of folder `E`, or of `base/…`, with its hash.
pub fn asset_url<E: RustEmbed>(name: &str) -> String {
    match file::<E>(name) {
        Some(file) => format!("/assets/{name}?v={}", version(&file)),
        None => format!("/assets/{name}"),
    }
}

fn file<E: RustEmbed>(name: &str) -> Option<EmbeddedFile> {
    match name.strip_prefix(BASE) {
        Some(shared) => Base::get(shared),
        None => E::get(name),
    }
}

fn version(file: &EmbeddedFile) -> String {
    file.metadata.sha256_hash().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

async fn answer<E: RustEmbed>(name: String, query: Option<String>) -> Response {
    let Some(file) = file::<E>(&name) else {
        return Problem::not_found("There is no such asset.").into_response();
    };
    let current = query.is_some_and(|query| query == format!("v={}", version(&file)));
    let keep = if current { "public, max-age=31536000, immutable" } else { "no-cache" };
    let kind = mime_guess::from_path(&name).first_or_octet_stream();
    let kind = HeaderValue::from_str(kind.as_ref()).expect("a media type is a header");
    let headers =
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, HeaderValue::from_static(keep))];
    (headers, file.data.into_owned()).into_response()
}
