//! An error of the app's own type is the same for error pages and clients in all kinds of routes.
use std::fmt;

use pixie_web::{App, Error, ErrorView, Response, Result, Route, abort};

use super::{KINDS, app};

/// An error of the app, which has its own response.
struct SoldOut {
    left: u32,
}

impl From<SoldOut> for Error {
    fn from(SoldOut { left }: SoldOut) -> Error {
        abort(409).with_detail("sold out").with_data("left", &left).with_field("count", "is too large")
    }
}

/// An error that does not know pixie.
#[derive(Debug)]
struct Foreign;

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a foreign error")
    }
}

impl std::error::Error for Foreign {}

fn buy() -> Result<String, SoldOut> {
    Err(SoldOut { left: 3 })
}

fn look() -> Result<String, Foreign> {
    Err(Foreign)
}

pub(super) fn routes(app: App) -> App {
    let app = in_all_kinds(app, "sold-out", || Ok(buy()?));
    in_all_kinds(app, "foreign", || Ok(look()?)).error_page(500, page)
}

fn in_all_kinds(app: App, name: &str, run: fn() -> Result<String>) -> App {
    let at = |kind| Route::get(&*format!("/{name}/{kind}").leak());
    app.route(at("sync").sync(move |_| run()))
        .route(at("thread").thread(move |_| run()))
        .route(at("async").asynchronous(move |_| async move { run() }))
        .route(at("pool").pool(move |_| run()))
        .route(at("stream").stream_to(move |_, out| Ok(out.send(run()?)?)))
}

fn page(error: &Error, _: &ErrorView<'_>) -> Response {
    Response::new(format!("{error}, {}", error.downcast_ref::<Foreign>().is_some()))
}

#[test]
fn the_data_of_an_error_reach_the_client_from_all_kinds_of_routes() {
    let client = app().test_with_workers(1).expect("the app fits together");
    for kind in KINDS {
        let answer = client.get(&format!("/sold-out/{kind}")).header("accept", "application/json").send();
        let problem: serde_json::Value = answer.assert_status(409).json();
        let seen = (&problem["detail"], &problem["left"], &problem["errors"]["count"][0]);
        assert_eq!(seen, (&"sold out".into(), &3.into(), &"is too large".into()), "{kind}");
    }
}

#[test]
fn an_error_page_finds_the_type_of_a_cause_in_the_main_process_only() {
    let client = app().test_with_workers(1).expect("the app fits together");
    for kind in KINDS {
        let is_here = !matches!(kind, "pool" | "stream");
        let expected = format!("a foreign error, {is_here}");
        client.get(&format!("/foreign/{kind}")).send().assert_status(500).assert_text(&expected);
    }
}
