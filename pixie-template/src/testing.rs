//! Snapshot tests of pages: `assert_html!` and the normaliser behind it.
//!
//! The macro belongs to insta in all but the text that it compares. That text is the page as a parser reads it, laid out for a
//! diff: one element per line, attributes in their order, entities spelled in one way, white space only where it shows.

mod parse;
mod print;
mod tree;

use std::fmt::Display;

/// Compares a page with its snapshot, in one line: `assert_html!(Post { title: "Hello" })`.
///
/// Takes a template or any text that is HTML, a response's body for instance. The snapshot stands in `snapshots/` next to the
/// test and is named after it; `assert_html!("name", page)` names it, `assert_html!(page, @"…")` keeps it inside the test.
/// New and changed snapshots are reviewed with `cargo insta review`.
#[macro_export]
macro_rules! assert_html {
    ($page:expr, @$snapshot:literal $(,)?) => {
        $crate::insta::assert_snapshot!($crate::testing::normalized(&$page), ::core::stringify!($page), @$snapshot)
    };
    ($name:expr, $page:expr $(,)?) => {
        $crate::insta::assert_snapshot!($name, $crate::testing::normalized(&$page), ::core::stringify!($page))
    };
    ($page:expr $(,)?) => {
        $crate::insta::assert_snapshot!(
            ::core::option::Option::None::<&str>,
            $crate::testing::normalized(&$page),
            ::core::stringify!($page)
        )
    };
}

/// Returns HTML laid out for reading and comparing.
///
/// Two pages that a browser shows alike give the same text, if they differ in white space, in the spelling of entities, quotes
/// and letter case of tags, or in end tags that HTML lets one leave out. Text in `pre`, `textarea`, `script` and `style` stays as it is.
pub fn normalized(page: &(impl Display + ?Sized)) -> String {
    print::print(&parse::parse(&page.to_string()))
}
