//! What the official suite does not ask: wrong tokens, other people's articles, wrong fields, collisions, and
//! requests at the same time.
use std::{collections::BTreeMap, path::PathBuf, thread};

use pixie_web::{TestClient, TestRequest, TestResponse};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{app, auth::Tokens, error::ErrorResponse};

const SECRET: &str = "the secret of the tests, 32 bytes or more";

/// An app with a database of its own.
struct Conduit {
    client: TestClient,
    folder: TempDir,
}

impl Conduit {
    fn new() -> Conduit {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let client = app(folder.path().join("test.sqlite"), Some(SECRET)).and_then(|app| app.test());
        Conduit { client: client.expect("the app starts"), folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("test.sqlite")
    }

    /// Registers a user, and returns the token.
    fn user(&self, name: &str) -> String {
        let user: Value = self.register(name).assert_status(201).json();
        user["user"]["token"].as_str().expect("a token").to_owned()
    }

    fn register(&self, name: &str) -> TestResponse {
        let user = json!({"username": name, "email": format!("{name}@mail.example"), "password": "password"});
        self.client.post("/api/users").json(&json!({"user": user})).send()
    }

    /// Writes an article, and returns its slug.
    fn article(&self, token: &str, title: &str) -> String {
        let article = json!({"title": title, "description": "d", "body": "b", "tagList": ["b", "a", "b", " a "]});
        let request = self.client.post("/api/articles").json(&json!({"article": article}));
        let article: Value = by(token, request).send().assert_status(201).json();
        article["article"]["slug"].as_str().expect("a slug").to_owned()
    }

    fn get(&self, path: &str) -> Value {
        self.client.get(path).send().assert_status(200).json()
    }
}

fn by<'c>(token: &str, request: TestRequest<'c>) -> TestRequest<'c> {
    request.header("authorization", &format!("Token {token}"))
}

/// Checks the status, and returns the errors of the fields.
#[track_caller]
fn errors(response: TestResponse, code: u16) -> BTreeMap<String, Vec<String>> {
    response.assert_status(code).json::<ErrorResponse>().errors
}

#[test]
fn a_wrong_token_is_401_with_a_challenge_also_where_a_token_is_optional() {
    let conduit = Conduit::new();
    let token = conduit.user("ada");
    let stranger = Tokens::new(Some(&SECRET.replace('s', "z"))).and_then(|tokens| tokens.issue(1)).expect("a token");
    let nobody = Tokens::new(Some(SECRET)).and_then(|tokens| tokens.issue(99)).expect("a token");
    // The algorithm `none`, and a token that expired in 2001.
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIiwiZXhwIjo5OTk5OTk5OTk5fQ.";
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes()).expect("a key");
    let old = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &json!({"sub": "1", "exp": 1_000_000_000}), &key);
    let old = old.expect("a token");
    for path in ["/api/user", "/api/articles/feed", "/api/articles", "/api/profiles/ada"] {
        let ask = |value: &str| conduit.client.get(path).header("authorization", value).send();
        ask(&format!("Token {token}")).assert_status(200);
        ask(&format!("Bearer {token}")).assert_status(200);
        let wrong = [&stranger, &nobody, unsigned, &old, "", "x.y.z", &token[1..], &format!("{token}A")];
        for value in
            wrong.map(|token| format!("Token {token}")).iter().chain(&[token.clone(), format!("Basic {token}")])
        {
            let refused = ask(value).assert_header("www-authenticate", "Token");
            assert_eq!(errors(refused, 401).keys().collect::<Vec<_>>(), ["token"], "{path}: {value}");
        }
    }
    let without = conduit.client.get("/api/user").send().assert_header("www-authenticate", "Token");
    assert!(errors(without, 401)["body"][0].contains("Authorization: Token"));
}

#[test]
fn a_wrong_login_does_not_tell_whether_the_user_exists() {
    let conduit = Conduit::new();
    conduit.user("ada");
    let log_in = |email: &str, password: &str| {
        conduit.client.post("/api/users/login").json(&json!({"user": {"email": email, "password": password}})).send()
    };
    log_in("ADA@mail.example", "password").assert_status(200);
    let wrong = ["ada@mail.example", "eve@mail.example"].map(|email| errors(log_in(email, "passw0rd"), 401));
    assert_eq!(wrong[0], wrong[1]);
    assert_eq!(wrong[0]["email or password"], ["is invalid"]);
}

#[test]
fn articles_and_comments_of_others_cannot_be_changed() {
    let conduit = Conduit::new();
    let (ada, eve) = (conduit.user("ada"), conduit.user("eve"));
    let slug = conduit.article(&ada, "Mine");
    let (path, comments) = (format!("/api/articles/{slug}"), format!("/api/articles/{slug}/comments"));
    let comment = by(&ada, conduit.client.post(&comments)).json(&json!({"comment": {"body": "first"}})).send();
    let id = comment.assert_status(200).json::<Value>()["comment"]["id"].clone();
    let change = json!({"article": {"body": "theirs"}});
    let client = &conduit.client;
    let attempts = [client.put(&path).json(&change), client.delete(&path), client.delete(&format!("{comments}/{id}"))];
    for (attempt, what) in attempts.into_iter().zip(["article", "article", "comment"]) {
        assert_eq!(errors(by(&eve, attempt).send(), 403)[what], ["belongs to another user"]);
    }
    for path in ["/api/articles/none", "/api/articles/none/favorite", "/api/articles/none/comments/1"] {
        assert_eq!(errors(by(&eve, client.delete(path)).send(), 404)["article"], ["not found"], "{path}");
    }
    // The comment of another article.
    let other = conduit.article(&ada, "Other");
    let elsewhere = client.delete(&format!("/api/articles/{other}/comments/{id}"));
    assert_eq!(errors(by(&ada, elsewhere).send(), 404)["comment"], ["not found"]);
    assert_eq!(conduit.get(&path)["article"]["body"], "b");
    by(&ada, client.delete(&format!("{comments}/{id}"))).send().assert_status(204);
    by(&ada, client.delete(&path)).send().assert_status(204);
    assert_eq!(errors(client.get(&path).send(), 404)["article"], ["not found"]);
}

#[test]
fn each_wrong_field_is_named() {
    let conduit = Conduit::new();
    let token = conduit.user("ada");
    let post = |path: &str, body: Value| by(&token, conduit.client.post(path).json(&body)).send();
    let long = "é".repeat(100_001);
    for (path, body, field) in [
        ("/api/users", json!({"user": {"username": " ", "email": "a@b", "password": "password"}}), "username"),
        ("/api/users", json!({"user": {"username": "a\u{7}b", "email": "a@b", "password": "password"}}), "username"),
        ("/api/users", json!({"user": {"username": "a", "email": "a", "password": "password"}}), "email"),
        ("/api/users", json!({"user": {"username": "a", "email": "a@b", "password": "short"}}), "password"),
        ("/api/users", json!({"user": {"username": "ADA", "email": "a@b", "password": "password"}}), "username"),
        (
            "/api/users",
            json!({"user": {"username": "b", "email": "ada@MAIL.example", "password": "password"}}),
            "email",
        ),
        ("/api/users", json!({"user": {"email": "a@b", "password": "password"}}), "username"),
        ("/api/users/login", json!({"user": {"email": "", "password": "p"}}), "email"),
        ("/api/articles", json!({"article": {"title": "", "description": "d", "body": "b"}}), "title"),
        ("/api/articles", json!({"article": {"title": "t", "description": 1, "body": "b"}}), "description"),
        ("/api/articles", json!({"article": {"title": "t", "description": "d", "body": long}}), "body"),
        (
            "/api/articles",
            json!({"article": {"title": "t", "description": "d", "body": "b", "tagList": [""]}}),
            "tagList[0]",
        ),
        ("/api/articles", json!({"title": "t"}), "article"),
    ] {
        assert_eq!(errors(post(path, body), 422).keys().collect::<Vec<_>>(), [field], "{path}");
    }
    let two = post("/api/articles", json!({"article": {"title": " ", "description": "", "body": "b"}}));
    assert_eq!(
        errors(two, 422),
        BTreeMap::from(["title", "description"].map(|field| (field.into(), vec!["can't be blank".into()])))
    );
    let send = |body: &str, media: &str| {
        by(&token, conduit.client.post("/api/articles")).header("content-type", media).body(body.to_owned()).send()
    };
    assert!(errors(send("{", "application/json"), 400).contains_key("body"));
    assert!(errors(send("{}", "text/plain"), 415).contains_key("body"));
    assert!(errors(send(&" ".repeat(3_000_000), "application/json"), 413).contains_key("body"));
    assert_eq!(conduit.get("/api/articles")["articlesCount"], 0);
}

#[test]
fn lists_have_pages_and_filters() {
    let conduit = Conduit::new();
    let (ada, eve) = (conduit.user("ada"), conduit.user("eve"));
    for number in 0..25 {
        conduit.article(&ada, &format!("Number {number}"));
    }
    conduit.article(&eve, "By Eve");
    let titles = |query: &str| {
        let found = conduit.get(&format!("/api/articles?{query}"));
        let articles = found["articles"].as_array().expect("a list").clone();
        assert!(articles.iter().all(|article| article.get("body").is_none()));
        let first = articles.first().map(|article| article["title"].as_str().expect("a title").to_owned());
        (articles.len(), first.unwrap_or_default(), found["articlesCount"].as_u64().expect("a number"))
    };
    for (query, count, first, all) in [
        ("", 20, "By Eve", 26),
        ("limit=2&offset=1", 2, "Number 24", 26),
        ("limit=1000", 26, "By Eve", 26),
        ("limit=0", 0, "", 26),
        ("offset=26", 0, "", 26),
        ("offset=4294967295", 0, "", 26),
        ("author=ada&limit=1", 1, "Number 24", 25),
        ("author=nobody", 0, "", 0),
        ("tag=a&author=eve", 1, "By Eve", 1),
        ("tag=' OR 1=1 --", 0, "", 0),
        ("favorited=eve", 0, "", 0),
    ] {
        assert_eq!(titles(&query.replace(' ', "%20")), (count, first.to_owned(), all), "{query}");
    }
    for query in ["limit=-1", "limit=x", "offset=4294967296"] {
        let field = query.split('=').next().unwrap_or_default();
        assert!(
            errors(conduit.client.get(&format!("/api/articles?{query}")).send(), 400).contains_key(field),
            "{query}"
        );
    }
    let feed = || by(&eve, conduit.client.get("/api/articles/feed?limit=3")).send().assert_status(200).json::<Value>();
    assert_eq!(feed()["articlesCount"], 0);
    by(&eve, conduit.client.post("/api/profiles/ada/follow")).send().assert_status(200);
    let followed = feed();
    assert_eq!((&followed["articlesCount"], &followed["articles"][0]["title"]), (&json!(25), &json!("Number 24")));
    assert_eq!(followed["articles"][0]["author"]["following"], true);
    assert_eq!(conduit.get("/api/tags"), json!({"tags": ["a", "b"]}));
}

#[test]
fn every_article_has_a_slug_of_its_own() {
    let conduit = Conduit::new();
    let (ada, eve) = (conduit.user("ada"), conduit.user("eve"));
    for (title, slug) in
        [("How to train", "how-to-train"), ("Žluťoučký kůň", "zlutoucky-kun"), ("北京", "bei-jing"), ("?!", "article")]
    {
        assert_eq!(conduit.article(&ada, title), slug);
        let second = conduit.article(&eve, title);
        assert!(second.starts_with(&format!("{slug}-")) && second.len() == slug.len() + 9, "{second}");
        assert_eq!(conduit.get(&format!("/api/articles/{second}"))["article"]["title"], title);
    }
    // The path of another route.
    let feed = conduit.article(&ada, "Feed");
    assert_eq!(conduit.get(&format!("/api/articles/{feed}"))["article"]["tagList"], json!(["a", "b"]));
    let change = |slug: &str, article: Value| -> String {
        let request = conduit.client.put(&format!("/api/articles/{slug}")).json(&json!({"article": article}));
        let changed: Value = by(&ada, request).send().assert_status(200).json();
        changed["article"]["slug"].as_str().expect("a slug").to_owned()
    };
    assert_eq!(change(&feed, json!({"title": "Feed", "body": "new"})), feed);
    assert_eq!(change("bei-jing", json!({"title": "Bei, jing!"})), "bei-jing");
    assert_eq!(change("bei-jing", json!({"title": "Nan jing"})), "nan-jing");
    assert_ne!(change("nan-jing", json!({"title": "How to train"})), "how-to-train");
    conduit.client.get("/api/articles/nan-jing").send().assert_status(404);
}

#[test]
fn favorites_and_follows_can_be_repeated() {
    let conduit = Conduit::new();
    let (ada, eve) = (conduit.user("ada"), conduit.user("eve/ü"));
    let slug = conduit.article(&ada, "Liked");
    let (favorite, follow) = (format!("/api/articles/{slug}/favorite"), "/api/profiles/eve%2F%C3%BC/follow");
    for is_on in [true, true, false, false] {
        let ask = |path: &str| {
            let client = &conduit.client;
            by(&ada, if is_on { client.post(path) } else { client.delete(path) })
                .send()
                .assert_status(200)
                .json::<Value>()
        };
        let article = ask(&favorite)["article"].clone();
        assert_eq!((&article["favorited"], &article["favoritesCount"]), (&json!(is_on), &json!(u32::from(is_on))));
        assert_eq!(ask(follow)["profile"]["following"], is_on);
        let seen = by(&eve, conduit.client.get(&format!("/api/articles/{slug}"))).send().json::<Value>();
        assert_eq!(
            (&seen["article"]["favorited"], &seen["article"]["favoritesCount"]),
            (&json!(false), &article["favoritesCount"])
        );
    }
    assert_eq!(
        errors(by(&ada, conduit.client.post("/api/profiles/none/follow")).send(), 404)["profile"],
        ["not found"]
    );
}

#[test]
fn an_update_changes_what_it_names() {
    let conduit = Conduit::new();
    let ada = conduit.user("ada");
    conduit.user("eve");
    let put = |user: Value| by(&ada, conduit.client.put("/api/user")).json(&json!({"user": user})).send();
    let changed: Value = put(json!({"bio": "b", "image": "i", "password": "new password"})).assert_status(200).json();
    assert_eq!((&changed["user"]["bio"], &changed["user"]["username"]), (&json!("b"), &json!("ada")));
    let changed: Value = put(json!({"image": null})).assert_status(200).json();
    assert_eq!((&changed["user"]["bio"], &changed["user"]["image"]), (&json!("b"), &Value::Null));
    put(json!({"username": "ada", "email": "ada@mail.example"})).assert_status(200);
    assert_eq!(errors(put(json!({"username": "Eve"})), 422)["username"], ["has already been taken"]);
    assert_eq!(errors(put(json!({"email": ""})), 422)["email"], ["can't be blank"]);
    for (password, status) in [("password", 401), ("new password", 200)] {
        let login = json!({"user": {"email": "ada@mail.example", "password": password}});
        conduit.client.post("/api/users/login").json(&login).send().assert_status(status);
    }
}

#[test]
fn requests_at_the_same_time_get_one_name_and_different_slugs() {
    let conduit = Conduit::new();
    let token = conduit.user("ada");
    let (conduit, token) = (&conduit, &token);
    thread::scope(|scope| {
        let names: Vec<_> = (0..4).map(|_| scope.spawn(|| conduit.register("eve").status().as_u16())).collect();
        let slugs: Vec<_> = (0..4).map(|_| scope.spawn(|| conduit.article(token, "Same"))).collect();
        let mut codes: Vec<_> = names.into_iter().map(|name| name.join().expect("no panic")).collect();
        codes.sort_unstable();
        assert_eq!(codes, [201, 422, 422, 422]);
        let mut slugs: Vec<_> = slugs.into_iter().map(|slug| slug.join().expect("no panic")).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), 4);
    });
}

#[test]
fn a_page_of_another_origin_can_read_every_answer() {
    let conduit = Conduit::new();
    let from = |request: TestRequest<'_>| {
        request.header("origin", "https://front.example").header("sec-fetch-site", "cross-site").send()
    };
    for path in ["/api/tags", "/api/user", "/api/none"] {
        from(conduit.client.get(path)).assert_header("access-control-allow-origin", "*");
    }
    assert!(errors(from(conduit.client.get("/api/none")), 404).contains_key("body"));
    assert!(
        errors(
            from(
                conduit
                    .client
                    .request(pixie_web::Method::PATCH, "/api/tags")
                    .header("content-type", "application/json")
            ),
            405
        )
        .contains_key("body")
    );
    let page = conduit.client.get("/api/none").header("accept", "text/html").send().assert_status(404);
    assert!(page.text().starts_with("<!doctype html>"));
}

#[test]
fn a_start_that_cannot_work_says_why() {
    let conduit = Conduit::new();
    let start = |file: PathBuf, secret: Option<&str>| {
        let started = app(file, secret).and_then(|app| app.development(false).test());
        started.map(|_| ()).expect_err("it does not start").to_string()
    };
    assert!(start(conduit.file(), None).contains("REALWORLD_SECRET is not set"));
    assert!(start(conduit.file(), Some("short")).contains("too short"));
    let missing = start(conduit.folder.path().join("no/folder/file"), Some(SECRET));
    assert!(missing.contains("cannot use the database") && missing.contains("no/folder/file"), "{missing}");
    let other = Connection::open(conduit.file()).expect("it can be opened");
    other.pragma_update(None, "user_version", 7).expect("it can be written");
    assert!(start(conduit.file(), Some(SECRET)).contains("version 7"));
    std::fs::write(conduit.folder.path().join("text"), "this is not a database, but a text of some length")
        .expect("written");
    assert!(start(conduit.folder.path().join("text"), Some(SECRET)).contains("not a database"));
}

#[test]
fn the_data_are_there_after_a_restart() {
    let first = Conduit::new();
    let ada = first.user("ada");
    let slug = first.article(&ada, "Kept");
    let second = app(first.file(), Some(SECRET)).and_then(|app| app.test()).expect("the app starts");
    by(&ada, second.get("/api/user")).send().assert_status(200);
    second.get(&format!("/api/articles/{slug}")).send().assert_status(200);
}
