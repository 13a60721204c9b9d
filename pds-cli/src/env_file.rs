//! The format of env files: lines of `NAME=value`, as shells and dotenv libraries read them.
//!
//! | line | value |
//! |---|---|
//! | `A=b c # comment` | `b c`; `$`, `\` and quotes within it are literal |
//! | `export A='b # $c'` | the text between the single quotes |
//! | `A="b \"c\"\n"` | escapes: `\n`, `\r`, `\t`, and `\` before `"`, `\`, `$` and a backtick |
//! | `A='it'\''s'` | adjacent quoted parts are one value, as in a shell |
//!
//! Quoted values may span lines. Variables are never substituted, because bcrypt hashes without
//! quotes contain `$`.

use core::fmt;
use core::iter::Peekable;
use core::str::Chars;

/// Why a text is not an env file. The message never quotes the text, which contains secrets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct EnvFileError {
    /// The line number, counted from 1.
    pub(crate) line: usize,
    problem: &'static str,
}

/// A variable and its value.
pub(crate) type Pair = (String, String);

/// Returns the variables in the order of the file.
///
/// # Errors
///
/// [`EnvFileError`] names the first malformed line.
pub(crate) fn parse(text: &str) -> Result<Vec<Pair>, EnvFileError> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text).replace("\r\n", "\n");
    let mut rest = Reader { chars: text.chars().peekable(), line: 1 };
    let mut pairs = Vec::new();
    while rest.chars.peek().is_some() {
        let line = rest.line;
        let fault = |problem| EnvFileError { line, problem };
        let start = rest.take_while(|c| c != '\n' && c != '=');
        let has_value = rest.chars.next_if_eq(&'=').is_some();
        let comment = start.trim_start().starts_with('#');
        if comment || (start.trim().is_empty() && !has_value) {
            rest.skip_line();
            continue;
        }
        let name = name(&start).filter(|_| has_value).ok_or_else(|| fault("is not NAME=value"))?;
        let gap = rest.take_while(is_blank);
        let value = match rest.chars.peek() {
            Some('\'' | '"') => rest.quoted_value().map_err(fault)?,
            _ => bare_value(&(gap + &rest.take_while(|c| c != '\n'))),
        };
        rest.skip_line();
        pairs.push((name.to_owned(), value));
    }
    Ok(pairs)
}

/// Returns the variables of a file from a version that wrote no quotes: the value is everything
/// after the first `=` of a line.
pub(crate) fn parse_verbatim(text: &str) -> Option<Vec<Pair>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (start, value) = line.split_once('=')?;
            Some((name(start)?.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Quotes a value so that this parser, shells and dotenv libraries read it back unchanged.
pub(crate) fn quote(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:%@+,-=".contains(c);
    if value.chars().all(is_plain) {
        return value.to_owned();
    }
    // Dotenv libraries cannot read a single quote between single quotes.
    if value.contains('\'') && !value.contains(['"', '\\', '$', '`', '!', '\n']) {
        return format!("\"{value}\"");
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// A cursor over the text.
struct Reader<'t> {
    chars: Peekable<Chars<'t>>,
    line: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.chars.next();
        if next == Some('\n') {
            self.line += 1;
        }
        next
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while self.chars.peek().is_some_and(|&c| wanted(c)) {
            taken.extend(self.next());
        }
        taken
    }

    fn skip_line(&mut self) {
        self.take_while(|c| c != '\n');
        self.next();
    }

    /// Reads a value that starts with a quote, and the blanks after it.
    fn quoted_value(&mut self) -> Result<String, &'static str> {
        let mut value = String::new();
        // Right after a quote, `#` starts a comment in dotenv libraries, but not in shells.
        while let Some(c) = self.chars.next_if(|&c| c != '\n' && c != '#' && !is_blank(c)) {
            match c {
                '\'' => value.push_str(&self.single_quoted()?),
                '"' => value.push_str(&self.double_quoted()?),
                '\\' => value.extend(self.next()),
                other => value.push(other),
            }
        }
        self.take_while(is_blank);
        match self.chars.peek() {
            None | Some('\n' | '#') => Ok(value),
            Some(_) => Err("has text after a quoted value"),
        }
    }

    fn single_quoted(&mut self) -> Result<String, &'static str> {
        let value = self.take_while(|c| c != '\'');
        self.next().map(|_| value).ok_or(UNCLOSED)
    }

    fn double_quoted(&mut self) -> Result<String, &'static str> {
        let mut value = String::new();
        loop {
            match self.next().ok_or(UNCLOSED)? {
                '"' => return Ok(value),
                '\\' => match self.next().ok_or(UNCLOSED)? {
                    'n' => value.push('\n'),
                    'r' => value.push('\r'),
                    't' => value.push('\t'),
                    c @ ('"' | '\\' | '$' | '`') => value.push(c),
                    other => value.extend(['\\', other]),
                },
                c => value.push(c),
            }
        }
    }
}

impl fmt::Display for EnvFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} {}", self.line, self.problem)
    }
}

/// Returns the name before a `=`, without `export`.
fn name(start: &str) -> Option<&str> {
    let start = start.trim();
    let name = start.strip_prefix("export").filter(|rest| rest.starts_with(is_blank));
    let name = name.map_or(start, str::trim_start);
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (!name.is_empty() && name.bytes().all(is_name_byte)).then_some(name)
}

/// Returns an unquoted value without its comment.
fn bare_value(text: &str) -> String {
    let is_comment =
        |(at, _): &(usize, &str)| text.get(..*at).is_some_and(|before| before.ends_with(is_blank));
    let end = text.match_indices('#').find(is_comment).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text).trim().to_owned()
}

fn is_blank(c: char) -> bool {
    c != '\n' && c.is_whitespace()
}

const UNCLOSED: &str = "has an unclosed quote";
