//! The tree of a page, and what HTML says about element names.
//!
//! Only what a readable layout needs: not the full rules of the HTML standard for broken markup.

/// A piece of a page.
#[derive(Debug)]
pub(super) enum Node {
    Doctype(String),
    Comment(String),
    Text(String),
    Element(Element),
    /// An end tag without a start tag: shown, as it is most likely a mistake.
    StrayEnd(String),
}

/// An element with everything in it.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    /// In the order of the page. An empty value and none are the same in HTML.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Node>,
}

impl Node {
    /// Says whether this flows inside a line of text together with all that it holds.
    pub(super) fn is_inline(&self) -> bool {
        match self {
            Node::Text(_) | Node::Comment(_) => true,
            Node::Doctype(_) | Node::StrayEnd(_) => false,
            Node::Element(element) => element.is_inline(),
        }
    }
}

impl Element {
    fn is_inline(&self) -> bool {
        const INLINE: [&str; 34] = [
            "a", "abbr", "b", "bdi", "bdo", "br", "button", "cite", "code", "data", "del", "dfn", "em", "i", "img",
            "input", "ins", "kbd", "label", "mark", "output", "q", "ruby", "s", "samp", "small", "span", "strong",
            "sub", "sup", "time", "u", "var", "wbr",
        ];
        INLINE.contains(&self.name.as_str()) && self.children.iter().all(Node::is_inline)
    }

    /// Says whether white space inside counts.
    pub(super) fn is_verbatim(&self) -> bool {
        matches!(self.name.as_str(), "pre" | "textarea" | "script" | "style")
    }

    /// Says whether the text inside is no HTML, so that `<` and `&` stand for themselves.
    pub(super) fn is_raw(&self) -> bool {
        matches!(self.name.as_str(), "script" | "style")
    }

    /// Says whether the element has no content and no end tag.
    pub(super) fn is_void(&self) -> bool {
        const VOID: [&str; 13] =
            ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];
        VOID.contains(&self.name.as_str())
    }

    /// Says whether the start tag of another element ends this one, as HTML has it for `<li>` after `<li>`.
    pub(super) fn ends_before(&self, next: &str) -> bool {
        match self.name.as_str() {
            "li" | "option" | "tr" => next == self.name,
            "dt" | "dd" => matches!(next, "dt" | "dd"),
            "td" | "th" => matches!(next, "td" | "th" | "tr"),
            "p" => matches!(
                next,
                "p" | "div" | "ul" | "ol" | "dl" | "table" | "pre" | "form" | "section" | "h1" | "h2" | "h3"
            ),
            _ => false,
        }
    }
}
