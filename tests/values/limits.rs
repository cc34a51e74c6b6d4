//! The limits that the guide names are the defaults in the code.
use std::{fmt::Debug, fs, path::Path};

use pixie_web::{App, Bytes, FormLimits, PoolConfig, ServerConfig, post};

#[post("/limits/body", sync)]
fn length(body: Bytes) -> String {
    body.len().to_string()
}

/// Returns a field of a configuration, as `Debug` shows it: `30s`, `32768`.
fn field(config: &impl Debug, name: &str) -> String {
    let text = format!("{config:?}");
    let (_, rest) = text.split_once(&format!(" {name}: ")).unwrap_or_else(|| panic!("{name} is a field of {text}"));
    rest.split([',', ' ', ')']).next().unwrap_or_default().trim_start_matches("Some(").to_owned()
}

fn seconds(config: &impl Debug, name: &str) -> String {
    field(config, name).replace('s', " s")
}

fn kib(config: &impl Debug, name: &str) -> String {
    let bytes: u64 = field(config, name).parse().expect("a number of bytes");
    match bytes % (1024 * 1024) {
        0 => format!("{} MiB", bytes / (1024 * 1024)),
        _ => format!("{} KiB", bytes / 1024),
    }
}

#[test]
fn the_texts_name_the_limits_of_the_code() {
    let (server, pool, form) = (ServerConfig::default(), PoolConfig::default(), FormLimits::default());
    let pool: &pixie_pool::Settings = &pool;
    let stalled = seconds(&server, "body_timeout");
    let deadline = seconds(pool, "deadline");
    let claims = [
        (
            "src/guide/explanation/security.md",
            format!("{}, 100 headers and {}", kib(&server, "head_bytes_max"), seconds(&server, "header_timeout")),
        ),
        (
            "src/guide/explanation/security.md",
            format!("2 MiB, or the `body_limit` of the route, and at most {stalled} without new data"),
        ),
        ("src/guide/explanation/security.md", format!("The handler of a pool route: {deadline}")),
        ("src/guide/how-to/bodies.md", "The default is 2 MiB".to_owned()),
        ("src/guide/how-to/bodies.md", format!("only if no data moves for {}", seconds(pool, "stream_idle_timeout"))),
        ("src/guide/how-to/uploads.md", format!("Up to {} of a form's files stay in memory", kib(&form, "memory"))),
        ("src/guide/how-to/forms.md", format!("| fields and files together | {} |", field(&form, "parts"))),
        ("src/guide/how-to/forms.md", format!("| value of one field | {} |", kib(&form, "field"))),
        ("src/guide/how-to/forms.md", format!("| values of all fields together | {} |", kib(&form, "fields"))),
        ("src/guide/how-to/forms.md", format!("| headers of one part | {} |", kib(&form, "head"))),
        ("src/guide/how-to/pools.md", format!("(crate::App::deadline) ({deadline})")),
        ("src/guide/how-to/logging.md", format!("`slow_after` ({})", seconds(pool, "slow_after"))),
        ("src/guide/how-to/logging.md", format!("`start_timeout` ({})", seconds(pool, "start_timeout"))),
    ];
    for (file, claim) in claims {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("the text can be read");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&claim), "{file} does not say: {claim}");
    }
}

#[test]
fn a_body_may_have_2_mib_unless_the_app_sets_another_limit() {
    let limit = 2 * 1024 * 1024;
    let client = crate::collected().test().expect("the app is valid");
    client.post("/limits/body").body(vec![b'x'; limit]).send().assert_text(&limit.to_string());
    client.post("/limits/body").body(vec![b'x'; limit + 1]).send().assert_status(413);
    let client = App::collect().state(7u32).worker_state(|| 8u64).body_limit(10).test().expect("the app is valid");
    client.post("/limits/body").body("12345678901").send().assert_status(413);
}
