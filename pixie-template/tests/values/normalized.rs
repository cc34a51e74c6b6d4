//! The normal form that `assert_html!` compares, as values.

use pixie_template::testing::normalized;

fn check(page: &str, expected: &str) {
    let once = normalized(page);
    assert_eq!(once.trim_end(), expected, "{page}");
    assert_eq!(normalized(&once), once, "a normalized page is its own normal form: {page}");
}

#[test]
fn elements_stand_on_their_own_lines_indented() {
    check("<ul><li>a<li>b</ul>", "<ul>\n  <li>a</li>\n  <li>b</li>\n</ul>");
    check("<div><p>a</p></div>", "<div>\n  <p>a</p>\n</div>");
    check("<div></div>", "<div></div>");
    check("<!DOCTYPE html><P>a", "<!doctype html>\n<p>a</p>");
}

#[test]
fn text_flows_and_blanks_collapse() {
    check("<p>\n  a\n\t <b>b</b>,  c </p>", "<p>a <b>b</b>, c</p>");
    check("<p>a<b> b</b>", "<p>a<b> b</b></p>");
    check("<div>a <p>b</p> c</div>", "<div>\n  a\n  <p>b</p>\n  c\n</div>");
    check("<a href=/><p>block</p></a>", "<a href=\"/\">\n  <p>block</p>\n</a>");
}

#[test]
fn long_text_is_broken_at_blanks() {
    let words = ["word"; 30].join(" ");
    let line = ["word"; 19].join(" ");
    let rest = ["word"; 11].join(" ");
    check(&format!("<p>{words}</p>"), &format!("<p>\n  {line}\n  {rest}\n</p>"));
}

#[test]
fn white_space_stays_where_it_shows() {
    check("<pre>a\n  b  <b>c</b>\n</pre>", "<pre>a\n  b  <b>c</b>\n</pre>");
    check("<div><textarea> a\n b</textarea></div>", "<div>\n  <textarea> a\n b</textarea>\n</div>");
    check("<script>if (a < b && c)\n  d()</script>", "<script>if (a < b && c)\n  d()</script>");
}

#[test]
fn attributes_keep_their_order_and_get_one_spelling() {
    check("<input  b='1' a=2 CHECKED c=\"\" />", "<input b=\"1\" a=\"2\" checked c>");
    check("<p title='a \"b\" &amp; &#60;'>", "<p title=\"a &quot;b&quot; &amp; <\"></p>");
}

#[test]
fn entities_have_one_spelling_and_markup_stays_text() {
    check("<p>&#60;b&#62; &lt;b&gt; &quot;&#39;&amp;", "<p>&lt;b&gt; &lt;b&gt; \"'&amp;</p>");
    check("<title></title><p>&lt;/p>", "<title></title>\n<p>&lt;/p&gt;</p>");
}

#[test]
fn comments_and_stray_end_tags_are_shown() {
    check("<div><!-- a   b --></div></p>", "<div><!-- a b --></div>\n</p>");
}

#[test]
fn svg_elements_close_themselves() {
    check("<svg><path d=a /><g/></svg><br/>", "<svg>\n  <path d=\"a\"></path>\n  <g></g>\n</svg>\n<br>");
}

#[test]
fn broken_markup_is_laid_out_and_never_panics() {
    for page in ["<", "</", "<a", "<a b=\"", "<!--", "<p></b></p>", "<table><p>", "<script>", "&#x110000;", "\0"] {
        normalized(page);
    }
}
