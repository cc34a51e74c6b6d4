//! The multipart reader against the cases of five other parsers, cut at every place, and against its limits.

use crate::support::{self, base64, table, text};
use pixie_core::{
    Bytes, Error, FormLimits, HeaderMap, HeaderValue, Parts, header,
    plumbing::{FormReader, FormStep, SpooledFile},
};
use serde_json::Value;

/// A part as the tables write it: name, file name, content.
type Row = (String, Option<String>, Vec<u8>);

/// Cases that end otherwise here, each with its reason.
const OTHERWISE: [(&str, &str); 16] = [
    (
        "python-multipart/bad_initial_boundary",
        "what stands before the first boundary is a preamble, and only the last one is there",
    ),
    ("python-multipart/almost_match_boundary_without_CR", REFUSED_INSIDE),
    ("python-multipart/almost_match_boundary_without_LF", REFUSED_INSIDE),
    ("python-multipart/almost_match_boundary_without_final_hyphen", REFUSED_INSIDE),
    ("python-multipart/base64_encoding", UNDECODED),
    ("python-multipart/mixed_plain_and_base64_encoding", UNDECODED),
    ("python-multipart/mixed_case_headers", UNDECODED),
    ("python-multipart/quoted_printable_encoding", UNDECODED),
    ("busboy/Fields and files (limits)", LIMITED),
    ("busboy/Fields and files (limits: 0 files)", LIMITED),
    ("busboy/Parts limit", LIMITED),
    ("busboy/Fields limit", LIMITED),
    ("busboy/Files limit", LIMITED),
    ("busboy/Empty content-type and empty content-disposition", NAMELESS),
    ("busboy/No Content-Disposition", NAMELESS),
    ("busboy/Folded header value", "a folded header line is refused (RFC 9112, section 5.2)"),
];
const REFUSED_INSIDE: &str = "RFC 2046 forbids the boundary inside of a content: refused, not guessed";
const UNDECODED: &str = "RFC 7578, section 4.7, deprecates Content-Transfer-Encoding: the bytes stay as they are";
const LIMITED: &str = "the case sets limits of busboy, which cuts where we refuse; ours have tests of their own";
const NAMELESS: &str = "a part without a name is refused";

#[test]
fn the_cases_of_other_parsers_are_read_alike_in_whatever_pieces_they_come() {
    let cases: Vec<_> = table("multipart/cases.json").into_iter().filter(is_form).collect();
    assert!(cases.len() > 50, "{}", cases.len());
    for case in &cases {
        let id = text(case, "id").expect("a case has an id");
        let body = base64(text(case, "body_b64").expect("a case has a body"));
        let content_type = text(case, "content_type").expect("a case has a type");
        let whole = read(content_type, &[&body]);
        let reason = OTHERWISE.iter().find(|(other, _)| *other == id).map(|(_, reason)| reason);
        match (judge(case, &whole), reason) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Err(difference), None) => panic!("{id}: {difference}"),
            (Ok(()), Some(reason)) => panic!("{id} is read as expected, so the exception can go: {reason}"),
        }
        for pieces in cuts(&body) {
            let cut = read(content_type, &pieces);
            assert_eq!(cut.as_ref().ok(), whole.as_ref().ok(), "{id}, cut into {} pieces", pieces.len());
        }
    }
}

/// Returns whether the case is a form. Some cases of Go are MIME messages whose parts have no name; pixie
/// refuses them.
fn is_form(case: &Value) -> bool {
    case["expect"].get("parts").is_some() || case["expect"].get("error").is_some()
}

/// Another parser may not see these line breaks, so they are refused; the table calls that acceptable.
#[test]
fn a_capture_whose_line_breaks_lost_their_carriage_return_is_refused() {
    let cases = table("multipart/cases.json");
    let case = cases.iter().find(|case| text(case, "id") == Some("werkzeug/ie7_full_path")).expect("the case is there");
    let body = base64(text(case, "body_b64").expect("a case has a body"));
    assert!(read(text(case, "content_type").expect("a case has a type"), &[&body]).is_err());
}

#[test]
fn parts_of_mime_in_general_are_framed_as_in_go_or_refused() {
    let mut framed = 0;
    for case in table("multipart/cases.json").iter().filter(|case| case["expect"].get("mime_parts").is_some()) {
        let id = text(case, "id").expect("a case has an id");
        let body = base64(text(case, "body_b64").expect("a case has a body"));
        let Ok(rows) = read(text(case, "content_type").expect("a case has a type"), &[&body]) else { continue };
        let expected = case["expect"]["mime_parts"].as_array().expect("it is a list");
        let contents: Vec<_> =
            expected.iter().map(|part| base64(text(part, "body_b64").expect("it has a body"))).collect();
        let mut found: Vec<_> = rows.into_iter().map(|(_, _, content)| content).collect();
        found.sort();
        assert_eq!(found, sorted(contents), "{id}");
        framed += 1;
    }
    assert!(framed >= 5, "{framed}");
}

fn sorted(mut contents: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    contents.sort();
    contents
}

/// Cuts a body in two at every place, if it is short, and into single bytes and sevens.
fn cuts(body: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut cuts = vec![body.chunks(7).collect()];
    if body.len() <= 1000 {
        cuts.push(body.chunks(1).collect());
        cuts.extend((1..body.len()).map(|at| vec![&body[..at], &body[at..]]));
    }
    cuts
}

fn judge(case: &Value, read: &Result<Vec<Row>, String>) -> Result<(), String> {
    let expect = &case["expect"];
    let Some(parts) = expect.get("parts").filter(|_| expect.get("error").is_none()) else {
        return read.as_ref().map_or(Ok(()), |rows| Err(format!("should be refused: {rows:?}")));
    };
    let rows = read.as_ref().map_err(Clone::clone)?;
    let mut expected: Vec<Row> = parts.as_array().expect("it is a list").iter().map(row).collect();
    // The reader keeps fields and files apart, in their order.
    expected.sort_by_key(|(_, file_name, _)| file_name.is_some());
    let is_same = rows.len() == expected.len() && rows.iter().zip(&expected).all(|(one, other)| is_alike(one, other));
    is_same.then_some(()).ok_or_else(|| format!("{rows:?} should be {expected:?}"))
}

/// Some parsers drop the folders of a file's name, some do not: `Upload` has both.
fn is_alike((name, file_name, content): &Row, expected: &Row) -> bool {
    let last = file_name.as_deref().and_then(|name| name.rsplit(['/', '\\']).next());
    (name, content) == (&expected.0, &expected.2) && (*file_name == expected.1 || last == expected.1.as_deref())
}

fn row(part: &Value) -> Row {
    let content = base64(text(part, "data_b64").expect("a part has data"));
    (text(part, "name").unwrap_or_default().to_owned(), text(part, "filename").map(str::to_owned), content)
}

fn headers(content_type: &str) -> HeaderMap {
    let value = HeaderValue::from_str(content_type).expect("it is a header's value");
    HeaderMap::from_iter([(header::CONTENT_TYPE, value)])
}

/// Reads a body in memory; a field's bytes are compared as the text that they are.
fn read(content_type: &str, pieces: &[&[u8]]) -> Result<Vec<Row>, String> {
    let limits = FormLimits::default().memory(u64::MAX);
    let parts = read_with(content_type, pieces, limits).map_err(|rejection| {
        assert!(rejection.status().is_client_error(), "{rejection:?}");
        rejection.to_string()
    })?;
    let fields = parts.fields.iter().map(|(name, value)| (name.to_owned(), None, value.as_bytes().to_vec()));
    let files = parts.files.iter().map(|file| {
        let content = file.bytes().expect("it is in memory").to_vec();
        (file.field().to_owned(), Some(file.raw_file_name().to_owned()), content)
    });
    Ok(fields.chain(files).collect())
}

fn read_with(content_type: &str, pieces: &[&[u8]], limits: FormLimits) -> Result<Parts, Error> {
    let mut reader = FormReader::new(&headers(content_type), limits)?;
    for piece in pieces {
        reader.push(Bytes::copy_from_slice(piece));
        while reader.step()?.is_some() {}
    }
    reader.finish()
}

const TYPE: &str = "multipart/form-data; boundary=x";

fn form(parts: &[(&str, &str)]) -> String {
    let part =
        |(head, content): &(&str, &str)| format!("--x\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n");
    parts.iter().map(part).collect::<String>() + "--x--\r\n"
}

#[test]
fn each_limit_refuses_with_413_and_names_the_field() {
    let body =
        form(&[("name=\"one\"", "12345"), ("name=\"two\"", "1234"), ("name=\"photo\"; filename=\"f\"", "123456")]);
    let limits = FormLimits::default;
    let cases = [
        (limits().parts(3).field(5).fields(9).file(6), None),
        (limits().parts(2), Some(None)),
        (limits().field(4), Some(Some("one"))),
        (limits().fields(8), Some(Some("two"))),
        (limits().file(5), Some(Some("photo"))),
        (limits().head(30), Some(None)),
    ];
    for (limits, refused) in cases {
        let read = read_with(TYPE, &[body.as_bytes()], limits.clone());
        let found = read.err().map(|rejection| {
            assert_eq!(rejection.status(), 413, "{rejection}");
            support::field(&rejection)
        });
        assert_eq!(found, refused.map(|field| field.map(str::to_owned)), "{limits:?}");
    }
}

#[test]
fn an_urlencoded_form_has_the_same_limits() {
    let limits = FormLimits::default().parts(2).field(3).fields(5);
    let field = |body: &str| limits.check_urlencoded(body.as_bytes()).err().map(|refused| support::field(&refused));
    assert_eq!(field("a=1%2B3&b=12"), None);
    assert_eq!(field("a=1234"), Some(Some("a".to_owned())));
    assert_eq!(field("a=123&b=123"), Some(Some("b".to_owned())));
    assert_eq!(field("a&b&c"), Some(None));
}

#[test]
fn neither_a_long_head_nor_a_long_preamble_is_held() {
    for start in ["--x\r\nContent-Disposition: form-data; name=\"", "text before the first boundary "] {
        let mut reader = FormReader::new(&headers(TYPE), FormLimits::default()).expect("the type is right");
        reader.push(Bytes::copy_from_slice(start.as_bytes()));
        let refused = (0..64).find_map(|_| {
            reader.push(Bytes::from_static(&[b'a'; 1024]));
            reader.step().err()
        });
        assert!(refused.is_some(), "{start}");
    }
}

#[test]
fn what_does_not_fit_into_memory_is_to_be_written_and_nothing_is_lost() {
    let content = "0123456789".repeat(10);
    let body = form(&[
        ("name=\"small\"; filename=\"s\"", "12345"),
        ("name=\"large\"; filename=\"l\"", &content),
        ("name=\"note\"", "text"),
        ("name=\"late\"; filename=\"t\"", "1234"),
    ]);
    let limits = FormLimits::default().memory(16);
    let mut reader = FormReader::new(&headers(TYPE), limits).expect("the type is right");
    let (mut written, mut closed) = (Vec::new(), 0);
    for piece in body.as_bytes().chunks(3) {
        reader.push(Bytes::copy_from_slice(piece));
        while let Some(step) = reader.step().expect("the form is right") {
            match step {
                FormStep::Write(bytes) => written.extend_from_slice(&bytes),
                FormStep::Close => {
                    closed += 1;
                    reader.spooled(SpooledFile::lent("spooled".into()));
                }
            }
        }
    }
    let parts = reader.finish().expect("the form is right");
    assert_eq!((String::from_utf8_lossy(&written).as_ref(), closed), (content.as_str(), 1));
    let places: Vec<_> = parts.files.iter().map(|file| (file.field(), file.len(), file.path().is_some())).collect();
    assert_eq!(places, [("small", 5, false), ("large", 100, true), ("late", 4, false)]);
    assert_eq!(parts.fields.get("note"), Some("text"));
}

#[test]
fn a_name_inside_of_a_file_name_is_not_the_fields_name() {
    let body = form(&[(r#"filename="; name=admin; x="; name="user""#, "x")]);
    let rows = read(TYPE, &[body.as_bytes()]).expect("the form is right");
    assert_eq!((rows[0].0.as_str(), rows[0].1.as_deref()), ("user", Some("; name=admin; x=")));
    for head in [r#"name="a"; name="b""#, r#"name="a" "b""#, r#"name="a"#, "", "filename=\"f\"", "x"] {
        assert!(read(TYPE, &[form(&[(head, "x")]).as_bytes()]).is_err(), "{head}");
    }
}

#[test]
fn a_name_with_line_breaks_writes_no_line_into_a_message() {
    let body = form(&[("name=\"a%0D%0Ab\"", "123456")]);
    let limits = FormLimits::default().field(5);
    let refused = read_with(TYPE, &[body.as_bytes()], limits).expect_err("the field is too long");
    assert_eq!((support::field(&refused).as_deref(), refused.to_string().lines().count()), (Some("a\r\nb"), 1));
}

#[test]
fn a_form_that_cannot_be_read_is_told_why() {
    let part = |disposition: &str| form(&[(disposition, "1")]);
    let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
    for (media, body, why) in [
        (TYPE, part("name=a; name=b"), "a parameter twice"),
        (TYPE, part("name=a; filename=\"a\"b\""), "a quote that is not escaped"),
        (TYPE, part("filename=a"), "no Content-Disposition of the form `form-data; name="),
        (TYPE, part("name=a").replace("\r\n", "\n"), "must end in CR LF"),
        ("multipart/form-data", part("name=a"), "names no boundary"),
        (long.as_str(), part("name=a"), "must have 1 to 70 characters"),
    ] {
        let refused = read_with(media, &[body.as_bytes()], FormLimits::default()).expect_err("it is malformed");
        assert!(refused.to_string().contains(why), "{media}: {refused}");
    }
}

#[test]
fn a_type_without_a_usable_boundary_is_refused() {
    let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
    for media in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"a", &long] {
        assert_eq!(
            read_with(media, &[], FormLimits::default()).err().map(|refused| refused.status().as_u16()),
            Some(400)
        );
    }
    let body = form(&[("name=a", "1")]);
    for media in ["Multipart/Form-Data; charset=utf-8; BOUNDARY=x", "multipart/form-data;boundary=\"x\" ;"] {
        assert_eq!(read(media, &[body.as_bytes()]).map(|rows| rows.len()), Ok(1), "{media}");
    }
}
