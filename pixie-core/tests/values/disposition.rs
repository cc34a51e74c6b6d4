//! File names in `Content-Disposition`, by the table of jshttp/content-disposition.
use percent_encoding::percent_decode_str;
use pixie_core::{Response, header};
use serde_json::Value;

/// Reads a header that the core wrote: the kind and the file name. `None` if the header has another form.
fn read(response: &Response) -> Option<(String, String)> {
    let text = response.headers()[header::CONTENT_DISPOSITION].to_str().ok()?;
    let (kind, mut rest) = text.split_once("; filename=")?;
    let mut plain = String::new();
    match rest.strip_prefix('"') {
        None => {
            let end = rest.find(';').unwrap_or(rest.len());
            plain += &rest[..end];
            rest = &rest[end..];
        }
        Some(quoted) => {
            let mut characters = quoted.chars();
            while let Some(character) = characters.next().filter(|character| *character != '"') {
                plain.push(if character == '\\' { characters.next()? } else { character });
            }
            rest = characters.as_str();
        }
    }
    if rest.is_empty() {
        return Some((kind.to_owned(), plain));
    }
    let encoded = rest.strip_prefix("; filename*=UTF-8''")?;
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~%".contains(&byte);
    let name = percent_decode_str(encoded).decode_utf8().ok().filter(|_| encoded.bytes().all(is_legal))?;
    Some((kind.to_owned(), name.into_owned()))
}

#[test]
fn a_written_name_is_read_back() {
    let json = include_str!("../data/disposition/jshttp_content_disposition_create.json");
    let rows: Vec<Value> = serde_json::from_str(json).expect("the table is JSON");
    for row in rows {
        // A download without a name is `.header("content-disposition", "attachment")`.
        let Some(name) = row["args"][0].as_str() else { continue };
        let (kind, response) = match row["args"][1]["type"].as_str() {
            Some("inline") => ("inline", Response::new("").inline(name)),
            _ => ("attachment", Response::new("").attachment(name)),
        };
        assert_eq!(read(&response), Some((kind.to_owned(), name.to_owned())), "{row}");
    }
}

#[test]
fn no_name_breaks_out_of_the_header() {
    for name in
        ["a\r\nset-cookie: x=1", "a\"; filename=\"b", "a\\", "\0", "\u{7f}", "日本語.txt", "x; y=z", "%0d%0a", "a'b''c"]
    {
        let response = Response::new("").attachment(name);
        assert_eq!(read(&response), Some(("attachment".to_owned(), name.to_owned())), "{name}");
    }
}
