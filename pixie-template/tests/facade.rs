//! The attribute as `pixie-web` exports it: this file poses as that crate, and generated code finds its way
//! through it.

// The generated code says `::pixie_web::template::…`.
extern crate self as pixie_web;

pub use pixie_template as template;
pub use pixie_template::web::template;

mod user {
    use crate::template;

    #[template("greeting.html")]
    pub(super) struct Greeting {
        pub(super) name: String,
    }

    #[template(source = "{{ 0i64|date }}", crate = crate::template)]
    pub(super) struct Elsewhere;
}

#[test]
fn generated_code_names_the_crate_that_the_user_has() {
    let greeting = user::Greeting { name: "<you>".into() };
    template::assert_html!(greeting, @"<p>Hello, &lt;you&gt;!</p>");
    assert_eq!(user::Elsewhere.to_string(), "1970-01-01");
}
