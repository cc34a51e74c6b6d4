//! The OpenAPI document: what it says of routes, arguments, answers and types.
use pixie_web::{
    App, BasicAuth, Bearer, Created, Form, FromRequest, Html, Json, Needs, NoContent, OpenApi, Query, Redirect,
    Request, Response, Result, Route, Security, StatusCode, Upload, extractor, get, post, route,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A book of the library.
#[derive(Serialize, Deserialize, ToSchema)]
struct Book {
    title: String,
    shelf: Option<Shelf>,
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
enum Shelf {
    Novels,
}

#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "only the schema is read")]
struct Filter {
    shelf: Option<Shelf>,
    /// At most this many.
    limit: Option<u8>,
    words: String,
}

#[derive(Serialize, ToSchema)]
struct Page<T> {
    items: Vec<T>,
}

#[derive(Serialize, Deserialize)]
struct Plain {
    title: String,
}

type Hidden = Json<Book>;
type Answer<T> = Result<Json<T>>;

struct Key;

#[extractor]
fn key(_token: Bearer, _book: Option<Json<Book>>) -> Key {
    Key
}

struct Tenant;

impl FromRequest for Tenant {
    fn needs(needs: &mut Needs) {
        needs.header(pixie_web::core::HeaderName::from_static("x-tenant"));
    }

    fn from_request(_: &mut Request) -> Result<Tenant> {
        Ok(Tenant)
    }
}

/// Lists books
/// on a page.
///
/// Each page has 20.
///
/// The last one may have less.
#[get("/library/books", sync, tag = "books")]
fn books(_filter: Query<Filter>, _tenant: Tenant) -> Json<Page<Book>> {
    Json(Page { items: Vec::new() })
}

#[route("/library/books", sync, POST, PUT)]
#[deprecated]
fn add(book: Json<Book>, _login: BasicAuth) -> Result<Created<Json<Book>>> {
    Ok(Created(book))
}

#[get("/library/books/<id:int>", pool)]
fn book(id: u16) -> Option<Json<Book>> {
    Some(Json(Book { title: id.to_string(), shelf: None }))
}

// The same path for OpenAPI; the router tries the filter `int` first.
#[get("/library/books/<name>", sync)]
fn book_named(name: String) -> String {
    name
}

#[post("/library/books/<book:uuid>", async, limit = "5/min", deadline = "2s")]
async fn lend(book: String, _token: Option<Bearer>) -> Answer<Vec<Book>> {
    Ok(Json(vec![Book { title: book, shelf: None }]))
}

#[post("/library/cover", thread)]
fn cover(_caption: Form<Filter>, _picture: Upload, _more: Vec<Upload>) -> NoContent {
    NoContent
}

#[post("/library/key", thread)]
fn with_key(_key: Key) -> Html<String> {
    Html(String::new())
}

#[get("/library/plain", sync, security = "session")]
fn plain() -> (StatusCode, Json<Plain>) {
    (StatusCode::OK, Json(Plain { title: String::new() }))
}

#[post("/library/alias", sync)]
fn alias(book: Json<Plain>) -> Result<Hidden> {
    Ok(Json(Book { title: book.0.title, shelf: None }))
}

#[get("/library/any/<rest:path>", sync)]
fn any(rest: String) -> Response {
    Response::new(rest)
}

#[get("/library/stream", stream)]
fn stream() -> impl Iterator<Item = &'static str> {
    ["a"].into_iter()
}

#[get("/library/beta", sync, openapi = false)]
fn beta() -> &'static str {
    "soon"
}

fn document() -> Value {
    let api =
        OpenApi::at("/openapi.json").docs("/docs").only("/library").security("session", Security::InCookie("sid"));
    let moved = Route::get("/library/moved").sync(|_| Redirect::to("/"));
    let client = super::collected().route(moved).openapi(api).test().expect("the routes fit together");
    let served: Value = client.get("/openapi.json").send().assert_status(200).json();
    assert_eq!(served, serde_json::from_str::<Value>(&client.openapi()).expect("it is JSON"));
    served
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn the_document_has_the_routes_under_the_prefix_that_are_not_hidden() {
    let document = document();
    let paths = [
        "/library/alias",
        "/library/any/{rest}",
        "/library/books",
        "/library/books/{book}",
        "/library/cover",
        "/library/key",
        "/library/moved",
        "/library/plain",
        "/library/stream",
    ];
    assert_eq!(keys(&document["paths"]), paths);
    assert_eq!((&document["openapi"], &document["info"]["title"]), (&json!("3.1.0"), &json!("pixie-web")));
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["tags"], json!([{ "name": "books" }]));
    let mut ids = Vec::new();
    for item in document["paths"].as_object().expect("paths").values() {
        ids.extend(
            item.as_object().expect("operations").values().map(|operation| operation["operationId"].to_string()),
        );
    }
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "each id occurs once");
    assert!(ids.contains(&"\"add\"".to_owned()) && ids.contains(&"\"add_put\"".to_owned()), "{ids:?}");
}

#[test]
fn a_comment_becomes_summary_and_description() {
    let books = &document()["paths"]["/library/books"];
    assert_eq!(books["get"]["summary"], "Lists books on a page.");
    assert_eq!(books["get"]["description"], "Each page has 20.\n\nThe last one may have less.");
    assert_eq!(books["get"]["tags"], json!(["books"]));
    assert_eq!((&books["get"]["deprecated"], &books["put"]["deprecated"]), (&Value::Null, &json!(true)));
}

#[test]
fn arguments_become_parameters_with_the_limits_of_their_types() {
    let paths = &document()["paths"];
    let parameters = &paths["/library/books"]["get"]["parameters"];
    let told = |at: usize| {
        let parameter = &parameters[at];
        format!("{} {} {}", parameter["in"], parameter["name"], parameter["required"]).replace('"', "")
    };
    let all = [0, 1, 2, 3].map(told);
    assert_eq!(all, ["query shelf false", "query limit false", "query words true", "header x-tenant true"]);
    assert_eq!(parameters[0]["schema"]["$ref"], "#/components/schemas/Shelf", "without null");
    assert_eq!(
        (&parameters[1]["schema"]["type"], &parameters[1]["description"]),
        (&json!("integer"), &json!("At most this many."))
    );
    let item = &paths["/library/books/{book}"];
    let id = &item["get"]["parameters"][0];
    assert_eq!((&id["name"], &id["in"], &id["required"]), (&json!("book"), &json!("path"), &json!(true)));
    assert_eq!((&id["schema"]["minimum"], &id["schema"]["maximum"]), (&json!(0), &json!(65535)));
    // Both wildcards have the name in the route that the router tries first.
    let lent = &item["post"]["parameters"][0];
    assert_eq!((&lent["name"], &lent["schema"]["format"]), (&json!("book"), &json!("uuid")));
    assert_eq!(item["get"]["operationId"], "book", "the narrow filter comes first");
}

#[test]
fn bodies_have_the_schemas_of_their_types_and_forms_their_files() {
    let document = document();
    let body = |path: &str| &document["paths"][path]["post"]["requestBody"];
    let schema = |path: &str, media: &str| body(path)["content"][media]["schema"].clone();
    assert_eq!(schema("/library/books", "application/json"), json!({ "$ref": "#/components/schemas/Book" }));
    assert_eq!(body("/library/books")["required"], true);
    let form = schema("/library/cover", "multipart/form-data");
    assert_eq!(keys(&body("/library/cover")["content"]), ["multipart/form-data"]);
    assert_eq!(keys(&form["properties"]), ["_more", "_picture", "limit", "shelf", "words"]);
    assert_eq!(form["required"], json!(["words", "_picture"]));
    assert_eq!(form["properties"]["_picture"]["format"], "binary");
    // An extractor of the app's own tells what it is made from.
    assert_eq!(schema("/library/key", "application/json"), json!({ "$ref": "#/components/schemas/Book" }));
    assert_eq!(body("/library/key")["required"], false);
    // No type must have a schema.
    assert_eq!(body("/library/alias")["content"], json!({ "application/json": {} }));
    assert_eq!(keys(&document["components"]["schemas"]), ["Book", "Page_Book", "Problem", "Shelf"]);
    let items = &document["components"]["schemas"]["Page_Book"]["properties"]["items"]["items"];
    assert_eq!(items["$ref"], "#/components/schemas/Book");
    assert_eq!(document["components"]["schemas"]["Book"]["description"], "A book of the library.");
}

#[test]
fn answers_and_refusals_become_responses() {
    let document = document();
    let of = |path: &str, method: &str| &document["paths"][path][method]["responses"];
    let json = "application/json";
    for (path, method, statuses) in [
        ("/library/books", "get", &["200", "400", "500"][..]),
        ("/library/books", "post", &["201", "400", "401", "403", "408", "413", "415", "422", "500", "default"]),
        ("/library/books/{book}", "get", &["200", "400", "404", "500", "502", "503", "504"]),
        ("/library/books/{book}", "post", &["200", "400", "403", "404", "429", "500", "503", "504", "default"]),
        ("/library/cover", "post", &["204", "400", "403", "408", "413", "415", "422", "500"]),
        ("/library/moved", "get", &["3XX", "500"]),
        ("/library/plain", "get", &["2XX", "401", "403", "500"]),
        ("/library/alias", "post", &["200", "400", "403", "408", "413", "415", "422", "500", "default"]),
        ("/library/any/{rest}", "get", &["400", "404", "500", "default"]),
        ("/library/stream", "get", &["500", "502", "503", "504", "default"]),
    ] {
        assert_eq!(keys(of(path, method)), statuses, "{method} {path}");
    }
    let book = json!({ "$ref": "#/components/schemas/Book" });
    assert_eq!(of("/library/books", "post")["201"]["content"][json]["schema"], book);
    assert_eq!(of("/library/books/{book}", "post")["200"]["content"][json]["schema"]["items"], book);
    assert_eq!(of("/library/books", "get")["200"]["content"][json]["schema"]["$ref"], "#/components/schemas/Page_Book");
    assert_eq!(keys(&of("/library/key", "post")["200"]["content"]), ["text/html"]);
    assert_eq!(of("/library/books", "post")["404"], Value::Null);
    assert_eq!(of("/library/books", "post")["401"]["$ref"], "#/components/responses/Unauthorized");
    let problem = &document["components"]["responses"]["Unauthorized"]["content"]["application/problem+json"];
    assert_eq!(problem["schema"]["$ref"], "#/components/schemas/Problem");
}

#[test]
fn extractors_and_options_become_security_requirements() {
    let document = document();
    let of = |path: &str, method: &str| document["paths"][path][method]["security"].clone();
    assert_eq!(of("/library/books", "get"), Value::Null);
    assert_eq!(of("/library/books", "put"), json!([{ "basic": [] }]));
    assert_eq!(of("/library/books/{book}", "post"), json!([{}, { "bearer": [] }]), "it is optional");
    assert_eq!(of("/library/key", "post"), json!([{ "bearer": [] }]));
    assert_eq!(of("/library/plain", "get"), json!([{ "session": [] }]));
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(schemes["basic"], json!({ "type": "http", "scheme": "basic" }));
    assert_eq!(schemes["session"], json!({ "type": "apiKey", "in": "cookie", "name": "sid" }));
}

#[test]
fn a_scheme_that_is_not_declared_stops_the_start() {
    let route = Route::get("/").sync(|_| "").security("sesion");
    let error = App::new().route(route).openapi("/openapi.json").test().expect_err("the scheme is not known");
    assert!(error.to_string().contains("OpenApi::security(\"sesion\", …)"), "{error}");
}

#[test]
fn a_builder_sets_what_the_package_says_otherwise_and_edits_the_rest() {
    let api = OpenApi::at("/api").title("Shop").version("2").description("Buys and sells.").edit(|document| {
        document.info.terms_of_service = Some("https://shop.example/terms".to_owned());
    });
    let client = App::new().route(Route::get("/").name("home").sync(|_| "")).openapi(api).test().expect("it starts");
    let document: Value = client.get("/api").send().json();
    let info = json!({
        "title": "Shop",
        "version": "2",
        "description": "Buys and sells.",
        "termsOfService": "https://shop.example/terms"
    });
    assert_eq!(document["info"], info);
    assert_eq!(document["paths"]["/"]["get"]["operationId"], "home");
    client.get("/docs").send().assert_status(404);
}

#[test]
fn the_page_loads_its_own_files_only_and_needs_no_inline_script() {
    let api = OpenApi::at("/a\"b.json").docs("/docs");
    let client = App::new().route(Route::get("/").sync(|_| "")).openapi(api).test().expect("it starts");
    for (target, media) in [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs?style.css", "text/css; charset=utf-8"),
        ("/docs?script.js", "text/javascript; charset=utf-8"),
    ] {
        let answer = client.get(target).send().assert_status(200).assert_header("content-type", media);
        assert!(
            answer.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'"))
        );
    }
    let page = client.get("/docs").send().text();
    assert!(page.contains("content=\"/a&quot;b.json\""), "{page}");
    assert!(!page.contains("<style") && !page.contains("style=") && !page.contains("http"), "{page}");
}
