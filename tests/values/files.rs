//! Files through the whole app: every way to serve a file gives the same response.
mod answers;
mod changes;
mod compressed;
mod folders;
mod ranges;
mod refused;
mod support;
