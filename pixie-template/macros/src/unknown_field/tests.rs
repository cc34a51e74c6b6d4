//! The search for a variable's place, as values.

use super::place_of;

#[test]
fn a_variable_is_found_where_it_is_read_and_nowhere_else() {
    let cases = [
        ("{{ title }}", Some((1, 4))),
        ("<h1>title</h1>\n<p>{{ title }}", Some((2, 7))),
        ("{# {{ title }} #}\n\n{%- if title -%}", Some((3, 8))),
        ("{{ subtitle }}{{ titles }}{{ title_2 }}", None),
        ("{{ post.title }} {{ name|title }} {{ \"title\" }}", None),
        ("{{ self.title }}", Some((1, 9))),
        ("é {{ x.y(title) }}", Some((1, 10))),
        ("{{ title", Some((1, 4))),
        ("no tag title", None),
    ];
    for (template, place) in cases {
        assert_eq!(place_of("title", template), place, "{template}");
    }
}
