//! What each addition consists of: the texts of its files, and what it needs in the rest of the app.

use pixie_grammar::{Filter, PathPart, RouteType};

use super::{manifest::Needed, name::Name};

/// An addition: a module, perhaps with a template.
#[derive(Default)]
pub(crate) struct Piece {
    pub(crate) module: String,
    /// The text of `templates/NAME.html`.
    pub(crate) template: Option<String>,
    /// Method and path of each route.
    pub(crate) routes: Vec<(String, String)>,
    pub(crate) needed: Vec<Needed>,
    /// What comes behind `App::collect()`, with `module` for the path of the module.
    pub(crate) builder: Option<String>,
    /// Crates that are too slow without optimization.
    pub(crate) optimized: Vec<&'static str>,
    /// Where the store keeps its values from now on.
    pub(crate) store: Option<&'static str>,
}

/// What the texts of all additions have in common.
pub(crate) struct Setting<'s> {
    pub(crate) name: &'s Name,
    pub(crate) path: &'s str,
    /// The parts of the path.
    pub(crate) parts: &'s [PathPart],
    /// The call that makes the app in tests.
    pub(crate) app: Option<&'s str>,
    /// Whether `templates/layout.html` has a block for the content.
    pub(crate) has_layout: bool,
}

impl Setting<'_> {
    /// Fills in a text; `rest` comes first.
    fn fill(&self, text: &str, rest: &[(&str, &str)]) -> String {
        let fallback = "\n    /// Give this app the state that its routes need.\n    fn app() -> pixie_web::App {\n        \
                        pixie_web::App::collect()$builder$\n    }\n";
        let ours = [
            ("maker", if self.app.is_none() { fallback } else { "" }),
            ("builder", ""),
            ("app", self.app.unwrap_or("app()")),
            ("module", &self.name.module),
            ("kebab", &self.name.kebab()),
            ("type", &self.name.camel()),
            ("heading", &self.name.heading()),
            ("path", self.path),
            ("example", &self.example()),
            ("arguments", &self.arguments()),
        ];
        let mut text = text.to_owned();
        // The value of `maker` has a name in it.
        for (name, value) in [&ours[..1], rest, &ours[1..]].concat() {
            text = text.replace(&format!("${name}$"), value);
        }
        text
    }

    fn wildcards(&self) -> impl Iterator<Item = (&str, Filter)> {
        self.parts.iter().filter_map(|part| match part {
            PathPart::Wildcard { name, filter } => Some((name.as_str(), *filter)),
            PathPart::Literal(_) => None,
        })
    }

    /// Returns the first name that no wildcard has.
    fn unused<'n>(&self, names: [&'n str; 3]) -> &'n str {
        let is_unused = |name: &&str| self.wildcards().all(|(other, _)| other != *name);
        names.into_iter().find(is_unused).unwrap_or(names[2])
    }

    /// Returns the arguments of a handler, one for each wildcard.
    fn arguments(&self) -> String {
        let arguments = self.wildcards().map(|(name, filter)| format!("{name}: {}", rust_type(filter)));
        arguments.collect::<Vec<_>>().join(", ")
    }

    /// Returns a path that the route answers.
    fn example(&self) -> String {
        let part = |part: &PathPart| match part {
            PathPart::Literal(text) => text.bytes().map(encoded).collect(),
            PathPart::Wildcard { filter, .. } => example(*filter).to_owned(),
        };
        self.parts.iter().map(part).collect()
    }

    /// Returns a whole page, or the blocks of the layout.
    fn page(&self, title: &str, content: &str) -> String {
        match self.has_layout {
            true => format!(
                "{{% extends \"layout.html\" %}}\n\n{{% block title %}}{title}{{% endblock %}}\n\n\
                 {{% block content %}}\n{}\n{{% endblock %}}\n",
                content.trim_end()
            ),
            false => {
                let page = include_str!("text/page.html").replace("$title$", title);
                page.replace("$content$", content.trim_end())
            }
        }
    }
}

/// Returns a byte of a path as clients send it.
fn encoded(byte: u8) -> String {
    match byte.is_ascii_graphic() && !b"\"<>?#[\\]^`{|}".contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    }
}

fn rust_type(filter: Filter) -> &'static str {
    match filter {
        Filter::Int => "i64",
        Filter::Float => "f64",
        Filter::Uuid | Filter::Text | Filter::Path => "String",
    }
}

fn example(filter: Filter) -> &'static str {
    match filter {
        Filter::Int => "7",
        Filter::Float => "1.5",
        Filter::Uuid => "936da01f-9abd-4d9d-80c7-02af85c822a8",
        Filter::Text => "ada",
        Filter::Path => "a/b",
    }
}

/// Returns a handler that answers with text.
pub(crate) fn route(setting: &Setting<'_>, method: &str, kind: Option<RouteType>) -> Piece {
    let takes_body = matches!(method, "post" | "put" | "patch");
    let shown: String = setting.wildcards().map(|(name, _)| format!(" {{{name}}}")).collect();
    let answered: String = setting.wildcards().map(|(_, filter)| format!(" {}", example(filter))).collect();
    let body = setting.unused(["body", "bytes", "content"]);
    let (heading, length) = (setting.name.heading(), format!(", {body}.len()"));
    let (rest, value, sent) = if takes_body { (": {} bytes", &*length, ": 5 bytes") } else { ("", "", "") };
    let text = match takes_body || !shown.is_empty() {
        true => format!("format!(\"{heading}{shown}{rest}\\n\"{value})"),
        false => format!("\"{heading}\\n\".to_owned()"),
    };
    let answer = format!("{heading}{answered}{sent}\\n");
    let is_stream = kind == Some(RouteType::Stream);
    let mut arguments: Vec<_> = [setting.arguments()].into_iter().filter(|arguments| !arguments.is_empty()).collect();
    arguments.extend(takes_body.then(|| format!("{body}: Bytes")));
    let rest = [
        ("METHOD", &*method.to_uppercase()),
        ("method", method),
        ("imports", &if takes_body { format!("{{Bytes, {method}}}") } else { method.to_owned() }),
        ("kind", &kind.filter(|kind| *kind != RouteType::Async).map_or(String::new(), |kind| format!(", {kind}"))),
        ("fn", if kind == Some(RouteType::Async) { "async fn" } else { "fn" }),
        ("arguments", &arguments.join(", ")),
        ("output", if is_stream { "impl Iterator<Item = String>" } else { "String" }),
        ("body", &if is_stream { format!("[{text}].into_iter()") } else { text }),
        ("sent", if takes_body { ".body(\"hello\")" } else { "" }),
        ("assertion", &format!(".assert_status(200).assert_text(\"{answer}\")")),
    ];
    Piece {
        module: setting.fill(include_str!("text/route.rs.txt"), &rest),
        routes: vec![(method.to_owned(), setting.path.to_owned())],
        ..Piece::default()
    }
}

/// Returns a handler that answers with a page from a template.
pub(crate) fn template(setting: &Setting<'_>) -> Piece {
    let fields: String =
        setting.wildcards().map(|(name, filter)| format!("    {name}: {},\n", rust_type(filter))).collect();
    let shown: String = setting.wildcards().map(|(name, _)| format!("\n<p>{{{{ {name} }}}}</p>")).collect();
    let field = setting.unused(["heading", "title", "headline"]);
    let heading = format!("{field}: \"{}\"", setting.name.heading());
    let values: Vec<_> = [heading.as_str()].into_iter().chain(setting.wildcards().map(|(name, _)| name)).collect();
    let rest = [("fields", &*format!("    {field}: &'static str,\n{fields}")), ("values", &values.join(", "))];
    Piece {
        module: setting.fill(include_str!("text/template.rs.txt"), &rest),
        template: Some(setting.page(&format!("{{{{ {field} }}}}"), &format!("<h1>{{{{ {field} }}}}</h1>{shown}"))),
        routes: vec![("get".to_owned(), setting.path.to_owned())],
        needed: vec![pixie(&["template"])],
        ..Piece::default()
    }
}

/// Returns a pool, and a handler that runs in it.
pub(crate) fn pool(setting: &Setting<'_>) -> Piece {
    let rest = [("builder", ".pool(super::pool())")];
    Piece {
        module: setting.fill(include_str!("text/pool.rs.txt"), &rest),
        routes: vec![("post".to_owned(), setting.path.to_owned())],
        needed: vec![pixie(&["sandbox"])],
        builder: Some(".pool(module::pool())".to_owned()),
        ..Piece::default()
    }
}

/// Where the sessions of the app are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sessions {
    /// In cookies, as without a call of `App::sessions`. They need a secret, also in tests.
    InCookies,
    /// Where the app says.
    Chosen,
    /// The app gets sessions, in its store, so that it needs no secret.
    New,
}

/// Returns the pages to sign up and log in.
pub(crate) fn login(setting: &Setting<'_>, sessions: Sessions, has_store: bool) -> Piece {
    let prefix = setting.path.trim_end_matches('/');
    let builder = ".sessions(pixie_web::Sessions::InStore)";
    let app = setting.app.unwrap_or("app()");
    let app = match sessions {
        Sessions::InCookies => format!("{app}.keys([\"a secret that only encrypts the sessions of tests\"])"),
        Sessions::Chosen | Sessions::New => app.to_owned(),
    };
    let rest = [("prefix", prefix), ("builder", if sessions == Sessions::New { builder } else { "" }), ("app", &app)];
    let title = "{% if is_new %}Sign up{% else %}Log in{% endif %}";
    let content = include_str!("text/login.html").replace("$prefix$", prefix);
    let of = |method: &str, page: &str| (method.to_owned(), format!("{prefix}{page}"));
    Piece {
        module: setting.fill(include_str!("text/login.rs.txt"), &rest),
        template: Some(setting.page(title, &content)),
        routes: vec![
            of("get", "/login"),
            of("post", "/login"),
            of("get", "/signup"),
            of("post", "/signup"),
            of("post", "/logout"),
        ],
        needed: vec![
            Needed { name: "argon2", version: "0.5", features: vec!["std"] },
            pixie(if has_store { &["sessions", "template"] } else { &["sessions", "store-file", "template"] }),
            Needed { name: "serde", version: "1", features: vec!["derive"] },
        ],
        builder: (sessions == Sessions::New).then(|| builder.to_owned()),
        optimized: vec!["argon2", "blake2"],
        store: (!has_store).then_some("redb:data/app.redb"),
    }
}

fn pixie(features: &[&'static str]) -> Needed {
    Needed { name: "pixie-web", version: env!("CARGO_PKG_VERSION"), features: features.to_vec() }
}
