//! `Form<T>`: the fields of a form read into a type, and `FormView`: what was submitted, to be shown again.
//!
//! An urlencoded and a multipart form are read alike. Files are not fields: they are extracted beside it, by `Upload`.
use std::ops::Deref;

use http::header;
use serde::de::DeserializeOwned;

use crate::{
    BodyUse, FromRequest, Needs, Pairs, Rejection, RejectionKind, Request, error::shown, extract::body::unprocessable,
};

/// The fields of a form, read into a type of yours.
///
/// A field that comes more than once is read into a `Vec`; give it `#[serde(default)]` if it may not come at all. An
/// [`Upload`](crate::Upload) may stand beside it.
#[derive(Clone, Copy, Debug)]
pub struct Form<T>(pub T);

impl<T> Deref for Form<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Form<T> {
    const BODY: BodyUse = BodyUse::Form;

    fn needs(needs: &mut Needs) {
        needs.header(header::CONTENT_TYPE);
    }

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        let read = match request.is_urlencoded() && request.plumbing().parts.is_none() {
            true => read_pairs(request.urlencoded()?),
            false => read_pairs(request.parts()?.fields.encoded().as_bytes()),
        };
        read.map(Form).map_err(|Unfit { field, reason }| {
            let rejection = match &field {
                Some(field) => unprocessable(format!("the field `{}` does not fit: {reason}", shown(field))),
                None => unprocessable(format!("the form does not fit: {reason}")),
            };
            field.into_iter().fold(rejection, Rejection::with_field)
        })
    }
}

/// Why names and values do not fit a type.
#[derive(Debug)]
pub(crate) struct Unfit {
    pub(crate) field: Option<String>,
    pub(crate) reason: String,
}

/// Reads urlencoded names and values into a type.
pub(crate) fn read_pairs<T: DeserializeOwned>(text: &[u8]) -> Result<T, Unfit> {
    let pairs = serde_html_form::Deserializer::from_bytes(text);
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner().to_string();
        // serde knows the name of a field that is missing, but has no path for it.
        let missing = reason.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        let field = missing.map(str::to_owned).or_else(|| (path != ".").then_some(path));
        Unfit { reason: missing.map_or(reason.clone(), |_| "it is missing".into()), field }
    })
}

impl Unfit {
    /// Makes the rejection of a query string.
    pub(crate) fn of_query(self, query: &str) -> Rejection {
        let kind = if query.is_empty() { RejectionKind::Missing } else { RejectionKind::Invalid };
        match self.field {
            Some(field) => {
                let detail = format!("`{}` of the query string does not fit: {}", shown(&field), self.reason);
                Rejection::new(kind, detail).with_field(field)
            }
            None => Rejection::new(kind, format!("the query string does not fit: {}", self.reason)),
        }
    }
}

/// What was submitted with a form, and what is wrong with each field: what a template needs to show the form again.
///
/// The empty one is for a form that is shown for the first time.
#[derive(Clone, Debug, Default)]
pub struct FormView {
    fields: Pairs,
    errors: Vec<(String, String)>,
}

impl FormView {
    /// Makes one of the values that were submitted.
    pub fn new(fields: Pairs) -> FormView {
        FormView { fields, errors: Vec::new() }
    }

    /// Returns the value of a field as it was submitted, empty if it was not.
    pub fn value(&self, field: &str) -> &str {
        self.fields.get(field).unwrap_or_default()
    }

    /// Goes through all values of a field.
    pub fn values<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.get_all(field)
    }

    /// Says whether a field has this value among others, as a check box or an option that was chosen has.
    pub fn has(&self, field: &str, value: &str) -> bool {
        self.values(field).any(|known| known == value)
    }

    /// Returns the first thing that is wrong with a field, or with one of its values; `""` stands for the form as a whole.
    pub fn error(&self, field: &str) -> Option<&str> {
        self.errors.iter().find(|(path, _)| is_of(path, field)).map(|(_, error)| error.as_str())
    }

    /// Goes through all that is wrong with a field.
    pub fn errors<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a str> {
        self.errors.iter().filter(move |(path, _)| is_of(path, field)).map(|(_, error)| error.as_str())
    }

    /// Says whether nothing is known to be wrong.
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    /// Adds what is wrong with a field, such as that a name is taken.
    pub fn add_error(&mut self, field: impl Into<String>, error: impl Into<String>) {
        self.errors.push((field.into(), error.into()));
    }
}

/// Says whether a path such as `tags[1]` leads into this field.
fn is_of(path: &str, field: &str) -> bool {
    let rest = path.strip_prefix(field);
    rest.is_some_and(|rest| rest.is_empty() || (!field.is_empty() && rest.starts_with(['[', '.'])))
}
