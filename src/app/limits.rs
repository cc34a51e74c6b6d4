//! What an app takes on: bodies, forms, threads and waiting requests.
use std::{path::PathBuf, time::Duration};

use pixie_core::{ByteSize, FormLimits};

use crate::app::App;

/// # Limits
impl App {
    /// Limits the body of a request, for routes without a limit of their own: `"10MB"`, or a number of bytes.
    /// A longer body is answered with 413. Default: 2 MiB.
    #[doc(alias("max body size", "upload limit"))]
    pub fn body_limit(mut self, size: impl Into<ByteSize>) -> App {
        self.settings.body_limit = size.into();
        self
    }

    /// Limits what a form may contain: its fields, their lengths, its files, and how much of them stays in
    /// memory. The limits apply to extractors, to [`Request::form`](crate::Request::form) and to
    /// [`Request::parts`](crate::Request::parts), in workers too.
    pub fn form_limits(mut self, limits: FormLimits) -> App {
        self.settings.form_limits = limits;
        self
    }

    /// Sets the folder that contains the folder for large uploads. Default: the system's folder for temporary
    /// files.
    ///
    /// The inner folder is locked, so that systemd-tmpfiles does not clean it. If another program removes it,
    /// it is made again. Running workers in a strict sandbox cannot open files in the new folder: they fail
    /// with `PermissionDenied` until they are replaced.
    pub fn upload_dir(mut self, folder: impl Into<PathBuf>) -> App {
        self.settings.upload_dir = Some(folder.into());
        self
    }

    /// Limits how much of its responses the server stores for slow clients on disk: for one response, and for
    /// all together. Default: 256 MiB and 1 GiB. With 0, only memory is used.
    ///
    /// A response of a pool or stream route leaves its worker as fast as the worker writes it. What its
    /// client has not read is stored in files without names, in the folder of [`App::upload_dir`]. At a
    /// limit, the worker waits for its client: see the
    /// [guide](crate::guide::bodies#slow-clients-and-slow-handlers).
    pub fn response_backlog(mut self, each: impl Into<ByteSize>, together: impl Into<ByteSize>) -> App {
        self.settings.response_backlog = each.into();
        self.settings.response_backlog_total = together.into();
        self
    }

    /// Limits the handlers of thread routes that run at the same time, each on a blocking thread. At least 1.
    /// Default: 256.
    pub fn threads(mut self, threads: usize) -> App {
        self.settings.threads = threads;
        self
    }

    /// Limits the time that a request waits for a blocking thread or for a worker of a pool without a queue
    /// timeout of its own. Then the response is 503. Default: 10 s.
    pub fn queue_timeout(mut self, timeout: Duration) -> App {
        self.settings.queue_timeout = timeout;
        self
    }

    /// Limits the time until the head of the response, for pool and stream routes without a deadline of their
    /// own or of their pool, and for async hooks. Then the response is 504, and the worker is killed.
    /// Default: 15 s.
    #[doc(alias("timeout"))]
    pub fn deadline(mut self, deadline: Duration) -> App {
        self.settings.deadline = deadline;
        self
    }
}
