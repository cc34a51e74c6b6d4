//! Which routes take the default kind of their app or group, and that a start names all mistakes at once.
use pixie_web::{
    __macro::{Registered, inventory},
    App, Extension, Group, Needs, Route, RouteType, StartError, State, get,
};

#[get("/kinds/bare", deadline = "1s", name = "kinds-bare")]
fn bare() -> &'static str {
    ""
}

#[get("/kinds/pool", pool, name = "kinds-pool")]
fn pool() -> &'static str {
    ""
}

#[get("/kinds/named", pool = "kinds", name = "kinds-named")]
fn named() -> &'static str {
    ""
}

#[get("/kinds/retried", retry = true, name = "kinds-retried")]
fn retried() -> &'static str {
    ""
}

#[get("/kinds/async", name = "kinds-async")]
async fn on_the_runtime() -> &'static str {
    ""
}

#[test]
fn an_attribute_leaves_the_kind_to_the_app_if_it_names_nothing_of_a_kind() {
    let found = |name: &str| {
        let mut routes = inventory::iter::<Registered>().map(|registered| (registered.route)());
        routes.find(|route| route.place().name == name).expect("it is registered").or_kind(RouteType::Thread).kind()
    };
    for (name, kind) in [
        ("kinds-bare", RouteType::Thread),
        ("kinds-pool", RouteType::Pool),
        ("kinds-named", RouteType::Pool),
        ("kinds-retried", RouteType::Pool),
        ("kinds-async", RouteType::Async),
    ] {
        assert_eq!(found(name), kind, "{name}");
    }
}

/// Returns a route without a kind that reads a state. No app has the state, so the start names the kind.
fn stateful(path: &'static str) -> Route {
    Route::get(path).pool(|_| "").by_default().needs(Needs::default().extractor::<State<u16>>())
}

fn message(app: App) -> String {
    let error = app.test().map(drop).expect_err("it has a mistake");
    error.downcast_ref::<StartError>().expect("it is about the configuration").message().to_owned()
}

#[test]
fn the_innermost_default_kind_applies() {
    let app = || App::new().route(stateful("/a")).route(stateful("/in/b")).route(stateful("/in/deep/c"));
    let deep = || Group::new("/deep").default_kind(RouteType::Sync);
    let cases = [
        (app(), ["pool", "pool", "pool"]),
        (app().default_kind(RouteType::Thread), ["thread", "thread", "thread"]),
        (app().group(Group::new("/in").default_kind(RouteType::Thread).group(deep())), ["pool", "thread", "sync"]),
        (app().group(Group::new("/in").group(deep())).default_kind(RouteType::Thread), ["thread", "thread", "sync"]),
    ];
    for (app, kinds) in cases {
        let message = message(app);
        for (path, kind) in ["/a", "/in/b", "/in/deep/c"].into_iter().zip(kinds) {
            assert!(message.contains(&format!("the {kind} route `{path}`")), "{path} {kind}: {message}");
        }
    }
}

#[test]
fn a_default_kind_is_one_of_a_plain_fn() {
    let app = || App::new().route(Route::get("/a").sync(|_| ""));
    for kind in [RouteType::Async, RouteType::Stream] {
        assert!(message(app().default_kind(kind)).starts_with("`App::default_kind`"));
        assert!(message(app().group(Group::new("/a").default_kind(kind))).starts_with("`Group::new(\"/a\")`"));
    }
}

#[test]
fn a_start_names_all_mistakes_at_once() {
    let needs = || Needs::default().extractor::<State<u8>>().extractor::<State<u16>>();
    let app = App::new()
        .route(Route::get("/states").thread(|_| "").needs(needs()))
        .route(Route::get("/extension").pool(|_| "").needs(Needs::default().extractor::<Extension<u8>>()))
        .route(Route::get("no-slash").sync(|_| ""))
        .route(Route::get("/twice").sync(|_| ""))
        .route(Route::get("/twice").sync(|_| ""))
        .route(Route::get("/deadline").sync(|_| "").deadline(std::time::Duration::from_secs(1)))
        .route(Route::get("/limit").sync(|_| "").body_limit("10 gigs"))
        .group(Group::new("/<id>"))
        .error_page(200, |error, view| error.render(view));
    let message = message(app);
    let (first, rest) = message.split_once('\n').expect("there are several");
    assert_eq!(first, format!("{} mistakes in the app:", rest.lines().count()));
    let mistakes = [
        "`State<u8>`",
        "`State<u16>`",
        "`Extension<u8>`",
        "`no-slash`",
        "two routes",
        "remove `deadline`",
        "`body_limit`",
        "`Group::new(\"/<id>\")`",
        "`error_page`",
    ];
    for mistake in mistakes {
        assert_eq!(rest.lines().filter(|line| line.contains(mistake)).count(), 1, "{mistake}: {message}");
    }
    assert_eq!(rest.lines().count(), mistakes.len(), "{message}");
}
