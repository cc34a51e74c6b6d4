use pixie_template::template;

#[template("child.html")]
struct Page;

fn main() {}
