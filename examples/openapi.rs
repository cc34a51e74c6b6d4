//! An API that describes itself: `/openapi.json` for programs, `/docs` for people.
//!
//! `cargo run --release --features garde,openapi --example openapi`, then open <http://localhost:8000/docs> and send
//! a request. Look at `NewBook` and `books`: paths, parameters, bodies, responses and texts come from the handlers
//! and their types. Tests compare the document with what the program does.
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use pixie_web::{
    App, Bearer, Checked, Created, Form, Json, NoContent, OpenApi, OrAbort, Query, Result, RouteType, State, Upload,
    delete, get, post, put,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A book of the library.
#[derive(Clone, Serialize, ToSchema)]
struct Book {
    id: u32,
    title: String,
    /// The year of the first edition.
    year: Option<i16>,
    shelf: Shelf,
}

/// What a client says about a book.
#[derive(Deserialize, garde::Validate, ToSchema)]
struct NewBook {
    // The rule is for the server, the schema for clients.
    #[garde(length(chars, min = 1, max = 80))]
    #[schema(min_length = 1, max_length = 80)]
    title: String,
    #[garde(skip)]
    #[schema(minimum = -32768, maximum = 32767)]
    year: Option<i16>,
    #[garde(skip)]
    shelf: Shelf,
}

/// Where a book stands.
#[derive(Clone, Copy, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Shelf {
    Novels,
    Science,
}

#[derive(Deserialize, ToSchema)]
struct Filter {
    /// Shows the books of one shelf only.
    shelf: Option<Shelf>,
    /// At most this many.
    #[serde(default = "all")]
    #[schema(maximum = 255)]
    limit: u8,
}

/// A part of a list.
#[derive(Serialize, ToSchema)]
struct Page<T> {
    items: Vec<T>,
    total: usize,
}

#[derive(Deserialize, ToSchema)]
struct Vote {
    #[schema(minimum = 1, maximum = 5)]
    stars: u8,
}

#[derive(Default)]
struct Library(Mutex<BTreeMap<u32, Book>>);

/// The token of this demo.
const TOKEN: &str = "demo";

fn all() -> u8 {
    u8::MAX
}

impl Library {
    fn books(&self) -> MutexGuard<'_, BTreeMap<u32, Book>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NewBook {
    fn with_id(&self, id: u32) -> Book {
        Book { id, title: self.title.clone(), year: self.year, shelf: self.shelf }
    }
}

fn check(token: &Bearer) -> Result<()> {
    if token.is(TOKEN) { Ok(()) } else { Err(Bearer::refused()) }
}

/// Lists the books.
///
/// The list is sorted by id.
#[get("/books", tag = "books")]
fn books(library: State<Library>, filter: Query<Filter>) -> Json<Page<Book>> {
    let books = library.books();
    let shown = books.values().filter(|book| filter.shelf.is_none_or(|shelf| shelf == book.shelf));
    Json(Page { items: shown.take(filter.limit.into()).cloned().collect(), total: books.len() })
}

/// Adds a book.
#[post("/books", tag = "books")]
fn add_book(library: State<Library>, token: Bearer, book: Checked<Json<NewBook>>) -> Result<Created<Json<Book>>> {
    check(&token)?;
    let mut books = library.books();
    let id = books.last_key_value().map_or(1, |(id, _)| id.saturating_add(1));
    Ok(Created(Json(books.entry(id).insert_entry(book.with_id(id)).get().clone())))
}

/// Shows a book.
#[get("/books/<id:int>", tag = "books")]
fn book(library: State<Library>, id: u32) -> Option<Json<Book>> {
    library.books().get(&id).cloned().map(Json)
}

/// Replaces a book.
#[put("/books/<id:int>", tag = "books")]
fn change_book(library: State<Library>, token: Bearer, id: u32, book: Checked<Json<NewBook>>) -> Result<Json<Book>> {
    check(&token)?;
    let mut books = library.books();
    let known = books.get_mut(&id).or_abort(404)?;
    *known = book.with_id(id);
    Ok(Json(known.clone()))
}

/// Removes a book.
#[delete("/books/<id:int>", tag = "books")]
fn remove_book(library: State<Library>, token: Bearer, id: u32) -> Result<NoContent> {
    check(&token)?;
    library.books().remove(&id).map(|_| NoContent).or_abort(404)
}

/// Rates a book.
#[post("/books/<id:int>/vote", tag = "opinions")]
fn vote(library: State<Library>, id: u32, vote: Form<Vote>) -> Result<String> {
    let books = library.books();
    let book = books.get(&id).or_abort(404)?;
    match vote.stars {
        1..=5 => Ok(format!("{} stars for {}", vote.stars, book.title)),
        _ => Err(pixie_web::abort(422).with_detail("a book gets 1 to 5 stars")),
    }
}

/// Counts the bytes of a picture, in a worker process.
#[post("/cover", pool, tag = "opinions", body_limit = "1MB")]
fn cover(picture: Upload) -> String {
    format!("{} bytes", picture.len())
}

/// Greets; nobody needs to read about it.
#[get("/", openapi = false)]
fn index() -> &'static str {
    "see /docs"
}

fn main() -> Result<()> {
    let library = Library::default();
    let book = |id, title: &str, shelf| Book { id, title: title.to_owned(), year: None, shelf };
    library.books().extend([(1, book(1, "Middlemarch", Shelf::Novels)), (2, book(2, "Cosmos", Shelf::Science))]);
    let api = OpenApi::at("/openapi.json").docs("/docs").title("Library").version("1.0.0");
    App::collect()
        .default_kind(RouteType::Thread)
        .state(library)
        .openapi(api.description("The books of a small library. Send the token `demo`."))
        .run()
}
