//! The API of Todo-Backend (<https://todobackend.com>): a list that pages of every origin may read and
//! change.
//!
//! `cargo run --release --features cors --example todo`, then
//! `curl -i -H 'content-type: application/json' -d '{"title": "walk the dog"}' localhost:8000/todos`. Look at
//! `links`, an extractor made from two others, and at the tests: `cargo test --features cors --example todo`.
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use pixie_web::{
    App, Cors, Json, OrAbort, Origin, Result, RouteType, State, StatusCode, Urls, delete, extractor, get, patch, post,
};
use serde::{Deserialize, Serialize};

/// Limits the entries, because they are in memory. A new one replaces the oldest.
const TODOS_MAX: usize = 1000;

#[derive(Clone, Deserialize, Serialize)]
struct Todo {
    title: String,
    #[serde(default)]
    completed: bool,
    order: Option<i64>,
}

/// What a PATCH changes.
#[derive(Deserialize)]
struct Change {
    title: Option<String>,
    completed: Option<bool>,
    order: Option<i64>,
}

/// An entry with its address.
#[derive(Serialize)]
struct Linked {
    #[serde(flatten)]
    todo: Todo,
    url: String,
}

#[derive(Default)]
struct Todos(Mutex<BTreeMap<u64, Todo>>);

impl Todos {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Todo>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes addresses as the client sees them.
struct Links(Origin, Urls);

#[extractor]
fn links(origin: Origin, urls: Urls) -> Links {
    Links(origin, urls)
}

impl Links {
    fn with(&self, id: u64, todo: &Todo) -> Result<Linked> {
        let path = self.1.url_for("read", &[("id", &id)])?;
        Ok(Linked { todo: todo.clone(), url: format!("{}{path}", self.0) })
    }
}

#[get("/todos")]
fn list(todos: State<Todos>, links: Links) -> Result<Json<Vec<Linked>>> {
    todos.lock().iter().map(|(id, todo)| links.with(*id, todo)).collect::<Result<_>>().map(Json)
}

#[post("/todos", body_limit = "10KB")]
fn add(todos: State<Todos>, links: Links, Json(todo): Json<Todo>) -> Result<(StatusCode, Json<Linked>)> {
    let mut todos = todos.lock();
    let id = todos.last_key_value().map_or(1, |(last, _)| last + 1);
    let linked = links.with(id, &todo)?;
    todos.insert(id, todo);
    if todos.len() > TODOS_MAX {
        todos.pop_first();
    }
    Ok((StatusCode::CREATED, Json(linked)))
}

#[delete("/todos")]
fn clear(todos: State<Todos>) -> StatusCode {
    todos.lock().clear();
    StatusCode::NO_CONTENT
}

#[get("/todos/<id>")]
fn read(id: u64, todos: State<Todos>, links: Links) -> Result<Json<Linked>> {
    links.with(id, todos.lock().get(&id).or_abort(404)?).map(Json)
}

#[patch("/todos/<id>", body_limit = "10KB")]
fn change(id: u64, todos: State<Todos>, links: Links, Json(change): Json<Change>) -> Result<Json<Linked>> {
    let mut todos = todos.lock();
    let todo = todos.get_mut(&id).or_abort(404)?;
    let Change { title, completed, order } = change;
    *todo = Todo {
        title: title.unwrap_or_else(|| todo.title.clone()),
        completed: completed.unwrap_or(todo.completed),
        order: order.or(todo.order),
    };
    links.with(id, todo).map(Json)
}

#[delete("/todos/<id>")]
fn remove(id: u64, todos: State<Todos>) -> Result<StatusCode> {
    todos.lock().remove(&id).or_abort(404)?;
    Ok(StatusCode::NO_CONTENT)
}

/// All routes are sync, because a handler only holds a lock for some microseconds.
fn app() -> App {
    App::collect().default_kind(RouteType::Sync).state(Todos::default()).cors(Cors::any_origin())
}

fn main() -> Result<()> {
    app().run()
}

#[cfg(test)]
mod tests {
    use pixie_web::{Method, TestRequest};
    use serde_json::{Value, json};

    use super::*;

    /// Sends a request as a browser does for a page of another origin.
    fn from_page(request: TestRequest<'_>) -> pixie_web::TestResponse {
        let request = request.header("origin", "https://page.example").header("sec-fetch-site", "cross-site");
        request.header("host", "todo.example").send().assert_header("access-control-allow-origin", "*")
    }

    #[test]
    fn a_page_of_another_origin_uses_the_whole_api() {
        let client = app().test().expect("the app starts");
        for (path, method) in [("/todos", "POST"), ("/todos", "DELETE"), ("/todos/1", "PATCH"), ("/todos/1", "DELETE")]
        {
            let question = client.request(Method::OPTIONS, path).header("access-control-request-method", method);
            let answer = from_page(question.header("access-control-request-headers", "content-type"));
            assert!(answer.header("access-control-allow-methods").is_some_and(|methods| methods.contains(method)));
            assert!(answer.header("access-control-allow-headers").is_some_and(|names| names.contains("content-type")));
        }
        let added: Value = from_page(client.post("/todos").json(&json!({"title": "a", "order": 523}))).json();
        let url = "http://todo.example/todos/1";
        assert_eq!(added, json!({"title": "a", "completed": false, "order": 523, "url": url}));
        let changed = from_page(client.patch("/todos/1").json(&json!({"completed": true}))).assert_status(200);
        assert_eq!(changed.json::<Value>(), json!({"title": "a", "completed": true, "order": 523, "url": url}));
        assert_eq!(from_page(client.get("/todos")).json::<Value>(), json!([changed.json::<Value>()]));
        // As `fetch` sends it: without a body, so without a type.
        from_page(client.delete("/todos/1")).assert_status(204);
        for request in [client.get("/todos/1"), client.delete("/todos/1"), client.patch("/todos/1").json(&json!({}))] {
            from_page(request).assert_status(404);
        }
        from_page(client.post("/todos").json(&json!({"order": 1}))).assert_status(422);
        from_page(client.post("/todos").json(&json!({"title": "b"}))).assert_status(201);
        from_page(client.delete("/todos")).assert_status(204);
        assert_eq!(from_page(client.get("/todos")).json::<Value>(), json!([]));
    }
}
