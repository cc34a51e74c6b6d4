//! The app that is edited: twenty modules, each with a template and two handlers, and a style sheet.
use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::args::workspace;

const MODULES: usize = 20;

/// An app in a folder.
pub struct App {
    /// The folder, whose name is the program's.
    pub folder: PathBuf,
}

impl App {
    /// Writes an app below a folder.
    pub fn write(work: &Path, name: &str) -> App {
        let app = App { folder: work.join(name) };
        for inside in ["src", "templates", "static"] {
            fs::create_dir_all(app.folder.join(inside)).expect("a folder");
        }
        app.save("Cargo.toml", &manifest(name));
        // The same versions as in the workspace, so that cargo downloads nothing new.
        fs::copy(workspace().join("Cargo.lock"), app.folder.join("Cargo.lock")).expect("the lock file");
        let modules: String = (1..=MODULES).map(|number| format!("mod m{number};\n")).collect();
        let main = "use pixie_web::{App, Folder};\n\nfn main() -> pixie_web::Result<()> {\n    \
                    App::collect().folder(\"/static\", Folder::new(\"static\")).run()\n}\n";
        app.save("src/main.rs", &format!("{modules}\n{main}"));
        for number in 1..=MODULES {
            app.set_handler(number, "first");
            app.set_template(number, "first");
        }
        app.set_style(0);
        app
    }

    /// Makes the handler at `/h/NUMBER` answer with a word.
    pub fn set_handler(&self, number: usize, word: &str) {
        let text = format!(
            "use askama::Template;\nuse pixie_web::{{Html, get}};\n\n#[derive(Template)]\n#[template(path = \"m{number}.html\")]\n\
             struct Page {{\n    number: usize,\n}}\n\n#[get(\"/t/{number}\", sync)]\nfn page() -> Html<String> {{\n    \
             Html(Page {{ number: {number} }}.render().unwrap_or_default())\n}}\n\n#[get(\"/h/{number}\", sync)]\n\
             fn handler() -> &'static str {{\n    \"{word}\"\n}}\n"
        );
        self.save(&format!("src/m{number}.rs"), &text);
    }

    /// Makes the page at `/t/NUMBER` show a word.
    pub fn set_template(&self, number: usize, word: &str) {
        let text = format!("<!doctype html><link rel=stylesheet href=/static/app.css><h1>{word} {{{{ number }}}}</h1>");
        self.save(&format!("templates/m{number}.html"), &text);
    }

    /// Changes the style sheet.
    pub fn set_style(&self, number: usize) {
        self.save("static/app.css", &format!("p {{ margin: {number}px }}"));
    }

    fn save(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).expect("a file");
    }
}

fn manifest(name: &str) -> String {
    let askama = "askama = { version = \"0.16\", default-features = false, features = [\"std\", \"derive\", \"config\", \"urlencode\"] }";
    let pixie = format!("pixie-web = {{ path = {:?} }}", workspace().display().to_string());
    let package = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    // The same profile as in the project templates.
    let profiles = "[profile.dev]\ndebug = \"line-tables-only\"\n\n[profile.dev.package.\"*\"]\ndebug = false\n";
    format!("{package}\n[dependencies]\n{askama}\n{pixie}\n\n{profiles}\n[workspace]\n")
}
