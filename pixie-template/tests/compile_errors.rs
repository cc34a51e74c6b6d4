//! Mistakes in templates are compile errors that name the template's file and line.

use std::{fs, io, path::Path};

#[test]
fn a_mistake_in_a_template_names_its_file_and_line() {
    copy_templates().expect("the target folder is writable");
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

/// Puts the templates where askama looks for them: trybuild compiles its cases as a package in the target
/// folder.
fn copy_templates() -> io::Result<()> {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tests/trybuild").join(env!("CARGO_PKG_NAME"));
    let target = package.join("templates");
    fs::create_dir_all(&target)?;
    for template in fs::read_dir("tests/ui/templates")? {
        let template = template?;
        fs::copy(template.path(), target.join(template.file_name()))?;
    }
    Ok(())
}
