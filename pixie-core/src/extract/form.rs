//! `Form<T>`: the fields of a form, read into a type, and `FormView`: submitted values and errors, to show a
//! form again.
//!
//! Urlencoded and multipart forms are read the same way. `Upload` extracts the files.
use http::{StatusCode, header};
use serde::de::DeserializeOwned;

use crate::{
    BodyUse, Error, FromRequest, Needs, Pairs, Request,
    error::{data::shortened, refused, shown},
};

/// The fields of a form, read into a type of yours.
///
/// A field that occurs several times is read into a `Vec`. Give it `#[serde(default)]` if it may be missing.
/// A handler may also take an [`Upload`](crate::Upload).
///
/// ```
/// use pixie_core::{Form, FromRequest, Request};
/// #[derive(serde::Deserialize)]
/// struct SignUp {
///     name: String,
///     #[serde(default)]
///     topics: Vec<String>,
/// }
///
/// let request = http::Request::post("/").header("content-type", "application/x-www-form-urlencoded");
/// let request = request.body("name=Ada&topics=math&topics=engines".into())?;
/// let Form(form) = Form::<SignUp>::from_request(&mut Request::from_http(request))?;
/// assert_eq!((form.name.as_str(), form.topics.len()), ("Ada", 2));
/// # Ok::<(), pixie_core::Error>(())
/// ```
#[doc(alias("urlencoded", "multipart"))]
#[derive(Clone, Copy, Debug)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Form<T> {
    const BODY: BodyUse = BodyUse::Form;

    fn needs(needs: &mut Needs) {
        needs.header(header::CONTENT_TYPE);
        needs.notes.form::<T>();
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let read = match request.is_urlencoded() && request.plumbing().parts.is_none() {
            true => read_pairs(request.urlencoded()?),
            false => read_pairs(request.parts()?.fields.encoded().as_bytes()),
        };
        read.map(Form).map_err(|unfit| unfit.refused(StatusCode::UNPROCESSABLE_ENTITY, "field", "form"))
    }
}

/// Why names and values do not fit a type.
///
/// serde reports a single field that occurs several times as an unsupported value: the message names the
/// cause.
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
        let reason = match error.into_inner().to_string() {
            // A list for a field that takes one value.
            reason if reason == "unsupported value" => "it occurs several times".to_owned(),
            reason => reason,
        };
        Unfit::new(path, reason)
    })
}

impl Unfit {
    /// Returns what serde says of the value with this path. The path `.` is that of the whole.
    pub(crate) fn new(path: String, reason: String) -> Unfit {
        let reason = shortened(reason);
        let path = Some(path).filter(|path| path != ".");
        // serde has no path for a missing field, but names it.
        let missing = reason.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        match (missing, path) {
            (None, field) => Unfit { field, reason },
            (Some(name), parent) => {
                let field = parent.map_or_else(|| name.to_owned(), |parent| format!("{parent}.{name}"));
                Unfit { field: Some(field), reason: "it is missing".to_owned() }
            }
        }
    }

    /// Returns the error of a value (`part`) or of all values (`whole`).
    pub(crate) fn refused(self, status: StatusCode, part: &str, whole: &str) -> Error {
        let reason = self.reason;
        match self.field {
            Some(field) => {
                let detail = format!("the {part} `{}` of the {whole} does not fit: {reason}", shown(&field));
                refused(status, detail).with_field(&field, reason)
            }
            None => refused(status, format!("the {whole} does not fit: {reason}")),
        }
    }
}

/// Limits the errors of fields in the detail of an error, which is one sentence. All of them are in the data.
const FIELDS_TOLD: usize = 3;

/// The submitted values of a form, and the errors of each field: what a template needs to show the form
/// again.
///
/// The default is for a form that is shown for the first time.
///
/// ```
/// use pixie_core::{FormView, Pairs};
/// let mut view = FormView::new(Pairs::parse(b"name=Ada"));
/// view.add_error("name", "is taken");
/// assert_eq!((view.value("name"), view.error("name")), ("Ada", Some("is taken")));
/// ```
#[doc(alias("validation", "form errors"))]
#[derive(Clone, Debug, Default)]
pub struct FormView {
    fields: Pairs,
    errors: Vec<(String, String)>,
}

impl FormView {
    /// Returns a view of the submitted values, without errors.
    pub fn new(fields: Pairs) -> FormView {
        FormView { fields, errors: Vec::new() }
    }

    /// Returns the submitted value of a field, or empty text.
    pub fn value(&self, field: &str) -> &str {
        self.fields.get(field).unwrap_or_default()
    }

    /// Returns all submitted values of a field.
    pub fn values<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.get_all(field)
    }

    /// Returns whether a field has this value: whether a check box or an option was selected.
    pub fn has(&self, field: &str, value: &str) -> bool {
        self.values(field).any(|known| known == value)
    }

    /// Returns the first error of a field or of one of its values. `""` stands for the whole form.
    pub fn error(&self, field: &str) -> Option<&str> {
        self.errors.iter().find(|(path, _)| is_of(path, field)).map(|(_, error)| error.as_str())
    }

    /// Returns all errors of a field.
    pub fn errors<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a str> {
        self.errors.iter().filter(move |(path, _)| is_of(path, field)).map(|(_, error)| error.as_str())
    }

    /// Returns whether the form has no errors.
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    /// Adds an error of a field, such as that a name is taken.
    pub fn add_error(&mut self, field: impl Into<String>, error: impl Into<String>) {
        self.errors.push((field.into(), error.into()));
    }
}

/// The 422 of values that do not pass: its data have the `errors` of each field, and its detail names the
/// first of them.
impl From<FormView> for Error {
    fn from(view: FormView) -> Error {
        let told = view.errors.iter().take(FIELDS_TOLD).map(|(field, reason)| match field.is_empty() {
            true => reason.clone(),
            false => format!("`{}`: {reason}", shown(field)),
        });
        let mut detail = told.collect::<Vec<_>>().join("; ");
        if let Some(more) = view.errors.len().checked_sub(FIELDS_TOLD).filter(|more| *more > 0) {
            detail += &format!("; and {more} more");
        }
        let refused = refused(StatusCode::UNPROCESSABLE_ENTITY, detail);
        view.errors.into_iter().fold(refused, |refused, (field, reason)| refused.with_field(&field, reason))
    }
}

/// Returns whether a path such as `tags[1]` belongs to this field.
fn is_of(path: &str, field: &str) -> bool {
    let rest = path.strip_prefix(field);
    rest.is_some_and(|rest| rest.is_empty() || (!field.is_empty() && rest.starts_with(['[', '.'])))
}
