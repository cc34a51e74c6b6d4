//! What the compiler says about mistakes: one error for each, at the token that is wrong.
//!
//! Each file in `web`, `pool` and `template` has its messages in the `.stderr` file next to it;
//! `UPDATE_MESSAGES=1` writes them anew. They are those of the compiler that the workspace names as its
//! `rust-version`. The cases are compiled with the crates that cargo has compiled for the tests of the
//! workspace, so that a case takes a tenth of a second.

#[path = "../../pixie-cli/tests/cli/environment.rs"]
mod environment;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

use serde_json::Value;

/// The folder of the cases in the workspace.
const HERE: &str = "tests/ui/";
/// The crates that cases use.
const CRATES: [&str; 5] = ["garde", "pixie_pool", "pixie_template", "pixie_web", "serde"];

#[test]
fn a_wrong_route_is_refused_at_the_token_that_is_wrong() {
    check_messages("web");
}

#[test]
fn a_function_that_cannot_be_a_task_is_refused_at_the_token_that_is_wrong() {
    check_messages("pool");
}

#[test]
fn a_mistake_in_a_template_names_its_file_and_line() {
    check_messages("template");
}

/// Compiles each file of a folder, and compares what the compiler writes with the `.stderr` file next to it.
fn check_messages(folder: &str) {
    let files = fs::read_dir(folder).expect("the folder of the cases").map(|entry| entry.expect("a file").path());
    let mut cases: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect();
    cases.sort();
    assert!(!cases.is_empty(), "{folder} has no cases");
    let different: Vec<_> = cases.iter().filter_map(|case| difference(case)).collect();
    assert!(different.is_empty(), "{} of {} cases:\n\n{}", different.len(), cases.len(), different.join("\n"));
}

/// Returns what is wrong with the messages about a case.
fn difference(case: &Path) -> Option<String> {
    let output = compile(case);
    let messages = stable(&String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        return Some(format!("{} compiles\n{messages}", case.display()));
    }
    let file = case.with_extension("stderr");
    if env::var_os("UPDATE_MESSAGES").is_some() {
        fs::write(&file, messages).expect("the messages can be written");
        return None;
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    let is_different = messages != expected;
    is_different.then(|| format!("{}: expected\n{expected}\nbut the compiler wrote\n{messages}", case.display()))
}

/// Compiles a case as a program, up to the point where all mistakes are known, in the folder from which cargo
/// compiles the crates: their messages name files from there.
fn compile(case: &Path) -> Output {
    static FOUND: LazyLock<Vec<String>> = LazyLock::new(find_crates);
    let options = ["--edition=2024", "--emit=metadata", "--diagnostic-width=140", "-Adead_code", "--out-dir"];
    let mut rustc = Command::new("rustc");
    rustc.current_dir(workspace()).args(options).arg(env!("CARGO_TARGET_TMPDIR"));
    rustc.args(&*FOUND).arg(Path::new(HERE).join(case)).output().expect("the compiler can be started")
}

/// Returns the arguments that tell the compiler where the crates are. cargo compiles what is not compiled yet.
fn find_crates() -> Vec<String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let mut cargo = Command::new("cargo");
    environment::clean(&mut cargo).args(["test", "--workspace", "--all-features", "--test", "ui", "--no-run"]);
    cargo.args(["--offline", "--message-format=json", "--target-dir"]).arg(target);
    let output = cargo.output().expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = String::from_utf8_lossy(&output.stdout);
    let built: Vec<Value> = output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let externs = CRATES.map(|name| format!("--extern={name}={}", library(&built, name).display()));
    let folder = library(&built, "pixie_web").with_file_name("");
    externs.into_iter().chain([format!("-Ldependency={}", folder.display())]).collect()
}

/// Returns the file of a crate. If a crate is there twice, the one with fewer features is for macros.
fn library(built: &[Value], name: &str) -> PathBuf {
    let of_crate = built.iter().filter(|message| message["target"]["name"] == name);
    let found = of_crate.max_by_key(|message| message["features"].as_array().map(Vec::len));
    let files = found.and_then(|message| message["filenames"].as_array()).into_iter().flatten();
    let mut files = files.filter_map(Value::as_str).map(PathBuf::from);
    files.find(|file| file.extension().is_some_and(|extension| extension == "rlib")).expect(name)
}

/// Returns messages without what changes when other files change: the folder of the workspace, the numbers of
/// lines outside of the case, and how many other types there are. `String` has its whole path because a crate
/// has a `String` of its own, which is not in most apps.
fn stable(messages: &str) -> String {
    let messages = messages.replace(env!("CARGO_MANIFEST_DIR"), "$DIR").replace("std::string::String", "String");
    let summaries = ["error: aborting due to", "Some errors have detailed", "For more information"];
    let is_summary = |block: &&str| summaries.iter().any(|start| block.starts_with(start));
    let blocks = messages.trim_end().split("\n\n").filter(|block| !is_summary(block));
    blocks.map(stable_block).collect::<Vec<_>>().join("\n").replace(HERE, "")
}

/// The same for one error and its notes.
fn stable_block(block: &str) -> String {
    let mut is_outside = false;
    // The widest number of a line: before, from the indentation of the arrows, and without those outside.
    let (mut before, mut after) = (0, 1);
    let mut lines = Vec::new();
    for line in block.lines() {
        let text = line.trim_start();
        let indentation = line.len() - text.len();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if text.starts_with("--> ") || text.starts_with("::: ") {
            let (arrow, place) = text.split_at(4);
            before = before.max(indentation);
            is_outside = !place.starts_with(HERE);
            let place = match is_outside {
                true => format!("$WORKSPACE/{}", place.split(':').next().unwrap_or_default()),
                false => place.to_owned(),
            };
            lines.push(format!("{}{arrow}{place}", &line[..indentation]));
        } else if digits > 0 && text[digits..].starts_with(" |") {
            let number = if is_outside { " ".repeat(digits) } else { text[..digits].to_owned() };
            after = if is_outside { after } else { after.max(digits) };
            lines.push(format!("{}{number}{}", &line[..indentation], &text[digits..]));
        } else if text.starts_with("and ") && text.ends_with(" others") {
            lines.push(format!("{}and $N others", &line[..indentation]));
        } else {
            lines.push(line.to_owned());
        }
    }
    let surplus = " ".repeat(before.saturating_sub(after));
    lines.iter().map(|line| format!("{}\n", line.strip_prefix(&surplus).unwrap_or(line).trim_end())).collect()
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace")
}
