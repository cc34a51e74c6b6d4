//! Each request arrives where the router of pixie says, through a real HAProxy.

use pixie_core::{Found, Pattern, Place, Router};
use serde_json::{Value, json};

use crate::{
    app::{deployed, route, shop},
    balancer::{Balancer, Host},
};

/// Routes whose order, filters and characters are easy to get wrong: methods, path and role.
const ROUTES: [(&[&str], &str, &str); 40] = [
    (&["GET"], "/", "images"),
    (&["GET"], "/a", "web"),
    (&["POST", "PATCH"], "/a", "images"),
    (&["GET"], "/a/", "images"),
    (&["GET"], "/a/b", "images"),
    (&["GET"], "/a/<name>", "web"),
    (&["HEAD"], "/a/<other>", "images"),
    (&["GET"], "/a/<name>/", "reports"),
    (&["GET"], "/<first>/b", "reports"),
    (&["GET"], "/n/<id:int>", "images"),
    (&["GET"], "/n/<id:float>", "reports"),
    (&["GET"], "/n/<id:uuid>", "web"),
    (&["GET"], "/n/<id>", "images"),
    (&["DELETE"], "/n/<id:int>", "web"),
    (&["GET"], "/v<major:int>.<minor:int>", "images"),
    (&["GET"], "/v<major>.<minor>", "reports"),
    (&["GET"], "/<name>.png", "images"),
    (&["GET"], "/<name>.tar.gz", "reports"),
    (&["GET"], "/<name>.gz", "images"),
    (&["GET"], "/<slug>-<id:int>", "images"),
    (&["GET"], "/<a:int>-<b>", "reports"),
    (&["GET"], "/t/<a>--<b>--<c>", "images"),
    (&["GET"], "/t/<a:int>-<b:int>_<c>x", "reports"),
    (&["GET"], "/t/<a>0<b:int>", "images"),
    (&["GET"], "/t/<a:int>0<b>1", "reports"),
    (&["GET"], "/f/<rest:path>", "images"),
    (&["GET"], "/f/x/<rest:path>", "web"),
    (&["GET"], "/f/x/y", "reports"),
    (&["POST"], "/f/<rest:path>", "reports"),
    (&["GET"], "/s/a%20b", "images"),
    (&["GET"], "/s/it's", "images"),
    (&["GET"], "/s/%22%23$HOME%7B%7D`\\z", "images"),
    (&["GET"], "/s/50%25", "images"),
    (&["GET"], "/s/a%2Fb", "reports"),
    (&["GET"], "/s/größe", "images"),
    (&["GET"], "/s/line%0Abreak", "reports"),
    (&["GET"], "/s/(.*)+[a]|^x", "images"),
    (&["GET"], "/s/<x>(.*)'<y>", "reports"),
    (&["PURGE", "M-SEARCH"], "/s/<x>", "images"),
    (&["GET"], "/<all:path>", "web"),
];

/// Segments from which paths are made.
const SEGMENTS: [&str; 67] = [
    "",
    "a",
    "b",
    "%61",
    "A",
    "f",
    "x",
    "y",
    "n",
    "t",
    "s",
    "v",
    "0",
    "1",
    "-1",
    "+1",
    "1.5",
    ".5",
    "5.",
    ".",
    "..",
    "1.2.3",
    "v1.2",
    "v1.x",
    "vx.y",
    "v1.2.3",
    "v.1",
    "a.png",
    ".png",
    "a.tar.gz",
    "a.gz",
    "tar.gz",
    ".tar.gz",
    "a-1",
    "a--1",
    "-1-2",
    "1-2-x",
    "1-",
    "a-b-c",
    "a--b--c",
    "a----b--",
    "-----",
    "a--b",
    "1-2_3x",
    "1-2-3_4x",
    "1-2_x_x",
    "100",
    "1001",
    "10-1",
    "a0b01",
    "00001",
    "123e4567-e89b-12d3-a456-426614174000",
    "123E4567-e89b-12d3-a456-42661417400g",
    "a%20b",
    "it's",
    "it%27s",
    "%22%23$HOME%7B%7D%60%5Cz",
    "50%25",
    "50%2525",
    "a%2Fb",
    "a%2fb",
    "a%252Fb",
    "gr%C3%B6%C3%9Fe",
    "line%0Abreak",
    "(.*)+[a]%7C%5Ex",
    "z(.*)'z",
    "a%0A",
];

fn told() -> Value {
    let mut told = shop();
    // In the order in which the router tries them, as the app tells them.
    let rows: Vec<_> = router()
        .routes()
        .map(|entry| {
            let methods: Vec<_> = entry.methods.iter().map(|method| method.as_str()).collect();
            route(&methods, entry.pattern.as_str(), entry.value)
        })
        .collect();
    told["routes"] = rows.into();
    told["agent"] = json!(null);
    told
}

fn router() -> Router<&'static str> {
    let mut router = Router::new();
    for (methods, path, role) in ROUTES {
        let methods: Vec<_> = methods.iter().map(|method| method.parse().unwrap()).collect();
        router.insert(&Pattern::parse(path).unwrap(), &methods, role, Place::here("route")).unwrap();
    }
    router
}

/// Returns all paths of up to two segments, and some of three.
fn paths() -> Vec<String> {
    let mut paths: Vec<_> = SEGMENTS.iter().map(|one| format!("/{one}")).collect();
    for (at, one) in SEGMENTS.iter().enumerate() {
        for (other, two) in SEGMENTS.iter().enumerate() {
            paths.push(format!("/{one}/{two}"));
            // A third one, different for each pair.
            let three = SEGMENTS[(at * 7 + other * 13) % SEGMENTS.len()];
            paths.push(format!("/{one}/{two}/{three}"));
        }
    }
    paths
}

#[test]
fn requests_arrive_where_the_router_says() {
    let router = router();
    let hosts = [("web", Host::named("web")), ("images", Host::named("images")), ("reports", Host::named("reports"))];
    let arguments: Vec<_> =
        hosts.iter().flat_map(|(role, host)| ["--hosts".into(), format!("{role}={}", host.address)]).collect();
    let arguments: Vec<_> = ["haproxy"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    let balancer = Balancer::start(&deployed(&told(), &arguments));
    let mut client = balancer.connect();
    let (mut wrong, mut counts) = (Vec::new(), [0; 3]);
    for (number, path) in paths().iter().enumerate() {
        let other = ["POST", "PATCH", "DELETE", "PURGE", "M-SEARCH", "PUT"][number % 6];
        for method in ["GET", "HEAD", other] {
            let expected = match router.find(&method.parse().unwrap(), path) {
                Found::Route { value, .. } => *value,
                _ => "web",
            };
            counts[["web", "images", "reports"].iter().position(|role| *role == expected).unwrap()] += 1;
            let response = client.ask(&format!("{method} {path} HTTP/1.1")).expect("an answer");
            if response.header("x-name") != Some(expected) {
                wrong.push(format!("{method} {path}: {expected}, not {:?}", response.header("x-name")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {counts:?} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}
