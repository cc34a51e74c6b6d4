//! A sandbox as bytes, and what of it is in force.
//!
//! Owns these parts of WELCOME and READY. Leaves the rest of the frames to `encode` and `decode`.
//! Invariant: each number of paths and each length is checked against its limit before the bytes are read.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::PathBuf};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{
    config::{ByteSize, PATH_BYTES_MAX, SANDBOX_PATHS_MAX},
    protocol::frame::{Violation, violation},
    sandbox::{Profile, Sandbox, SandboxLevel},
};

const FLAG_REQUIRED: u8 = 1;
const FLAG_SECCOMP: u8 = 1;
const FLAG_LIMITS: u8 = 2;

/// Returns how many bytes the paths take, without the fixed part.
pub(crate) fn path_bytes(sandbox: &Sandbox) -> usize {
    sandbox.paths().map(|(path, _)| 2 + path.as_os_str().len()).sum()
}

/// Writes a sandbox. The start of the pool has checked its limits.
pub(crate) fn put(out: &mut BytesMut, sandbox: &Sandbox) {
    out.put_u8(match sandbox.profile {
        Profile::None => 0,
        Profile::NoNetwork => 1,
        Profile::Strict => 2,
    });
    out.put_u8(if sandbox.is_required { FLAG_REQUIRED } else { 0 });
    out.put_u64_le(sandbox.file_bytes());
    out.put_u64_le(sandbox.open_files);
    out.put_u16_le(sandbox.read.len() as u16);
    out.put_u16_le(sandbox.write.len() as u16);
    for (path, _) in sandbox.paths() {
        let bytes = path.as_os_str().as_encoded_bytes();
        out.put_u16_le(bytes.len() as u16);
        out.put_slice(bytes);
    }
}

/// Reads a sandbox, which must end its frame; the fixed part has arrived.
pub(crate) fn parse(mut payload: Bytes) -> Result<Sandbox, Violation> {
    let profile = match payload.get_u8() {
        0 => Profile::None,
        1 => Profile::NoNetwork,
        2 => Profile::Strict,
        other => return violation(format!("unknown sandbox {other}")),
    };
    let is_required = payload.get_u8() & FLAG_REQUIRED != 0;
    let file_size = ByteSize::from(payload.get_u64_le());
    let open_files = payload.get_u64_le();
    let (read, write) = (payload.get_u16_le() as usize, payload.get_u16_le() as usize);
    if read + write > SANDBOX_PATHS_MAX {
        return violation(format!("a sandbox with {} paths", read + write));
    }
    let mut take = |count| (0..count).map(|_| parse_path(&mut payload)).collect::<Result<Vec<_>, _>>();
    let (read, write) = (take(read)?, take(write)?);
    if !payload.is_empty() {
        return violation(format!("{} bytes after a sandbox", payload.len()));
    }
    Ok(Sandbox { profile, is_required, file_size, open_files, read, write })
}

fn parse_path(payload: &mut Bytes) -> Result<PathBuf, Violation> {
    let len = payload.try_get_u16_le().map_or(usize::MAX, usize::from);
    if len > PATH_BYTES_MAX || len > payload.len() {
        return violation("a path of a sandbox is cut short or too long");
    }
    Ok(OsStr::from_bytes(&payload.split_to(len)).into())
}

/// Writes which parts are in force.
pub(crate) fn put_level(out: &mut BytesMut, level: &SandboxLevel) {
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    out.put_u8(flag(level.seccomp, FLAG_SECCOMP) | flag(level.limits, FLAG_LIMITS));
    out.put_u8(level.landlock);
}

/// Reads which parts are in force; the bytes have arrived.
pub(crate) fn parse_level(mut payload: Bytes) -> SandboxLevel {
    let flags = payload.get_u8();
    let landlock = payload.get_u8();
    SandboxLevel { seccomp: flags & FLAG_SECCOMP != 0, limits: flags & FLAG_LIMITS != 0, landlock }
}
