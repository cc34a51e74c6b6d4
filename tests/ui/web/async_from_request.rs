use pixie_web::{FromRequest, Needs, Request, Result, get};

struct Token;

impl FromRequest for Token {
    fn needs(_: &mut Needs) {}

    async fn from_request(_: &mut Request) -> Result<Token> {
        Ok(Token)
    }
}

#[get("/")]
fn handler(_token: Token) {}

fn main() {}
