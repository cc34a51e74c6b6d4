//! A program without attributes: routes are plain values.
//!
//! `cargo run --release --example without_macros`, then `curl -iL localhost:8000`. Look at the methods of
//! `Route`, one for each kind.
use pixie_web::{App, Cookie, Redirect, Response, Result, Route, proc_env};

fn main() -> Result<()> {
    App::new()
        .route(Route::get("/").sync(|_| Redirect::to("/hello/world")))
        .route(Route::get("/hello/<name>").name("hello").pool(|request| -> Result<Response> {
            let name: String = request.param("name")?;
            let text = format!("Hello {name} from process type {}", proc_env().process_type);
            Ok(Response::new(text).content_type("text/plain; charset=utf-8").cookie(Cookie::new("name", name)))
        }))
        .route(Route::get("/async").asynchronous(|request| async move { format!("you asked for {}", request.path()) }))
        .route(Route::get("/count").stream(|_| (1..=3).map(|number| format!("{number}\n"))))
        .run()
}
