use pixie_template::template;

#[template("field.html")]
struct Page<'a> {
    title: &'a str,
}

fn main() {}
