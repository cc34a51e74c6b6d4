//! What is written, what the programs that read it make of it, and what is refused.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{
    app::{deployed, pixie, refused, route, shop},
    support::checkout,
};

const HOSTS: [&str; 4] = ["--hosts", "web=10.0.0.1,10.0.0.2:8080", "--hosts", "all=10.0.0.11,[fd00::12]:8001"];

/// Runs a program, and returns what it has written if it has failed.
fn run(program: &str, arguments: &[&str], path: &Path) -> Result<String, String> {
    let output =
        Command::new(program).args(arguments).arg(path).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    if output.status.success() { Ok(stdout) } else { Err(stdout + &stderr) }
}

/// Writes a text into a folder.
fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

/// Lets HAProxy check a configuration.
fn haproxy_accepts(configuration: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "haproxy.cfg", configuration);
    // Warnings are failures, too.
    run("haproxy", &["-c", "-q", "-dW", "-f"], &path).unwrap_or_else(|said| panic!("{said}\n{configuration}"));
}

/// Returns the program of the environment with tools in Python, which `.ci/run` makes.
fn python(name: &str) -> Option<String> {
    let path = checkout().join("target/kubernetes/bin").join(name);
    if !path.exists() {
        eprintln!("skipped: {} is missing. `.ci/run` installs it", path.display());
    }
    path.exists().then(|| path.display().to_string())
}

/// Reads YAML, if there is the program for it. Several documents become an array.
fn yaml(text: &str) -> Option<Value> {
    let folder = tempfile::tempdir().unwrap();
    let read = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let read = run(&python("python")?, &["-c", read], &file(&folder, "file.yaml", text));
    Some(serde_json::from_str(&read.unwrap_or_else(|said| panic!("{said}\n{text}"))).unwrap())
}

#[test]
fn haproxy_gets_a_backend_for_each_role() {
    let text = deployed(&shop(), &[&["haproxy"], &HOSTS[..]].concat());
    haproxy_accepts(&text);
    assert_snapshot!(text);
}

#[test]
fn haproxy_can_use_dns_tls_and_the_proxy_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::generate_simple_self_signed(["shop.example".into()]).unwrap();
    let both = file(&folder, "both.pem", &(key.cert.pem() + &key.signing_key.serialize_pem())).display().to_string();
    let mut told = shop();
    (told["tls"], told["agent"], told["ready"]) = (true.into(), json!(null), json!(null));
    let tls = ["--tls-ca", &both, "--tls-cert", &both, "--certificate", &both, "--http2", "--proxy-protocol"];
    let discover = ["--discover", "web=web.internal:8443*4", "--discover", "all=workers.internal", "--bind", ":443"];
    let text = deployed(&told, &[&["haproxy"], &discover[..], &tls[..]].concat());
    haproxy_accepts(&text);
    assert_snapshot!(text.replace(&both, "[PEM]"));
}

#[test]
fn kubernetes_gets_all_resources() {
    let text = deployed(&shop(), &["kubernetes", "--domain", "shop.example"]);
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "shop.yaml", &text);
    if let Some(validate) = python("kubernetes-validate") {
        for version in ["1.30", "1.37"] {
            run(&validate, &["--strict", "-k", version], &path).unwrap_or_else(|said| panic!("{said}"));
        }
    }
    for resource in yaml(&text).iter().flat_map(|all| all.as_array().unwrap()) {
        if resource["kind"] == "ConfigMap" {
            haproxy_accepts(resource["data"]["haproxy.cfg"].as_str().unwrap());
        }
    }
    assert_snapshot!(text);
}

#[test]
fn compose_gets_services_and_haproxy() {
    let text = deployed(&shop(), &["compose"]);
    if let Some(all) = yaml(&text) {
        let (services, configuration) = (&all[0]["services"], &all[0]["configs"]["haproxy"]["content"]);
        haproxy_accepts(&configuration.as_str().unwrap().replace("$$", "$"));
        assert_eq!(services["images"]["environment"]["PIXIE_ROLE"], "images");
        assert_eq!(services["images"]["read_only"], true, "the anchor is merged");
        assert_eq!(services.as_object().unwrap().len(), 5);
    }
    assert_snapshot!(text);
}

#[test]
fn what_compose_would_replace_is_escaped() {
    let mut told = shop();
    told["routes"] = json!([route(&["GET"], "/$HOME", "images"), route(&["GET"], "/$%7BHOME}/<x>", "images")]);
    let text = deployed(&told, &["compose"]);
    let lines: Vec<_> = text.lines().filter(|line| line.contains("HOME")).map(str::trim).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines.iter().all(|line| line.replace("$$", "").find('$').is_none()), "{lines:?}");
}

#[test]
fn systemd_gets_a_unit_for_each_service() {
    let arguments = ["systemd", "--role", "web,reports", "--behind", "10.0.0.5"];
    assert_snapshot!(deployed(&shop(), &arguments));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("units").display().to_string();
    // The program of a unit must exist.
    let output =
        pixie(&shop(), &[&["deploy"], &arguments[..], &["--program", "/bin/true", "--output", &path]].concat());
    assert!(output.status.success(), "{output:?}");
    for name in ["shop-web.service", "shop-images.service"] {
        let verify =
            Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(Path::new(&path).join(name)).output();
        let verify = verify.expect("`systemd-analyze` of Debian's package systemd");
        let said = String::from_utf8_lossy(&verify.stderr).into_owned();
        assert!(verify.status.success() && !said.contains("shop"), "{name}: {said}");
    }
}

#[test]
fn the_check_finds_what_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("haproxy.cfg").display().to_string();
    let written = pixie(&shop(), &[&["deploy", "haproxy", "--output", &path], &HOSTS[..]].concat());
    assert!(written.status.success(), "{written:?}");
    let check = |told: &Value| {
        let output = pixie(told, &["deploy", "haproxy", "--check", &path]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap().replace(&path, "[FILE]"))
    };
    assert_eq!(check(&shop()), (Some(0), String::new()));
    let mut told = shop();
    told["pools"][1]["slots"] = json!(8);
    told["routes"][3]["path"] = json!("/picture");
    let (code, said) = check(&told);
    assert_eq!(code, Some(1));
    assert_snapshot!(said);
    // Its own arguments are used, so it takes no others.
    let said = refused(&shop(), &["haproxy", "--check", &path, "--http2"]);
    assert!(said.contains("cannot be used with"), "{said}");
    fs::write(&path, "global\n").unwrap();
    let said = refused(&shop(), &["haproxy", "--check", &path]);
    assert!(said.contains("this was not generated by `pixie deploy haproxy`"), "{said}");
}

#[test]
fn the_check_of_units_takes_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let run = |more: &[&str]| pixie(&shop(), &[&["deploy", "systemd"], more].concat());
    assert!(run(&["--output", &path, "--behind", "10.0.0.5"]).status.success());
    file(&folder, "another.service", "[Service]\nExecStart=/bin/true\n");
    assert_eq!(run(&["--check", &path]).status.code(), Some(0));
    file(&folder, "shop-images.service", "[Service]\n");
    let output = run(&["--check", &path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("+ExecStart=/srv/shop/shop\n"), "{output:?}");
}

#[test]
fn names_that_files_cannot_hold_are_refused() {
    for (field, value) in [("app", json!("sh op")), ("roles", json!(["web", "a\nb"])), ("ready", json!("/ready'z"))] {
        let mut told = shop();
        told[field] = value;
        let said = refused(&told, &["compose"]);
        assert!(said.contains("cannot stand in a configuration"), "{field}: {said}");
    }
    let mut told = shop();
    told["roles"] = json!(["web", "a_b", "a.b"]);
    assert!(refused(&told, &["compose"]).contains("have the name `a-b`"));
    for value in ["web=10.0.0.1 x", "web=10.0.0.1\n", "web=$HOME", "web='a'", "web=a#b", "web=a\\b", ""] {
        let said = refused(&shop(), &["haproxy", "--hosts", value]);
        assert!(said.contains("invalid value"), "{value}: {said}");
    }
    for (arguments, reason) in [
        (&["haproxy"][..], "no hosts for the role `web`"),
        (&["haproxy", "--hosts", "all=a:b"], "invalid address `a:b`"),
        (&["haproxy", "--hosts", "all=10.0.0.1:0"], "invalid address `10.0.0.1:0`"),
        (&["haproxy", "--hosts", "all=a/b"], "invalid address `a/b`"),
        (&["haproxy", "--hosts", "all="], "invalid address ``"),
        (&["haproxy", "--discover", "all=a*0"], "invalid number of hosts"),
        (&["haproxy", "--bind", "80"], "invalid value '80'"),
        (&["compose", "--role", "web,thumbs"], "the app does not have the role `thumbs`"),
        (&["compose", "--role", "web", "--role", "images,web"], "the role `web` is in several services"),
        (&["compose", "--tls-cert", "a.pem"], "--tls-ca"),
    ] {
        let said = refused(&shop(), arguments);
        assert!(said.contains(reason), "{arguments:?}: {said}");
    }
    let mut told = shop();
    (told["tls"], told["http2"]) = (true.into(), false.into());
    assert!(refused(&told, &["haproxy", "--hosts", "all=a"]).contains("the app serves HTTPS"));
    assert!(
        refused(&told, &["haproxy", "--hosts", "all=a", "--tls-ca", "a", "--http2"]).contains("does not speak HTTP/2")
    );
}

#[test]
fn an_app_without_probes_is_told_which_ones_to_add() {
    let mut told = shop();
    (told["ready"], told["health"]) = (json!(null), json!(null));
    let output = pixie(&told, &["deploy", "haproxy", "--hosts", "all=10.0.0.1"]);
    let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("App::ready(\"/readyz\")") && !text.contains("httpchk") && output.status.success(), "{said}");
    haproxy_accepts(&text);
}
