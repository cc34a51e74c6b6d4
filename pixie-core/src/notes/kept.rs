//! `Notes` with the feature `openapi`: keeps what extractors, answers and macros note.
//!
//! Invariant: no schema is made before the document is.
use std::{any::type_name, collections::BTreeMap, fmt};

use http::HeaderName;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::Security;

/// What a handler reads and sends.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// What the handler reads of the request.
    #[doc(hidden)]
    pub inputs: Vec<Input>,
    /// What the handler sends.
    #[doc(hidden)]
    pub outputs: Vec<Output>,
    /// The statuses of errors, or `default` for any.
    #[doc(hidden)]
    pub failures: Vec<&'static str>,
    /// Makes the schemas of types, by the name of the type.
    #[doc(hidden)]
    pub schemas: BTreeMap<&'static str, SchemaOf>,
    /// The comment above the handler.
    #[doc(hidden)]
    pub comment: &'static str,
    /// Whether the handler has the attribute `deprecated`.
    #[doc(hidden)]
    pub is_deprecated: bool,
    /// The name of the argument whose type notes something now.
    argument: &'static str,
    /// Whether the handler takes an `Option` of what is noted now.
    is_optional: bool,
}

/// A part of the request that a handler reads.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Input {
    pub part: Part,
    /// Whether a request without it is refused.
    pub is_required: bool,
}

/// Which part of a request. A type is the name of a Rust type.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Wildcard { name: &'static str, ty: &'static str },
    Query { ty: &'static str },
    Header(HeaderName),
    Body { media: &'static str, ty: &'static str },
    Form { ty: &'static str },
    File { field: &'static str, is_many: bool },
    Security { name: &'static str, scheme: Option<Security> },
}

/// One response of a handler.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// A code such as `200`, or a range such as `2XX`.
    pub status: &'static str,
    /// The media type and the Rust type of the body, if the response has one.
    pub body: Option<(&'static str, &'static str)>,
}

/// Makes the schema of a type.
#[doc(hidden)]
pub type SchemaOf = fn() -> TypeSchema;

/// The schema of a type, and those that it refers to.
#[doc(hidden)]
#[derive(Clone)]
pub struct TypeSchema {
    /// The name among the components, or `None` for a type of the standard library, which has none.
    pub name: Option<String>,
    pub schema: RefOr<Schema>,
    pub others: Vec<(String, RefOr<Schema>)>,
}

impl fmt::Debug for TypeSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypeSchema").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Notes {
    /// Notes that the body is read as this media type, such as `application/json`, into the type `T`.
    pub fn body<T: ?Sized>(&mut self, media: &'static str) {
        self.input(Part::Body { media, ty: type_name::<T>() });
    }

    /// Notes that a form is read into the type `T`.
    pub fn form<T: ?Sized>(&mut self) {
        self.input(Part::Form { ty: type_name::<T>() });
    }

    /// Notes that the query string is read into the type `T`.
    pub fn query<T: ?Sized>(&mut self) {
        self.input(Part::Query { ty: type_name::<T>() });
    }

    /// Notes how a request proves who sends it. The name is that of the scheme in the document.
    pub fn security(&mut self, name: &'static str, scheme: Security) {
        self.input(Part::Security { name, scheme: Some(scheme) });
    }

    /// Notes that a request needs the scheme with this name, which the app declares.
    pub fn secured(&mut self, name: &'static str) {
        self.input(Part::Security { name, scheme: None });
    }

    /// Notes a response with this status, whose body has this media type and is made of the type `T`.
    pub fn answer<T: ?Sized>(&mut self, status: &'static str, media: &'static str) {
        self.outputs.push(Output { status, body: Some((media, type_name::<T>())) });
    }

    /// Notes a response with this status, without a body.
    pub fn empty_answer(&mut self, status: &'static str) {
        self.outputs.push(Output { status, body: None });
    }

    /// Notes an error with this status, or any with the status `default`.
    pub fn failure(&mut self, status: &'static str) {
        self.failures.push(status);
    }

    /// Notes the files of a form. `None` stands for the field with the argument's name.
    pub(crate) fn files(&mut self, is_many: bool) {
        self.input(Part::File { field: self.argument, is_many });
    }

    pub(crate) fn header(&mut self, name: HeaderName) {
        self.input(Part::Header(name));
    }

    /// Replaces the status 200 of what `describe` notes, because the handler chooses the status.
    pub(crate) fn with_status(&mut self, status: &'static str, describe: impl FnOnce(&mut Notes)) {
        let before = self.outputs.len();
        describe(self);
        let added = self.outputs[before..].iter_mut();
        added.filter(|output| output.status == "200").for_each(|output| output.status = status);
    }

    /// Sets whether what follows may be missing, and returns what was set before.
    pub(crate) fn set_optional(&mut self, is_optional: bool) -> bool {
        std::mem::replace(&mut self.is_optional, is_optional)
    }

    /// For the macros.
    #[doc(hidden)]
    pub fn set_argument(&mut self, name: &'static str) {
        self.argument = name;
    }

    fn input(&mut self, part: Part) {
        self.inputs.push(Input { part, is_required: !self.is_optional });
    }
}

/// What the macros call.
#[doc(hidden)]
impl Notes {
    pub fn comment(&mut self, text: &'static str, is_deprecated: bool) {
        (self.comment, self.is_deprecated) = (text, is_deprecated);
    }

    pub fn wildcard<T>(&mut self, name: &'static str) {
        self.input(Part::Wildcard { name, ty: type_name::<T>() });
    }

    pub fn schema<T: ?Sized>(&mut self, schema: Option<SchemaOf>) {
        self.schemas.extend(schema.map(|schema| (type_name::<T>(), schema)));
    }
}

/// Makes the schema of a type.
#[doc(hidden)]
pub fn type_schema<T: ToSchema>() -> TypeSchema {
    let mut others = Vec::new();
    T::schemas(&mut others);
    TypeSchema { name: component_name(type_name::<T>(), &T::name()), schema: T::schema(), others }
}

/// Returns the name of a type among the components: that of its `ToSchema`, with the names of its parameters.
fn component_name(type_name: &str, name: &str) -> Option<String> {
    let is_standard = ["alloc::", "core::", "std::", "indexmap::", "serde_json::"];
    let (path, parameters) = type_name.split_once('<').unwrap_or((type_name, ""));
    if !path.contains("::") || is_standard.iter().any(|home| path.starts_with(home)) {
        return None;
    }
    let words = parameters.split(|letter: char| !letter.is_alphanumeric() && !"_:".contains(letter));
    let words = words.filter_map(|word| word.rsplit(':').next().filter(|word| !word.is_empty()));
    Some(words.fold(name.to_owned(), |name, word| format!("{name}_{word}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_has_the_name_of_its_type_and_of_its_parameters() {
        for (path, name) in [
            ("app::Article", Some("Article")),
            ("app::Page<app::Article>", Some("Article_Article")),
            ("app::Pair<u8, alloc::vec::Vec<app::Tag>>", Some("Article_u8_Vec_Tag")),
            ("alloc::vec::Vec<app::Article>", None),
            ("core::option::Option<app::Article>", None),
            ("u32", None),
            ("&str", None),
        ] {
            assert_eq!(component_name(path, "Article").as_deref(), name, "{path}");
        }
    }
}
