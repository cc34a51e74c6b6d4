//! `Upload`, `Uploads` and `Vec<Upload>` as arguments of a handler: the files of a form.

use std::ops::Deref;

use http::header;

use crate::{BodyUse, Error, FromRequest, Needs, Request, Upload, error::shown};

/// All files of a form, in their order.
///
/// ```
/// use pixie_core::Uploads;
/// fn sizes(files: Uploads) -> String {
///     files.iter().map(|file| format!("{}: {} bytes\n", file.file_name(), file.len())).collect()
/// }
/// assert_eq!(sizes(Uploads::default()), "");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Uploads(pub Vec<Upload>);

impl Deref for Uploads {
    type Target = [Upload];

    fn deref(&self) -> &[Upload] {
        &self.0
    }
}

impl FromRequest for Uploads {
    const BODY: BodyUse = BodyUse::Form;

    fn needs(needs: &mut Needs) {
        needs.header(header::CONTENT_TYPE);
        needs.notes.files(true);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let files = &request.parts()?.files;
        Ok(Uploads(files.iter().filter(|file| !file.is_blank()).cloned().collect()))
    }
}

/// The file of the field with the argument's name. Without a name, the first file of the form.
impl FromRequest for Upload {
    const BODY: BodyUse = BodyUse::Form;

    fn needs(needs: &mut Needs) {
        needs.header(header::CONTENT_TYPE);
        needs.notes.files(false);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let first = Uploads::from_request(request)?.0.into_iter().next();
        first.ok_or_else(|| Error::missing("the form has no file"))
    }

    fn from_argument(request: &mut Request, name: &str) -> Result<Self, Error> {
        let Uploads(uploads) = Uploads::from_request(request)?;
        let missing = || {
            let detail = format!("the form has no file in the field `{}`", shown(name));
            Error::missing(detail).with_field(name, "it is missing")
        };
        uploads.into_iter().find(|file| file.field() == name).ok_or_else(missing)
    }
}

/// The files of the field with the argument's name. Without a name, all files of the form.
impl FromRequest for Vec<Upload> {
    const BODY: BodyUse = BodyUse::Form;

    fn needs(needs: &mut Needs) {
        Uploads::needs(needs);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        Uploads::from_request(request).map(|uploads| uploads.0)
    }

    fn from_argument(request: &mut Request, name: &str) -> Result<Self, Error> {
        let Uploads(uploads) = Uploads::from_request(request)?;
        Ok(uploads.into_iter().filter(|file| file.field() == name).collect())
    }
}
