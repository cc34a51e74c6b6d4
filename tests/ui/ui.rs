//! What the compiler says about mistakes: one error for each, at the token that is wrong.
//!
//! Each file in `web`, `pool` and `template` has its messages in the `.stderr` file next to it;
//! `TRYBUILD=overwrite` writes them anew. They are those of the compiler that the workspace names as its
//! `rust-version`.

use std::{fs, io, path::Path};

use trybuild::TestCases;

#[test]
fn a_wrong_route_is_refused_at_the_token_that_is_wrong() {
    TestCases::new().compile_fail("web/*.rs");
}

#[test]
fn a_function_that_cannot_be_a_task_is_refused_at_the_token_that_is_wrong() {
    TestCases::new().compile_fail("pool/*.rs");
}

#[test]
fn a_mistake_in_a_template_names_its_file_and_line() {
    copy_templates().expect("the target folder is writable");
    TestCases::new().compile_fail("template/*.rs");
}

/// Puts the templates where askama looks for them: trybuild compiles its cases as a package in the target
/// folder.
fn copy_templates() -> io::Result<()> {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tests/trybuild").join(env!("CARGO_PKG_NAME"));
    let target = package.join("templates");
    fs::create_dir_all(&target)?;
    for template in fs::read_dir("templates")? {
        let template = template?;
        fs::copy(template.path(), target.join(template.file_name()))?;
    }
    Ok(())
}
