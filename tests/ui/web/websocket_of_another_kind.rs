use pixie_web::{Json, Response, WebSocket, get};

#[get("/sync", sync)]
fn inline(ws: WebSocket) -> Response {
    ws.run(async |_| Ok(()))
}

#[get("/pool")]
fn in_a_worker(ws: WebSocket) -> Response {
    ws.run(async |_| Ok(()))
}

#[get("/body")]
async fn with_a_body(ws: WebSocket, json: Json<u32>) -> Response {
    let Json(number) = json;
    ws.run(async move |socket| Ok(socket.send(number.to_string()).await?))
}

fn main() {}
