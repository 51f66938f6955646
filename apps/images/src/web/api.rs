//! The REST API: images by key. Errors are problem details.

use std::ops::Range;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use larder_picture::{Format, Variant};
use larder_tier::Source;
use larder_web::{Problem, Site};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::conditions::{self, Part};
use super::receive;
use crate::error::Error;
use crate::model::{Content, Cursor, Image, ImageKey, Listing, PAGE_LIMIT, Sort, Uploaded};
use crate::service::{Images, Served};

pub(crate) use super::description::openapi;

/// Images on a page when the request doesn't say.
const DEFAULT_LIMIT: u32 = 100;

/// What may be run in a browser when it shows an image by itself: nothing.
/// Drawings style themselves.
const INERT: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// What is known of an image.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImageDescription {
    /// The key it is stored under.
    #[schema(example = "holiday/beach.jpg")]
    key: String,
    /// 1 for the first image under this key, one more at each replacement.
    version: u64,
    /// Where to get it.
    #[schema(example = "/images/holiday/beach.jpg")]
    url: String,
    /// Its entity tag, for `If-Match` and `If-None-Match`.
    etag: String,
    /// Its type, found by its content.
    #[schema(example = "image/jpeg")]
    r#type: &'static str,
    /// Its size in bytes.
    size: u64,
    /// Pixels across, as displayed.
    width: u32,
    /// Pixels down, as displayed.
    height: u32,
    /// Frames: 1 unless it is animated.
    frames: u32,
    /// BLAKE3 hash of its bytes, hexadecimal.
    hash: String,
    /// The blob that holds its bytes, within the blob store.
    location: String,
    /// When the key was first used, RFC 3339.
    #[schema(example = "2026-11-20T12:34:56.789Z")]
    created_at: String,
    /// When this version was stored, RFC 3339.
    updated_at: String,
}

impl From<&Image> for ImageDescription {
    fn from(image: &Image) -> Self {
        Self {
            key: image.key.to_string(),
            version: image.version,
            url: image.key.url(),
            etag: format!("\"{}\"", image.etag().0),
            r#type: image.format.mime(),
            size: image.size,
            width: image.width,
            height: image.height,
            frames: image.frames,
            hash: image.hash().to_string(),
            location: image.location.to_string(),
            created_at: rfc3339(image.created_at),
            updated_at: rfc3339(image.updated_at),
        }
    }
}

/// What an upload did.
#[derive(Serialize, ToSchema)]
pub(crate) struct UploadedDescription {
    /// The image as it is stored now.
    #[serde(flatten)]
    image: ImageDescription,
    /// The version it replaced; absent if the key was free.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_version: Option<u64>,
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImageList {
    /// The images.
    images: Vec<ImageDescription>,
    /// Send this as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which images to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParameters {
    /// Only keys that begin with this.
    #[serde(default)]
    prefix: String,
    /// Only keys that contain this, ASCII letters compared without case.
    #[serde(default)]
    contains: String,
    /// The order: `key` (default), `date`, `size` or `type`.
    sort: Option<String>,
    /// `asc` (default) or `desc`.
    order: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Images on the page, 1 to 1000; 100 by default.
    limit: Option<String>,
}

/// List images
///
/// One page of images, by default in order of their keys. Pages are found by
/// where the last one ended, so the thousandth is as quick as the first.
#[utoipa::path(get, path = "/images", tag = "Images", params(ListParameters), responses(
    (status = 200, description = "A page of images", body = ImageList),
    (status = 400, description = "A parameter makes no sense", body = super::description::ProblemDetails,
        content_type = "application/problem+json"),
))]
pub(crate) async fn list_images(
    State(images): State<Images>,
    parameters: Result<Query<ListParameters>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(parameters) = parameters.map_err(|error| Problem::bad_request(error.body_text()))?;
    let page = images.list(parameters.listing()?).await?;
    let list = ImageList {
        images: page.images.iter().map(ImageDescription::from).collect(),
        next_cursor: page.next.map(|cursor| cursor.to_string()),
    };
    Ok(Json(list).into_response())
}

impl ListParameters {
    fn listing(self) -> Result<Listing, Problem> {
        let bad =
            |field: &'static str| move |why: String| Problem::bad_request(why).in_field(field);
        let descending = match self.order.as_deref() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(bad("order")("order must be asc or desc.".into())),
        };
        let limit = self.limit.map_or(Ok(DEFAULT_LIMIT), |limit| {
            limit.parse().ok().filter(|limit| (1..=PAGE_LIMIT).contains(limit)).ok_or_else(|| {
                bad("limit")(format!("limit must be a number from 1 to {PAGE_LIMIT}."))
            })
        })?;
        let sort = self.sort.map_or(Ok(Sort::Key), |sort| sort.parse()).map_err(bad("sort"))?;
        let after: Option<Cursor> =
            self.cursor.map(|cursor| cursor.parse()).transpose().map_err(bad("cursor"))?;
        if after.as_ref().is_some_and(|cursor| !cursor.fits(sort)) {
            return Err(bad("cursor")(Cursor::EXPECTED.into()));
        }
        let (prefix, contains) = (self.prefix, self.contains);
        Ok(Listing { prefix, contains, sort, descending, after, limit })
    }
}

/// Which variant of an image to get.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // Read by hand, from the same query as `key`.
pub(crate) struct VariantParameters {
    /// Width of the box in pixels, 1 to 4096.
    w: Option<u32>,
    /// Height of the box in pixels, 1 to 4096.
    h: Option<u32>,
    /// `contain` (default): all of it, inside the box. `cover`: the box is
    /// filled, what sticks out is cut off. Neither enlarges.
    fit: Option<String>,
    /// `jpeg`, `png`, `webp` or `avif`; by default as the image.
    format: Option<String>,
}

/// Get an image
///
/// The bytes, or with `w`, `h`, `fit` or `format` a variant of them. Answers
/// `If-None-Match` and `If-Modified-Since` with 304, `Range` with 206 or 416.
/// `X-Cache` tells who answered: memory (`hit`), the memory of the node that
/// owns the key (`peer`), or the store (`miss`).
/// With `/meta` behind the key (whose own slashes may be sent as `%2F`) the
/// answer is a description of the image instead. A key that is `.` or `..`,
/// which browsers take out of paths, is sent as `/image?key=..`.
#[utoipa::path(get, path = "/images/{key}", tag = "Images",
    params(("key" = String, Path, description = "The key, percent-encoded"), VariantParameters),
    responses(
        (status = 200, description = "The image", body = Vec<u8>, content_type = "image/*"),
        (status = 206, description = "The part of it that Range asked for"),
        (status = 304, description = "You have it already"),
        (status = 400, description = "The key or a parameter makes no sense"),
        (status = 404, description = "Unknown key", body = super::description::ProblemDetails,
            content_type = "application/problem+json"),
        (status = 416, description = "The image has no such part"),
        (status = 422, description = "The variant can't be made"),
    ))]
pub(crate) async fn get_image(
    State(images): State<Images>,
    uri: Uri,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(key) = uri.path().strip_suffix("/meta").and_then(key_in_path) {
        let (image, source) = images.describe(&key?).await?;
        let described = Json(ImageDescription::from(&*image));
        return Ok(([(X_CACHE, x_cache(source))], described).into_response());
    }
    let key = key_of(&uri)?;
    let parameter = |name: &str| query.as_deref().and_then(|query| find_parameter(query, name));
    let (w, h, fit, format) =
        (parameter("w"), parameter("h"), parameter("fit"), parameter("format"));
    let variant = Variant::parse(w.as_deref(), h.as_deref(), fit.as_deref(), format.as_deref())
        .map_err(Error::from)?;
    // Without the bytes there is no need to load them.
    if method == Method::HEAD && variant.is_original() {
        let (image, source) = images.describe(&key).await?;
        return Ok(answer_head(&image, source));
    }
    let is_wanted = |content: &Content| !is_not_modified(&headers, content);
    let served = match headers.contains_key(header::RANGE) && variant.is_original() {
        true => images.get_for_part(&key, is_wanted).await?,
        false => images.variant(&key, variant, is_wanted).await?,
    };
    answer(&images, &served, &headers).await
}

/// Describe an image
///
/// What is known of the image, without its bytes.
#[utoipa::path(get, path = "/images/{key}/meta", tag = "Images",
    params(("key" = String, Path, description = "The key, percent-encoded, `/` as `%2F`")),
    responses(
        (status = 200, description = "What is known of it", body = ImageDescription),
        (status = 404, description = "Unknown key", body = super::description::ProblemDetails,
            content_type = "application/problem+json"),
    ))]
#[allow(dead_code)] // `get_image` answers; this carries the description.
fn describe_image() {}

/// Store an image
///
/// The body is the file; its type is found by its content. When this is
/// answered, the image is on disk and every later read returns it.
/// `If-None-Match: *` stores only under a free key, `If-Match` only over the
/// image with that entity tag.
#[utoipa::path(put, path = "/images/{key}", tag = "Images",
    params(("key" = String, Path, description = "The key, percent-encoded; 1 to 512 bytes, no control characters")),
    request_body(content = Vec<u8>, content_type = "image/*", description = "JPEG, PNG, GIF, WebP or AVIF"),
    responses(
        (status = 201, description = "Stored under a free key", body = UploadedDescription),
        (status = 200, description = "Stored, and replaced what was there", body = UploadedDescription),
        (status = 412, description = "The precondition doesn't hold; nothing was changed"),
        (status = 413, description = "Larger than allowed"),
        (status = 415, description = "Not an image that can be stored"),
        (status = 422, description = "Empty, incomplete, damaged, or too many pixels"),
        (status = 507, description = "Too little room on the disk"),
    ))]
pub(crate) async fn put_image(
    State(images): State<Images>,
    State(site): State<Arc<Site>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let announced = parts.headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|len| len.to_str().ok()?.parse().ok());
    let begun = (|| {
        site.access.check(&parts.headers)?;
        let precondition =
            conditions::precondition(&parts.headers).map_err(Problem::bad_request)?;
        let key = key_of(&parts.uri)?;
        Ok((key, precondition, images.begin_upload(announced)?))
    })();
    let (key, precondition, incoming) = match begun {
        Ok(begun) => begun,
        Err(problem) => {
            // A client that asks before it sends gets its answer; one that
            // sends already is heard out, or it would not read why.
            if !parts.headers.contains_key(header::EXPECT) {
                let _ = receive::body(body, Err(Error::BrokeOff)).await;
            }
            return Err(problem);
        }
    };
    let incoming = receive::body(body, Ok(incoming)).await?;
    let uploaded = images.finish_upload(key, incoming, precondition).await?;
    Ok(answer_upload(uploaded))
}

/// Delete an image
///
/// `If-Match` deletes only the image with that entity tag.
#[utoipa::path(delete, path = "/images/{key}", tag = "Images",
    params(("key" = String, Path, description = "The key, percent-encoded")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "Unknown key"),
        (status = 412, description = "The precondition doesn't hold; nothing was changed"),
    ))]
pub(crate) async fn delete_image(
    State(images): State<Images>,
    State(site): State<Arc<Site>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    site.access.check(&headers)?;
    let precondition = conditions::precondition(&headers).map_err(Problem::bad_request)?;
    images.delete(&key_of(&uri)?, precondition).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The key a URL names: in its path, or in the query of `/image`.
fn key_of(uri: &Uri) -> Result<ImageKey, Error> {
    if let Some(key) = key_in_path(uri.path()) {
        return key;
    }
    let query = uri.query().unwrap_or_default();
    Ok(find_parameter(query, "key").unwrap_or_default().parse()?)
}

/// The key after `/images/`, decoded from the path as it was sent: the
/// router's own decoding can't tell `%2F` from `/`.
fn key_in_path(path: &str) -> Option<Result<ImageKey, Error>> {
    path.strip_prefix("/images/").map(|encoded| Ok(ImageKey::from_url(encoded)?))
}

/// A parameter's decoded value.
fn find_parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.into_iter().find(|(key, _)| *key == name)?.1.replace('+', " ");
    percent_encoding::percent_decode_str(&value).decode_utf8().ok().map(Into::into)
}

fn answer_upload(uploaded: Uploaded) -> Response {
    let Uploaded { image, replaced } = uploaded;
    let status = if replaced.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let headers = [
        (header::ETAG, header_value(format!("\"{}\"", image.etag().0))),
        (header::LOCATION, header_value(image.key.url())),
    ];
    let described =
        UploadedDescription { image: ImageDescription::from(&image), replaced_version: replaced };
    (status, headers, Json(described)).into_response()
}

/// The headers that every answer about these bytes has.
fn content_headers(content: &Content, source: Source) -> [(HeaderName, HeaderValue); 8] {
    let Content { image, format, etag, .. } = content;
    let show = if *format == Format::Svg { "attachment" } else { "inline" };
    // A name of our own: the key is a stranger's text.
    let name = format!("{}.{}", &image.hash().to_string()[..12], format.extension());
    [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.mime())),
        (header::ETAG, header_value(format!("\"{}\"", etag.0))),
        (header::LAST_MODIFIED, header_value(conditions::http_date(image.updated_at))),
        // To be kept, and asked about each time: the key may get a new image.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(INERT)),
        (header::CONTENT_DISPOSITION, header_value(format!("{show}; filename=\"{name}\""))),
        (X_CACHE, x_cache(source)),
    ]
}

fn is_not_modified(headers: &HeaderMap, content: &Content) -> bool {
    conditions::is_not_modified(headers, &content.etag, content.image.updated_at)
}

async fn answer(
    images: &Images,
    served: &Served,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let Served { content, source } = served;
    let fixed = content_headers(content, *source);
    if is_not_modified(headers, content) {
        return Ok((StatusCode::NOT_MODIFIED, fixed).into_response());
    }
    let len = content.len();
    Ok(match conditions::part(headers, len, &content.etag) {
        Part::Whole => (fixed, body(images, content, 0..len).await?).into_response(),
        Part::Range(range) => {
            let place = format!("bytes {}-{}/{len}", range.start, range.end - 1);
            let place = [(header::CONTENT_RANGE, header_value(place))];
            let body = body(images, content, range).await?;
            (StatusCode::PARTIAL_CONTENT, fixed, place, body).into_response()
        }
        Part::Unsatisfiable => {
            let place = [(header::CONTENT_RANGE, header_value(format!("bytes */{len}")))];
            let why = format!("The image has {len} bytes; the range lies beyond them.");
            (place, Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, why)).into_response()
        }
    })
}

/// The bytes in `range`: from memory, or a piece at a time from the store.
async fn body(
    images: &Images,
    content: &Content,
    range: Range<u64>,
) -> Result<impl IntoResponse, Problem> {
    let len = [(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start))];
    let body = match &content.bytes {
        Some(bytes) => {
            // What is in memory is counted in less than 64 bits.
            let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
            Body::from(bytes.slice(place(range.start)..place(range.end)))
        }
        None => Body::from_stream(images.stream(content, range).await?),
    };
    Ok((len, body))
}

fn answer_head(image: &Arc<Image>, source: Source) -> Response {
    let content = Content::original(Image::clone(image), None);
    let len = [(header::CONTENT_LENGTH, HeaderValue::from(image.size))];
    (content_headers(&content, source), len).into_response()
}

fn x_cache(source: Source) -> HeaderValue {
    HeaderValue::from_static(match source {
        Source::Memory => "hit",
        Source::Peer => "peer",
        Source::Store => "miss",
    })
}

/// For texts made here of letters, digits and punctuation.
fn header_value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("ASCII without control characters is a header")
}

fn rfc3339(time: larder_clock::Timestamp) -> String {
    jiff::Timestamp::from_microsecond(time.0)
        .map_or_else(|_| String::new(), |time| time.to_string())
}
