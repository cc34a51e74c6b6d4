//! The data of an error: values for the client and for error pages, as JSON, so that every process can read
//! them.
//!
//! Invariant: the errors of fields, whose number and names a client may choose, stay within their limits.
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Error;

/// Limits the fields with errors in one problem document. A client could send a list of a million wrong
/// values; a person corrects fewer than a hundred.
const FIELDS_MAX: usize = 100;
/// Limits the texts about one field. A field breaks one or two rules at a time.
const REASONS_MAX: usize = 10;
/// Limits a text about a field, in bytes. Texts of serde repeat the value that the client sent.
const REASON_BYTES_MAX: usize = 300;
/// Limits the name of a field with an error, in bytes. Names come from the client; the path of a field in
/// nested JSON has up to a hundred bytes.
const FIELD_BYTES_MAX: usize = 200;

impl Error {
    /// Adds data for the client and for error pages: any value that serde can write. The data cross the
    /// process of a worker, so this is how an error page learns more of an error than its status and detail.
    ///
    /// The data are extension members of the problem document (RFC 9457, section 3.2), and error pages read
    /// them with [`Error::data`]. `type`, `title` and `instance` replace these members of the document;
    /// `status` and `detail` have no effect. A value that cannot be written turns the error into a 500.
    ///
    /// ```
    /// use pixie_core::abort;
    /// let error = abort(402).with_data("balance", &30).with_data("accounts", &["/account/12345"]);
    /// assert_eq!(error.data::<u32>("balance"), Some(30));
    /// ```
    #[track_caller]
    pub fn with_data<T: Serialize + ?Sized>(mut self, name: impl Into<String>, value: &T) -> Error {
        let name = name.into();
        match serde_json::to_value(value) {
            Ok(value) => {
                self.0.data.insert(name, value);
                self
            }
            Err(error) => Error::internal(format!("the data `{name}` of an error cannot be written: {error}")),
        }
    }

    /// Adds an error of one field to the data `errors`, which has a list of texts for each field. Above 100
    /// fields, further ones are left out.
    ///
    /// ```
    /// use pixie_core::abort;
    /// use std::collections::BTreeMap;
    ///
    /// let error = abort(422).with_field("email", "is taken").with_field("name", "is too short");
    /// let errors: BTreeMap<String, Vec<String>> = error.data("errors").expect("two fields");
    /// assert_eq!(errors["email"], ["is taken"]);
    /// ```
    pub fn with_field(mut self, field: &str, reason: impl Into<String>) -> Error {
        let reason = shortened(reason.into());
        let field = &field[..field.floor_char_boundary(FIELD_BYTES_MAX)];
        let errors = self.0.data.entry("errors").or_insert_with(|| Map::new().into());
        let Some(errors) = errors.as_object_mut() else { return self };
        if errors.len() < FIELDS_MAX || errors.contains_key(field) {
            let reasons = errors.entry(field).or_insert_with(|| Value::Array(Vec::new()));
            if let Some(reasons) = reasons.as_array_mut().filter(|reasons| reasons.len() < REASONS_MAX) {
                reasons.push(Value::String(reason));
            }
        }
        self
    }

    /// Returns the data of this name, if they have the type `T`.
    pub fn data<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Option<T> {
        T::deserialize(self.0.data.get(name)?).ok()
    }

    pub(crate) fn data_map(&self) -> &Map<String, Value> {
        &self.0.data
    }
}

/// What a server needs to pass the data on from a worker.
#[doc(hidden)]
impl Error {
    /// Returns the data as a JSON object, if there are any.
    pub fn data_json(&self) -> Option<Vec<u8>> {
        let data = Some(&self.0.data).filter(|data| !data.is_empty())?;
        serde_json::to_vec(data).ok()
    }

    /// Sets the data that [`Error::data_json`] has written. Returns `None` if the text is not that of an
    /// object.
    pub fn with_data_json(mut self, json: &[u8]) -> Option<Error> {
        self.0.data = serde_json::from_slice(json).ok()?;
        Some(self)
    }
}

/// Returns a text about a field, cut if it is too long.
pub(crate) fn shortened(mut text: String) -> String {
    if text.len() > REASON_BYTES_MAX {
        text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
        text.push('…');
    }
    text
}
