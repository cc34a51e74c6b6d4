//! HTTPS under `pixie dev --https`, with the certificate that `pixie dev` has made.
use pixie_server::{Listener, Tls};

use crate::{error::StartError, table::settings::variable};

/// Adds TLS to the sockets of `pixie dev` if it asks for that.
pub(super) fn under_dev(passed: Listener) -> Result<Listener, StartError> {
    let Some(file) = variable("PIXIE_DEV_CERTIFICATE")? else { return Ok(passed) };
    passed.tls(Tls::files(&file, &file)).map_err(StartError::of_system)
}
