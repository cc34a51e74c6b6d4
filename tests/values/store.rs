//! The store in handlers of all kinds, in hooks and in tests.
use pixie_web::{App, FromRequest, Needs, Pool, Request, Result, Route, Store, store::Access};

fn add(request: &mut Request) -> Result<String> {
    Ok(Store::from_request(request)?.add("sum", 1).wait()?.to_string())
}

async fn add_async(mut request: Request) -> Result<String> {
    Ok(Store::from_request(&mut request)?.add("sum", 1).await?.to_string())
}

fn app() -> App {
    let needs = || Needs::default().extractor::<Store>();
    App::new()
        .route(Route::get("/sync").sync(add).needs(needs()))
        .route(Route::get("/thread").thread(add).needs(needs()))
        .route(Route::get("/async").asynchronous(add_async).needs(needs()))
        .route(Route::get("/pool").pool(add).needs(needs()))
        .route(Route::get("/whole").pool(add))
        .route(Route::get("/stream").stream_to(|request, out| Ok(out.send(add(request)?)?)).needs(needs()))
}

#[test]
fn all_kinds_of_routes_share_one_store() {
    let client = app().test().expect("it fits together");
    for (number, kind) in ["sync", "thread", "async", "pool", "whole", "stream"].into_iter().enumerate() {
        client.get(&format!("/{kind}")).send().assert_status(200).assert_text(&(number + 1).to_string());
    }
    assert_eq!(client.store().get::<i64>("sum").wait().expect("it answers"), Some(6));
}

#[test]
fn a_hook_uses_the_store_too() {
    let count = |request: &mut Request| -> Result<()> {
        Store::from_request(request)?.add("asked", 1).wait()?;
        Ok(())
    };
    let client = app().before(count).test().expect("it fits together");
    client.get("/sync").send().assert_status(200);
    client.get("/missing").send().assert_status(404);
    assert_eq!(client.store().get::<i64>("asked").wait().expect("it answers"), Some(2));
}

#[test]
fn a_pool_uses_only_what_it_was_allowed() {
    let allowed = |pattern, access| {
        let client = app().pool(Pool::named("default").store(pattern, access)).test().expect("it fits together");
        client.get("/pool").send().status().as_u16()
    };
    assert_eq!(allowed("su*", Access::ReadWrite), 200);
    assert_eq!(allowed("sum", Access::ReadWrite), 200);
    assert_eq!(allowed("sum", Access::Read), 500);
    assert_eq!(allowed("other/*", Access::ReadWrite), 500);
}
