use pixie_template::template;

#[template("method.html")]
struct Page {
    title: String,
}

fn main() {}
