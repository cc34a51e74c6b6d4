use pixie_web::get;

struct Site;

impl Site {
    #[get("/", sync)]
    fn index() -> String {
        String::new()
    }
}

fn main() {}
