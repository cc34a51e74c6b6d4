//! Echo servers on 9101 (pixie), 9102 (tokio-websockets) and 9103 (tokio-tungstenite), for `./run`.
use std::{future::Future, thread};

use futures_util::{SinkExt, StreamExt};
use pixie_web::{App, Response, Result, WebSocket, get};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_tungstenite::{accept_async_with_config, tungstenite::protocol::WebSocketConfig};
use tokio_websockets::{Limits, ServerBuilder};

#[get("/")]
async fn echo(ws: WebSocket) -> Response {
    ws.message_limit("64MiB").run(async |mut socket| {
        while let Some(message) = socket.next().await {
            socket.send(message).await?;
        }
        Ok(())
    })
}

async fn tokio_websockets(stream: TcpStream) {
    let builder = ServerBuilder::new().limits(Limits::unlimited());
    let Ok((_, mut socket)) = builder.accept(stream).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn tungstenite(stream: TcpStream) {
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let Ok(mut socket) = accept_async_with_config(stream, Some(config)).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// Serves a library on a port.
async fn serve<F: Future<Output = ()> + Send + 'static>(port: u16, echo: fn(TcpStream) -> F) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        tokio::spawn(echo(listener.accept().await?.0));
    }
}

fn main() -> Result<()> {
    thread::spawn(|| {
        let runtime = Runtime::new()?;
        runtime.spawn(serve(9102, tokio_websockets));
        runtime.block_on(serve(9103, tungstenite))
    });
    App::collect().host("127.0.0.1").port(9101).workers(0).run()
}
