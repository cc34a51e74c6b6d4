//! The attribute of tests that need a browser: without one, a test is reported as ignored, with the reason.
//!
//! The test harness knows ignored tests only from attributes, so this looks for the browser when the tests are
//! compiled. With `CI` set, no test is ignored: there, a missing browser is a failure.

use std::{env, str::FromStr};

use proc_macro::TokenStream;

const PROGRAMS: [&str; 2] = ["chromedriver", "chromium"];
const IGNORE: &str = "#[ignore = \"needs chromium and chromedriver: install them, then touch the file of this test\"]";

/// A test that needs a browser.
#[proc_macro_attribute]
pub fn browser_test(_options: TokenStream, test: TokenStream) -> TokenStream {
    let folders = env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &&str| env::split_paths(&folders).any(|folder| folder.join(name).is_file());
    let runs = env::var_os("CI").is_some() || PROGRAMS.iter().all(is_there);
    let attributes = if runs { "#[test]".to_owned() } else { format!("#[test]\n{IGNORE}") };
    let mut tokens = TokenStream::from_str(&attributes).expect("it is Rust");
    tokens.extend(test);
    tokens
}
