//! What is read as a time or a size, and what is refused.
//!
//! Each case is one text.
use super::{bytes, milliseconds};

#[test]
fn a_number_with_its_unit_is_read_exactly() {
    for (text, time) in [("500ms", 500), ("2s", 2000), ("1m", 60_000), ("1 h", 3_600_000)] {
        assert_eq!(milliseconds(text), Ok(time), "{text}");
    }
    for (text, size) in [("0B", 0), ("1024B", 1024), ("64KiB", 65_536), ("10MB", 10_000_000), ("1 GiB", 1 << 30)] {
        assert_eq!(bytes(text), Ok(size), "{text}");
    }
}

#[test]
fn whatever_else_is_refused() {
    for text in ["", "2", "s", "0s", "-1s", "1.5s", "2 sec", "2S", "99999999999999999999s", "18446744073709551615s"] {
        assert!(milliseconds(text).is_err(), "{text}");
    }
    for text in ["", "10", "MB", "10 megabytes", "10mb", "18446744073709551615GB"] {
        assert!(bytes(text).is_err(), "{text}");
    }
}
