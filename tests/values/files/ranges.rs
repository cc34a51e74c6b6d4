//! Parts of files, in memory and on disk.
use serde_json::Value;

use super::support::{Files, WAYS};

#[test]
fn one_part_is_served_as_go_serves_it_and_several_get_the_whole() {
    let bytes = b"0123456789\n";
    let files = Files::new(&[("file", bytes)]);
    let client = files.client();
    let rows: Vec<Value> =
        serde_json::from_str(include_str!("../../data/static/go_serve_file_range.json")).expect("a table");
    for (way, row) in WAYS.iter().flat_map(|way| rows.iter().map(move |row| (way, row))) {
        let range = row["range"].as_str().expect("a range");
        let answer = client.get(&format!("{way}file")).header("range", range).send();
        let parts = row["start_end_exclusive"].as_array().map(Vec::as_slice).unwrap_or_default();
        let has_several = parts.len() > 1;
        let expected = if has_several { Some(200) } else { row["status"].as_u64() };
        assert_eq!(Some(u64::from(answer.status().as_u16())), expected, "{way} {row}");
        match (expected, parts) {
            (Some(416), _) => assert_eq!(answer.header("content-range"), Some("bytes */11"), "{range}"),
            (Some(206), [part]) => {
                let number = |at: usize| part[at].as_u64().expect("a number") as usize;
                let (start, end) = (number(0), number(1));
                let place = format!("bytes {start}-{}/11", end - 1);
                assert_eq!(answer.header("content-range"), Some(place.as_str()), "{range}");
                assert_eq!(answer.bytes().as_ref(), &bytes[start..end], "{range}");
            }
            _ => {
                assert_eq!(answer.header("content-range"), None, "{range}");
                assert_eq!(answer.bytes().as_ref(), bytes, "{range}");
            }
        }
    }
}

#[test]
fn a_part_of_a_long_file_is_read_from_disk() {
    let bytes: Vec<u8> = (0..300_000u32).map(|at| (at % 251) as u8).collect();
    let files = Files::new(&[("long", &bytes)]);
    let client = files.client();
    for way in WAYS {
        let get = |range: &str| client.get(&format!("{way}long")).header("range", range).send();
        let one = get("bytes=65530-200000").assert_status(206);
        assert!(one.bytes() == &bytes[65530..200_001], "{way}");
        let end = get("bytes=250000-").assert_status(206).assert_header("content-range", "bytes 250000-299999/300000");
        assert!(end.bytes() == &bytes[250_000..], "{way}");
        let several = get("bytes=250000-,0-99999,150000-150000").assert_status(200);
        assert!(several.bytes() == &bytes, "{way}");
        assert!(!several.is_cut());
    }
}
