//! Runs the filters in a small interpreter, and checks the result for calls with arguments.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use super::*;

const PID: u32 = 4711;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const UNKNOWN: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
const NEVER: u32 = libc::SECCOMP_RET_KILL_PROCESS;

/// Returns what a filter sees of a call, in the layout of the kernel.
fn seen(arch: u32, call: c_long, arguments: &[u64]) -> Vec<u8> {
    let mut bytes = [(call as u32).to_ne_bytes(), arch.to_ne_bytes()].concat();
    bytes.extend([0; 8]);
    (0..6).for_each(|at| bytes.extend(arguments.get(at).copied().unwrap_or(0).to_ne_bytes()));
    bytes
}

/// Runs a filter; supports the instructions that these filters have.
fn run(program: &BpfProgram, seen: &[u8]) -> u32 {
    let (mut at, mut value) = (0, 0_u32);
    loop {
        let instruction = &program[at];
        at += 1;
        let k = instruction.k;
        let mut jump = |is_met: bool| at += usize::from(if is_met { instruction.jt } else { instruction.jf });
        match u32::from(instruction.code) {
            0x20 => value = u32::from_ne_bytes(seen[k as usize..k as usize + 4].try_into().unwrap()),
            0x05 => at += k as usize,
            0x15 => jump(value == k),
            0x25 => jump(value > k),
            0x35 => jump(value >= k),
            0x45 => jump(value & k != 0),
            0x54 => value &= k,
            0x06 => return k,
            other => panic!("instruction {other:#x}"),
        }
    }
}

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;

/// Returns the verdict of all filters together, as the kernel does: the strictest one.
fn verdict(profile: Profile, arch: u32, call: c_long, arguments: &[u64]) -> u32 {
    let seen = seen(arch, call, arguments);
    let orders = [unknown(), forbidden(profile, PID).unwrap()].map(|program| run(&program, &seen));
    [NEVER, REFUSE, UNKNOWN].into_iter().find(|order| orders.contains(order)).unwrap_or(ALLOW)
}

fn check(call: c_long, arguments: &[u64], expected: u32) {
    for profile in [Profile::NoNetwork, Profile::Strict] {
        let found = verdict(profile, ARCH, call, arguments);
        assert_eq!(found, expected, "call {call} with {arguments:?} under {profile}");
    }
}

#[test]
fn what_a_handler_needs_is_allowed() {
    let calls = [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_openat,
        libc::SYS_recvfrom,
        libc::SYS_sendto,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_exit_group,
        libc::SYS_sigaltstack,
        libc::SYS_rt_sigaction,
        libc::SYS_sched_getaffinity,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_prctl,
        libc::SYS_ftruncate,
        libc::SYS_renameat2,
        libc::SYS_epoll_create1,
        libc::SYS_eventfd2,
        libc::SYS_seccomp,
        NEWEST,
    ];
    calls.into_iter().for_each(|call| check(call, &[], ALLOW));
}

#[test]
fn every_call_on_the_lists_is_refused() {
    FORBIDDEN.iter().chain(FORBIDDEN_HERE).for_each(|call| check(*call, &[], REFUSE));
    for call in FORBIDDEN_STRICTLY.iter().chain(FORBIDDEN_STRICTLY_HERE) {
        assert_eq!(verdict(Profile::Strict, ARCH, *call, &[]), REFUSE, "call {call}");
        assert_eq!(verdict(Profile::NoNetwork, ARCH, *call, &[]), ALLOW, "call {call}");
    }
}

#[test]
fn threads_are_allowed_and_processes_are_not() {
    let thread = (libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_THREAD) as u64;
    check(libc::SYS_clone, &[thread], ALLOW);
    check(libc::SYS_clone, &[libc::SIGCHLD as u64], REFUSE);
    check(libc::SYS_clone, &[(libc::CLONE_VM | libc::CLONE_VFORK) as u64], REFUSE);
    check(libc::SYS_clone3, &[1, 88], UNKNOWN);
}

#[test]
fn a_worker_may_signal_only_itself() {
    let own = u64::from(PID);
    check(libc::SYS_kill, &[own, 6], ALLOW);
    check(libc::SYS_kill, &[0, 9], ALLOW);
    check(libc::SYS_kill, &[own + 1, 9], REFUSE);
    check(libc::SYS_kill, &[u64::from(u32::MAX), 9], REFUSE);
    check(libc::SYS_kill, &[u64::from(PID.wrapping_neg()), 9], REFUSE);
    check(libc::SYS_tgkill, &[own, own + 3, 6], ALLOW);
    check(libc::SYS_tgkill, &[own + 1, own + 1, 6], REFUSE);
    check(libc::SYS_ioctl, &[3, 0x541b], ALLOW);
    check(libc::SYS_ioctl, &[3, FIOSETOWN], REFUSE);
    check(libc::SYS_ioctl, &[3, TIOCSTI | 1 << 32], REFUSE);
}

#[test]
fn a_worker_uses_descriptors_and_locks_but_no_leases() {
    let fcntl = |command| [3, command as u64, 1];
    for command in FILE_COMMANDS {
        check(libc::SYS_fcntl, &fcntl(command), ALLOW);
    }
    let (watch, delegate, newest) = (libc::F_NOTIFY, 1040, 9999);
    for command in [libc::F_SETOWN, 15, libc::F_SETLEASE, watch, libc::F_SETPIPE_SZ, delegate, newest] {
        check(libc::SYS_fcntl, &fcntl(command), REFUSE);
    }
    check(libc::SYS_fcntl, &[3, 1 << 32 | libc::F_SETLEASE as u64, 1], REFUSE);
    check(libc::SYS_flock, &[3, libc::LOCK_EX as u64], ALLOW);
}

#[test]
fn a_strict_worker_sends_no_requests_to_file_systems_except_copies() {
    // Flags of two kinds, fs-verity, version, a new subvolume, an atomic write of F2FS.
    let requests = [0x4008_6602, 0x401c_5820, 0x4080_6685, 0x4008_7602, 0x5000_940e, 0xf501];
    for request in requests {
        for (profile, expected) in [(Profile::Strict, REFUSE), (Profile::NoNetwork, ALLOW)] {
            assert_eq!(verdict(profile, ARCH, libc::SYS_ioctl, &[3, request]), expected, "{request:#x} {profile}");
        }
    }
    // Terminals, sockets and shared copies.
    for request in [0x5401, 0x5421, 0x541b, FICLONE, FICLONERANGE] {
        check(libc::SYS_ioctl, &[3, request], ALLOW);
    }
}

#[test]
fn a_worker_takes_no_cores_for_itself() {
    check(libc::SYS_prctl, &[libc::PR_SET_NAME as u64], ALLOW);
    check(libc::SYS_prctl, &[libc::PR_SCHED_CORE as u64, 1], REFUSE);
}

#[test]
fn a_worker_changes_neither_limits_nor_the_priority_of_others() {
    let own = u64::from(PID);
    check(libc::SYS_prlimit64, &[0, 3, 0, 0x1000], ALLOW);
    check(libc::SYS_prlimit64, &[0, 3, 0x1000, 0], REFUSE);
    check(libc::SYS_prlimit64, &[0, 3, 1 << 32, 0], REFUSE);
    check(libc::SYS_prlimit64, &[own + 1, 3, 0, 0x1000], REFUSE);
    check(libc::SYS_setpriority, &[0, 0, 5], ALLOW);
    check(libc::SYS_setpriority, &[0, own + 1, 5], REFUSE);
    check(libc::SYS_setpriority, &[2, 0, 5], REFUSE);
    check(libc::SYS_ioprio_set, &[1, 0, 5], ALLOW);
    check(libc::SYS_ioprio_set, &[3, 0, 5], REFUSE);
    check(libc::SYS_sched_setaffinity, &[0, 8, 0x1000], ALLOW);
    check(libc::SYS_sched_setscheduler, &[own + 1, 5], REFUSE);
}

#[test]
fn pairs_of_sockets_are_streams() {
    let (unix, close_on_exec) = (libc::AF_UNIX as u64, libc::SOCK_CLOEXEC as u64);
    check(libc::SYS_socketpair, &[unix, libc::SOCK_STREAM as u64 | close_on_exec], ALLOW);
    check(libc::SYS_socketpair, &[unix, libc::SOCK_DGRAM as u64 | close_on_exec], REFUSE);
    check(libc::SYS_socketpair, &[unix, libc::SOCK_RAW as u64], REFUSE);
    check(libc::SYS_socketpair, &[30, libc::SOCK_STREAM as u64], REFUSE);
}

#[test]
fn what_the_lists_do_not_know_is_unknown_to_a_worker() {
    for number in [NEWEST + 1, 500, 0x4000_0000 + libc::SYS_execve, 0x4000_0000 + 520] {
        let found = verdict(Profile::NoNetwork, ARCH, number, &[]);
        assert_eq!(found, UNKNOWN, "call {number:#x}");
    }
    // The calls of a 32-bit program have other numbers.
    assert_eq!(verdict(Profile::NoNetwork, 0x4000_0003, libc::SYS_read, &[]), NEVER);
}
