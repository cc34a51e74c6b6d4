//! The grammar against that of `pixie_core::Pattern`, which counts.
//!
//! Must stay true: both accept the same paths with the same wildcards, and refuse the others with the same words.
use pixie_core::Pattern;

use super::wildcards;

const ACCEPTED: [&str; 12] = [
    "/",
    "/a/b/",
    "//a",
    "/users/<id>",
    "/users/<id:int>/files/<rest:path>",
    "/v<major:int>.<minor:int>",
    "/<name>.png",
    "/<_x>/<type>/<größe:float>",
    "/<id:uuid>",
    "/a%20b/%2F/%C3%A4",
    "/%3C<id>%3E",
    "/ä/{b}/*",
];

const REFUSED: [&str; 33] = [
    "",
    "a",
    "users/<id>",
    "<id>",
    "/<",
    "/<id",
    "/<id/b>",
    "/<id<b>>",
    "/a>",
    "/<>",
    "/<:int>",
    "/<1st>",
    "/<a-b>",
    "/< id>",
    "/<_>",
    "/<id>/<id>",
    "/<id:num>",
    "/<id:>",
    "/<id:Int>",
    "/<id:int:path>",
    "/<a><b>",
    "/<a><a>",
    "/<a><b:num>",
    "/<rest:path>/edit",
    "/<rest:path>/",
    "/x<rest:path>",
    "/<a><rest:path>",
    "/a?b=c",
    "/ä/a#b",
    "/a\0",
    "/100%",
    "/%zz/<id>",
    "/%FF",
];

#[test]
fn both_grammars_accept_the_same_paths_with_the_same_wildcards() {
    for path in ACCEPTED {
        let pattern = Pattern::parse(path).expect(path);
        let ours = wildcards(path).expect(path);
        assert!(pattern.names().eq(ours.iter().map(|wildcard| wildcard.name.as_str())), "{path}");
    }
}

#[test]
fn both_grammars_refuse_the_same_paths_with_the_same_words() {
    for path in REFUSED {
        let theirs = Pattern::parse(path).expect_err(path).to_string();
        assert_eq!(wildcards(path).expect_err(path), theirs);
    }
}

#[test]
fn both_grammars_agree_on_every_short_path() {
    let pieces = ["/", "<", ">", "a", ":", "int", "path", "%", "%41", "é"];
    for number in 0..pieces.len().pow(4) {
        let path: String = (0..4).map(|place| pieces[number / pieces.len().pow(place) % pieces.len()]).collect();
        let path = format!("/<{path}>");
        let theirs = Pattern::parse(&path).map_err(|error| error.to_string());
        assert_eq!(wildcards(&path).map(|ours| ours.len()), theirs.map(|pattern| pattern.names().count()), "{path}");
    }
}
