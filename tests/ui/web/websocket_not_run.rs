use pixie_web::{Response, WebSocket, get};

#[get("/returned")]
async fn returned(ws: WebSocket) -> WebSocket {
    ws
}

#[get("/borrowed/<name>")]
async fn borrowed(name: String, ws: WebSocket) -> Response {
    let name = name.as_str();
    ws.run(async move |socket| Ok(socket.send(name).await?))
}

fn main() {}
