//! The options of a bench: pairs of name and value, checked when they are read.

use crate::Result;

/// Reads `--name value` pairs into `take`, which returns false for a name that it does not know.
///
/// Returns false when the user asked for help instead.
pub fn read(mut args: impl Iterator<Item = String>, mut take: impl FnMut(&str, &str) -> Result<bool>) -> Result<bool> {
    while let Some(option) = args.next() {
        if option == "--help" || option == "-h" {
            return Ok(false);
        }
        let value = args.next().ok_or_else(|| format!("read {option}: a value is missing"))?;
        if !take(&option, &value)? {
            return Err(format!("read the options: {option} is not one, see --help").into());
        }
    }
    Ok(true)
}

/// Reads a number within limits. The upper limit prevents a typing error from causing a run of many hours.
pub fn number(option: &str, value: &str, least: f64, most: f64) -> Result<f64> {
    match value.parse::<f64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("read {option}: {value} is not a number from {least} to {most}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<f64>> {
        let mut minutes = 10.0;
        let known = read(line.split_whitespace().map(str::to_owned), |option, value| match option {
            "--minutes" => {
                minutes = number(option, value, 0.1, 600.0)?;
                Ok(true)
            }
            _ => Ok(false),
        })?;
        Ok(known.then_some(minutes))
    }

    #[test]
    fn options_are_read_and_wrong_ones_refused() {
        assert_eq!(parse("").unwrap(), Some(10.0));
        assert_eq!(parse("--minutes 0.5").unwrap(), Some(0.5));
        assert_eq!(parse("--minutes 1 --help").unwrap(), None);
        let check = |line, expected: &str| {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("--minutes", "a value is missing");
        check("--minutes soon", "not a number from 0.1 to 600");
        check("--minutes 601", "not a number from 0.1 to 600");
        check("--fast 1", "--fast is not one");
    }
}
