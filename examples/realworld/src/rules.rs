//! The rules of fields, with the texts of the RealWorld API.

/// Refuses a text of spaces.
pub(crate) fn filled(text: &str, _: &()) -> garde::Result {
    check(!text.trim().is_empty(), "can't be blank")
}

/// Accepts what can be the name of a user: one line without spaces at its ends.
pub(crate) fn username(name: &str, context: &()) -> garde::Result {
    filled(name, context)?;
    check(name.trim() == name && !name.contains(char::is_control), "is invalid")
}

/// Accepts everything that may be an address. Only a mail to it could tell.
pub(crate) fn email(text: &str, context: &()) -> garde::Result {
    filled(text, context)?;
    let is_address = text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    check(is_address && !text.contains(char::is_whitespace) && !text.contains(char::is_control), "is invalid")
}

fn check(is_right: bool, reason: &str) -> garde::Result {
    if is_right { Ok(()) } else { Err(garde::Error::new(reason)) }
}
