//! Fuzz target for multipart forms. The input chooses limits, boundary and body.
//!
//! Invariant: a body in pieces gives the same result as the whole body, including the status of the error, and
//! the memory stays within the limits.
use http::{HeaderMap, HeaderValue, header};

use crate::{
    Bytes, Error, FormLimits, StatusCode,
    plumbing::{FormReader, FormStep, SpooledFile},
};

/// Whether a file is in memory, and its bytes.
type Content = (bool, Vec<u8>);

/// The fields, and the files with their heads.
#[derive(Debug, Default, PartialEq, Eq)]
struct Form {
    fields: Vec<(String, String)>,
    files: Vec<(String, String, Option<String>, Content)>,
}

/// Reads a form whole and in pieces. The first three bytes set limits and the length of the pieces, the rest
/// of the first line is the boundary, and the other lines are the body.
pub fn multipart(bytes: &[u8]) {
    let [head_max, memory_max, piece, rest @ ..] = bytes else { return };
    let (parameter, body) = rest.split_at(rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()));
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    let size = |byte: u8| u64::from(byte);
    let limits = FormLimits::default().parts(8).field(64).fields(100).file(200);
    let limits = limits.head(size(*head_max)).memory(size(*memory_max));
    let Ok(value) = HeaderValue::from_bytes(&[b"multipart/form-data; boundary=", parameter].concat()) else { return };
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value)]);
    let whole = read(&headers, &limits, [body]);
    for piece in [1, usize::from(*piece).max(1)] {
        assert_eq!(read(&headers, &limits, body.chunks(piece)), whole, "in pieces of {piece}");
    }
    if let Ok(form) = whole {
        form.keeps_to(&limits);
    }
}

/// Reads a form. The pieces decide which of two limits is exceeded first, but not whether one is exceeded.
fn read<'b>(
    headers: &HeaderMap,
    limits: &FormLimits,
    pieces: impl IntoIterator<Item = &'b [u8]>,
) -> Result<Form, StatusCode> {
    let kind = |error: Error| error.status();
    let mut reader = FormReader::new(headers, limits.clone()).map_err(kind)?;
    let mut spooled = Vec::new();
    let mut writing = Vec::new();
    for piece in pieces {
        reader.push(Bytes::copy_from_slice(piece));
        while let Some(step) = reader.step().map_err(kind)? {
            match step {
                FormStep::Write(bytes) => writing.extend_from_slice(&bytes),
                FormStep::Close => {
                    reader.spooled(SpooledFile::lent(format!("/{}", spooled.len()).into()));
                    spooled.push(std::mem::take(&mut writing));
                }
            }
        }
    }
    let parts = reader.finish().map_err(kind)?;
    let mut spooled = spooled.into_iter();
    let fields = parts.fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let files = parts.files.iter().map(|file| {
        let content = match file.path() {
            Some(_) => (false, spooled.next().expect("a spooled file was written")),
            None => (true, file.bytes().expect("it is in memory").to_vec()),
        };
        assert_eq!(file.len(), content.1.len() as u64);
        let (field, name) = (file.field().to_owned(), file.raw_file_name().to_owned());
        (field, name, file.content_type().map(str::to_owned), content)
    });
    Ok(Form { fields, files: files.collect() })
}

impl Form {
    fn keeps_to(&self, limits: &FormLimits) {
        assert!(self.fields.len() + self.files.len() <= limits.parts);
        let in_memory = self.files.iter().filter(|(.., (is_in_memory, _))| *is_in_memory);
        assert!(in_memory.map(|(.., (_, content))| content.len()).sum::<usize>() <= limits.memory);
        assert!(self.files.iter().all(|(.., (_, content))| content.len() as u64 <= limits.file));
        // Bytes that are not text become longer: each at most one replacement character of three bytes.
        let fields = self.fields.iter().map(|(_, value)| value.chars().count());
        assert!(fields.clone().all(|count| count <= limits.field));
        assert!(fields.sum::<usize>() <= limits.fields);
    }
}
