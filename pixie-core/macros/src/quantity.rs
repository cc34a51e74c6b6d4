//! Times and sizes as options write them: `"500ms"`, `"2s"`, `"64KiB"`, `"10MB"`.
//!
//! Must stay true: a whole number and a unit, nothing rounded, nothing assumed.

const TIMES: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60 * 1000), ("h", 60 * 60 * 1000)];

const SIZES: [(&str, u64); 8] = [
    ("B", 1),
    ("kB", 1000),
    ("KB", 1000),
    ("MB", 1000 * 1000),
    ("GB", 1000 * 1000 * 1000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a time above zero and returns its milliseconds.
pub(crate) fn milliseconds(text: &str) -> Result<u64, String> {
    let time = read(text, &TIMES).filter(|time| *time > 0);
    time.ok_or_else(|| {
        format!("`{text}` is no time: write a whole number above 0 with `ms`, `s`, `m` or `h`, such as \"2s\"")
    })
}

/// Reads a size and returns its bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    read(text, &SIZES).ok_or_else(|| {
        format!("`{text}` is no size: write a whole number with `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`, such as \"10MB\"")
    })
}

fn read(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests;
