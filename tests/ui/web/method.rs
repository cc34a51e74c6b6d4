use pixie_web::get;

struct Site;

impl Site {
    #[get("/", sync)]
    fn index(&self) -> String {
        String::new()
    }
}

fn main() {}
