//! Responses of every form, from a listener with prepared data.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use super::{Answer, Client};

/// Makes a server send `answers` on one connection, and sends requests until the server has closed it.
fn ask(answers: &'static str, times: usize) -> Vec<Result<Answer, ErrorKind>> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Client::new(listener.local_addr().unwrap(), Duration::from_secs(20));
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        assert!(stream.read(&mut request).unwrap() > 0);
        stream.write_all(answers.as_bytes()).unwrap();
        // All responses are read before the end of the connection, although not all were requested yet.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    });
    client.send("/").unwrap();
    let answers = (0..times).map(|_| client.receive().map_err(|error| error.kind())).collect();
    client.close();
    server.join().unwrap();
    answers
}

fn answer(status: u16, body: &str) -> Result<Answer, ErrorKind> {
    Ok(Answer { status, body: body.into() })
}

#[test]
fn a_length_chunks_and_the_end_of_the_connection_end_an_answer() {
    let several = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 502 Bad\r\ntransfer-encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
    assert_eq!(ask(several, 2), [answer(200, "hi"), answer(502, "abcd")]);
    assert_eq!(ask("HTTP/1.0 200 OK\r\n\r\nall of it", 1), [answer(200, "all of it")]);
}

#[test]
fn an_answer_that_breaks_off_is_an_error() {
    let check = |answer| assert_eq!(ask(answer, 1), [Err(ErrorKind::UnexpectedEof)], "{answer}");
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi");
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc");
    check("HTTP/1.1 200");
}
