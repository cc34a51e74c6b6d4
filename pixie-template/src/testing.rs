//! Snapshot tests of pages: `assert_html!` and the function that normalizes pages for it.
//!
//! The macro calls insta with a normalized text: the page as a parser reads it, laid out for a diff. Each
//! element has its own line, attributes keep their order, entities have one spelling, and white space that a
//! browser does not show is removed.

mod parse;
mod print;
mod tree;

use std::fmt::Display;

/// Compares a page with its snapshot, in one line: `assert_html!(Post { title: "Hello" })`.
///
/// Takes a template or any HTML text, for example a response's body. The snapshot is a file in `snapshots/`
/// next to the test, with the test's name. `assert_html!("name", page)` sets another name;
/// `assert_html!(page, @"…")` keeps the snapshot inside the test. Review new and changed snapshots with
/// `cargo insta review`.
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

/// Returns the page's HTML in a normal form for reading and comparing.
///
/// The result does not depend on white space that a browser ignores, on the spelling of entities, on quotes,
/// on the letter case of tags, or on whether optional end tags are written. Text in `pre`, `textarea`,
/// `script` and `style` is unchanged.
///
/// ```
/// use pixie_template::testing::normalized;
///
/// assert_eq!(normalized("<UL><li>a<li class='b'>\n  b"), normalized("<ul><li>a</li><li class=b>b</li>"));
/// ```
pub fn normalized(page: &(impl Display + ?Sized)) -> String {
    print::print(&parse::parse(&page.to_string()))
}
