use pixie_template::template;

#[template("include.html")]
struct Page;

fn main() {}
