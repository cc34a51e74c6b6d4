//! pixie-template without the rest of pixie: a struct, its template, and the text.
//!
//! Run it with `cargo run -p pixie-template --example alone`.

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
    use super::Greeting;

    #[test]
    fn a_name_is_greeted_and_escaped() {
        assert_eq!(Greeting { name: "<b>" }.to_string(), "<p>Hello, &#60;b&#62;!</p>");
    }
}
