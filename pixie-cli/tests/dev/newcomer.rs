//! What a new user sees at a terminal of 80 columns, from `pixie new` to the first mistake: with colors,
//! without colors, and as pictures.
//!
//! The README's pictures in `pixie-cli/pictures` are copies of those that these tests and `pages.rs` take.

use std::{path::Path, process::Command};

use base64::Engine as _;

use crate::{
    browser::Browser,
    builds,
    pages::take_pictures,
    site::{Site, command, isolated, until},
    terminal::Terminal,
};

const COLUMNS: usize = 80;

/// The colors of a terminal in both schemes.
const STYLE: &str = "
    :root{color-scheme:light dark;--back:#ffffff;--text:#1f2430;--red:#b3261e;--green:#1a7f37;--yellow:#8a6100;
        --blue:#0b5cad;--magenta:#8b3fb8;--cyan:#0b7285}
    @media(prefers-color-scheme:dark){:root{--back:#14171c;--text:#e8ebf0;--red:#ff8a80;--green:#7ee787;
        --yellow:#f2cc60;--blue:#7cb7ff;--magenta:#d2a8ff;--cyan:#76e3ea}}
    body{margin:0;background:var(--back);color:var(--text)}
    pre{margin:0;padding:16px 20px;font:14px/1.35 'DejaVu Sans Mono',monospace;display:inline-block}
    b{font-weight:600}.c1,.c9{color:var(--red)}.c2,.c10{color:var(--green)}.c3,.c11{color:var(--yellow)}
    .c4,.c12{color:var(--blue)}.c5,.c13{color:var(--magenta)}.c6,.c14{color:var(--cyan)}";

#[pixie_browser_test::browser_test]
fn the_first_steps_fit_into_the_terminal_and_look_well() {
    let world = builds::place("blog-world");
    let terminal = first_steps(&world, "blog", &[]);
    let shown = terminal.seen().lock().expect("no panic").clone();
    let text = anstream::adapter::strip_str(&shown).to_string();
    assert!(shown.contains("\u{1b}["), "no colors: {shown}");
    // Lines of cargo may be longer, because they contain the folders of the crates and of the project, and
    // the registry of a crate if it is not crates.io.
    let folders = [workspace(), &world].map(|folder| folder.to_str().expect("a name in UTF-8"));
    let is_ours = |line: &&str| {
        !line.trim_start().starts_with("Compiling ") && !folders.iter().any(|folder| line.contains(folder))
    };
    for line in text.split(['\n', '\r']).filter(is_ours) {
        assert!(line.chars().count() <= COLUMNS, "too wide: {line}");
    }
    let Some(browser) = Browser::start() else { return };
    // What cargo said of the first build is left out: it is long, and names folders of this machine.
    let (_, told) = shown.rsplit_once("  ready in ").expect("the banner");
    let told = told.trim_end().trim_end_matches('q');
    show(
        &browser,
        &format!("$ pixie dev\n\n  \u{1b}[1;92mpixie {}\u{1b}[0m  dev  ready in {told}", env!("CARGO_PKG_VERSION")),
    );
    let height = browser.script("return document.querySelector('pre').offsetHeight").as_u64().expect("a height");
    take_pictures(&browser, "terminal", 720, height.try_into().expect("less than a mile"));
}

#[test]
fn without_colors_only_text_is_shown() {
    let terminal = first_steps(&builds::place("plain-world"), "plain", &[("NO_COLOR", "1")]);
    let shown = terminal.seen().lock().expect("no panic").clone();
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[pixie_browser_test::browser_test]
fn the_first_page_of_each_scaffold_is_one_to_look_at() {
    let Some(browser) = Browser::start() else { return };
    let scaffolds = [("minimal", "It works!"), ("app", "It works!"), ("api", "/api/tasks"), ("pool", "Examine a text")];
    for (template, word) in scaffolds {
        let name = format!("my-{template}");
        let folder = project(&name, template);
        let site = Site::launch_as(command(&folder, &[]));
        site.says("ready in");
        browser.open(&format!("http://localhost:{}/", site.port));
        browser.wait_for(word);
        if ["minimal", "app"].contains(&template) {
            browser.click(".pool a");
            browser.wait_for("pool process ");
        }
        take_pictures(&browser, &format!("{template}-first"), 960, 640);
        if template == "app" {
            write_as_ada(&browser);
        }
        if template == "pool" {
            browser.fill("#file", folder.join("src/report.rs").to_str().expect("a name in UTF-8"));
            browser.click("form button");
            browser.wait_for("Examine another file");
            assert!(browser.text().starts_with("my-pool") && browser.text().contains("report.rs"));
            take_pictures(&browser, "pool", 960, 700);
        }
    }
}

#[test]
fn a_mistake_in_a_template_is_one_message_with_its_line_first() {
    let folder = project("mistaken", "app");
    let site = Site::launch_as(command(&folder, &[]));
    site.says("ready in");
    let good = site.read("templates/primes.html");
    site.write("templates/primes.html", &good.replace("{{ count }}", "{{ cuont }}"));
    let first = site.says("cuont");
    let line = good.lines().position(|line| line.contains("{{ count }}")).expect("a line") + 1;
    assert!(first.starts_with(&format!("error: templates/primes.html:{line}:")), "{first}");
    site.says("still serves");
    // In the message and in the quoted line, but not once more in a message about the struct.
    assert_eq!((site.count("cuont"), site.count("E0609"), site.count("E0080")), (2, 0, 0));
}

/// Signs up, writes a note, logs out, and logs in with a wrong password and with the right one.
fn write_as_ada(browser: &Browser) {
    let fill = |password: &str| {
        browser.wait_for("Password");
        browser.fill("[name=name]", "Ada");
        browser.fill("[name=password]", password);
        browser.click("form button");
    };
    browser.click("[href='/notes']");
    browser.wait_for("There are no notes yet.");
    browser.click("[href='/signup']");
    fill("correct horse");
    browser.wait_for("You write as Ada.");
    browser.fill("[name=text]", "A route says where it runs.");
    browser.click("form button");
    browser.wait_for("The note is saved.");
    take_pictures(browser, "app", 960, 420);
    browser.click("form + form button");
    browser.wait_for("You are logged out.");
    browser.click("[href='/login']");
    fill("wrong horse");
    browser.wait_for("The name or the password is wrong.");
    browser.script("document.querySelector('[name=name]').value = ''");
    fill("correct horse");
    browser.wait_for("Hello, Ada!");
    // The session survives a new page, and scripts do not see its cookie.
    browser.click("header nav a");
    browser.wait_for("You write as Ada.");
    assert_eq!(browser.script("return document.cookie"), "");
}

/// `pixie new`, `pixie dev`, a request, an edit of a style sheet, a mistake, and its correction.
fn first_steps(world: &Path, name: &str, variables: &[(&str, &str)]) -> Terminal {
    let terminal = Terminal::open();
    let mut new = pixie(world);
    new.args(["new", name, "--template", "app", "--yes"]).envs(variables.iter().copied());
    assert!(terminal.run(&new).wait().is_ok_and(|status| status.success()));
    terminal.sees("pixie dev");
    let folder = world.join(name);
    builds::share(&folder);
    let mut dev = command(&folder, &[]);
    dev.envs(variables.iter().copied());
    let site = Site::launch_at(&terminal, &dev);
    terminal.sees("then Enter");
    assert_eq!(site.page("/").status, 200);
    assert_eq!(site.get("/primes?below=100").status, 200);
    terminal.sees("/primes ");
    site.write("static/style.css", "body { margin: 2rem }");
    terminal.sees("Swapped");
    let good = site.read("src/primes.rs");
    site.write("src/primes.rs", &format!("{good}\nconst LIMIT: u32 = \"many\";\n"));
    terminal.sees("still serves");
    site.write("src/primes.rs", &format!("{good}\n// Counted well.\n"));
    until("it builds again", || terminal.seen().lock().expect("no panic").contains("src/primes.rs)").then_some(()));
    // The database has changed hands.
    assert_eq!(site.page("/").status, 200);
    terminal.types("q\n");
    assert_eq!(site.wait(), Some(0));
    terminal
}

/// Makes a project as a newcomer does, with the versions that are on this machine.
fn project(name: &str, template: &str) -> std::path::PathBuf {
    let world = builds::place(&format!("{name}-world"));
    let status = pixie(&world).args(["new", name, "--template", template, "--yes", "--quiet"]).status();
    assert!(status.is_ok_and(|status| status.success()));
    builds::share(&world.join(name));
    world.join(name)
}

fn pixie(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixie"));
    isolated(&mut command).current_dir(folder).env("TERM", "xterm-256color");
    command.env("PIXIE_NEW_CRATES", workspace());
    command
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// Shows what a terminal has shown.
fn show(browser: &Browser, text: &str) {
    let page = format!("<!doctype html><meta charset=utf-8><style>{STYLE}</style><pre>{}</pre>", html(text));
    let page = base64::engine::general_purpose::STANDARD.encode(page);
    browser.open(&format!("data:text/html;base64,{page}"));
}

/// Turns a terminal's text into elements: each run of one color is one.
fn html(text: &str) -> String {
    let (mut page, mut classes) = (String::new(), String::new());
    for (at, part) in text.split("\u{1b}[").enumerate() {
        let (codes, rest) = if at == 0 { ("", part) } else { part.split_once('m').unwrap_or(("", part)) };
        if at > 0 {
            classes = styled(&classes, codes);
        }
        let rest = rest.replace('\r', "").replace('&', "&amp;").replace('<', "&lt;");
        let name = if classes.contains("bold") { "b" } else { "span" };
        page += &format!("<{name} class=\"{classes}\">{rest}</{name}>");
    }
    page
}

fn styled(before: &str, codes: &str) -> String {
    let codes: Vec<u32> = codes.split(';').filter_map(|code| code.parse().ok()).collect();
    match codes[..] {
        [] | [0] => String::new(),
        [38, 5, color] => format!("{before} c{color}"),
        [1] => format!("{before} bold"),
        [1, color @ 91..=97] => format!("{before} bold c{}", color - 82),
        [code @ 31..=37] => format!("{before} c{}", code - 30),
        [code @ 91..=97] => format!("{before} c{}", code - 82),
        _ => before.to_owned(),
    }
}
