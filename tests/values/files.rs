//! Files over the whole app: every way to serve one answers alike.
mod answers;
mod changes;
mod compressed;
mod folders;
mod ranges;
mod refused;
mod support;
