//! Prints the tree as text: one line for each element, and one for each run of text between two elements.
//!
//! An element that contains only text takes one line if it fits. Inside a line, each run of white space
//! becomes one space. White space at the ends of a line is removed, as browsers do at the edges of a block.

use std::iter::Peekable;

use super::tree::{Element, Node};

/// Longest line, in bytes; longer text is broken at a space.
const WIDTH: usize = 100;
/// A space between words, where a line may be broken. HTML cannot contain this character.
const GAP: char = '\0';

/// Returns the text of a page.
pub(super) fn print(nodes: &[Node]) -> String {
    let mut page = Page { text: String::new() };
    page.nodes(nodes, 0);
    page.text
}

struct Page {
    text: String,
}

impl Page {
    fn nodes(&mut self, nodes: &[Node], depth: usize) {
        let mut nodes = nodes.iter().peekable();
        while let Some(node) = nodes.peek() {
            if node.is_inline() {
                self.lines(&flow(&mut nodes), depth);
            } else if let Some(node) = nodes.next() {
                self.block(node, depth);
            }
        }
    }

    fn block(&mut self, node: &Node, depth: usize) {
        match node {
            Node::Element(element) => self.element(element, depth),
            Node::Doctype(name) => self.line(&format!("<!doctype {name}>"), depth),
            Node::StrayEnd(name) => self.line(&format!("</{name}>"), depth),
            Node::Text(_) | Node::Comment(_) => self.lines(&inline(node), depth),
        }
    }

    fn element(&mut self, element: &Element, depth: usize) {
        let (start, end) = (start_tag(element), end_tag(element));
        if element.is_verbatim() {
            return self.line(&format!("{start}{}{end}", verbatim(element)), depth);
        }
        if element.children.iter().all(Node::is_inline) {
            let text = flow(&mut element.children.iter().peekable());
            let text = text.trim_matches(GAP);
            if text.is_empty() || 2 * depth + start.len() + text.len() + end.len() <= WIDTH {
                return self.line(&format!("{start}{text}{end}"), depth);
            }
        }
        self.line(&start, depth);
        self.nodes(&element.children, depth + 1);
        self.line(&end, depth);
    }

    /// Writes text and breaks it into lines of at most `WIDTH` bytes.
    fn lines(&mut self, text: &str, depth: usize) {
        let mut line = String::new();
        for word in text.split(GAP).filter(|word| !word.is_empty()) {
            if !line.is_empty() && 2 * depth + line.len() + 1 + word.len() > WIDTH {
                self.line(&line, depth);
                line.clear();
            }
            if !line.is_empty() {
                line.push(GAP);
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            self.line(&line, depth);
        }
    }

    fn line(&mut self, text: &str, depth: usize) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(&text.replace(GAP, " "));
        self.text.push('\n');
    }
}

/// Takes the inline nodes before the next block and returns their text.
fn flow<'a>(nodes: &mut Peekable<impl Iterator<Item = &'a Node>>) -> String {
    let mut text = String::new();
    while let Some(node) = nodes.next_if(|node| node.is_inline()) {
        text.push_str(&inline(node));
    }
    text
}

fn inline(node: &Node) -> String {
    match node {
        Node::Text(text) => collapsed(&escaped_text(text)),
        Node::Comment(text) => format!("<!--{}-->", collapsed(text)),
        Node::Element(element) => {
            let children: String = element.children.iter().map(inline).collect();
            format!("{}{children}{}", start_tag(element), end_tag(element))
        }
        Node::Doctype(_) | Node::StrayEnd(_) => String::new(),
    }
}

/// Returns the text with a gap for each run of white space.
fn collapsed(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_whitespace() {
            collapsed.push(c);
        } else if !collapsed.ends_with(GAP) {
            collapsed.push(GAP);
        }
    }
    collapsed
}

fn verbatim(element: &Element) -> String {
    let text = |node: &Node| match node {
        Node::Text(text) if element.is_raw() => text.clone(),
        Node::Text(text) => escaped_text(text),
        Node::Comment(text) => format!("<!--{text}-->"),
        Node::Element(inner) => format!("{}{}{}", start_tag(inner), verbatim(inner), end_tag(inner)),
        Node::Doctype(_) | Node::StrayEnd(_) => String::new(),
    };
    element.children.iter().map(text).collect()
}

fn start_tag(element: &Element) -> String {
    let attribute = |(name, value): &(String, String)| match value.as_str() {
        "" => format!(" {name}"),
        value => format!(" {name}=\"{}\"", value.replace('&', "&amp;").replace('"', "&quot;")),
    };
    let attributes: String = element.attributes.iter().map(attribute).collect();
    format!("<{}{attributes}>", element.name)
}

fn end_tag(element: &Element) -> String {
    if element.is_void() { String::new() } else { format!("</{}>", element.name) }
}

fn escaped_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
