//! Renders the first page of a document as PNG. Its type is found in its bytes, because a name can lie.
//!
//! This code runs in a process of its own, so it only refuses what can be seen at once: all else ends at the
//! limits of the process.
use std::io::Cursor;

use hayro::{
    PixmapSettings, RenderCache, RenderSettings,
    hayro_interpret::InterpreterSettings,
    hayro_syntax::{LoadPdfError, Pdf},
    vello_cpu::color::palette::css::WHITE,
};
use image::{ImageFormat, ImageReader, Limits};
use resvg::{
    tiny_skia::{Color, Pixmap, Transform},
    usvg::{Options, Tree},
};

/// The longer side of the result, in pixels.
const RESULT_SIDE: f32 = 600.0;
/// Limits the sides of a document, in pixels or points. The largest page that readers of PDF must support.
const DOCUMENT_SIDE_MAX: u32 = 14_400;
/// Limits the memory of the image decoder, in bytes. Half of what the process may use.
const DECODE_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Limits how far into a file the mark of a PDF may be, in bytes. Other readers of PDF use the same value.
const PDF_MARK_WITHIN: usize = 1024;

/// Returns the picture of the first page, or the reason why there is none.
pub(crate) fn first_page(document: Vec<u8>) -> Result<Vec<u8>, String> {
    let start = &document[..document.len().min(PDF_MARK_WITHIN)];
    let is_pdf = start.windows(5).any(|mark| mark == b"%PDF-");
    let is_markup = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start().starts_with(b"<");
    match image::guess_format(&document) {
        Ok(format) => {
            picture(&document, format).map_err(|error| format!("cannot read this {}: {error}", format.to_mime_type()))
        }
        Err(_) if is_pdf => pdf(document),
        Err(_) if is_markup => svg(&document),
        Err(_) => Err("this is neither a PDF nor an SVG nor a picture".to_owned()),
    }
}

/// The fonts that a PDF may name without containing them are part of this program.
fn pdf(document: Vec<u8>) -> Result<Vec<u8>, String> {
    let pdf = Pdf::new(document).map_err(|error| match error {
        LoadPdfError::Decryption(_) => "this PDF is encrypted",
        LoadPdfError::Invalid => "cannot read this PDF: its structure is damaged",
    })?;
    let page = pdf.pages().first().ok_or("this PDF has no page that can be read")?;
    let (width, height) = page.render_dimensions();
    let scale = scale(width, height)?;
    let size = PixmapSettings { x_scale: scale, y_scale: scale, bg_color: WHITE };
    let (cache, interpreter) = (RenderCache::new(), InterpreterSettings::default());
    let page = hayro::render(page, &cache, &interpreter, &RenderSettings::default(), &size);
    page.into_png().map_err(|error| error.to_string())
}

/// Does not draw text that is not converted to paths, nor images that are not SVG: the features of `resvg` for
/// both are off. Files and addresses that the SVG names are not opened, and the sandbox would refuse them.
fn svg(document: &[u8]) -> Result<Vec<u8>, String> {
    let mut options = Options::default();
    options.image_href_resolver.resolve_string = Box::new(|_, _| None);
    let tree = Tree::from_data(document, &options).map_err(|error| format!("cannot read this SVG: {error}"))?;
    let (width, height) = (tree.size().width(), tree.size().height());
    let scale = scale(width, height)?;
    let mut page = Pixmap::new((width * scale) as u32, (height * scale) as u32).ok_or("this SVG has no size")?;
    page.fill(Color::WHITE);
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut page.as_mut());
    page.encode_png().map_err(|error| error.to_string())
}

fn picture(document: &[u8], format: ImageFormat) -> Result<Vec<u8>, image::ImageError> {
    let mut reader = ImageReader::with_format(Cursor::new(document), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(DOCUMENT_SIDE_MAX);
    limits.max_image_height = Some(DOCUMENT_SIDE_MAX);
    limits.max_alloc = Some(DECODE_BYTES_MAX);
    reader.limits(limits);
    let mut picture = reader.decode()?;
    if picture.width().max(picture.height()) > RESULT_SIDE as u32 {
        picture = picture.thumbnail(RESULT_SIDE as u32, RESULT_SIDE as u32);
    }
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}

/// Returns the factor that makes a page as large as the result.
fn scale(width: f32, height: f32) -> Result<f32, String> {
    let (short, long) = (width.min(height), width.max(height));
    let scale = RESULT_SIDE / long;
    match long <= DOCUMENT_SIDE_MAX as f32 {
        true if short * scale >= 1.0 => Ok(scale),
        true => Err(format!("a page of {width} × {height} is too narrow to show")),
        false => Err(format!("a page of {width} × {height} is too large: the limit is {DOCUMENT_SIDE_MAX}")),
    }
}
