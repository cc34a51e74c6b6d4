//! Parts of files, in memory and on disk.
use pixie_web::TestResponse;
use serde_json::Value;

use super::support::{Files, WAYS};

/// Reads the parts of a `multipart/byteranges` body: their `Content-Range` and their bytes.
fn parts(answer: &TestResponse) -> Vec<(String, Vec<u8>)> {
    let media = answer.header("content-type").expect("a type");
    let boundary = media.strip_prefix("multipart/byteranges; boundary=").expect("several parts");
    let mut rest = answer.bytes().as_ref();
    let mut parts = Vec::new();
    loop {
        rest = rest.strip_prefix(format!("\r\n--{boundary}").as_bytes()).expect("a boundary");
        if rest == b"--\r\n" {
            return parts;
        }
        let end_of_head = rest.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&rest[..end_of_head]).expect("text");
        let line = head.lines().find_map(|line| line.strip_prefix("content-range: ")).expect("a range").to_owned();
        let (bounds, _) = line.strip_prefix("bytes ").and_then(|line| line.split_once('/')).expect("bytes");
        let (first, last) = bounds.split_once('-').expect("two numbers");
        let number = |text: &str| text.parse::<usize>().expect("a number");
        let length = number(last) + 1 - number(first);
        rest = &rest[end_of_head + 4..];
        parts.push((line, rest[..length].to_vec()));
        rest = &rest[length..];
    }
}

#[test]
fn a_file_is_served_in_parts_as_go_serves_it() {
    let bytes = b"0123456789\n";
    let files = Files::new(&[("file", bytes)]);
    let client = files.client();
    let rows: Vec<Value> =
        serde_json::from_str(include_str!("../../data/static/go_serve_file_range.json")).expect("a table");
    for (way, row) in WAYS.iter().flat_map(|way| rows.iter().map(move |row| (way, row))) {
        let range = row["range"].as_str().expect("a range");
        let answer = client.get(&format!("{way}file")).header("range", range).send();
        assert_eq!(Some(u64::from(answer.status().as_u16())), row["status"].as_u64(), "{way} {row}");
        let ranges = row["start_end_exclusive"].as_array().map(Vec::as_slice).unwrap_or_default();
        let number = |range: &Value, at: usize| range[at].as_u64().expect("a number") as usize;
        let expected = ranges.iter().map(|range| {
            let (start, end) = (number(range, 0), number(range, 1));
            (format!("bytes {start}-{}/11", end - 1), bytes[start..end].to_vec())
        });
        match (row["status"].as_u64(), ranges.len()) {
            (Some(416), _) => assert_eq!(answer.header("content-range"), Some("bytes */11"), "{range}"),
            (Some(206), 1) => {
                let found = (answer.header("content-range").expect("a range").to_owned(), answer.bytes().to_vec());
                assert_eq!(vec![found], expected.collect::<Vec<_>>(), "{range}");
            }
            (Some(206), _) => {
                assert_eq!(answer.header("content-range"), None);
                assert_eq!(parts(&answer), expected.collect::<Vec<_>>(), "{range}");
            }
            _ => assert_eq!(answer.bytes().as_ref(), bytes, "{range}"),
        }
    }
}

#[test]
fn parts_of_a_long_file_are_read_from_disk() {
    let bytes: Vec<u8> = (0..300_000u32).map(|at| (at % 251) as u8).collect();
    let files = Files::new(&[("long", &bytes)]);
    let client = files.client();
    for way in WAYS {
        let get = |range: &str| client.get(&format!("{way}long")).header("range", range).send().assert_status(206);
        let one = get("bytes=65530-200000");
        assert!(one.bytes() == &bytes[65530..200_001], "{way}");
        let several = get("bytes=250000-,0-99999,150000-150000");
        assert_eq!(
            parts(&several),
            [
                ("bytes 250000-299999/300000".to_owned(), bytes[250_000..].to_vec()),
                ("bytes 0-99999/300000".to_owned(), bytes[..100_000].to_vec()),
                ("bytes 150000-150000/300000".to_owned(), bytes[150_000..=150_000].to_vec()),
            ]
        );
        assert!(!several.is_cut());
    }
}

#[test]
fn the_boundary_is_another_each_time() {
    let files = Files::new(&[("file", b"0123456789")]);
    let client = files.client();
    let boundary =
        || client.get("/static/file").header("range", "bytes=0-0,2-2").send().header("content-type").map(str::to_owned);
    assert_ne!(boundary(), boundary());
}
