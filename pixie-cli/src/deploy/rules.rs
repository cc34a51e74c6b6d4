//! Rules of HAProxy from the routes of an app: which role gets a request.
//!
//! A rule compares the path in the normal form of pixie (`pixie_grammar::normalize`), which HAProxy keeps in
//! `txn.path`. Invariant: for each request that a route answers, the first rule that matches names the role
//! of this route; requests without a rule belong to `web`.

use pixie_grammar::{Filter, PathPart, PatternError, parse_path};

use super::app::{Route, WEB};

/// A condition for requests, and what it is about.
pub(super) struct Rule {
    /// The route, for a comment: one line without control characters.
    pub(super) route: String,
    pub(super) role: String,
    /// What follows `if`.
    pub(super) condition: String,
}

/// Returns the rules of routes that are sorted by precedence. Leaves out the routes of `web` whose requests
/// no later rule could take.
pub(super) fn rules(routes: &[Route]) -> Result<Vec<Rule>, PatternError> {
    let shapes = routes.iter().map(Shape::of).collect::<Result<Vec<_>, _>>()?;
    let methods: Vec<_> = shapes.iter().map(|shape| shape.methods(&shapes)).collect();
    let needed = |at: &usize| {
        let collides = |later: usize| {
            let is_shared = methods[*at].iter().any(|method| methods[later].contains(method));
            routes[later].role != WEB && is_shared && shapes[*at].may_overlap(&shapes[later])
        };
        routes[*at].role != WEB || (at + 1..routes.len()).any(collides)
    };
    let needed = (0..routes.len()).filter(needed).filter(|at| !methods[*at].is_empty());
    Ok(needed.map(|at| shapes[at].rule(&methods[at])).collect())
}

/// Returns rules for the routes whose requests must not be sent again, although their method is idempotent.
/// May match requests that another route answers: they are not sent again either.
pub(super) fn once(routes: &[Route]) -> Result<Vec<Rule>, PatternError> {
    let unwanted = routes.iter().filter(|route| route.retry == Some(false));
    unwanted.map(|route| Shape::of(route).map(|shape| shape.rule(&shape.methods(&[])))).collect()
}

/// A route, with its path by segments as in the tree of the router.
struct Shape<'r> {
    route: &'r Route,
    segments: Vec<Segment>,
}

/// A segment of text and wildcards in turn: `texts[0] <> texts[1] <> … texts[n]`.
#[derive(PartialEq)]
struct Segment {
    texts: Vec<String>,
    filters: Vec<Filter>,
}

impl<'r> Shape<'r> {
    fn of(route: &'r Route) -> Result<Shape<'r>, PatternError> {
        let mut segments: Vec<Segment> = Vec::new();
        for part in parse_path(&route.path)? {
            match part {
                PathPart::Wildcard { filter, .. } => {
                    let segment = segments.last_mut().expect("a path begins with a slash");
                    segment.filters.push(filter);
                    segment.texts.push(String::new());
                }
                PathPart::Literal(text) => {
                    for (at, text) in text.split('/').enumerate() {
                        match segments.last_mut() {
                            Some(segment) if at == 0 => {
                                segment.texts.last_mut().expect("texts is never empty").push_str(text);
                            }
                            // The text before the first slash is empty.
                            None if at == 0 => {}
                            _ => segments.push(Segment { texts: vec![text.to_owned()], filters: Vec::new() }),
                        }
                    }
                }
            }
        }
        Ok(Shape { route, segments })
    }

    /// Returns the methods that this route answers. HEAD belongs to the route for GET, unless another route
    /// for the same paths is for HEAD.
    fn methods(&self, all: &[Shape<'_>]) -> Vec<&'r str> {
        let is_for = |route: &Route, method: &str| route.methods.iter().any(|known| known == method);
        let has_own_head = |other: &Shape<'_>| {
            other.segments == self.segments && is_for(other.route, "HEAD") && !is_for(other.route, "GET")
        };
        let mut methods: Vec<_> = self.route.methods.iter().map(String::as_str).collect();
        if is_for(self.route, "GET") {
            methods.retain(|method| *method != "HEAD");
            methods.extend((!all.iter().any(has_own_head)).then_some("HEAD"));
        }
        methods
    }

    /// Returns whether a path may match both. May be true for paths that do not exist.
    fn may_overlap(&self, other: &Shape<'_>) -> bool {
        let mut pairs = self.segments.iter().zip(&other.segments);
        let decisive = pairs.find(|(one, two)| one.is_rest() || two.is_rest() || !one.may_equal(two));
        match decisive {
            Some((one, two)) => one.is_rest() || two.is_rest(),
            None => self.segments.len() == other.segments.len(),
        }
    }

    fn rule(&self, methods: &[&str]) -> Rule {
        let path: String = self.segments.iter().map(|segment| format!("/{}", segment.texts[0])).collect();
        let is_text = self.segments.iter().all(|segment| segment.filters.is_empty());
        let path = match is_text && path.chars().all(|letter| is_plain(letter) && letter != '\'') {
            true => format!("-m str -- '{path}'"),
            false => format!("-m reg -- '{}'", self.regex()),
        };
        Rule {
            route: format!("{} {}", methods.join(","), escaped(&self.route.path)),
            role: self.route.role.clone(),
            condition: format!("{{ method {} }} {{ var(txn.path) {path} }}", words(methods)),
        }
    }

    /// Returns a regular expression (PCRE) for the paths of the route.
    fn regex(&self) -> String {
        let segments: String = self.segments.iter().map(|segment| format!("/{}", segment.regex())).collect();
        format!(r"\A{segments}\z")
    }
}

/// Text within one segment.
const TEXT: &str = "[^/]+";
/// The end of a segment.
const END: &str = r"(?:/|\z)";

impl Segment {
    /// Returns whether the wildcard takes the rest of the path.
    fn is_rest(&self) -> bool {
        self.filters == [Filter::Path]
    }

    fn may_equal(&self, other: &Segment) -> bool {
        let [mine, others] = [self, other].map(|segment| (&segment.texts[0], segment.texts.last()));
        let starts = mine.0.starts_with(others.0.as_str()) || others.0.starts_with(mine.0.as_str());
        let ends = match (mine.1, others.1) {
            (Some(mine), Some(others)) => mine.ends_with(others.as_str()) || others.ends_with(mine.as_str()),
            _ => true,
        };
        let are_texts = self.filters.is_empty() && other.filters.is_empty();
        starts && ends && (!are_texts || self == other)
    }

    fn regex(&self) -> String {
        let start = literal(&self.texts[0]);
        match &self.filters[..] {
            [] => start,
            [Filter::Path] => "(?s:.+)".into(),
            [filter] => format!("{start}{}{}", value(*filter), literal(&self.texts[1])),
            filters if filters.iter().all(|filter| *filter == Filter::Text) => format!("{start}{}", self.rest(0)),
            _ => format!("{start}{}", self.exact()),
        }
    }

    /// Matches the wildcards from this one on and the texts after them, whatever the filters are. The first
    /// place of each text is enough to know that there is a match, so the search is linear.
    fn rest(&self, from: usize) -> String {
        let (end, inner) = self.texts[from + 1..].split_last().expect("a text follows each wildcard");
        let inner: String = inner.iter().map(|text| format!("(?>{TEXT}?{})", literal(text))).collect();
        format!("{inner}{TEXT}{}", literal(end))
    }

    /// Matches with filters. The router looks for each text from the right, and then asks the filters. So
    /// each text must be the last one that leaves enough for the wildcards after it.
    fn exact(&self) -> String {
        let mut regex = format!("(?={}{END})", self.rest(0));
        let last = self.filters.len() - 1;
        for (at, filter) in self.filters[..last].iter().enumerate() {
            let (value, text, rest) = (value(*filter), literal(&self.texts[at + 1]), self.rest(at + 1));
            regex += &format!("(?>{value}(?!(?>{TEXT}?{text}){rest}{END}){text}(?={rest}{END}))");
        }
        format!("{regex}{}{}", value(self.filters[last]), literal(&self.texts[last + 1]))
    }
}

/// Returns what a filter accepts (`Filter::accepts`), as a regular expression.
fn value(filter: Filter) -> &'static str {
    match filter {
        Filter::Uuid => "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
        Filter::Int => "[+-]?[0-9]+",
        Filter::Float => r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)",
        Filter::Text | Filter::Path => TEXT,
    }
}

/// Returns methods as words of HAProxy. A method is a token, so it has no quote but `'`, and no backslash.
fn words(methods: &[&str]) -> String {
    let is_word = |method: &&str| method.chars().all(|letter| letter.is_ascii_alphanumeric());
    if methods.iter().all(is_word) {
        return methods.join(" ");
    }
    let quoted: String = methods.iter().map(|method| format!(" \"{}\"", method.replace('$', r"\$"))).collect();
    format!("--{quoted}")
}

/// Returns whether a character can stand in a quoted word and in YAML as it is.
fn is_plain(letter: char) -> bool {
    letter.is_alphanumeric() || letter.is_ascii_graphic() || letter == ' '
}

/// Returns a regular expression for a text, which can stand between single quotes.
fn literal(text: &str) -> String {
    let mut regex = String::new();
    for letter in text.chars() {
        match letter {
            '-' | '_' | '~' | '%' | '@' | ',' | ':' | ';' | '=' | '&' | '!' | '"' | '<' | '>' | '/' => {
                regex.push(letter)
            }
            letter if letter.is_alphanumeric() => regex.push(letter),
            letter if letter.is_ascii_punctuation() && letter != '\'' => regex.extend(['\\', letter]),
            letter => regex.extend(letter.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!(r"\x{byte:02X}"))),
        }
    }
    regex
}

/// Returns a text for a comment.
pub(super) fn escaped(text: &str) -> String {
    let shown = |letter: char| match is_plain(letter) {
        true => letter.to_string(),
        false => letter.escape_unicode().to_string(),
    };
    text.chars().map(shown).collect()
}
