struct Page;

fn main() {
    let _ = pixie_template::render(&Page);
}
