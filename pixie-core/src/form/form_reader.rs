//! `FormReader`: collects the parts of a multipart form while they arrive, within limits.
//!
//! It decides which bytes stay in memory and which go to a temporary file. Its caller writes the file: each
//! [`FormStep`] is one thing to do. Invariant: [`FormLimits`] bound the memory, for a body of any length.
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use pixie_grammar::{ByteSize, settings};

use crate::{
    Error, Pairs, StatusCode, Upload,
    error::refused,
    error::shown,
    form::{
        multipart::{Multipart, MultipartEvent},
        part_head::PartHead,
        upload::SpooledFile,
    },
};

settings! {
    /// Limits of a form, in addition to the route's limit for the whole body.
    ///
    /// A request reads them from its [`StateMap`](crate::StateMap), or uses the defaults.
    ///
    /// ```
    /// use pixie_core::FormLimits;
    /// let limits = FormLimits::default().parts(20).file("5MB");
    /// assert_eq!(limits.mistake(), None);
    /// ```
    pub struct FormLimits;

    /// Limits the number of fields and files together. 1000 is the default of PHP and Django and enough for a
    /// large table of inputs.
    parts = value(max: usize) -> usize: 1000;
    /// Limits the value of one field, in bytes. 1 MiB, which is enough for a long text.
    field = bytes(max: impl Into<ByteSize>) -> usize: 1024 * 1024;
    /// Limits the values of all fields together, in bytes. 2 MiB, because they stay in memory, even on a
    /// route that accepts large files.
    fields = bytes(max: impl Into<ByteSize>) -> usize: 2 * 1024 * 1024;
    /// Limits one file, in bytes. By default only the route's limit for the body applies.
    file = bytes_or_none(max: impl Into<ByteSize>) -> u64: u64::MAX;
    /// Limits the header lines of one part, in bytes. 16 KiB, because the name of a file has a few hundred
    /// bytes.
    head = bytes(max: impl Into<ByteSize>) -> usize: 16 * 1024;
    /// Limits the files that stay in memory, in bytes; the others go to temporary files. 256 KiB, because
    /// icons and documents then need no disk, and a thousand such requests fit into memory.
    memory = bytes(max: impl Into<ByteSize>) -> usize: 256 * 1024;
}

impl FormLimits {
    /// Checks the fields of an urlencoded form that is in memory.
    ///
    /// # Errors
    ///
    /// Returns an error that names the exceeded limit.
    pub fn check_urlencoded(&self, body: &[u8]) -> Result<(), Error> {
        let mut meter = Meter::default();
        for (name, value) in form_urlencoded::parse(body) {
            meter.part(self)?;
            meter.field(self, &name, value.len(), value.len())?;
        }
        Ok(())
    }
}

/// The fields and files of a form.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Parts {
    /// The fields, decoded.
    pub fields: Pairs,
    /// The files. A file input without a file gives an empty file.
    pub files: Vec<Upload>,
}

impl Parts {
    /// Returns parts from fields and files.
    pub fn new(fields: Pairs, files: Vec<Upload>) -> Parts {
        Parts { fields, files }
    }

    /// Reads a multipart form that is in memory. Its files stay in memory.
    pub fn read(headers: &HeaderMap, body: Bytes, limits: &FormLimits) -> Result<Parts, Error> {
        let limits = FormLimits { memory: usize::MAX, ..limits.clone() };
        let mut reader = FormReader::new(headers, limits)?;
        reader.push(body);
        // Without a limit for memory, no step has to be done.
        while reader.step()?.is_some() {}
        reader.finish()
    }
}

/// What the caller of a [`FormReader`] has to do.
#[derive(Debug)]
pub enum FormStep {
    /// Append these bytes to the current temporary file. Create one if there is no current file.
    Write(Bytes),
    /// The current temporary file is complete: pass it to [`FormReader::spooled`].
    Close,
}

/// Collects the parts of a multipart form.
#[derive(Debug)]
pub struct FormReader {
    multipart: Multipart,
    limits: FormLimits,
    meter: Meter,
    open: Option<Open>,
    fields: Vec<(String, String)>,
    files: Vec<Upload>,
}

/// The part that is being read.
#[derive(Debug)]
struct Open {
    head: PartHead,
    /// The bytes that are in memory.
    bytes: BytesMut,
    len: u64,
    is_spooled: bool,
}

impl FormReader {
    /// Returns a reader for the boundary in the `Content-Type` header.
    pub fn new(headers: &HeaderMap, limits: FormLimits) -> Result<FormReader, Error> {
        let multipart = Multipart::new(headers, limits.head)?;
        Ok(FormReader { multipart, limits, meter: Meter::default(), open: None, fields: Vec::new(), files: Vec::new() })
    }

    /// Adds the next bytes of the body. Then call [`FormReader::step`] until it returns `None`.
    pub fn push(&mut self, piece: Bytes) {
        self.multipart.push(piece);
    }

    /// Reads until the caller has to do something. Returns `None` if more bytes are needed.
    pub fn step(&mut self) -> Result<Option<FormStep>, Error> {
        while let Some(event) = self.multipart.next_event()? {
            let step = match event {
                MultipartEvent::Part(head) => {
                    self.meter.part(&self.limits)?;
                    self.open = Some(Open { head, bytes: BytesMut::new(), len: 0, is_spooled: false });
                    None
                }
                MultipartEvent::Data(data) => self.data(data)?,
                MultipartEvent::End => self.end(),
            };
            if step.is_some() {
                return Ok(step);
            }
        }
        Ok(None)
    }

    /// Takes the temporary file of the current part.
    pub fn spooled(&mut self, file: SpooledFile) {
        if let Some(Open { head, len, .. }) = self.open.take() {
            self.files.push(Upload::in_file(head, file, len));
        }
    }

    /// Returns the parts of the form, if the body was complete.
    pub fn finish(self) -> Result<Parts, Error> {
        self.multipart.finish()?;
        Ok(Parts { fields: self.fields.into_iter().collect(), files: self.files })
    }

    fn data(&mut self, data: Bytes) -> Result<Option<FormStep>, Error> {
        let Some(open) = &mut self.open else { return Ok(None) };
        open.len += data.len() as u64;
        if open.head.file_name.is_none() {
            let len = usize::try_from(open.len).unwrap_or(usize::MAX);
            self.meter.field(&self.limits, &open.head.name, len, data.len())?;
            open.bytes.extend_from_slice(&data);
            return Ok(None);
        }
        if open.len > self.limits.file {
            return Err(too_large(&open.head.name, "file", self.limits.file));
        }
        if open.is_spooled {
            return Ok(Some(FormStep::Write(data)));
        }
        if self.meter.file(&self.limits, data.len()) {
            open.bytes.extend_from_slice(&data);
            return Ok(None);
        }
        open.is_spooled = true;
        let mut begun = std::mem::take(&mut open.bytes);
        self.meter.file_bytes -= begun.len();
        if begun.is_empty() {
            return Ok(Some(FormStep::Write(data)));
        }
        begun.extend_from_slice(&data);
        Ok(Some(FormStep::Write(begun.freeze())))
    }

    fn end(&mut self) -> Option<FormStep> {
        if self.open.as_ref()?.is_spooled {
            return Some(FormStep::Close);
        }
        let Open { head, bytes, .. } = self.open.take()?;
        match head.file_name {
            // The text of a form is UTF-8. By the HTML standard, other bytes are replaced.
            None => self.fields.push((head.name, String::from_utf8_lossy(&bytes).into_owned())),
            Some(_) => self.files.push(Upload::in_memory(head, bytes.freeze())),
        }
        None
    }
}

/// Counts the parts and the bytes of a form.
#[derive(Debug, Default)]
struct Meter {
    parts: usize,
    field_bytes: usize,
    file_bytes: usize,
}

impl Meter {
    fn part(&mut self, limits: &FormLimits) -> Result<(), Error> {
        self.parts += 1;
        if self.parts <= limits.parts {
            return Ok(());
        }
        let detail = format!("the form has more than {} fields and files", limits.parts);
        Err(refused(StatusCode::PAYLOAD_TOO_LARGE, detail))
    }

    /// Counts bytes that were added to a field, which now has `len` bytes.
    fn field(&mut self, limits: &FormLimits, name: &str, len: usize, added: usize) -> Result<(), Error> {
        self.field_bytes += added;
        if len > limits.field {
            return Err(too_large(name, "field", limits.field as u64));
        }
        if self.field_bytes > limits.fields {
            let detail = format!("the fields of the form are longer than {} bytes together", limits.fields);
            return Err(
                refused(StatusCode::PAYLOAD_TOO_LARGE, detail).with_field(name, "the fields are too long together")
            );
        }
        Ok(())
    }

    /// Counts bytes of a file. Returns whether they may stay in memory.
    fn file(&mut self, limits: &FormLimits, added: usize) -> bool {
        let fits = self.file_bytes.saturating_add(added) <= limits.memory;
        if fits {
            self.file_bytes += added;
        }
        fits
    }
}

fn too_large(field: &str, what: &str, bytes_max: u64) -> Error {
    let detail = format!("the {what} `{}` is longer than {bytes_max} bytes", shown(field));
    let reason = format!("it is longer than {bytes_max} bytes");
    refused(StatusCode::PAYLOAD_TOO_LARGE, detail).with_field(field, reason)
}
