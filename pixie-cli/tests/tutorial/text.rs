//! The blocks of a page of the tutorial, and how text with `…` is compared.

/// A fenced block.
pub(crate) struct Block<'a> {
    /// The line of its fence, counted from 1.
    pub(crate) line: usize,
    pub(crate) language: &'a str,
    pub(crate) text: &'a str,
    /// The text of the page before the block.
    before: &'a str,
}

/// Returns the fenced blocks of a page.
pub(crate) fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = page[from..].find("```").map(|at| from + at) {
        let text = start + page[start..].find('\n').expect("a fence ends its line") + 1;
        let end = text + page[text..].find("```").expect("a block has an end");
        let language = page[start + 3..text].trim().split(',').next().unwrap_or_default();
        let before = page[from..start].trim_end();
        found.push(Block { line: page[..start].lines().count() + 1, language, text: &page[text..end], before });
        from = end + 3;
    }
    found
}

impl<'a> Block<'a> {
    /// Returns the file that the paragraph before the block names last.
    pub(crate) fn path(&self) -> Result<&'a str, String> {
        let sentence = self.before.strip_suffix("`:").ok_or("no file is named before this block")?;
        Ok(sentence.rsplit('`').next().unwrap_or_default())
    }

    /// Returns the commands and the output that the text shows for each.
    pub(crate) fn commands(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let starts: Vec<usize> = self.text.match_indices("$ ").map(|(at, _)| at).collect();
        let starts = starts.into_iter().filter(|at| *at == 0 || self.text[..*at].ends_with('\n'));
        let mut starts: Vec<usize> = starts.collect();
        starts.push(self.text.len());
        let parts: Vec<&str> = starts.windows(2).map(|pair| &self.text[pair[0] + 2..pair[1]]).collect();
        parts.into_iter().map(|part| part.split_once('\n').expect("a command ends its line"))
    }

    /// Returns a file with this change.
    pub(crate) fn applied(&self, file: &str) -> Result<String, String> {
        let side = |other: char| -> String {
            let lines = self.text.lines().filter(|line| !line.starts_with(other));
            lines.map(|line| format!("{}\n", line.get(1..).unwrap_or_default())).collect()
        };
        let (old, new) = (side('+'), side('-'));
        match file.matches(&old).count() {
            1 => Ok(file.replacen(&old, &new, 1)),
            count => Err(format!("these lines are {count} times in the file:\n{old}\nThe file is:\n{file}")),
        }
    }
}

/// Returns whether an output is what the text shows.
pub(crate) fn fits(shown: &str, output: &str) -> bool {
    fn lines_fit(shown: &[&str], output: &[&str]) -> bool {
        match shown {
            [] => output.is_empty(),
            ["…", rest @ ..] => (0..=output.len()).any(|skipped| lines_fit(rest, &output[skipped..])),
            [line, rest @ ..] => {
                output.first().is_some_and(|first| line_fits(line, first)) && lines_fit(rest, &output[1..])
            }
        }
    }
    lines_fit(&shown.lines().collect::<Vec<_>>(), &output.lines().map(str::trim_end).collect::<Vec<_>>())
}

/// Returns whether a line is what the text shows, with `…` for any text.
pub(crate) fn line_fits(shown: &str, line: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[test]
fn three_dots_stand_for_any_text() {
    assert!(line_fits("a … c", "a b b c") && !line_fits("a … c", "a b") && !line_fits("a", "ab"));
    assert!(fits("…\nx\n…\n", "1\nx\n2\n") && fits("…\n", "") && !fits("…\nx\n", "x\ny\n"));
}

#[test]
fn a_change_needs_its_lines_once() {
    let page = "Change `a`:\n\n```diff\n x\n-y\n+z\n```\n";
    let block = &blocks(page)[0];
    assert_eq!((block.path(), block.line), (Ok("a"), 3));
    assert_eq!(block.applied("x\ny\n"), Ok("x\nz\n".to_owned()));
    assert!(block.applied("x\n").is_err() && block.applied("x\ny\nx\ny\n").is_err());
}
