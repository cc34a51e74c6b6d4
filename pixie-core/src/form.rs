//! Forms, read from bytes within limits: the parts of a multipart form, and the files that come with it.

mod file_name;
pub(crate) mod form_reader;
pub(crate) mod multipart;
pub(crate) mod part_head;
pub(crate) mod upload;
