use pixie_web::{Writer, get};

#[get("/nothing", stream)]
fn nothing() {}

#[get("/both", stream)]
fn both(_out: &mut Writer) -> String {
    String::new()
}

fn main() {}
