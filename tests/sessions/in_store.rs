//! Sessions in the store: what the store and the cookie hold, requests at the same time, and a store that does
//! not answer.
use std::{
    io,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use pixie_web::{App, FromRequest, Needs, Request, Response, Result, Route, Session, Sessions, Store, TestClient};
use serde_json::Value;

use crate::{KINDS, app, in_all_kinds};

fn client(store: &Store) -> TestClient {
    app().store(store.clone()).sessions(Sessions::InStore).test().expect("the app fits together")
}

/// Runs a test with a store in memory, in a file and in Redis.
fn in_each_store(test: impl Fn(&Store)) {
    test(&Store::memory());
    #[cfg(feature = "store-file")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let address = format!("redb:{}", folder.path().join("store.redb").display());
        test(&Store::open(&address).expect("the file can be opened"));
    }
    #[cfg(feature = "store-redis")]
    if let Some(redis) = crate::redis::Redis::start() {
        test(&Store::open(&redis.address()).expect("the address is valid"));
    }
}

/// Returns what the store has of sessions: keys and values.
fn kept(store: &Store) -> Vec<(String, Value)> {
    store.reserved("session").list("", 10).wait().expect("the store answers")
}

fn pair(client: &TestClient) -> String {
    format!("session={}", client.cookie("session").expect("it was set"))
}

#[test]
fn the_cookie_has_a_random_id_and_the_store_its_hash_and_the_values() {
    in_each_store(|store| {
        let client = client(store);
        client.get("/who/pool").send().assert_text("a guest");
        assert_eq!((client.cookie("session"), kept(store).len()), (None, 0));
        client.get("/in/pool").send();
        let id = client.cookie("session").expect("it was set");
        let [(key, record)] = &kept(store)[..] else { panic!("one session is kept") };
        assert_eq!((id.len(), record["v"]["user"].as_str()), (43, Some("Ada")));
        assert!(*key != id && !record.to_string().contains(&id), "{key}: {record}");
        // What the store has is worth nothing as a cookie.
        for forged in [key, record["i"].as_str().expect("it has an id"), &id[1..], "", "a"] {
            let request = client.get("/who/sync").header("cookie", &format!("session={forged}"));
            request.send().assert_status(200).assert_text("a guest");
        }
        client.get("/out/pool").send();
        assert_eq!(kept(store).len(), 0);
    });
}

#[test]
fn a_renewed_session_has_another_id_and_the_old_one_is_worth_nothing() {
    in_each_store(|store| {
        for kind in KINDS {
            let client = client(store);
            client.get(&format!("/visits/{kind}")).send().assert_text("1");
            let planted = pair(&client);
            client.get(&format!("/in/{kind}")).send();
            assert_ne!(pair(&client), planted);
            client.get("/visits/sync").send().assert_text("2");
            client.get("/who/sync").header("cookie", &planted).send().assert_text("a guest");
            assert_eq!(kept(store).len(), 1);
            client.get("/out/sync").send();
        }
    });
}

#[test]
fn servers_with_one_store_share_their_sessions_and_need_no_secret() {
    let store = Store::memory();
    let without_secret = App::collect().store(store.clone()).sessions(Sessions::InStore);
    let (one, other) = (without_secret.test().expect("it needs no secret"), client(&store));
    one.get("/visits/pool").send().assert_text("1");
    other.get("/visits/thread").header("cookie", &pair(&one)).send().assert_text("2");
    one.get("/visits/async").send().assert_text("3");
}

#[test]
fn requests_at_the_same_time_keep_the_changes_of_each_other() {
    in_each_store(|store| {
        let all = Arc::new(Barrier::new(KINDS.len()));
        let at = |kind: &'static str| {
            let all = all.clone();
            let run = move |request: &mut Request| -> Result<String> {
                let session = Session::from_request(request)?;
                // Each has opened the session before another one is saved.
                all.wait();
                session.set(kind, kind)?;
                Ok(String::new())
            };
            (Route::get(&*format!("/own/{kind}").leak()), run)
        };
        let needs = || Needs::default().extractor::<Session>();
        let [sync, thread, asynchronous, pool, stream] = KINDS.map(at);
        let slow = asynchronous.1;
        let client = app()
            .route(sync.0.sync(sync.1).needs(needs()))
            .route(thread.0.thread(thread.1).needs(needs()))
            .route(
                asynchronous.0.asynchronous(move |mut request| std::future::ready(slow(&mut request))).needs(needs()),
            )
            .route(pool.0.pool(pool.1).needs(needs()))
            .route(stream.0.stream_to(move |request, writer| Ok(writer.send(stream.1(request)?)?)).needs(needs()));
        let client = client.store(store.clone()).sessions(Sessions::InStore).test().expect("the app fits together");
        client.get("/visits/sync").send().assert_text("1");
        thread::scope(|scope| {
            for kind in KINDS {
                let client = &client;
                scope.spawn(move || client.get(&format!("/own/{kind}")).send().assert_status(200));
            }
        });
        let values = &kept(store)[0].1["v"];
        assert!(KINDS.iter().all(|kind| values[kind] == **kind) && values["visits"] == 1, "{values}");
    });
}

#[test]
fn no_change_is_lost_when_many_requests_change_one_session() {
    in_each_store(|store| {
        const CLIENTS: usize = 8;
        const REQUESTS: usize = 25;
        let set = Route::get("/set/<key>/<value:int>").thread(|request: &mut Request| -> Result<()> {
            let session = Session::from_request(request)?;
            session.set(&request.param::<String>("key")?, &request.param::<usize>("value")?)
        });
        let app = app().route(set.needs(Needs::default().extractor::<Session>()));
        let client = app.store(store.clone()).sessions(Sessions::InStore).test().expect("the app fits together");
        client.get("/visits/sync").send();
        thread::scope(|scope| {
            for key in 0..CLIENTS {
                let client = &client;
                scope.spawn(move || {
                    (1..=REQUESTS)
                        .for_each(|value| drop(client.get(&format!("/set/{key}/{value}")).send().assert_status(200)));
                });
            }
        });
        let values = &kept(store)[0].1["v"];
        assert!((0..CLIENTS).all(|key| values[key.to_string()] == REQUESTS), "{values}");
    });
}

/// A client whose route `/slow` opens the session, meets the barrier twice, and then runs `change`.
fn with_slow_route(store: &Store, meet: &Arc<Barrier>, change: fn(&Session) -> Result<()>) -> TestClient {
    let meet = meet.clone();
    let slow = Route::get("/slow").thread(move |request: &mut Request| -> Result<()> {
        let session = Session::from_request(request)?;
        meet.wait();
        meet.wait();
        change(&session)
    });
    let app = app().route(slow.needs(Needs::default().extractor::<Session>()));
    app.store(store.clone()).sessions(Sessions::InStore).test().expect("the app fits together")
}

/// Runs something while `/slow` has the session open, and returns the cookie that `/slow` sets.
fn during(client: &TestClient, meet: &Barrier, run: impl FnOnce()) -> Option<String> {
    thread::scope(|scope| {
        let slow = scope.spawn(|| client.get("/slow").send().assert_status(200));
        meet.wait();
        run();
        meet.wait();
        slow.join().expect("no panic").header("set-cookie").map(str::to_owned)
    })
}

#[test]
fn a_slow_request_does_not_bring_back_a_session_that_was_ended_or_renewed_meanwhile() {
    in_each_store(|store| {
        let meet = Arc::new(Barrier::new(2));
        let client = with_slow_route(store, &meet, |session| session.set("slow", &true));
        client.get("/in/sync").send();
        let told = during(&client, &meet, || drop(client.get("/out/sync").send()));
        assert_eq!((told, kept(store).len()), (None, 0));
        client.get("/in/sync").send();
        let told = during(&client, &meet, || drop(client.get("/in/sync").send()));
        let [(_, record)] = &kept(store)[..] else { panic!("only the renewed one is kept") };
        assert!(told.is_none() && record["v"]["slow"].is_null(), "{told:?} {record}");
        client.get("/who/sync").send().assert_text("Ada");
    });
}

#[test]
fn a_renewal_keeps_what_another_request_has_changed_meanwhile() {
    in_each_store(|store| {
        let meet = Arc::new(Barrier::new(2));
        let client = with_slow_route(store, &meet, |session| session.renew());
        client.get("/visits/sync").send().assert_text("1");
        let before = pair(&client);
        let told = during(&client, &meet, || drop(client.get("/visits/sync").send().assert_text("2")));
        assert!(told.is_some_and(|cookie| !cookie.starts_with(&before)));
        client.get("/visits/sync").send().assert_text("3");
        assert_eq!(kept(store).len(), 1);
    });
}

#[test]
fn the_store_forgets_a_session_that_is_idle_for_too_long() {
    let store = Store::memory();
    let (idle, lifetime) = (Duration::from_secs(1), Duration::from_secs(60));
    let app = app().store(store.clone()).sessions(Sessions::InStore).session_times(idle, lifetime);
    let client = app.test().expect("the app fits together");
    client.get("/in/sync").send();
    let pair = pair(&client);
    let end = Instant::now() + Duration::from_secs(10);
    while !kept(&store).is_empty() {
        assert!(Instant::now() < end, "the session does not end");
    }
    client.get("/who/pool").header("cookie", &pair).send().assert_text("a guest");
}

#[test]
fn a_store_that_does_not_answer_is_a_503_for_requests_that_need_it() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let lost = Store::remote(Arc::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Err(io::Error::other("connection refused"))
    }));
    let client = client(&lost);
    let cookie = format!("session={}", "A".repeat(43));
    for kind in KINDS {
        client.get(&format!("/who/{kind}")).send().assert_status(200);
        let before = asked.load(Ordering::Relaxed);
        let with_cookie = client.get(&format!("/who/{kind}")).header("cookie", &cookie).send();
        with_cookie.assert_status(503).assert_header("retry-after", "1");
        assert_eq!(asked.load(Ordering::Relaxed) - before, 1);
        client.get(&format!("/visits/{kind}")).send().assert_status(503);
    }
}

#[test]
fn a_session_in_the_store_may_have_64_kib() {
    let large = |session: &Session| {
        session.set("text", &"a".repeat(65_525))?;
        let error = session.set("text", &"a".repeat(65_526)).expect_err("it is too large");
        Ok(Response::new(error.to_string()))
    };
    for kind in KINDS {
        let app = in_all_kinds(app(), "larger", large).sessions(Sessions::InStore);
        let sent = app.test().expect("the app fits together").get(&format!("/larger/{kind}")).send().assert_status(200);
        assert!(sent.text().contains("65537 bytes, but may have 65536: store less"), "{}", sent.text());
    }
}

#[test]
#[cfg(feature = "store-file")]
fn a_session_in_a_file_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = format!("redb:{}", folder.path().join("store.redb").display());
    let before = client(&Store::open(&address).expect("the file can be opened"));
    before.get("/in/pool").send().assert_status(303);
    let pair = pair(&before);
    drop(before);
    let after = client(&Store::open(&address).expect("the file can be opened again"));
    after.get("/who/pool").header("cookie", &pair).send().assert_text("Ada");
}
