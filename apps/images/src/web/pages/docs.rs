//! The API to read: the OpenAPI document as a page. Fetches nothing, so it
//! works wherever the pages do.

use askama::Template;
use axum::response::Response;
use larder_web::{Problem, Visit};
use serde_json::Value;

use super::layout::{Frame, Tab};

#[derive(Template)]
#[template(path = "docs.html")]
struct DocsPage {
    frame: Frame,
    about: Vec<Paragraph>,
    groups: Vec<Group>,
    schemas: Vec<Schema>,
}

/// Operations with the same tag.
struct Group {
    id: String,
    name: String,
    about: Vec<Paragraph>,
    operations: Vec<Operation>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    about: Vec<Paragraph>,
    parameters: Vec<Field>,
    bodies: Vec<Content>,
    answers: Vec<Answer>,
}

/// Words, in part to be set as code.
type Paragraph = Vec<Span>;

struct Span {
    text: String,
    is_code: bool,
}

/// A parameter or a property.
struct Field {
    name: String,
    /// Where it stands: path, query, header.
    place: String,
    kind: String,
    is_required: bool,
    about: Vec<Paragraph>,
}

struct Answer {
    status: String,
    about: String,
    contents: Vec<Content>,
}

/// A media type and the shape of what comes with it.
struct Content {
    media: String,
    kind: String,
    schema: Option<String>,
}

struct Schema {
    id: String,
    name: String,
    about: Vec<Paragraph>,
    fields: Vec<Field>,
}

/// `GET /docs`
pub(super) async fn page(visit: Visit) -> Result<Response, Problem> {
    let document =
        serde_json::to_value(super::super::api::openapi()).map_err(|_| Problem::internal())?;
    visit.page(&DocsPage {
        frame: Frame::of(&visit, "API", Tab::Docs),
        about: paragraphs(&document["info"]["description"]),
        groups: groups(&document),
        schemas: entries(&document["components"]["schemas"]).map(schema).collect(),
    })
}

fn groups(document: &Value) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (path, item) in entries(&document["paths"]) {
        for (method, operation) in entries(item).filter(|(method, _)| is_method(method)) {
            let name = operation["tags"][0].as_str().unwrap_or("Other").to_owned();
            let operation = self::operation(method, path, operation);
            match groups.iter_mut().find(|group| group.name == name) {
                Some(group) => group.operations.push(operation),
                None => groups.push(Group {
                    id: format!("tag-{}", slug(&name)),
                    about: tag_description(document, &name),
                    name,
                    operations: vec![operation],
                }),
            }
        }
    }
    // As the document orders its tags; those it doesn't list come last.
    let tags: Vec<&Value> = list(&document["tags"]).map(|tag| &tag["name"]).collect();
    groups
        .sort_by_key(|group| tags.iter().position(|tag| **tag == group.name).unwrap_or(usize::MAX));
    groups
}

fn operation(method: &str, path: &str, operation: &Value) -> Operation {
    let parameters = list(&operation["parameters"]).map(|parameter| Field {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        kind: kind(&parameter["schema"]),
        is_required: parameter["required"].as_bool().unwrap_or(false),
        about: paragraphs(&parameter["description"]),
    });
    let answers = entries(&operation["responses"]).map(|(status, answer)| Answer {
        status: status.to_owned(),
        about: text(&answer["description"]),
        contents: contents(&answer["content"]),
    });
    Operation {
        id: format!("{method}-{}", slug(path)),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        about: paragraphs(&operation["description"]),
        parameters: parameters.collect(),
        bodies: contents(&operation["requestBody"]["content"]),
        answers: answers.collect(),
    }
}

fn contents(contents: &Value) -> Vec<Content> {
    let content = |(media, content): (&str, &Value)| Content {
        media: media.to_owned(),
        kind: kind(&content["schema"]),
        schema: reference(&content["schema"]).map(|name| format!("schema-{}", slug(name))),
    };
    entries(contents).map(content).collect()
}

fn schema((name, schema): (&str, &Value)) -> Schema {
    let required: Vec<&str> = list(&schema["required"]).filter_map(Value::as_str).collect();
    let field = |(field, property): (&str, &Value)| Field {
        name: field.to_owned(),
        place: String::new(),
        kind: kind(property),
        is_required: required.contains(&field),
        about: paragraphs(&property["description"]),
    };
    Schema {
        id: format!("schema-{}", slug(name)),
        name: name.to_owned(),
        about: paragraphs(&schema["description"]),
        fields: entries(&schema["properties"]).map(field).collect(),
    }
}

/// What kind of value a schema describes, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = reference(schema) {
        return name.to_owned();
    }
    let alternatives = ["oneOf", "anyOf", "allOf"].into_iter().flat_map(|of| list(&schema[of]));
    let mut words: Vec<String> = alternatives.map(kind).collect();
    match &schema["type"] {
        Value::String(one) if one == "array" => {
            words.push(format!("list of {}", kind(&schema["items"])));
        }
        Value::String(one) => words.push(one.clone()),
        Value::Array(several) => words.extend(several.iter().map(text)),
        _ => {}
    }
    let choices: Vec<String> = list(&schema["enum"]).map(text).collect();
    if !choices.is_empty() {
        words = vec![choices.join(", ")];
    }
    words.retain(|word| !word.is_empty());
    if let Some(format) = schema["format"].as_str().filter(|format| *format == "binary") {
        words = vec![format.to_owned()];
    }
    words.join(" or ")
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

fn tag_description(document: &Value, name: &str) -> Vec<Paragraph> {
    let tag = list(&document["tags"]).find(|tag| tag["name"] == name);
    tag.map_or_else(Vec::new, |tag| paragraphs(&tag["description"]))
}

fn is_method(name: &str) -> bool {
    matches!(name, "get" | "head" | "put" | "post" | "patch" | "delete" | "options")
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(String::new, str::to_owned)
}

fn paragraphs(value: &Value) -> Vec<Paragraph> {
    let text = value.as_str().unwrap_or_default();
    text.split("\n\n").map(str::trim).filter(|part| !part.is_empty()).map(paragraph).collect()
}

/// Splits at backquotes, the only markup that descriptions use.
fn paragraph(text: &str) -> Paragraph {
    let span =
        |(number, text): (usize, &str)| Span { text: text.to_owned(), is_code: number % 2 == 1 };
    text.split('`').enumerate().map(span).collect()
}

fn slug(name: &str) -> String {
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    letters.collect::<String>().trim_matches('-').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_read_as_words() {
        for (schema, words) in [
            (serde_json::json!({"type": "string"}), "string"),
            (serde_json::json!({"type": ["integer", "null"]}), "integer or null"),
            (serde_json::json!({"$ref": "#/components/schemas/Image"}), "Image"),
            (serde_json::json!({"type": "array", "items": {"type": "string"}}), "list of string"),
            (serde_json::json!({"type": "string", "enum": ["a", "b"]}), "a, b"),
            (serde_json::json!({"type": "string", "format": "binary"}), "binary"),
            (serde_json::json!({}), ""),
        ] {
            assert_eq!(kind(&schema), words);
        }
    }

    #[test]
    fn every_operation_of_the_api_is_shown() {
        let document = serde_json::to_value(super::super::super::api::openapi()).expect("is JSON");
        let shown: usize = groups(&document).iter().map(|group| group.operations.len()).sum();
        let all = entries(&document["paths"]).flat_map(|(_, item)| entries(item));
        assert_eq!(shown, all.filter(|(method, _)| is_method(method)).count());
        assert!(shown > 0);
    }
}
