//! The upload page, and the form it sends where there is no JavaScript: files
//! are spooled as they arrive and stored when the whole form was understood.

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use larder_web::{FormToken, Problem, Visit};

use super::Pages;
use super::layout::{Frame, Tab};
use super::text;
use super::view::ImageView;
use crate::error::Error;
use crate::model::{ImageKey, Precondition};
use crate::service::{Images, Incoming};
use crate::web::receive::{Form, Part};

#[derive(Template)]
#[template(path = "upload.html")]
struct UploadPage {
    frame: Frame,
    images: String,
    size: String,
    in_memory: String,
    capacity: String,
    hit_rate: String,
    requests: String,
    limit: String,
    limit_bytes: u64,
    key: String,
    key_problem: Option<String>,
    file_problem: Option<String>,
}

#[derive(Template)]
#[template(path = "uploaded.html")]
struct UploadedPage {
    frame: Frame,
    outcomes: Vec<Outcome>,
}

/// What became of one file.
struct Outcome {
    name: String,
    image: Option<ImageView>,
    replaced: Option<u64>,
    problem: Option<Problem>,
    is_key_wrong: bool,
}

/// A file of the form, as far as it could be received.
struct Received {
    name: String,
    content: Result<Incoming, Error>,
}

/// `GET /`
pub(super) async fn form(State(pages): State<Pages>, visit: Visit) -> Result<Response, Problem> {
    let key = visit.fields.get("key").to_owned();
    let page = upload_page(&pages.images, &visit, key).await?;
    visit.page(&page)
}

/// `POST /upload`
pub(super) async fn receive(
    State(pages): State<Pages>,
    visit: Visit,
    request: Request,
) -> Result<Response, Problem> {
    let mut form = Form::of(request).await?;
    let (mut key, mut token, mut files) = (String::new(), String::new(), Vec::new());
    while let Some(part) = form.next().await? {
        match part {
            Part::Text(name, text) if name == "form_token" => token = text,
            Part::Text(name, text) if name == "key" => key = text,
            Part::Text(..) => {}
            Part::File(part) => {
                // The token's field stands before the files, so that nothing
                // is kept for strangers.
                FormToken::check(&visit.headers, &token)?;
                pages.check_access(&visit.headers)?;
                let name = part.name();
                let content = part.receive(pages.images.begin_upload(None)).await?;
                // A field without a file has neither name nor bytes.
                let is_file = content.as_ref().map_or(true, |content| !content.is_empty());
                if is_file || !name.is_empty() {
                    files.push(Received { name, content });
                }
            }
        }
    }
    FormToken::check(&visit.headers, &token)?;
    pages.check_access(&visit.headers)?;

    let typed = (files.len() == 1 && !key.is_empty()).then_some(key.as_str());
    let mut outcomes = Vec::new();
    for file in files {
        outcomes.push(store(&pages.images, file, typed).await);
    }
    answer(&pages.images, &visit, key, outcomes).await
}

/// One file that was refused, or none: the form again, with the message beside
/// its field. Else a page that says what became of each.
async fn answer(
    images: &Images,
    visit: &Visit,
    key: String,
    mut outcomes: Vec<Outcome>,
) -> Result<Response, Problem> {
    let is_single = outcomes.len() <= 1;
    let refusal = match outcomes.first_mut() {
        None => Some((missing_file(), false)),
        Some(only) if is_single => only.problem.take().map(|it| (it, only.is_key_wrong)),
        Some(_) => None,
    };
    let Some((problem, is_key_wrong)) = refusal else {
        let stored = outcomes.iter().filter(|outcome| outcome.image.is_some()).count();
        let status = if stored == 0 { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let title = if stored == 0 { "Nothing was stored" } else { "Stored" };
        let frame = Frame::of(visit, title, Tab::Upload);
        return visit.answer(status, &UploadedPage { frame, outcomes });
    };
    if problem.status.is_server_error() {
        return Err(problem);
    }
    let mut page = upload_page(images, visit, key).await?;
    let message = Some(problem.detail);
    if is_key_wrong {
        page.key_problem = message;
    } else {
        page.file_problem = message;
    }
    visit.answer(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

async fn upload_page(images: &Images, visit: &Visit, key: String) -> Result<UploadPage, Problem> {
    let (count, size) = images.totals().await?;
    let summary = images.summary();
    let limit_bytes = images.config().max_upload_bytes;
    Ok(UploadPage {
        frame: Frame::of(visit, "Upload", Tab::Upload),
        images: text::count(count),
        size: text::bytes(size),
        in_memory: text::bytes(summary.size_bytes),
        capacity: text::bytes(summary.capacity_bytes),
        hit_rate: text::percent(summary.hit_rate),
        requests: text::counted(summary.requests, "read"),
        limit: text::bytes(limit_bytes),
        limit_bytes,
        key,
        key_problem: None,
        file_problem: None,
    })
}

async fn store(images: &Images, file: Received, typed: Option<&str>) -> Outcome {
    let Received { name, content } = file;
    let key = typed.unwrap_or(&name).parse::<ImageKey>().map_err(Error::from);
    let is_key_wrong = key.is_err();
    let stored = match (key, content) {
        (Ok(key), Ok(content)) => images.finish_upload(key, content, Precondition::None).await,
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    match stored {
        Ok(uploaded) => Outcome {
            name,
            image: Some(ImageView::of(&uploaded.image, false)),
            replaced: uploaded.replaced,
            problem: None,
            is_key_wrong,
        },
        Err(error) => {
            Outcome { name, image: None, replaced: None, problem: Some(error.into()), is_key_wrong }
        }
    }
}

fn missing_file() -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "Choose an image file first.")
}
