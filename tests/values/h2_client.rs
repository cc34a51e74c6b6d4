//! A small HTTP/2 client, made of the crate h2.
use std::time::Duration;

use http::Request;

/// Sends a GET and returns the body, or how the stream has ended. `begun` is called after the head.
pub(crate) fn get(port: u16, path: &str, headers: &[(&str, &str)], begun: impl FnOnce()) -> Result<Vec<u8>, h2::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the system has threads");
    let mut request = Request::get(format!("http://localhost:{port}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).expect("it is valid");
    let exchange = async {
        let socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("the server accepts");
        let (client, connection) = h2::client::handshake(socket).await?;
        tokio::spawn(connection);
        let (response, _) = client.ready().await?.send_request(request, true)?;
        let mut stream = response.await?.into_body();
        begun();
        let mut body = Vec::new();
        while let Some(data) = stream.data().await {
            let data = data?;
            stream.flow_control().release_capacity(data.len())?;
            body.extend_from_slice(&data);
        }
        Ok(body)
    };
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), exchange).await.expect("it ends in time") })
}
