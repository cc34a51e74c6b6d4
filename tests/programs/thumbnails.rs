//! Hostile pictures: broken, cut, huge or with wrong headers. Each is refused or ends its worker, and the
//! next one works.
use std::{
    io::{Read, Write},
    path::Path,
};

use crate::support::Program;

fn images() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images");
    let mut images: Vec<_> = std::fs::read_dir(folder)
        .expect("the pictures are there")
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "png"))
        .map(|entry| {
            (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).expect("it can be read"))
        })
        .collect();
    images.sort();
    images
}

/// Sends a picture and returns the status and the first bytes of the answer.
fn send(program: &Program, picture: &[u8]) -> (u16, Vec<u8>) {
    let mut body =
        b"--x\r\nContent-Disposition: form-data; name=\"width\"\r\n\r\n32\r\n--x\r\nContent-Disposition: form-data; \
name=\"picture\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n"
            .to_vec();
    body.extend_from_slice(picture);
    body.extend_from_slice(b"\r\n--x--\r\n");
    let mut stream = program.connect();
    let head = "POST /thumbnail HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=x";
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n", body.len()).expect("the head can be sent");
    stream.write_all(&body).expect("the body can be sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the answer can be read");
    let status = String::from_utf8_lossy(&answer[..12.min(answer.len())])[9..].parse().expect("a status");
    let start = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    (status, answer[start..].to_vec())
}

#[test]
fn sound_pictures_become_small_and_corrupt_ones_are_refused() {
    let thumbnails = Program::start("thumbnails");
    for (name, picture) in images() {
        let (status, body) = send(&thumbnails, &picture);
        // In PngSuite, files whose names begin with x are corrupt on purpose.
        match name.starts_with('x') {
            true => assert_eq!(status, 422, "{name}: {}", String::from_utf8_lossy(&body)),
            false => {
                assert_eq!(status, 200, "{name}: {}", String::from_utf8_lossy(&body));
                assert!(body.starts_with(b"\x89PNG\r\n"), "{name}");
            }
        }
    }
}

#[test]
fn cut_and_lying_pictures_harm_nobody() {
    let thumbnails = Program::start_with("thumbnails", &[("PIXIE_WORKERS", "1")]);
    let (_, sound) = images().into_iter().find(|(name, _)| name == "basn6a16.png").expect("it is there");
    for length in (0..sound.len()).step_by(sound.len() / 16) {
        assert_eq!(send(&thumbnails, &sound[..length]).0, 422, "cut to {length} bytes");
    }
    // The width is at byte 16: a picture of 2 147 483 647 columns, with a wrong checksum.
    let mut huge = sound.clone();
    huge[16..20].copy_from_slice(&0x7fff_ffffu32.to_be_bytes());
    assert_eq!(send(&thumbnails, &huge).0, 422);
    assert_eq!(send(&thumbnails, &sound).0, 200);
}
