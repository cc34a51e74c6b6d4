//! What the document says of one method of a route: what it reads, what it answers, and what the framework
//! answers in its place.
use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderName, Method, header};
use pixie_core::{
    Security,
    openapi::{Input, Output, Part},
};
use pixie_grammar::{Filter, PathPart, parse_path};
use utoipa::openapi::{
    Content, Deprecated, KnownFormat, Object, Ref, RefOr, Required, Response, ResponseBuilder, Schema, SchemaFormat,
    Type,
    path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
    request_body::{RequestBody, RequestBodyBuilder},
    schema::{ArrayBuilder, ObjectBuilder},
    security::SecurityRequirement,
};

use crate::{
    openapi::{
        document::{ANY_ERROR, response_name},
        schemas::{Property, Schemas, binary},
    },
    table::{Endpoint, csrf},
};

/// The name of the schema of error responses.
pub(super) const PROBLEM: &str = "Problem";

/// Headers that OpenAPI describes elsewhere, or that clients and proxies send by themselves.
const NOT_PARAMETERS: [HeaderName; 6] = [
    header::ACCEPT,
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::HOST,
    HeaderName::from_static("traceparent"),
];

/// An operation, and what it names of the rest of the document.
pub(super) struct Described {
    pub(super) operation: OperationBuilder,
    pub(super) statuses: BTreeSet<u16>,
    /// `None` stands for a scheme that the app declares.
    pub(super) schemes: BTreeMap<&'static str, Option<Security>>,
}

/// Describes one method of a route. `names` are those of the wildcards in the document.
pub(super) fn describe(endpoint: &Endpoint, method: &Method, names: &[String], schemas: &mut Schemas) -> Described {
    let route = &endpoint.route;
    let (inputs, notes, options) = (&route.reads().notes.inputs, route.notes(), route.options());
    let wildcards = wildcards(endpoint, names, schemas);
    let others = inputs.iter().flat_map(|input| parameters(input, schemas));
    let parameters: Vec<_> = wildcards.into_iter().chain(others).collect();
    let body = request_body(inputs, schemas);
    let mut schemes = BTreeMap::new();
    let requirements = requirements(inputs, options.security, &mut schemes);
    let mut statuses = refusals(endpoint, method);
    statuses.extend(notes.failures.iter().filter_map(|status| status.parse::<u16>().ok()));
    let (summary, description) = split(notes.comment);
    let mut operation = OperationBuilder::new()
        .summary(summary)
        .description(description)
        .tags(options.tag.map(|tag| [tag]))
        .parameters((!parameters.is_empty()).then_some(parameters))
        .request_body(body)
        .deprecated(notes.is_deprecated.then_some(Deprecated::True));
    if !requirements.is_empty() {
        operation = operation.securities(Some(requirements));
    }
    for code in &statuses {
        operation = operation.response(code.to_string(), Ref::from_response_name(response_name(*code)));
    }
    for (status, answer) in answers(&notes.outputs, schemas) {
        operation = operation.response(status, answer);
    }
    if notes.failures.contains(&"default") {
        operation = operation.response("default", Ref::from_response_name(ANY_ERROR));
    } else if notes.outputs.is_empty() {
        operation = operation.response("default", Response::new("The handler chooses status and body."));
    }
    Described { operation, statuses, schemes }
}

/// Returns the first paragraph of a comment on one line, and the rest.
fn split(comment: &str) -> (Option<String>, Option<String>) {
    let (first, rest) = comment.split_once("\n\n").unwrap_or((comment, ""));
    let given = |text: String| (!text.is_empty()).then_some(text);
    (given(first.lines().map(str::trim).collect::<Vec<_>>().join(" ")), given(rest.trim().to_owned()))
}

fn wildcards(endpoint: &Endpoint, names: &[String], schemas: &mut Schemas) -> Vec<Parameter> {
    let parts = parse_path(endpoint.route.path()).unwrap_or_default().into_iter().filter_map(|part| match part {
        PathPart::Wildcard { name, filter } => Some((name, filter)),
        PathPart::Literal(_) => None,
    });
    let one = |((own, filter), name): ((String, Filter), &String)| {
        let of_handler = endpoint.route.notes().inputs.iter().find_map(|input| match input.part {
            Part::Wildcard { name, ty } if name == own => Some(ty),
            _ => None,
        });
        let schema = wildcard(filter, of_handler.unwrap_or_default(), schemas);
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path);
        parameter.required(Required::True).schema(Some(schema)).build()
    };
    parts.zip(names).map(one).collect()
}

/// Returns the schema of a wildcard whose value the handler takes as this type.
fn wildcard(filter: Filter, ty: &str, schemas: &mut Schemas) -> RefOr<Schema> {
    let typed = |schema_type, format| ObjectBuilder::new().schema_type(schema_type).format(format);
    let known = |format| Some(SchemaFormat::KnownFormat(format));
    let whole = || {
        let (least, most) = bounds(ty);
        typed(Type::Integer, known(KnownFormat::Int64)).minimum(Some(least)).maximum(Some(most))
    };
    match filter {
        Filter::Uuid => typed(Type::String, Some(SchemaFormat::Custom("uuid".to_owned()))).into(),
        Filter::Float => typed(Type::Number, known(KnownFormat::Double)).into(),
        Filter::Int => whole().into(),
        Filter::Text if is_whole(ty) => whole().into(),
        Filter::Text | Filter::Path => match schemas.content(ty) {
            Some(schema) if !ty.ends_with("String") => schema,
            _ => typed(Type::String, None).min_length(Some(1)).into(),
        },
    }
}

fn is_whole(ty: &str) -> bool {
    let (sign, bits) = ty.split_at(ty.len().min(1));
    matches!(sign, "i" | "u") && matches!(bits, "8" | "16" | "32" | "64" | "128" | "size")
}

/// Returns the least and the greatest value of a type. JSON numbers of more than 64 bits are not portable.
fn bounds(ty: &str) -> (isize, isize) {
    match ty {
        "i8" => (i8::MIN.into(), i8::MAX.into()),
        "i16" => (i16::MIN.into(), i16::MAX.into()),
        "i32" => (i32::MIN as isize, i32::MAX as isize),
        "u8" => (0, u8::MAX.into()),
        "u16" => (0, u16::MAX as isize),
        "u32" => (0, u32::MAX as isize),
        "u64" | "u128" | "usize" => (0, isize::MAX),
        _ => (isize::MIN, isize::MAX),
    }
}

/// Returns the parameters that are not in the path.
fn parameters(input: &Input, schemas: &mut Schemas) -> Vec<Parameter> {
    let made = |name: &str, place, is_required: bool, schema: RefOr<Schema>| {
        let description = match &schema {
            RefOr::T(Schema::Object(object)) => object.description.clone(),
            RefOr::T(Schema::Array(array)) => array.description.clone(),
            _ => None,
        };
        let required = if is_required { Required::True } else { Required::False };
        let parameter = ParameterBuilder::new().name(name).parameter_in(place).description(description);
        parameter.required(required).schema(Some(schema)).build()
    };
    match &input.part {
        Part::Query { ty } => {
            let query = |Property { name, schema, is_required }: Property| {
                made(&name, ParameterIn::Query, is_required && input.is_required, schema)
            };
            schemas.properties(ty).unwrap_or_default().into_iter().map(query).collect()
        }
        Part::Header(name) if !NOT_PARAMETERS.contains(name) => {
            let text = Object::with_type(Type::String).into();
            vec![made(name.as_str(), ParameterIn::Header, input.is_required, text)]
        }
        _ => Vec::new(),
    }
}

fn request_body(inputs: &[Input], schemas: &mut Schemas) -> Option<RequestBody> {
    let (mut content, mut is_required) = (BTreeMap::new(), false);
    let (mut form, mut has_form, mut has_file) = (ObjectBuilder::new(), false, false);
    for input in inputs {
        match &input.part {
            Part::Body { media, ty } => drop(content.insert(*media, schemas.content(ty))),
            Part::Form { ty } => {
                has_form = true;
                for Property { name, schema, is_required } in schemas.properties(ty).unwrap_or_default() {
                    form = if is_required { form.required(&name) } else { form }.property(name, schema);
                }
            }
            Part::File { field, is_many } => {
                has_file = true;
                let files = || RefOr::T(Schema::Array(ArrayBuilder::new().items(binary()).build()));
                let schema = if *is_many { files() } else { binary() };
                let is_required = input.is_required && !is_many;
                form = if is_required { form.required(*field) } else { form }.property(*field, schema);
            }
            _ => continue,
        }
        is_required |= input.is_required;
    }
    if has_form || has_file {
        let form: RefOr<Schema> = form.into();
        // Only this form can have files.
        if !has_file {
            content.insert("application/x-www-form-urlencoded", Some(form.clone()));
        }
        content.insert("multipart/form-data", Some(form));
    }
    if content.is_empty() {
        return None;
    }
    let required = if is_required { Required::True } else { Required::False };
    let body = RequestBodyBuilder::new().required(Some(required));
    Some(content.into_iter().fold(body, |body, (media, schema)| body.content(media, Content::new(schema))).build())
}

/// Returns what a request must prove, and the schemes that extractors bring. One requirement needs all of its
/// schemes; an empty one says that they are optional.
fn requirements(
    inputs: &[Input],
    of_route: Option<&'static str>,
    schemes: &mut BTreeMap<&'static str, Option<Security>>,
) -> Vec<SecurityRequirement> {
    let (mut all, mut is_optional) = (SecurityRequirement::default(), true);
    for input in inputs {
        if let Part::Security { name, scheme } = input.part {
            let known = schemes.entry(name).or_default();
            *known = known.or(scheme);
            all = all.add(name, Vec::<String>::new());
            is_optional &= !input.is_required;
        }
    }
    let reads_header = inputs.iter().find(|input| input.part == Part::Header(header::AUTHORIZATION));
    if let Some(input) = reads_header.filter(|_| schemes.is_empty() && of_route.is_none()) {
        // An extractor of the app's own reads it.
        schemes.insert("authorization", Some(Security::InHeader("Authorization")));
        all = all.add("authorization", Vec::<String>::new());
        is_optional &= !input.is_required;
    }
    if let Some(name) = of_route {
        schemes.entry(name).or_default();
        all = all.add(name, Vec::<String>::new());
        is_optional = false;
    }
    match all == SecurityRequirement::default() {
        true => Vec::new(),
        false if is_optional => vec![SecurityRequirement::default(), all],
        false => vec![all],
    }
}

/// Returns the statuses with which the framework answers in place of the handler.
fn refusals(endpoint: &Endpoint, method: &Method) -> BTreeSet<u16> {
    let (route, options) = (&endpoint.route, endpoint.route.options());
    let mut codes = BTreeSet::from([500]);
    for input in &route.reads().notes.inputs {
        codes.extend(match input.part {
            Part::Query { .. } => &[400][..],
            Part::Header(ref name) if NOT_PARAMETERS.contains(name) => &[],
            Part::Header(_) => &[400],
            Part::Body { media: "application/json", .. } | Part::Form { .. } | Part::File { .. } => {
                &[400, 408, 413, 415, 422]
            }
            Part::Body { .. } => &[400, 408, 413],
            Part::Security { .. } if input.is_required => &[400, 401],
            Part::Security { .. } => &[400],
            Part::Wildcard { .. } => &[],
        });
    }
    // Malformed percent-encoding, and a value that does not fit.
    let has_wildcard = route.pattern().is_ok_and(|pattern| pattern.names().next().is_some());
    codes.extend(if has_wildcard { &[400, 404][..] } else { &[] });
    codes.extend(if route.kind().is_pooled() { &[502, 503, 504][..] } else { &[] });
    codes.extend(options.deadline.map(|_| 504));
    codes.extend(if options.limit.is_some() { &[429, 503][..] } else { &[] });
    codes.extend(if options.security.is_some() { &[401, 403][..] } else { &[] });
    codes.extend((endpoint.is_guarded && csrf::is_unsafe(method)).then_some(403));
    codes
}

/// Returns the responses of the handler by their statuses.
fn answers(outputs: &[Output], schemas: &mut Schemas) -> BTreeMap<&'static str, Response> {
    let mut answers: BTreeMap<&'static str, ResponseBuilder> = BTreeMap::new();
    for Output { status, body } in outputs {
        let mut answer = answers.remove(status).unwrap_or_else(|| ResponseBuilder::new().description(meaning(status)));
        if let Some((media, ty)) = body {
            let media = media.split(';').next().unwrap_or_default();
            answer = answer.content(media, Content::new(schemas.content(ty)));
        }
        answers.insert(status, answer);
    }
    answers.into_iter().map(|(status, answer)| (status, answer.build())).collect()
}

fn meaning(status: &str) -> &'static str {
    match status {
        "201" => "Created.",
        "204" => "Done, without content.",
        "3XX" => "A redirect.",
        "2XX" => "Success. The handler chooses the status.",
        _ => "Success.",
    }
}
