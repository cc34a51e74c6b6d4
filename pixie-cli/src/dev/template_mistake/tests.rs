//! Messages of the compiler, as cargo reports them, and what is shown of them.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::*;

/// A project with a template of one line per entry.
fn project(lines: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("templates")).expect("a folder");
    fs::write(folder.path().join("templates/page.html"), lines.join("\n")).expect("a file");
    folder
}

/// An error in code that `#[template]` generated.
fn generated(code: &str, message: &str, children: &Value) -> Value {
    let attribute = json!({
        "file_name": "src/main.rs", "line_start": 4, "expansion": null,
        "text": [{ "text": "#[template(\"page.html\")]" }],
    });
    let expansion = json!({ "macro_decl_name": "#[web_template]", "span": attribute });
    let span = json!({ "file_name": "src/main.rs", "line_start": 4, "is_primary": true, "expansion": expansion });
    json!({ "level": "error", "message": message, "code": { "code": code }, "spans": [span], "children": children })
}

fn shown(folder: &TempDir, messages: &[Value]) -> String {
    let mut mistakes = TemplateMistakes::default();
    for message in messages {
        assert!(mistakes.take(message, folder.path()), "it is about a template: {message}");
    }
    anstream::adapter::strip_str(&mistakes.rendered(folder.path())).to_string()
}

#[test]
fn an_unknown_field_is_one_message_with_the_line_of_the_template_first() {
    let folder = project(&["<p>", "  {{ titel }}", "</p>"]);
    let twice = [
        generated("E0609", "no field `titel` on type `&Page<'a>`", &json!([])),
        // Its macro is not always known.
        json!({
            "level": "error", "spans": [{ "file_name": "src/main.rs", "line_start": 4, "is_primary": true }],
            "message": "evaluation panicked: templates/page.html:2:6: `Page` has no field `titel`; it has `title`",
        }),
    ];
    let wanted = "\
error: templates/page.html:2:6: `Page` has no field `titel`
  |
2 |   {{ titel }}
  |      ^^^^^
  = help: it has `title`
  = note: the template belongs to `#[template]` at src/main.rs:4

";
    assert_eq!(shown(&folder, &twice), wanted);
    let [first, second] = twice;
    assert_eq!(shown(&folder, &[second, first]), wanted, "the order does not matter");
}

#[test]
fn a_mistake_in_the_syntax_begins_with_its_line() {
    let folder = project(&["<p>", "  {{ title } }</p>"]);
    let span = json!({ "file_name": "src/main.rs", "line_start": 6, "is_primary": true, "expansion": null });
    let text = "the token `}` was not expected\n  --> templates/page.html:2:12\n\"} }</p>\"";
    let wanted = "\
error: templates/page.html:2:12: the token `}` was not expected
  |
2 |   {{ title } }</p>
  |            ^
  = note: the template belongs to `#[template]` at src/main.rs:6

";
    assert_eq!(shown(&folder, &[json!({ "level": "error", "message": text, "spans": [span] })]), wanted);
}

#[test]
fn a_field_or_a_method_of_another_value_is_found_if_it_is_used_once() {
    let folder = project(&["autor", "{% for note in notes %}{{ note.autor }}{% endfor %}"]);
    let message = generated("E0609", "no field `autor` on type `&Note`", &json!([]));
    let text = shown(&folder, &[message]);
    assert!(text.starts_with("error: templates/page.html:2:32: no field `autor` on type `&Note`\n"), "{text}");
    let folder = project(&["{{ one.shout() }}{{ two.shout() }}"]);
    let message = generated("E0599", "no method named `shout` found", &json!([]));
    let text = shown(&folder, &[message]);
    assert!(text.starts_with("error: templates/page.html: no method named `shout` found\n"), "{text}");
}

#[test]
fn an_unknown_filter_is_not_taken_for_a_missing_crate() {
    let folder = project(&["{{ note|shout }}"]);
    let advice = json!([{ "level": "help", "message": "use `cargo add filters`" }]);
    let message = generated("E0433", "cannot find module or crate `filters` in this scope", &advice);
    let text = shown(&folder, &[message]);
    assert!(text.starts_with("error: templates/page.html: a filter does not exist\n"), "{text}");
    assert!(text.contains("in a module `filters`") && !text.contains("cargo add"), "{text}");
}

#[test]
fn the_notes_of_the_compiler_and_long_lines_fit_below() {
    let long = format!("{}{{{{ note }}}}{}", "a".repeat(200), "b".repeat(200));
    let folder = project(&[&long]);
    let message = "evaluation panicked: templates/page.html:1:204: `Page` has no field `note`; it has no fields";
    let text = shown(&folder, &[generated("E0080", message, &json!([]))]);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let column = |mark: &str| text.lines().find_map(|line| line.find(mark));
    assert_eq!(column("note }}"), column("^^^^"), "{text}");
    let children = json!([{ "level": "note", "message": "these traits are missing:\n`Display`" }]);
    let text = shown(&folder, &[generated("E0277", "`Note` cannot be shown", &children)]);
    assert!(text.contains("\n = note: these traits are missing:\n      `Display`\n"), "{text}");
}

#[test]
fn other_messages_stay_as_they_are() {
    let folder = project(&[]);
    let mut mistakes = TemplateMistakes::default();
    let span = json!({ "file_name": "src/main.rs", "line_start": 6, "is_primary": true, "expansion": null });
    let note = json!({ "level": "failure-note", "message": "Some errors have explanations: E0609.", "spans": [] });
    for message in [
        json!({ "level": "error", "message": "no field `titel` on type `&Page`", "spans": [span] }),
        json!({ "level": "error", "message": "linking failed", "spans": [] }),
        json!({ "level": "warning", "message": "unused", "spans": [span] }),
        note.clone(),
    ] {
        assert!(!mistakes.take(&message, folder.path()), "{message}");
    }
    assert_eq!(mistakes.rendered(folder.path()), "");
    assert!(mistakes.take(&generated("E0599", "no method named `x`", &json!([])), folder.path()));
    assert!(mistakes.take(&note, folder.path()), "it is about the message before");
}
