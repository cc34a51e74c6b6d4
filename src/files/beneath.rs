//! Opening a file beneath a folder, so that no symbolic link leads out of it.
//!
//! The name has been judged before. Linux resolves the path itself under a ban on leaving the folder; elsewhere, and on
//! kernels that cannot do this, the resolved path is compared with the folder's.

#[cfg(target_os = "linux")]
mod linux;
mod portable;

#[cfg(target_os = "linux")]
pub(super) use linux::open;
#[cfg(not(target_os = "linux"))]
pub(super) use portable::open;

#[cfg(test)]
mod tests;
