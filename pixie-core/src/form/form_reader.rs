//! `FormReader`: the parts of a multipart form gathered as they arrive, within limits.
//!
//! It decides what stays in memory and what has to go to a temporary file; writing that file is left to its caller, which
//! is told so step by step. Must stay true: what it holds is bounded by [`FormLimits`], however long the body is.
use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use crate::{Multipart, MultipartEvent, Pairs, PartHead, Rejection, RejectionKind, SpooledFile, Upload, error::shown};

/// How much a form may hold, in the [`StateMap`](crate::StateMap) of a request; without one there, the default. The whole body
/// has the route's own limit besides.
#[derive(Clone, Debug)]
pub struct FormLimits {
    /// Fields and files together. 1000, as PHP and Django have it: a large table of inputs, and few enough to look through.
    pub parts_max: usize,
    /// Bytes of one field's value. 1 MiB: a long text with room to spare.
    pub field_bytes_max: usize,
    /// Bytes of all fields' values together. 2 MiB: they stay in memory, whatever the route allows for files.
    pub fields_bytes_max: usize,
    /// Bytes of one file. No limit of its own by default: the route's limit of the body holds.
    pub file_bytes_max: u64,
    /// Bytes of the header lines of one part. 16 KiB: names of files are a few hundred bytes.
    pub head_bytes_max: usize,
    /// Bytes of all files that stay in memory; what is beyond goes to a temporary file. 256 KiB: icons and documents need no
    /// disk, and a thousand such requests fit into memory.
    pub memory_bytes_max: usize,
}

impl Default for FormLimits {
    fn default() -> FormLimits {
        FormLimits {
            parts_max: 1000,
            field_bytes_max: 1024 * 1024,
            fields_bytes_max: 2 * 1024 * 1024,
            file_bytes_max: u64::MAX,
            head_bytes_max: 16 * 1024,
            memory_bytes_max: 256 * 1024,
        }
    }
}

impl FormLimits {
    /// Checks the fields of an urlencoded form, which is in memory already.
    pub fn check_urlencoded(&self, body: &[u8]) -> Result<(), Rejection> {
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
pub struct Parts {
    /// The fields, decoded.
    pub fields: Pairs,
    /// The files, also those of inputs that were left empty.
    pub files: Vec<Upload>,
}

impl Parts {
    /// Reads a multipart form that is in memory as a whole; its files stay there.
    pub fn read(headers: &HeaderMap, body: Bytes, limits: &FormLimits) -> Result<Parts, Rejection> {
        let limits = FormLimits { memory_bytes_max: usize::MAX, ..limits.clone() };
        let mut reader = FormReader::new(headers, limits)?;
        reader.push(body);
        // Without a limit of memory there is no step to take.
        while reader.step()?.is_some() {}
        reader.finish()
    }
}

/// What the caller of a [`FormReader`] has to do.
#[derive(Debug)]
pub enum FormStep {
    /// Append these bytes to the current temporary file, which is a new one if there is none.
    Write(Bytes),
    /// The current temporary file is complete: hand it to [`FormReader::spooled`].
    Close,
}

/// Gathers the parts of a multipart form.
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
    /// What is in memory of it.
    bytes: BytesMut,
    len: u64,
    is_spooled: bool,
}

impl FormReader {
    /// Starts with the boundary that the headers announce.
    pub fn new(headers: &HeaderMap, limits: FormLimits) -> Result<FormReader, Rejection> {
        let multipart = Multipart::new(headers, limits.head_bytes_max)?;
        Ok(FormReader { multipart, limits, meter: Meter::default(), open: None, fields: Vec::new(), files: Vec::new() })
    }

    /// Adds the next bytes of the body; call [`FormReader::step`] until it returns nothing before more are pushed.
    pub fn push(&mut self, piece: Bytes) {
        self.multipart.push(piece);
    }

    /// Reads on, up to where something has to be written; returns nothing when more bytes are needed.
    pub fn step(&mut self) -> Result<Option<FormStep>, Rejection> {
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

    /// Takes the temporary file that was written for the current part.
    pub fn spooled(&mut self, file: SpooledFile) {
        if let Some(Open { head, len, .. }) = self.open.take() {
            self.files.push(Upload::in_file(head, file, len));
        }
    }

    /// Ends the body and returns its parts.
    pub fn finish(self) -> Result<Parts, Rejection> {
        self.multipart.finish()?;
        Ok(Parts { fields: self.fields.into_iter().collect(), files: self.files })
    }

    fn data(&mut self, data: Bytes) -> Result<Option<FormStep>, Rejection> {
        let Some(open) = &mut self.open else { return Ok(None) };
        open.len += data.len() as u64;
        if open.head.file_name.is_none() {
            let len = usize::try_from(open.len).unwrap_or(usize::MAX);
            self.meter.field(&self.limits, &open.head.name, len, data.len())?;
            open.bytes.extend_from_slice(&data);
            return Ok(None);
        }
        if open.len > self.limits.file_bytes_max {
            return Err(too_large(&open.head.name, "file", self.limits.file_bytes_max));
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
            // By the HTML standard a form's text is UTF-8, and what is not is replaced.
            None => self.fields.push((head.name, String::from_utf8_lossy(&bytes).into_owned())),
            Some(_) => self.files.push(Upload::in_memory(head, bytes.freeze())),
        }
        None
    }
}

/// What a form has had so far.
#[derive(Debug, Default)]
struct Meter {
    parts: usize,
    field_bytes: usize,
    file_bytes: usize,
}

impl Meter {
    fn part(&mut self, limits: &FormLimits) -> Result<(), Rejection> {
        self.parts += 1;
        if self.parts <= limits.parts_max {
            return Ok(());
        }
        let detail = format!("the form has more than the {} fields that are accepted", limits.parts_max);
        Err(Rejection::new(RejectionKind::TooLarge, detail))
    }

    /// Counts bytes of a field, which has `len` now.
    fn field(&mut self, limits: &FormLimits, name: &str, len: usize, added: usize) -> Result<(), Rejection> {
        self.field_bytes += added;
        if len > limits.field_bytes_max {
            return Err(too_large(name, "field", limits.field_bytes_max as u64));
        }
        if self.field_bytes > limits.fields_bytes_max {
            let detail =
                format!("the form's fields are longer than the {} bytes that are accepted", limits.fields_bytes_max);
            return Err(Rejection::new(RejectionKind::TooLarge, detail).with_field(name));
        }
        Ok(())
    }

    /// Counts bytes of a file; says whether they may stay in memory.
    fn file(&mut self, limits: &FormLimits, added: usize) -> bool {
        let fits = self.file_bytes.saturating_add(added) <= limits.memory_bytes_max;
        if fits {
            self.file_bytes += added;
        }
        fits
    }
}

fn too_large(field: &str, what: &str, bytes_max: u64) -> Rejection {
    let detail = format!("the {what} `{}` is longer than the {bytes_max} bytes that are accepted", shown(field));
    Rejection::new(RejectionKind::TooLarge, detail).with_field(field)
}
