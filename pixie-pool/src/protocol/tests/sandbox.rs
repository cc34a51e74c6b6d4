//! A sandbox as bytes, whole and damaged.

use bytes::{BufMut as _, BytesMut};

use super::{Pair, TOKEN};
use crate::{
    protocol::{
        encode,
        frame::{Hello, VERSION, Welcome},
        parent::Event,
        worker::Worker,
    },
    sandbox::{Sandbox, SandboxLevel},
};

/// Returns the bytes of a WELCOME; its paths start at byte 46.
fn welcome(sandbox: Sandbox) -> BytesMut {
    let mut bytes = BytesMut::new();
    encode::put_welcome(&mut bytes, &Welcome { memory: 3, sandbox });
    bytes
}

fn hear(mut bytes: BytesMut) -> Result<Option<Welcome>, String> {
    let mut worker = Worker::default();
    worker.receive(&mut bytes, &mut BytesMut::new()).map_err(|violation| violation.0)?;
    Ok(worker.take_welcome())
}

#[test]
fn every_sandbox_arrives_as_it_was_sent() {
    let longest = "/".repeat(4096);
    let most = (0..64).fold(Sandbox::strict(), |sandbox, _| sandbox.write(&longest));
    let sandboxes = [
        Sandbox::none(),
        Sandbox::no_network().required().file_size(7_u64).open_files(u64::MAX),
        Sandbox::strict().read("/a").write("/b").read("").write("/ü"),
        most,
    ];
    for sandbox in sandboxes {
        let heard = hear(welcome(sandbox.clone())).unwrap().unwrap();
        assert_eq!(heard, Welcome { memory: 3, sandbox });
    }
}

#[test]
fn a_damaged_sandbox_is_a_violation() {
    let whole = || welcome(Sandbox::strict().read("/data").write("/out"));
    type Damage = fn(&mut BytesMut);
    let damages: [(&str, Damage); 6] = [
        ("unknown sandbox 9", |bytes| bytes[8 + 10] = 9),
        ("with 258 paths", |bytes| bytes[8 + 10 + 18 + 1] = 1),
        ("cut short", |bytes| bytes[8 + 10 + 18] = 2),
        ("cut short", |bytes| bytes[8 + 10 + 22] = 200),
        ("after a sandbox", |bytes| bytes[8 + 10 + 20] = 0),
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
    pair.parent.welcome(&Welcome { memory: 0, sandbox: Sandbox::strict() }, &mut pair.to_worker);
    assert_eq!(pair.parent.sandbox, SandboxLevel::default());
    encode::put_ready(&mut pair.to_parent, &level);
    assert_eq!(pair.hear(), [Event::Ready]);
    assert_eq!(pair.parent.sandbox, level);
}
