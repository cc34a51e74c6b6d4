use pixie_template::template;

#[template(source = "<p>\n  {{ titel }}</p>")]
struct Page {
    title: String,
    text: String,
}

fn main() {}
