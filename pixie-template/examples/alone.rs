//! pixie-template without the rest of pixie: a struct, its template, and the text.
//!
//! `cargo run --release -p pixie-template --example alone`.

use pixie_template::{View, render, template};

#[template("greeting.html")]
struct Greeting<'a> {
    name: &'a str,
}

fn main() -> Result<(), pixie_template::Error> {
    let page = Greeting { name: "<b>you</b>" };
    println!("content-type: {}\n\n{}", Greeting::CONTENT_TYPE, render(&page)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use pixie_template::assert_html;

    use super::Greeting;

    #[test]
    fn a_name_is_greeted_and_escaped() {
        assert_html!(Greeting { name: "<b>you</b>" }, @"<p>Hello, &lt;b&gt;you&lt;/b&gt;!</p>");
    }
}
