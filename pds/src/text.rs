//! Cleaning of text from users and from other servers.

/// Returns `text` without invisible characters and surrounding white space.
///
/// Some apps copy handles with direction marks around them, and web pages insert zero-width
/// characters into long words. No identifier contains either.
pub(crate) fn visible(text: &str) -> String {
    let seen: String = text.chars().filter(|&c| !is_invisible(c)).collect();
    seen.trim().to_owned()
}

/// Returns another server's text without control characters, cut to 200 characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(MAX_PRINTED_CHARS).collect()
}

fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
    )
}

const MAX_PRINTED_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_trims_white_space_and_removes_invisible_characters_everywhere() {
        for text in [
            "a b",
            " a b\t\r\n",
            "\u{202A}a b\u{202C}",
            "\u{2068}a\u{200B} b\u{2069}",
            "\u{FEFF}a \u{AD}b\u{2060}",
            "\u{206A}a\u{34F} b\u{206F}\u{FE0F}",
            "\u{A0}\u{200E}a b\u{200F}\u{3000}",
        ] {
            assert_eq!(visible(text), "a b", "{text:?}");
        }
    }
}
