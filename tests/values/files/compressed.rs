//! Compressed copies that lie beside a file.
use super::support::{CHANGED_SECONDS, Files, WAYS};

fn files() -> Files {
    let files =
        Files::new(&[("a.css", b"plain"), ("a.css.gz", b"gzip"), ("a.css.br", b"brotli"), ("a.css.zst", b"zstd")]);
    files.write("b.css", b"plain", CHANGED_SECONDS);
    files.write("b.css.gz", b"older", CHANGED_SECONDS - 1);
    files
}

#[test]
fn the_coding_that_the_client_prefers_is_sent() {
    let files = files();
    let client = files.client();
    for way in WAYS {
        let check = |accept: &str, coding: Option<&str>, text: &str| {
            let answer = client.get(&format!("{way}a.css")).header("accept-encoding", accept).send();
            assert_eq!(answer.header("content-encoding"), coding, "{way} {accept}");
            answer
                .assert_status(200)
                .assert_text(text)
                .assert_header("content-type", "text/css; charset=utf-8")
                .assert_header("vary", "accept-encoding")
        };
        check("gzip, deflate, br, zstd", Some("br"), "brotli");
        check("gzip, deflate, zstd", Some("zstd"), "zstd");
        check("gzip", Some("gzip"), "gzip");
        check("br;q=0.5, gzip", Some("gzip"), "gzip");
        check("br;q=0, gzip;q=0, *", Some("zstd"), "zstd");
        check("deflate", None, "plain");
        check("identity, br;q=0.9", None, "plain");
        check("br;q=0", None, "plain");
        check("", None, "plain");
        client.get(&format!("{way}a.css")).send().assert_text("plain");
    }
}

#[test]
fn each_coding_has_its_own_tag() {
    let files = files();
    let client = files.client();
    for way in WAYS {
        let tag = |accept: &str| {
            let answer = client.get(&format!("{way}a.css")).header("accept-encoding", accept).send();
            answer.header("etag").expect("a tag").to_owned()
        };
        let tags = ["br", "zstd", "gzip", "identity"].map(tag);
        assert!((1..4).all(|at| !tags[..at].contains(&tags[at])), "{tags:?}");
        let request = client.get(&format!("{way}a.css")).header("accept-encoding", "br");
        request.header("if-none-match", &tags[0]).send().assert_status(304);
        let request = client.get(&format!("{way}a.css")).header("accept-encoding", "gzip");
        request.header("if-none-match", &tags[0]).send().assert_status(200);
    }
}

#[test]
fn an_svgz_is_an_svg_in_gzip_and_is_not_coded_twice() {
    let files = Files::new(&[("a.svgz", b"gzip"), ("B.SVGZ", b"gzip"), ("a.svgz.br", b"brotli"), ("a.tgz", b"tar")]);
    let client = files.client();
    for way in WAYS {
        for (name, accept) in [("a.svgz", "gzip, br"), ("a.svgz", ""), ("B.SVGZ", "br")] {
            let answer = client.get(&format!("{way}{name}")).header("accept-encoding", accept).send();
            let answer = answer.assert_text("gzip").assert_header("content-type", "image/svg+xml");
            answer.assert_header("content-encoding", "gzip");
        }
        assert_eq!(client.get(&format!("{way}a.tgz")).send().header("content-encoding"), None, "{way}");
    }
}

#[test]
fn a_range_counts_the_coded_bytes_and_several_get_the_whole() {
    let files = files();
    let client = files.client();
    for way in WAYS {
        let get = |range: &str| {
            let request = client.get(&format!("{way}a.css")).header("accept-encoding", "br");
            request.header("range", range).send().assert_header("content-encoding", "br")
        };
        get("bytes=1-2").assert_status(206).assert_text("ro").assert_header("content-range", "bytes 1-2/6");
        get("bytes=1-2,4-4").assert_status(200).assert_text("brotli");
    }
}

#[test]
fn a_compressed_file_that_is_older_was_made_of_something_else() {
    let files = files();
    let client = files.client();
    for way in WAYS {
        client.get(&format!("{way}b.css")).header("accept-encoding", "gzip").send().assert_text("plain");
    }
}
