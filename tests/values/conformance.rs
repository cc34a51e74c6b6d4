//! The raw requests of `benches/conformance`, sent to one server over sockets.
#[path = "../../benches/conformance/src/app.rs"]
mod app;
#[path = "../../benches/conformance/src/cases.rs"]
mod cases;
#[cfg(feature = "http2")]
#[path = "../../benches/conformance/src/http2.rs"]
mod http2;

#[test]
fn raw_requests_get_the_statuses_that_the_rfcs_demand() {
    let address = app::start(crate::collected());
    let wrong: Vec<String> = cases::CASES.iter().filter_map(|case| case.check(address).err()).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases::CASES.len(), wrong.join("\n"));
}

#[cfg(feature = "http2")]
#[test]
fn frames_get_the_answers_that_the_rfc_demands() {
    let address = app::start(crate::collected());
    let wrong: Vec<String> = http2::CASES.iter().filter_map(|case| case.check(address).err()).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), http2::CASES.len(), wrong.join("\n"));
}
