//! `Checked<T>`: a form whose values were checked by the rules of the `garde` crate. Feature `garde`.
//!
//! A form with invalid values is not rejected: the handler gets the submitted values and the errors, to show
//! the form again. Only a body that is not a form is rejected.
use garde::Validate;
use http::header;
use serde::de::DeserializeOwned;

use crate::{BodyUse, FormView, FromRequest, Needs, Rejection, Request, extract::form};

/// A form that fits its type and its rules, or the submitted values with the errors of each field.
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
    }

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        let fields = request.parts()?.fields.clone();
        let read = form::read_pairs::<T>(fields.encoded().as_bytes());
        let mut view = FormView::new(fields);
        let value = match read {
            Ok(value) => match value.validate() {
                Ok(()) => Some(value),
                Err(report) => {
                    report
                        .into_inner()
                        .iter()
                        .for_each(|(path, error)| view.add_error(path.to_string(), error.message()));
                    None
                }
            },
            Err(unfit) => {
                view.add_error(unfit.field.unwrap_or_default(), unfit.reason);
                None
            }
        };
        Ok(Checked { value, view })
    }
}
