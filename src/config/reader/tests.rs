//! Texts of files and variables in, values or mistakes out.
use std::collections::BTreeSet;

use super::*;

const POOLS: [&str; 2] = ["default", "images"];

fn read(toml: &str, env_file: &str, environment: &[(&str, &str)]) -> Result<Given, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), Some((*value).to_owned()));
    let sources = Sources {
        toml: Some(("pixie.toml".to_owned(), toml.to_owned())),
        env_files: vec![(".env".to_owned(), env_file.to_owned())],
        environment: environment.iter().map(owned).collect(),
    };
    Reader::new(&POOLS).read(&sources).map_err(|error| error.to_string())
}

fn mistakes(toml: &str, env_file: &str, environment: &[(&str, &str)]) -> String {
    read(toml, env_file, environment).map(drop).expect_err("it is wrong")
}

fn warnings(environment: &[(&str, &str)]) -> String {
    read("", "", environment).expect("it is only odd").warnings.join("; ")
}

#[test]
fn the_environment_overrides_the_env_file_which_overrides_the_toml_file() {
    let toml = "[app]\nport = 1\nthreads = 1_000\n\n[server]\nlinger = \"1s\"\n";
    let given = read(toml, "A=b\nPIXIE_PORT=2\nPIXIE_SERVER_LINGER=2s", &[("PIXIE_PORT", " 3 ")]).expect("right");
    let mut settings = Settings::default();
    given.apply(&mut settings).expect("all were checked");
    assert_eq!((settings.port, settings.threads), (3, 1000));
    let origins = ["app.port", "app.threads", "server.linger", "app.host"].map(|key| given.origin(key));
    assert_eq!(origins, [Some("environment PIXIE_PORT"), Some("pixie.toml:3"), Some(".env:3"), None]);
}

#[test]
fn a_variable_that_a_tool_took_from_the_env_file_still_comes_from_there() {
    let given = read("", "PIXIE_PORT=2", &[("PIXIE_PORT", "2")]).expect("right");
    assert_eq!(given.origin("app.port"), Some(".env:1"));
}

#[test]
fn the_environment_has_the_last_word_even_if_the_weaker_env_file_says_the_same() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let sources = Sources {
        env_files: vec![file(".env", "PIXIE_PORT=1"), file(".env.local", "PIXIE_PORT=2")],
        environment: vec![("PIXIE_PORT".to_owned(), Some("1".to_owned()))],
        ..Sources::default()
    };
    let given = Reader::new(&POOLS).read(&sources).expect("right");
    assert_eq!(given.origin("app.port"), Some("environment PIXIE_PORT"));
}

#[test]
fn every_setting_has_a_variable_that_sets_its_default() {
    let (rows, defaults) = (Row::all(), Settings::default());
    for row in &rows {
        let text = (row.read)(&defaults);
        // The number of cores has no text.
        if row.key != "app.workers" {
            let given = read("", "", &[(row.variable.as_str(), text.as_str())]).expect(&row.key);
            let mut settings = Settings::default();
            given.apply(&mut settings).expect("it was checked");
            assert_eq!(((row.read)(&settings), given.values.len()), (text, 1), "{}", row.key);
        }
    }
    let names: BTreeSet<_> = rows.iter().map(|row| &row.variable).collect();
    assert_eq!(names.len(), rows.len(), "two settings have one variable");
}

#[test]
fn pools_have_tables_and_variables() {
    let toml = "[pools.images]\nsize = \"2..8\"\nbreaker = false\nqueue = 7\n[app]\nworkers = 4\n";
    let given = read(toml, "", &[("PIXIE_POOL_IMAGES", "size=3, deadline=2s"), ("PIXIE_WORKERS", "9")]).expect("right");
    let values: Vec<_> = given.values.iter().map(|value| (value.key.as_str(), value.text.as_str())).collect();
    let toml = [
        ("app.workers", "4"),
        ("pools.images.size", "2..8"),
        ("pools.images.breaker", "false"),
        ("pools.images.queue", "7"),
    ];
    assert_eq!(values[..4], toml);
    assert_eq!(values[4..], [("app.workers", "9"), ("pools.images.size", "3"), ("pools.images.deadline", "2s")]);
}

#[test]
fn a_mistake_names_its_place_and_the_nearest_right_word() {
    for (toml, message) in [
        ("[app]\nprot = 1", "pixie.toml:2: unknown setting `app.prot`: did you mean `port`?"),
        ("[app]\nzzz = 1", "pixie.toml:2: unknown setting `app.zzz`: `pixie config` shows all settings"),
        ("[sever]", "pixie.toml:1: unknown `sever`: did you mean `[server]`?"),
        ("port = 80", "pixie.toml:1: unknown `port`: write it below `[app]`"),
        ("[pools.imges]\nsize = 1", "pixie.toml:1: no route runs in a pool `imges`: did you mean `images`?"),
        ("[pools.images]\nsiez = 1", "pixie.toml:2: unknown setting `pools.images.siez`: did you mean `size`?"),
        (
            "\n[server]\nlinger = 5",
            "pixie.toml:3: cannot set `server.linger` to \"5\": invalid duration `5`: write a whole",
        ),
        (
            "[app]\nport = [1]",
            "pixie.toml:2: `app.port` must be a text, a list of texts, a number or a boolean, not array",
        ),
        ("[app]\nthreads = 0", "pixie.toml:2: cannot set `app.threads` to \"0\": 0 is below the minimum, 1"),
        ("[app]\nsecret = \"x\"", "pixie.toml:2: a secret is not read from this file: set PIXIE_SECRET"),
        ("[app]\nport 80", "pixie.toml:2: "),
        ("pools = 1", "pixie.toml:1: unknown `pools`"),
        ("[pools.b]\n[pools.a]", "2 mistakes in the configuration:\n  pixie.toml:1"),
    ] {
        let found = mistakes(toml, "", &[]);
        assert!(found.starts_with(message), "{toml}: {found}");
    }
    assert!(mistakes("", "A=1\nPIXIE_PORT=x", &[]).starts_with(".env:2: cannot set `app.port` to \"x\""));
    assert!(mistakes("", "A=1\nB C", &[]).starts_with(".env:2: write NAME=value"));
    assert_eq!(
        mistakes("", "", &[("PIXIE_POOL_IMAGES", "siz=4 size")]),
        "2 mistakes in the configuration:\n  \
         PIXIE_POOL_IMAGES: unknown setting `pools.images.siz`: did you mean `size`?\n  \
         PIXIE_POOL_IMAGES: `size` is not a pair such as `size=4`"
    );
    assert!(mistakes("", "", &[("PIXIE_POOL_IMAGES", "queue=x")]).starts_with("PIXIE_POOL_IMAGES: cannot set"));
    assert!(mistakes("", "", &[("PIXIE_BEHIND_PROXY", "unix,10.0.0/8")]).starts_with(
        "PIXIE_BEHIND_PROXY: cannot set `app.behind_proxy` to \"unix,10.0.0/8\": `10.0.0/8`: this is not a network"
    ));
    assert!(mistakes("", "", &[("PIXIE_PORT", "tcp://10.0.0.1:80")]).contains("enableServiceLinks"));
}

#[test]
fn a_value_with_which_no_request_would_succeed_is_refused() {
    for (setting, text, message) in [
        ("headers_max", "1000000", "above the maximum, 10000"),
        ("idle_timeout", "0s", "below the minimum, 1ms"),
        ("handshake_timeout", "0s", "below the minimum, 1ms"),
        ("http2_send_buffer_max", "0B", "below the minimum, 16KiB"),
        ("http2_stream_window", "0B", "below the minimum, 16KiB"),
        ("http2_connection_window", "3GiB", "above the maximum, 2GiB"),
        ("http2_frame_bytes_max", "17MiB", "above the maximum, 16MiB"),
        ("http2_ping_interval", "0s", "below the minimum, 1s"),
    ] {
        let found = mistakes(&format!("[server]\n{setting} = \"{text}\""), "", &[]);
        assert!(found.starts_with("pixie.toml:2: ") && found.ends_with(message), "{found}");
    }
    let most = usize::MAX.to_string();
    assert!(mistakes("", "", &[("PIXIE_THREADS", &most)]).ends_with("above the maximum, 100000"));
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let found = mistakes("[app]\nport = 70000\ndev = \"maybe\"", "PIXIE_THREADS=x", &[("PIXIE_WORKERS", "-1")]);
    let lines: Vec<_> = found.lines().map(|line| line.trim().split(": ").next().unwrap_or_default()).collect();
    assert_eq!(lines, ["4 mistakes in the configuration:", "pixie.toml:2", "pixie.toml:3", ".env:1", "PIXIE_WORKERS"]);
}

#[test]
fn an_unknown_variable_is_a_warning_with_the_nearest_name() {
    assert_eq!(
        warnings(&[("PIXIE_PROT", "1")]),
        "PIXIE_PROT is not a setting of this program: did you mean PIXIE_PORT?"
    );
    assert_eq!(
        warnings(&[("PIXIE_SERVER_SOMETHING_ELSE", "1")]),
        "PIXIE_SERVER_SOMETHING_ELSE is not a setting of this program"
    );
    assert!(warnings(&[("PIXIE_POOL_IMGES", "size=4")]).ends_with("did you mean PIXIE_POOL_IMAGES?"));
    assert_eq!(warnings(&[("PIXIE_DUMP", "routes"), ("PIXIE_POOL_IMAGES", "size=4"), ("OTHER", "1")]), "");
}

#[test]
fn a_variable_that_resembles_no_setting_is_the_apps_own() {
    let own = [("PIXIE_CERT", "1"), ("PIXIE_KEY", "1"), ("PIXIE_TLS_PORT", "1")];
    let given = read("", "", &own).expect("right");
    assert_eq!((&given.other_variables[..], given.warnings.len()), (&own.map(|(name, _)| name.to_owned())[..], 0));
}

#[test]
fn a_secret_is_kept_apart_from_the_values() {
    let given = read("", "PIXIE_SECRET=hidden", &[]).expect("right");
    assert_eq!((given.secret.clone(), given.values.len()), (Some(("hidden".into(), ".env:1".into())), 0));
    assert!(!serde_json::to_string(&given).expect("it can be written").contains("hidden"));
}
