use pixie_web::{Response, get};

struct ApiError;

#[get("/own", sync)]
fn own() -> Result<String, ApiError> {
    Err(ApiError)
}

#[get("/text", sync)]
fn text() -> Result<String, String> {
    Ok(String::new())
}

#[get("/boxed", thread)]
fn boxed() -> Result<String, Box<dyn std::error::Error>> {
    Ok(String::new())
}

#[get("/response")]
async fn response() -> Result<String, Response> {
    Ok(String::new())
}

#[get("/stream", stream)]
fn stream() -> Result<std::vec::IntoIter<String>, ApiError> {
    Err(ApiError)
}

#[get("/question-mark", sync)]
fn question_mark() -> pixie_web::Result<String> {
    own().map(drop)?;
    Ok(String::new())
}

fn main() {}
