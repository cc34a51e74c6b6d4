//! The filters, as values in and text out.

use std::{
    fmt::Display,
    time::{Duration, SystemTime},
};

use pixie_template::{filters::Moment, template};

fn date(moment: impl Moment) -> String {
    #[template(source = "{{ moment|date }} {{ moment|date(\"%d.%m.%y %H:%M\") }}")]
    struct Date<M: Moment> {
        moment: M,
    }
    Date { moment }.to_string()
}

#[test]
fn a_date_is_shown_in_utc_whatever_type_it_has() {
    let expected = "2001-09-09 09.09.01 01:46";
    assert_eq!(date(1_000_000_000_i64), expected);
    assert_eq!(date(1_000_000_000_u64), expected);
    assert_eq!(date(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)), expected);
    assert_eq!(date(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), "1969-12-31 31.12.69 23:59");
}

#[test]
fn a_date_beyond_the_calendar_is_an_error_and_no_panic() {
    #[template(source = "{{ seconds|date }}", ext = "txt")]
    struct Far {
        seconds: i64,
    }
    assert!(pixie_template::render(&Far { seconds: i64::MAX }).is_err());
}

fn markdown(text: impl Display) -> String {
    #[template(source = "{{ text|markdown }}")]
    struct Text<T: Display> {
        text: T,
    }
    Text { text }.to_string()
}

#[test]
fn markdown_is_rendered_and_html_in_it_escaped() {
    let cases = [
        ("a *b* `c`", "<p>a <em>b</em> <code>c</code></p>\n"),
        ("~~x~~", "<p><del>x</del></p>\n"),
        ("a <b onclick=x>b</b>", "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>\n"),
        ("<script>\nalert(1)\n</script>", "<p>&lt;script&gt;\nalert(1)\n&lt;/script&gt;</p>\n"),
        ("`</code><script>`", "<p><code>&lt;/code&gt;&lt;script&gt;</code></p>\n"),
    ];
    for (text, html) in cases {
        assert_eq!(markdown(text), html, "{text}");
    }
}

#[test]
fn a_markdown_link_leads_to_a_harmless_address_or_nowhere() {
    let cases = [
        ("https://a.example/b?c=d:e", "https://a.example/b?c=d:e"),
        ("/local?at=12:30", "/local?at=12:30"),
        ("mailto:a@b.example", "mailto:a@b.example"),
        ("javascript:alert(1)", "#"),
        ("JaVaScRiPt:alert(1)", "#"),
        ("java&#10;script:alert(1)", "#"),
        ("&#1;javascript:alert(1)", "#"),
        ("java%0ascript:alert(1)", "#"),
        ("data:text/html,x", "#"),
        ("vbscript:x", "#"),
    ];
    for (address, expected) in cases {
        let html = markdown(format!("[x]({address})"));
        assert!(html.contains(&format!("href=\"{expected}\"")), "{address}: {html}");
        let html = markdown(format!("![x]({address})"));
        assert!(html.contains(&format!("src=\"{expected}\"")), "{address}: {html}");
    }
}

#[test]
fn json_ends_neither_a_script_nor_a_line() {
    #[template(source = "<script>x = {{ value|json_script }}</script>")]
    struct Script<'a> {
        value: (&'a str, Option<u8>),
    }
    let script = Script { value: ("</script>&'\"\u{2028}\u{2029}<!--", None) }.to_string();
    assert_eq!(script, r#"<script>x = ["\u003c/script\u003e\u0026\u0027\"\u2028\u2029\u003c!--",null]</script>"#);
}

mod own {
    //! A module that uses its own filters and those of pixie-template.

    use pixie_template::template;

    #[expect(unreachable_pub, reason = "filter_fn makes public methods")]
    mod filters {
        use pixie_template::askama;

        #[askama::filter_fn]
        pub fn date(text: &str, _: &dyn askama::Values) -> askama::Result<String> {
            let text = text.to_owned();
            Ok(text + " day")
        }

        #[askama::filter_fn]
        pub fn shout(text: &str, _: &dyn askama::Values, mark: &str) -> askama::Result<String> {
            let text = text.to_uppercase();
            Ok(text + mark)
        }
    }

    #[template(source = "{{ word|shout(\"!\") }} {{ 0i64|date }} {{ word|self::filters::date }} {{ 2|pluralize }}")]
    pub(super) struct Mixed<'a> {
        pub(super) word: &'a str,
    }
}

#[test]
fn own_filters_and_those_of_pixie_mix_without_an_import() {
    assert_eq!(own::Mixed { word: "<a>" }.to_string(), "&#60;A&#62;! 1970-01-01 &#60;a&#62; day s");
}
