use pixie_template::template;

#[template("syntax.html")]
struct Page {
    title: String,
}

fn main() {}
