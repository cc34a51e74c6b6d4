//! Parses the text of a page into a tree.
//!
//! html5gum splits the text by the rules of the HTML standard and decodes entities, so the tree has the same
//! elements as in a browser. We use its callback and not its tokens, because only the callback keeps the
//! order of attributes.

use html5gum::{
    Span, Tokenizer,
    emitters::callback::{CallbackEmitter, CallbackEvent},
};

use super::tree::{Element, Node};

/// Parses a page. Broken markup is not an error: it gives the closest tree.
pub(super) fn parse(html: &str) -> Vec<Node> {
    let mut builder = Builder::default();
    let mut emitter =
        CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| -> Option<std::convert::Infallible> {
            builder.event(event);
            None
        });
    // Without this, a `<` inside a script element would start a tag.
    emitter.naively_switch_states(true);
    // Reading from memory cannot fail.
    let Ok(()) = Tokenizer::new_with_emitter(html, emitter).finish();
    builder.finish()
}

/// The complete nodes, and the open elements with the outermost first.
#[derive(Default)]
struct Builder {
    done: Vec<Node>,
    open: Vec<Element>,
    starting: Element,
}

impl Builder {
    fn event(&mut self, event: CallbackEvent<'_>) {
        match event {
            CallbackEvent::OpenStartTag { name } => self.starting = Element { name: text(name), ..Element::default() },
            CallbackEvent::AttributeName { name } => self.starting.attributes.push((text(name), String::new())),
            CallbackEvent::AttributeValue { value } => {
                if let Some((_, known)) = self.starting.attributes.last_mut() {
                    *known = text(value);
                }
            }
            CallbackEvent::CloseStartTag { self_closing } => self.start(self_closing),
            CallbackEvent::EndTag { name } => self.end(&text(name)),
            CallbackEvent::String { value } => self.add(Node::Text(text(value))),
            CallbackEvent::Comment { value } => self.add(Node::Comment(text(value))),
            CallbackEvent::Doctype { name, .. } => self.add(Node::Doctype(text(name))),
            CallbackEvent::Error(_) => {}
        }
    }

    fn start(&mut self, self_closing: bool) {
        let element = std::mem::take(&mut self.starting);
        while self.open.last().is_some_and(|last| last.ends_before(&element.name)) {
            self.close();
        }
        // `<path/>` closes itself in SVG; `<div/>` in HTML stays open.
        let is_foreign = self.open.iter().any(|outer| matches!(outer.name.as_str(), "svg" | "math"));
        if element.is_void() || (self_closing && is_foreign) {
            self.add(Node::Element(element));
        } else {
            self.open.push(element);
        }
    }

    fn end(&mut self, name: &str) {
        let Some(depth) = self.open.iter().rposition(|element| element.name == name) else {
            return self.add(Node::StrayEnd(name.to_owned()));
        };
        while self.open.len() > depth {
            self.close();
        }
    }

    fn close(&mut self) {
        if let Some(element) = self.open.pop() {
            self.add(Node::Element(element));
        }
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            Some(outer) => outer.children.push(node),
            None => self.done.push(node),
        }
    }

    fn finish(mut self) -> Vec<Node> {
        while !self.open.is_empty() {
            self.close();
        }
        self.done
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
