use pixie_web::{FromRequest, Request, Result, get};

struct Token;

impl FromRequest for Token {
    async fn from_request(_: &mut Request) -> Result<Token> {
        Ok(Token)
    }
}

#[get("/")]
fn handler(_token: Token) {}

fn main() {}
