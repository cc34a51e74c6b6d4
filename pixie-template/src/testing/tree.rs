//! The tree of a page, and the properties that HTML gives to element names.
//!
//! Contains only the rules that a readable layout needs, not the full rules of the HTML standard for broken
//! markup.

/// A piece of a page.
#[derive(Debug)]
pub(super) enum Node {
    Doctype(String),
    Comment(String),
    Text(String),
    Element(Element),
    /// An end tag without a start tag. Shown, because it is most likely a mistake.
    StrayEnd(String),
}

/// An element with its content.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    /// In the order of the page. In HTML, a missing value equals an empty one.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Node>,
}

impl Node {
    /// Returns whether the node and all nodes in it are part of a line of text.
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

    /// Returns whether white space inside the element is significant.
    pub(super) fn is_verbatim(&self) -> bool {
        matches!(self.name.as_str(), "pre" | "textarea" | "script" | "style")
    }

    /// Returns whether the text inside is raw: `<` and `&` have no special meaning there.
    pub(super) fn is_raw(&self) -> bool {
        matches!(self.name.as_str(), "script" | "style")
    }

    /// Returns whether the element is void: it has no content and no end tag.
    pub(super) fn is_void(&self) -> bool {
        const VOID: [&str; 13] =
            ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];
        VOID.contains(&self.name.as_str())
    }

    /// Returns whether the start tag `next` ends this element, as `<li>` ends an open `<li>`.
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
