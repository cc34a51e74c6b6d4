use pixie_web::get;

#[get("/")]
async fn handler() -> String {
    let text = std::rc::Rc::new(String::new());
    std::future::ready(()).await;
    text.to_string()
}

fn main() {}
