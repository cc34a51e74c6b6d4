//! File names in `Content-Disposition`, by the tables of jshttp/content-disposition.
use pixie_core::{Disposition, Response, header};
use serde_json::Value;

fn rows(json: &str) -> Vec<Value> {
    serde_json::from_str(json).expect("the table is JSON")
}

#[test]
fn headers_are_read_as_the_table_says() {
    for row in rows(include_str!("../data/disposition/jshttp_content_disposition_parse.json")) {
        let header = row["header"].as_str().expect("the table is complete");
        let read = Disposition::parse(header);
        assert_eq!(Some(read.kind()), row["parsed"]["type"].as_str(), "{header}");
        let expected = row["parsed"]["parameters"].as_object().expect("the table is complete");
        for (name, value) in expected {
            assert_eq!(read.parameter(name).as_deref(), value.as_str(), "{name} in {header}");
        }
        assert_eq!(read.filename().is_some(), expected.contains_key("filename"), "{header}");
    }
}

#[test]
fn a_written_name_is_read_back_as_the_table_reads_it() {
    for row in rows(include_str!("../data/disposition/jshttp_content_disposition_create.json")) {
        // A download without a name is `.header("content-disposition", "attachment")`.
        let Some(name) = row["args"][0].as_str() else { continue };
        let response = match row["args"][1]["type"].as_str() {
            Some("inline") => Response::new("").inline(name),
            _ => Response::new("").attachment(name),
        };
        let written = Disposition::parse(
            response.headers()[header::CONTENT_DISPOSITION].to_str().expect("the table is complete"),
        );
        let expected = Disposition::parse(row["header"].as_str().expect("the table is complete"));
        assert_eq!(written.filename(), expected.filename(), "{name}");
        assert_eq!(written.filename().as_deref(), Some(name));
        assert_eq!(written.kind(), expected.kind(), "{name}");
    }
}

#[test]
fn no_name_breaks_out_of_the_header() {
    for name in
        ["a\r\nset-cookie: x=1", "a\"; filename=\"b", "a\\", "\0", "\u{7f}", "日本語.txt", "x; y=z", "%0d%0a", "a'b''c"]
    {
        let response = Response::new("").attachment(name);
        let text = response.headers()[header::CONTENT_DISPOSITION].to_str().expect("the table is complete");
        assert_eq!(Disposition::parse(text).filename().as_deref(), Some(name), "{text}");
    }
}
