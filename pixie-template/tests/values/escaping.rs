//! Input from an attacker stays text in every position of a template.

use pixie_template::{assert_html, template};

#[template("positions.html")]
struct Positions<'a> {
    evil: &'a str,
}

#[test]
fn a_script_tag_stays_text_in_every_position() {
    assert_html!(Positions { evil: "</script></textarea></title><script>alert(1)</script>" });
}

#[test]
fn quotes_end_no_attribute() {
    assert_html!(Positions { evil: "\" onload=\"alert(1)' onload='alert(2)" });
}

#[test]
fn comments_entities_and_line_separators_end_nothing() {
    assert_html!(Positions { evil: "--><!--&lt;b&gt;\u{2028}*/;alert(1)//\u{2029}]]>" });
}

#[test]
fn svg_and_xml_are_escaped_and_text_is_not() {
    #[template(source = "{{ evil }}", ext = "svg")]
    struct Drawing {
        evil: &'static str,
    }
    #[template(source = "{{ evil }}", ext = "xml")]
    struct Feed {
        evil: &'static str,
    }
    #[template(source = "{{ evil }}", ext = "txt")]
    struct Mail {
        evil: &'static str,
    }
    assert_eq!(Drawing { evil: "<a>" }.to_string(), "&#60;a&#62;");
    assert_eq!(Feed { evil: "<a>" }.to_string(), "&#60;a&#62;");
    assert_eq!(Mail { evil: "<a>" }.to_string(), "<a>");
}
