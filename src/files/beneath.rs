//! Opens a file inside a folder. No symbolic link can lead out of the folder.
//!
//! `name.rs` has already checked the name. On Linux the kernel resolves the path and refuses to leave the
//! folder. Elsewhere, and on older kernels, the resolved path is compared with the path of the folder.

#[cfg(target_os = "linux")]
mod linux;
mod portable;

#[cfg(target_os = "linux")]
pub(super) use linux::open;
#[cfg(not(target_os = "linux"))]
pub(super) use portable::open;

#[cfg(test)]
mod tests;
