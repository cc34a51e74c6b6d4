//! Traces: every kind of route reads the same context, which the client has sent or the app has made.
use pixie_web::{App, FromRequest, Needs, Request, Route, TestClient, TraceContext};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const KINDS: [&str; 5] = ["sync", "thread", "async", "pool", "stream"];

fn seen(request: &mut Request) -> String {
    let trace = TraceContext::from_request(request);
    let state = |trace: &TraceContext| trace.state().and_then(|state| Some(state.to_str().ok()?.to_owned()));
    trace.map_or("none".into(), |trace| format!("{trace} {}", state(&trace).unwrap_or_default()))
}

fn client(all: bool) -> TestClient {
    let needs = || Needs::default().extractor::<TraceContext>();
    let app = App::new()
        .route(Route::get("/sync").sync(seen))
        .route(Route::get("/thread").thread(seen))
        .route(Route::get("/async").asynchronous(|mut request: Request| async move { seen(&mut request) }))
        .route(Route::get("/pool").pool(seen).needs(needs()))
        .route(Route::get("/stream").stream(|request| vec![seen(request)].into_iter()).needs(needs()));
    app.trace_contexts(all).test().expect("the app fits together")
}

#[test]
fn every_kind_of_route_reads_the_context_that_was_sent() {
    for all in [false, true] {
        let client = client(all);
        for kind in KINDS {
            let request = client.get(&format!("/{kind}")).header("traceparent", PARENT).header("tracestate", "a=1");
            request.send().assert_text(&format!("{PARENT} a=1"));
        }
    }
}

#[test]
fn a_request_without_a_valid_context_gets_a_new_one_if_the_app_wants_that() {
    let (sent_only, all) = (client(false), client(true));
    for kind in KINDS {
        let path = format!("/{kind}");
        let ask = |client: &TestClient| {
            client.get(&path).header("traceparent", &PARENT.to_uppercase()).header("tracestate", "a=1").send().text()
        };
        assert_eq!(ask(&sent_only), "none");
        let made = ask(&all);
        assert!(TraceContext::parse(made.trim_end()).is_some(), "the state of the unreadable context is gone: {made}");
        assert_ne!(ask(&all), made);
    }
}

#[test]
fn server_timing_is_sent_in_development_only() {
    for (development, kind, parts) in [
        (true, "sync", "handler total"),
        (true, "thread", "queue handler total"),
        (true, "pool", "queue handler total"),
        (false, "pool", ""),
    ] {
        let app = App::new()
            .route(Route::get("/sync").sync(|_| ""))
            .route(Route::get("/thread").thread(|_| ""))
            .route(Route::get("/pool").pool(|_| ""))
            .development(development)
            .server_timing(true);
        let response = app.test().expect("the app fits together").get(&format!("/{kind}")).send();
        let timing = response.header("server-timing").unwrap_or_default();
        let names: Vec<_> = timing.split(", ").map(|part| part.split(';').next().unwrap_or_default()).collect();
        assert_eq!(names.join(" "), parts, "{timing}");
    }
}
