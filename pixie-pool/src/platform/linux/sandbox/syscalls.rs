//! seccomp: which system calls a worker may make.
//!
//! Owns the lists of forbidden calls. Invariant: a forbidden call fails with an error that libraries handle:
//! `EPERM`, or `ENOSYS` for calls that libraries can replace. Calls that the kernel got after this list was
//! written fail with `ENOSYS`.
//!
//! The lists name what is forbidden, not what is allowed, because handlers use many C libraries, and harmless
//! calls should work. Landlock restricts files. Calls that need a capability fail by themselves, because a
//! worker has no capabilities except over files. Each entry adds about 3 µs to a start: when the filter is
//! installed, the kernel tests it with every system call.

use std::{collections::BTreeMap, io};

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter, sock_filter,
};

use crate::sandbox::Profile;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The newest call that was considered here. Greater numbers are newer or belong to the x32 interface.
const NEWEST: c_long = libc::SYS_mseal;

/// Forbidden by every profile, with all arguments.
const FORBIDDEN: &[c_long] = &[
    // The network. Open connections can still be used.
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes, and process groups in which `kill(0)` would reach other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_tkill,
    libc::SYS_setpgid,
    libc::SYS_setsid,
    // Ways around the filter, and large parts of the kernel that handlers do not need.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_personality,
    // Namespaces, in which a process has every capability.
    libc::SYS_unshare,
    libc::SYS_setns,
    // The kernel's log.
    libc::SYS_syslog,
];

/// Older forms that only this processor has.
#[cfg(target_arch = "x86_64")]
const FORBIDDEN_HERE: &[c_long] = &[libc::SYS_fork, libc::SYS_vfork, libc::SYS_setrlimit, libc::SYS_modify_ldt];
/// `setrlimit`, which libc does not name for this processor.
#[cfg(target_arch = "aarch64")]
const FORBIDDEN_HERE: &[c_long] = &[164];

/// Also forbidden by the strict profile: what Landlock does not restrict, and what processes share.
const FORBIDDEN_STRICTLY: &[c_long] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_inotify_init1,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semctl,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Files in memory, which the limits of a worker do not count until they are mapped.
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    // Queues of requests to disks, of which the whole system has a limited number.
    libc::SYS_io_setup,
];
/// The same number on all processors; libc lacks the name for some.
const FCHMODAT2: c_long = 452;

/// Older forms of those that only this processor has.
#[cfg(target_arch = "x86_64")]
const FORBIDDEN_STRICTLY_HERE: &[c_long] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_inotify_init,
];
#[cfg(target_arch = "aarch64")]
const FORBIDDEN_STRICTLY_HERE: &[c_long] = &[];

/// Calls with a process as argument, which may only be this one.
const OWN_PROCESS_ONLY: [c_long; 7] = [
    libc::SYS_kill,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setattr,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
];

/// Installs the filters; false if this system has no filters or refuses them to this process.
pub(super) fn restrict(profile: Profile) -> io::Result<bool> {
    let faulty = |e: BackendError| io::Error::other(format!("building the system call filter failed: {e}"));
    for program in [unknown(), forbidden(profile, std::process::id()).map_err(faulty)?] {
        if let Err(error) = apply_filter(&program) {
            eprintln!("worker: the kernel refused the system call filter: {error}");
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the filter for calls that fail as if the kernel did not have them: calls newer than this list, and
/// `clone3`, whose flags a filter cannot see. The C library then uses `clone`.
fn unknown() -> BpfProgram {
    let statement = |code: u32, k: u32| sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let jump = |code: u32, k: c_long, jt| sock_filter { jt, ..statement(libc::BPF_JMP | code | libc::BPF_K, k as u32) };
    let missing = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
    vec![
        // The number of the call is the first field that a filter sees.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        jump(libc::BPF_JEQ, libc::SYS_clone3, 2),
        jump(libc::BPF_JGT, NEWEST, 1),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
        statement(libc::BPF_RET | libc::BPF_K, missing),
    ]
}

/// Returns the filter for calls that fail with `EPERM`.
fn forbidden(profile: Profile, pid: u32) -> Result<BpfProgram, BackendError> {
    let strictly: [&[c_long]; 2] = match profile {
        Profile::Strict => [FORBIDDEN_STRICTLY, FORBIDDEN_STRICTLY_HERE],
        Profile::NoNetwork | Profile::None => [&[], &[]],
    };
    let lists = [FORBIDDEN, FORBIDDEN_HERE].into_iter().chain(strictly);
    let mut rules: Rules = lists.flatten().map(|call| (*call, Vec::new())).collect();
    rules.extend(forbidden_by_arguments(profile, pid)?);
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, refused, std::env::consts::ARCH.try_into()?)?.try_into()
}

fn forbidden_by_arguments(profile: Profile, pid: u32) -> Result<Rules, BackendError> {
    let pid = u64::from(pid);
    let other = |at| vec![is_not(at, 0), is_not(at, pid)];
    let mut rules = Rules::new();
    let mut forbid = |call: c_long, conditions: Vec<Condition>| {
        let conditions = conditions.into_iter().collect::<Result<_, _>>()?;
        rules.entry(call).or_default().push(SeccompRule::new(conditions)?);
        Ok::<_, BackendError>(())
    };
    for call in OWN_PROCESS_ONLY {
        forbid(call, other(0))?;
    }
    for call in [libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo] {
        forbid(call, vec![is_not(0, pid)])?;
    }
    // New processes, but not threads.
    forbid(libc::SYS_clone, vec![has_bits(0, libc::CLONE_THREAD as u64, 0)])?;
    // Limits of other processes, and new limits of its own, which root could raise.
    forbid(libc::SYS_prlimit64, other(0))?;
    forbid(libc::SYS_prlimit64, vec![is_not(2, 0)])?;
    // Only `PRIO_PROCESS` and `IOPRIO_WHO_PROCESS`, and not groups and users.
    for (call, process) in [(libc::SYS_setpriority, 0), (libc::SYS_ioprio_set, 1)] {
        forbid(call, vec![is_not(0, process)])?;
        forbid(call, other(1))?;
    }
    forbid(libc::SYS_fcntl, FILE_COMMANDS.iter().map(|command| is_not(1, *command as u64)).collect())?;
    // Signals to the owner of a descriptor, and input typed into a terminal.
    for request in [FIOSETOWN, SIOCSPGRP, TIOCSTI, TIOCLINUX] {
        forbid(libc::SYS_ioctl, vec![is(1, request)])?;
    }
    if profile == Profile::Strict {
        // Requests to file systems, for which reading a file is enough: its flags, making it read-only for
        // ever (fs-verity), subvolumes. Copies that share blocks need a target that can be written.
        for kind in [b'f', b'X', b'v', BTRFS, F2FS] {
            let of_kind = has_bits(1, 0xff00, u64::from(kind) << 8);
            forbid(libc::SYS_ioctl, vec![of_kind, is_not(1, FICLONE), is_not(1, FICLONERANGE)])?;
        }
    }
    // Keeps other programs off the second thread of a core. All other options concern only the worker.
    forbid(libc::SYS_prctl, vec![is(0, libc::PR_SCHED_CORE as u64)])?;
    // A pair of streams reaches no other process, but datagrams can be sent to any address.
    forbid(libc::SYS_socketpair, vec![is_not(0, libc::AF_UNIX as u64)])?;
    for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW] {
        forbid(libc::SYS_socketpair, vec![has_bits(1, 0xf, kind as u64)])?;
    }
    Ok(rules)
}

/// The commands of `fcntl` that a worker may use: those on its descriptors, and locks. The others let it
/// choose signals for the owner of a descriptor (`F_SETOWN`), block everybody who opens a file that it may
/// read (`F_SETLEASE`, `F_SETDELEG`), watch directories, use up the pipes of its user (`F_SETPIPE_SZ`), or
/// are newer than this list.
const FILE_COMMANDS: [i32; 21] = [
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    F_DUPFD_QUERY,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_GETLK,
    libc::F_SETLK,
    libc::F_SETLKW,
    libc::F_OFD_GETLK,
    libc::F_OFD_SETLK,
    libc::F_OFD_SETLKW,
    libc::F_GETOWN,
    F_GETOWN_EX,
    F_SETSIG,
    F_GETSIG,
    libc::F_GETLEASE,
    libc::F_GETPIPE_SZ,
    libc::F_ADD_SEALS,
    libc::F_GET_SEALS,
];

/// From the kernel's `fcntl.h`, `fs.h`, `sockios.h` and `ioctls.h`, the same on both processors.
const F_SETSIG: i32 = 10;
const F_GETSIG: i32 = 11;
const F_GETOWN_EX: i32 = 16;
const F_DUPFD_QUERY: i32 = 1027;
const FICLONE: u64 = 0x4004_9409;
const FICLONERANGE: u64 = 0x4020_940d;
/// The second byte of the requests to these file systems.
const BTRFS: u8 = 0x94;
const F2FS: u8 = 0xf5;
const FIOSETOWN: u64 = 0x8901;
const SIOCSPGRP: u64 = 0x8902;
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;

/// A condition of an argument under which a call is forbidden.
type Condition = Result<SeccompCondition, BackendError>;

fn is(at: u8, value: u64) -> Condition {
    condition(at, SeccompCmpOp::Eq, value)
}

fn is_not(at: u8, value: u64) -> Condition {
    condition(at, SeccompCmpOp::Ne, value)
}

fn has_bits(at: u8, mask: u64, value: u64) -> Condition {
    condition(at, SeccompCmpOp::MaskedEq(mask), value)
}

fn condition(at: u8, operator: SeccompCmpOp, value: u64) -> Condition {
    // A pointer has 64 bits; of other arguments, the kernel reads the lower 32.
    let length = if at == 2 { SeccompCmpArgLen::Qword } else { SeccompCmpArgLen::Dword };
    SeccompCondition::new(at, length, operator, value)
}

#[cfg(test)]
mod tests;
