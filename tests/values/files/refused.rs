//! Requests that try to leave the folder, by their path or by links in the folder, are refused.
use std::fs;

use super::support::{Files, WAYS};

/// Spellings of the same few attacks.
const ATTACKS: [&str; 32] = [
    "../secret.txt",
    "..%2fsecret.txt",
    "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt",
    "%2E%2E%2Fsecret.txt",
    ".%2e/secret.txt",
    "%252e%252e%252fsecret.txt",
    "a/../../secret.txt",
    "a/..%2f..%2fsecret.txt",
    "a/%2e%2e/%2e%2e/secret.txt",
    "..%5csecret.txt",
    "..\\secret.txt",
    "%5c..%5csecret.txt",
    "..%c0%afsecret.txt",
    "%c0%ae%c0%ae/secret.txt",
    "..%00/secret.txt",
    "a.txt%00",
    "a.txt%00.png",
    "%2fetc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "C:/Windows/win.ini",
    "C:%5cWindows%5cwin.ini",
    "%5c%5chost%5cshare",
    "a.txt::$DATA",
    "....//secret.txt",
    "...",
    ".",
    "a/.",
    ".env",
    "a/.hidden/x.txt",
    "%2eenv",
];

fn files() -> Files {
    let files = Files::new(&[
        ("a.txt", b"inside"),
        ("a/b.txt", b"inside"),
        (".env", b"secret"),
        ("a/.hidden/x.txt", b"secret"),
    ]);
    fs::write(files.folder.path().join("secret.txt"), "secret").expect("a file");
    files
}

#[test]
fn no_spelling_of_a_name_leads_out() {
    let files = files();
    let client = files.client();
    for way in WAYS {
        client.get(&format!("{way}a.txt")).send().assert_status(200).assert_text("inside");
        for attack in ATTACKS {
            let answer = client.get(&format!("{way}{attack}")).send();
            // The router refuses a path that is not a valid URL with 400.
            assert!([400, 404].contains(&answer.status().as_u16()), "{way}{attack} {}", answer.status());
            assert!(!answer.text().contains("secret\n") && answer.text() != "secret", "{way}{attack}");
        }
    }
}

#[cfg(unix)]
#[test]
fn links_lead_out_for_nobody() {
    use std::os::unix::fs::symlink;

    let files = files();
    let outside = files.folder.path();
    symlink("a/b.txt", files.root.join("in")).expect("a link");
    symlink("../secret.txt", files.root.join("up")).expect("a link");
    symlink(outside.join("secret.txt"), files.root.join("absolute")).expect("a link");
    symlink(outside, files.root.join("dir")).expect("a link");
    symlink("../secret.txt", files.root.join("a.txt.gz")).expect("a link");
    let client = files.client();
    for way in WAYS {
        client.get(&format!("{way}in")).send().assert_text("inside");
        for link in ["up", "absolute", "dir/secret.txt"] {
            client.get(&format!("{way}{link}")).send().assert_status(404);
        }
        client.get(&format!("{way}a.txt")).header("accept-encoding", "gzip").send().assert_text("inside");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_becomes_a_link_out_is_not_served_from_memory() {
    let files = files();
    let client = files.client();
    client.get("/cached/a.txt").send().assert_text("inside");
    fs::remove_file(files.root.join("a.txt")).expect("the file");
    std::os::unix::fs::symlink("../secret.txt", files.root.join("a.txt")).expect("a link");
    client.get("/cached/a.txt").send().assert_status(404);
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_is_no_file_and_keeps_nobody_waiting() {
    let files = files();
    rustix::fs::mkfifoat(rustix::fs::CWD, files.root.join("pipe"), rustix::fs::Mode::RWXU).expect("a pipe");
    let client = files.client();
    for way in WAYS {
        client.get(&format!("{way}pipe")).send().assert_status(404);
    }
}
