//! A sandbox as bytes, whole and damaged.

use bytes::{BufMut as _, BytesMut};

use super::{Pair, TOKEN, welcome};
use crate::{
    protocol::{
        encode,
        frame::{HEADER_BYTES, Hello, VERSION, WELCOME_BYTES, Welcome},
        parent::Event,
        worker::Worker,
    },
    sandbox::{Sandbox, SandboxLevel},
};

/// Where the sandbox begins in the bytes of a WELCOME, and where its paths do.
const SANDBOX_AT: usize = HEADER_BYTES + 2 + 8 + 8 + 1;
const PATHS_AT: usize = HEADER_BYTES + WELCOME_BYTES;

fn bytes_of(sandbox: Sandbox) -> BytesMut {
    let mut bytes = BytesMut::new();
    encode::put_welcome(&mut bytes, &welcome(sandbox));
    bytes
}

fn hear(mut bytes: BytesMut) -> Result<Option<Welcome>, String> {
    let mut worker = Worker::default();
    worker.receive(&mut bytes).map_err(|violation| violation.0)?;
    Ok(worker.take_welcome())
}

#[test]
fn every_sandbox_arrives_as_it_was_sent() {
    let longest = "/".repeat(4096);
    let most = (0..64).fold(Sandbox::strict(), |sandbox, _| sandbox.write(&longest));
    let sandboxes = [
        Sandbox::none(),
        Sandbox::no_network().required().file_size(7_u64).open_files(u64::MAX),
        Sandbox::strict().read("/a").write("/b").read_unlisted("/c").read("").write("/ü"),
        most,
    ];
    for sandbox in sandboxes {
        let heard = hear(bytes_of(sandbox.clone())).unwrap().unwrap();
        assert_eq!(heard, welcome(sandbox));
    }
}

#[test]
fn a_damaged_sandbox_is_a_violation() {
    let whole = || bytes_of(Sandbox::strict().read("/data").write("/out"));
    type Damage = fn(&mut BytesMut);
    let damages: [(&str, Damage); 6] = [
        ("unknown sandbox 9", |bytes| bytes[SANDBOX_AT] = 9),
        ("with 258 paths", |bytes| bytes[SANDBOX_AT + 18 + 1] = 1),
        ("cut short", |bytes| bytes[SANDBOX_AT + 18] = 2),
        ("cut short", |bytes| bytes[PATHS_AT] = 200),
        ("after a sandbox", |bytes| bytes[SANDBOX_AT + 22] = 0),
        ("after a sandbox", |bytes| {
            bytes[0] += 1;
            bytes.put_u8(0);
        }),
    ];
    for (expected, damage) in damages {
        let mut bytes = whole();
        damage(&mut bytes);
        let refused = hear(bytes).unwrap_err();
        assert!(refused.contains(expected), "{refused}, expected {expected}");
    }
}

#[test]
fn a_parent_knows_what_holds_a_worker_once_that_is_ready() {
    let level = SandboxLevel { seccomp: true, landlock: 7, limits: false };
    let mut pair = Pair::new();
    encode::put_hello(&mut pair.to_parent, &Hello { version: VERSION, token: TOKEN, table_hash: 1 });
    assert_eq!(pair.hear(), [Event::Greeted]);
    pair.parent.welcome(&welcome(Sandbox::strict()), &mut pair.to_worker);
    assert_eq!(pair.parent.sandbox, SandboxLevel::default());
    encode::put_ready(&mut pair.to_parent, &level);
    assert_eq!(pair.hear(), [Event::Ready]);
    assert_eq!(pair.parent.sandbox, level);
}
