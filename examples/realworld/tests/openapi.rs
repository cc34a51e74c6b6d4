//! The OpenAPI document of the app, judged by programs that others wrote.
#[path = "../../../tests/programs/openapi_tools.rs"]
mod openapi_tools;
#[path = "../../../tests/programs/support.rs"]
mod support;

use std::{path::Path, process::Command};

use support::Program;

#[test]
fn the_document_is_valid_and_describes_every_answer() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.join("../..");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut command = Command::new(env!("CARGO_BIN_EXE_realworld"));
    command
        .env("REALWORLD_DATABASE", folder.path().join("test.sqlite"))
        .env("REALWORLD_SECRET", "the secret of the tests, 32 bytes or more")
        .env("RUST_LOG", "off");
    let app = Program::spawn(command);
    openapi_tools::validate(&root, app.get("/openapi.json").body.as_bytes());
    let user = r#"{"user":{"username":"jake","email":"jake@mail.example","password":"jakejake"}}"#;
    let head = "POST /api/users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json";
    let answer = app.ask(&format!("{head}\r\nContent-Length: {}\r\n\r\n{user}", user.len()));
    let answer: serde_json::Value = serde_json::from_str(&answer.body).expect("the user is registered");
    let token = answer["user"]["token"].as_str().expect("a token");
    let config = format!("--config-file={}", here.join("tests/schemathesis.toml").display());
    openapi_tools::explore(&root, app.port, &format!("Token {token}"), &[&config]);
}
