//! A line of the log is one line, and its fields are those of the event, whatever their values hold.
use tracing::level_filters::LevelFilter;

use super::{Fields, Filter, Lines, harmless, is_plain, quoted};
use crate::table::settings::LogFormat;

#[test]
fn a_value_cannot_forge_a_line_or_a_field() {
    let line: String = "one\nERROR two\u{1b}[2J".chars().flat_map(harmless).collect();
    assert_eq!(line, "one\\nERROR two\\u{1b}[2J");
    let value: String = "x\" cause=\\ \n".chars().flat_map(quoted).collect();
    assert_eq!(value, "x\\\" cause=\\\\ \\n");
    for (text, plain) in [("SIGSEGV", true), ("1.5s", true), ("", false), ("a b", false), ("a=b", false), ("\"", false)]
    {
        assert_eq!(is_plain(text), plain, "{text:?}");
    }
}

#[test]
fn directives_set_the_level_of_a_target_and_what_is_not_one_is_named() {
    let check = |text: &str, levels: [LevelFilter; 3], unread: &[&str]| {
        let (filter, found) = Filter::parse(text);
        let targets = ["app::users", "pixie_web::run", "pixie_pool::output"];
        assert_eq!((targets.map(|target| filter.level(target)), &found[..]), (levels, unread), "{text}");
    };
    use LevelFilter as L;
    check("", [L::INFO; 3], &[]);
    check(" , ", [L::INFO; 3], &[]);
    check("WARN", [L::WARN; 3], &[]);
    check("4", [L::DEBUG; 3], &[]);
    check("info,debug", [L::DEBUG; 3], &[]);
    check("off", [L::OFF; 3], &[]);
    check("app=debug", [L::DEBUG, L::OFF, L::DEBUG], &[]);
    check("app", [L::TRACE, L::OFF, L::TRACE], &[]);
    check("info,app=debug,app::users=error", [L::ERROR, L::INFO, L::INFO], &[]);
    check("app::users=error, app=debug,warn", [L::ERROR, L::WARN, L::WARN], &[]);
    check("debug,pixie_pool=off", [L::DEBUG, L::DEBUG, L::OFF], &[]);
    check("app=loud", [L::INFO; 3], &["app=loud"]);
    check("warn,app[span]=debug,[{id}]=trace,a b", [L::WARN; 3], &["app[span]=debug", "[{id}]=trace", "a b"]);
}

#[test]
fn a_json_line_has_numbers_as_numbers_and_escapes_text() {
    let (filter, _) = Filter::parse("");
    let lines = Lines { filter, is_colored: true, format: LogFormat::Json, is_dated: false };
    let mut fields: Fields = lines.fields("it \"failed\"\n".to_owned());
    fields.add("name", "a\u{1b}b");
    fields.add_as_it_is("status", 200);
    let line = lines.line(tracing::Level::WARN, "app", &fields);
    let expected =
        r#"{"level":"WARN","fields":{"message":"it \"failed\"\n","name":"a\u001bb","status":200},"target":"app"}"#;
    assert_eq!(line, format!("{expected}\n"));
}

#[test]
fn under_pixie_dev_a_line_has_no_date_and_no_field_that_the_request_shows() {
    let (filter, _) = Filter::parse("");
    let lines = Lines { filter, is_colored: false, format: LogFormat::Text, is_dated: false };
    let mut fields: Fields = lines.fields("primes: not done within 2 s".to_owned());
    fields.left_out = &super::SHOWN_BY_REQUEST;
    fields.add_as_it_is("status", 504);
    fields.add("request", "7b1f-1");
    fields.add("place", "src/primes.rs:27");
    let line = lines.line(tracing::Level::ERROR, "pixie_web::request", &fields);
    assert_eq!(line, "ERROR primes: not done within 2 s place=src/primes.rs:27\n");
    assert!(fields.has("place") && !fields.has("status"));
}
