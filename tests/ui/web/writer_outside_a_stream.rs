use pixie_web::{Writer, get};

#[get("/none")]
fn no_kind(_out: &mut Writer) {}

#[get("/pool", pool)]
fn another_kind(_out: &mut Writer) {}

#[get("/async")]
async fn on_the_runtime(_out: &mut Writer<'_>) {}

#[get("/owned", stream)]
fn owned(_out: Writer<'_>) {}

#[get("/two", stream)]
fn two(_out: &mut Writer, _err: &mut Writer) {}

fn main() {}
