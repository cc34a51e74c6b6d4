//! Shared data are the same in all kinds of routes, also after a replacement.
use pixie_web::{App, Pool, Result, Route, Share, StartMethod, share, shared};

use super::{KINDS, app, in_all_kinds};

pub(super) fn routes(app: App) -> App {
    let app = in_all_kinds(app, "words", || told("words")).share("words", Share::bytes("one two"));
    let app = in_all_kinds(app, "replaced", || told("replaced"));
    app.route(Route::get("/forked").pool(|_| told("replaced")).pool("forked"))
        .pool(Pool::named("forked").start_method(StartMethod::Fork))
        .route(Route::get("/fresh").pool(|_| told("replaced")).pool("own"))
        .pool(Pool::named("own").fresh())
        .route(Route::post("/replaced").thread(|request| -> Result<String> {
            let new = share("replaced", Share::bytes(request.take_bytes()))?;
            Ok(new.version().to_string())
        }))
}

fn told(name: &str) -> String {
    shared(name).map_or_else(|error| error.to_string(), |data| String::from_utf8_lossy(&data).into_owned())
}

#[test]
fn what_an_app_shares_is_the_same_in_all_kinds_of_routes() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("of-a-file");
    std::fs::write(&file, "from a file").expect("a file can be written");
    let client = app().share("replaced", Share::file(file)).test_with_workers(1).expect("the app fits together");
    let others = ["/forked".to_owned(), "/fresh".to_owned()];
    let paths: Vec<_> = KINDS.iter().map(|kind| format!("/replaced/{kind}")).chain(others).collect();
    let all_say = |text: &str| paths.iter().for_each(|path| drop(client.get(path).send().assert_text(text)));
    KINDS.iter().for_each(|kind| drop(client.get(&format!("/words/{kind}")).send().assert_text("one two")));
    all_say("from a file");
    for text in ["two", "", "a longer text in place of a short one"] {
        client.post("/replaced").body(text).send().assert_status(200);
        all_say(text);
    }
}

#[test]
fn an_app_does_not_start_with_data_that_it_cannot_share() {
    let refused = |app: App| app.test().map(drop).expect_err("it does not start").to_string();
    let one = || App::new().route(Route::get("/").sync(|_| ""));
    let message = refused(one().share("model", Share::file("/no/such/model.bin")));
    assert!(message.contains("sharing `model` failed: copying /no/such/model.bin: "), "{message}");
    let message = refused(one().share("the model", Share::bytes("x")));
    assert!(message.contains("its name must be 1 to 64 letters"), "{message}");
    let message = refused(one().share("model", Share::bytes("x")).share("model", Share::bytes("y")));
    assert!(message.contains("`App::share` declares `model` twice"), "{message}");
}
