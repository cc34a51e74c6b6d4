//! `pixie dev --https`: the certificate in the user's cache, the page while there is no program, and the app.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use crate::site::{Site, command, page, until};

#[test]
fn the_app_and_the_page_in_its_place_are_served_over_https() {
    let folder = Site::project("secured", "fn main() { broken }");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
    let manifest = manifest.replace("pixie-web = { ", "pixie-web = { features = [\"tls-ring\"], ");
    fs::write(folder.join("Cargo.toml"), manifest).expect("a file");
    let cache = folder.join("target/cache");
    let mut command = command(&folder, &["--https"]);
    command.env("XDG_CACHE_HOME", &cache);
    let site = Site::launch_as(command);
    assert!(site.says("Listening").contains("https://localhost:"));
    let file = cache.join("pixie/localhost.pem");
    let mode = fs::metadata(&file).expect("the certificate is kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let curl = |host: &str| -> Output {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-i", "--max-time", "10", "--cacert"]).arg(&file);
        curl.arg(format!("https://{host}:{}/", site.port)).output().expect("curl is installed")
    };
    let shown = |host: &str, text: &str| {
        until(text, || String::from_utf8_lossy(&curl(host).stdout).contains(text).then_some(()));
    };
    shown("localhost", "cannot find value");
    site.write("src/main.rs", &page("secure"));
    for host in ["localhost", "127.0.0.1"] {
        shown(host, "<h1>secure</h1>");
    }
    assert!(site.says("Local:").contains("https://localhost:"));
}
