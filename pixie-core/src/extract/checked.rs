//! `Checked<T>`: a form whose values were checked by the rules of the `garde` crate. Feature `garde`.
//!
//! A form with invalid values is not refused: the handler gets the submitted values and the errors, to show
//! the form again. Only a body that is not a form is refused. `Checked<Json<T>>` is for programs, which get a
//! 422 with the errors of each field. Invariant: a `Checked<Json<T>>` has its value.
use std::ops::Deref;

use garde::Validate;
use http::header;
use serde::de::DeserializeOwned;

use crate::{BodyUse, Error, FormView, FromRequest, Json, Needs, Pairs, Request, extract::form};

/// Values that fit their type and their rules.
///
/// `Checked<Json<T>>` is JSON, and dereferences to `T`. JSON that does not fit is answered with 422, and the
/// `errors` of each field are data of the [`Error`]. The handler does not run.
///
/// ```
/// use std::collections::BTreeMap;
/// use pixie_core::{Checked, FromRequest, Json, Request};
///
/// #[derive(Debug, serde::Deserialize, garde::Validate)]
/// struct Article {
///     #[garde(length(min = 1))]
///     title: String,
/// }
///
/// fn publish(article: Checked<Json<Article>>) -> String {
///     format!("published {}", article.title)
/// }
/// # let _ = publish;
/// let request = http::Request::post("/").header("content-type", "application/json").body(r#"{"title":""}"#.into())?;
/// let error = Checked::<Json<Article>>::from_request(&mut Request::from_http(request)).expect_err("no title");
/// assert_eq!(error.status(), 422);
/// let errors: BTreeMap<String, Vec<String>> = error.data("errors").expect("one field");
/// assert_eq!(errors["title"], ["length is lower than 1"]);
/// # Ok::<(), pixie_core::Error>(())
/// ```
///
/// `Checked<T>` is a form: its value, or the submitted values with the errors of each field, to show the form
/// again. `form.into_result()?` answers with 422, as JSON does.
///
/// ```
/// use pixie_core::{Checked, FormView, FromRequest, Html, IntoResponse, Redirect, Request, Response, StatusCode};
///
/// #[derive(serde::Deserialize, garde::Validate)]
/// struct SignUp {
///     #[garde(length(min = 1, max = 40))]
///     name: String,
///     #[garde(range(min = 18))]
///     age: u8,
/// }
///
/// fn sign_up(form: Checked<SignUp>) -> Response {
///     match form.into_result() {
///         Ok(_) => Redirect::to("/welcome").into_response(),
///         Err(view) => (StatusCode::UNPROCESSABLE_ENTITY, Html(page(&view))).into_response(),
///     }
/// }
///
/// // In a template: value="{{ view.value("age") }}", and {% if let Some(error) = view.error("age") %} beside it.
/// fn page(view: &FormView) -> String {
///     format!("age: {} ({})", view.value("age"), view.error("age").unwrap_or_default())
/// }
/// # let mut request = Request::from_http(http::Request::post("/").header("content-type", "application/x-www-form-urlencoded")
/// #     .body("name=Ada&age=ten".into())?);
/// # let response = sign_up(Checked::from_request(&mut request)?);
/// # assert_eq!(response.body().as_bytes(), Some(&b"age: ten (invalid digit found in string)"[..]));
/// # Ok::<(), pixie_core::Error>(())
/// ```
#[doc(alias("validation", "validate", "garde", "valid"))]
#[derive(Clone, Debug)]
pub struct Checked<T> {
    value: Option<T>,
    view: FormView,
}

impl<T> Checked<T> {
    /// Returns the value, or the form to show again.
    pub fn into_result(self) -> Result<T, FormView> {
        self.value.ok_or(self.view)
    }

    /// Returns the value, if it is valid, and the submitted form, for a handler that may find more errors.
    pub fn into_parts(self) -> (Option<T>, FormView) {
        (self.value, self.view)
    }

    /// Returns the submitted form with the errors.
    pub fn view(&self) -> &FormView {
        &self.view
    }
}

// A compiler message that lists extractors is the same with and without the feature.
#[diagnostic::do_not_recommend]
impl<T> FromRequest for Checked<T>
where
    T: DeserializeOwned + Validate<Context: Default>,
{
    const BODY: BodyUse = BodyUse::Form;

    fn needs(needs: &mut Needs) {
        needs.header(header::CONTENT_TYPE);
        needs.notes.form::<T>();
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let fields = request.parts()?.fields.clone();
        let read = form::read_pairs::<T>(fields.encoded().as_bytes());
        let mut view = FormView::new(fields);
        let value = match read {
            Ok(value) => validated(value, &mut view),
            Err(unfit) => {
                view.add_error(unfit.field.unwrap_or_default(), unfit.reason);
                None
            }
        };
        Ok(Checked { value, view })
    }
}

#[diagnostic::do_not_recommend]
impl<T> FromRequest for Checked<Json<T>>
where
    T: DeserializeOwned + Validate<Context: Default>,
{
    const BODY: BodyUse = Json::<T>::BODY;

    fn needs(needs: &mut Needs) {
        Json::<T>::needs(needs);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let Json(value) = Json::from_request(request)?;
        let mut view = FormView::new(Pairs::default());
        match validated(value, &mut view) {
            Some(value) => Ok(Checked { value: Some(Json(value)), view }),
            None => Err(view.into()),
        }
    }
}

impl<T> Checked<Json<T>> {
    /// Returns the value.
    pub fn into_inner(self) -> T {
        let Json(value) = self.value.expect("JSON that does not pass is an error");
        value
    }
}

impl<T> Deref for Checked<Json<T>> {
    type Target = T;

    fn deref(&self) -> &T {
        let Json(value) = self.value.as_ref().expect("JSON that does not pass is an error");
        value
    }
}

/// Returns a value that keeps its rules, and adds the errors of the others.
fn validated<T: Validate<Context: Default>>(value: T, view: &mut FormView) -> Option<T> {
    let Err(report) = value.validate() else { return Some(value) };
    report.into_inner().iter().for_each(|(path, error)| view.add_error(path.to_string(), error.message()));
    None
}
