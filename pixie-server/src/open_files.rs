//! The limit of open files of this process, and how many connections fit into it.
//!
//! Each connection is an open file. Files that are sent, uploads and the start of a worker need some too, so
//! connections get only a part of the limit.

/// Raises the limit of open files of this process to the highest value that the system allows it (on Unix,
/// the soft limit to the hard limit).
///
/// Programs that this process starts inherit the limit. `App::run` calls this before it starts workers.
pub fn raise_open_files_limit() {
    system::raise();
}

/// Returns how many connections fit, at most `wanted`.
pub(crate) fn connections_within(wanted: usize) -> usize {
    within(wanted, system::limit())
}

fn within(wanted: usize, limit: Option<u64>) -> usize {
    // A response from a file needs a second descriptor, but few clients download files at the same time.
    let fits = limit.map_or(u64::MAX, |limit| limit - limit / 4);
    wanted.min(usize::try_from(fits).unwrap_or(usize::MAX)).max(1)
}

#[cfg(unix)]
mod system {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    /// The highest limit that macOS accepts, even if the hard limit is higher (`OPEN_MAX`).
    const OPEN_MAX: u64 = 10_240;

    pub(super) fn raise() {
        let limit = getrlimit(Resource::Nofile);
        let raised = |current| setrlimit(Resource::Nofile, Rlimit { current, ..limit }).is_ok();
        if limit.current != limit.maximum && !raised(limit.maximum) && limit.current < Some(OPEN_MAX) {
            raised(Some(OPEN_MAX));
        }
    }

    /// `None` means no limit.
    pub(super) fn limit() -> Option<u64> {
        getrlimit(Resource::Nofile).current
    }
}

#[cfg(not(unix))]
mod system {
    pub(super) fn raise() {}

    pub(super) fn limit() -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn connections_leave_a_quarter_of_the_open_files_to_others() {
        assert_eq!(within(10_000, Some(256)), 192);
        assert_eq!(within(10_000, Some(1024)), 768);
        assert_eq!(within(10_000, Some(20_000)), 10_000);
        assert_eq!(within(10_000, Some(u64::MAX)), 10_000);
        assert_eq!((within(500, None), within(0, Some(1))), (500, 1));
    }
}
