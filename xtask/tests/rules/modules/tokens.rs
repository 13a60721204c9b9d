//! Finds paths among the tokens of macros and attributes.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use syn::Lit;

/// The paths among the tokens of a macro.
#[derive(Default)]
pub(crate) struct Paths {
    pub(crate) whole: Vec<Vec<String>>,
    /// The paths that a macro continues with one of its variables: `api` in `api::$handler`.
    pub(crate) prefixes: Vec<Vec<String>>,
}

impl Paths {
    pub(crate) fn of(tokens: &TokenStream) -> Self {
        let mut found = Self::default();
        found.scan(tokens, &[]);
        found
    }

    /// Adds the paths among `tokens`, each of which follows `prefix`.
    fn scan(&mut self, tokens: &TokenStream, prefix: &[String]) {
        let tokens: Vec<_> = tokens.clone().into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Group(group) => self.scan(&group.stream(), &[]),
                TokenTree::Ident(_) if starts_path(&tokens, at) => {
                    at = self.path(&tokens, at, prefix);
                    continue;
                }
                TokenTree::Ident(_) | TokenTree::Literal(_) | TokenTree::Punct(_) => {}
            }
            at += 1;
        }
    }

    /// Adds the path that starts at an identifier and returns the index after it.
    fn path(&mut self, tokens: &[TokenTree], mut at: usize, prefix: &[String]) -> usize {
        let mut path = prefix.to_vec();
        loop {
            if let Some(TokenTree::Ident(name)) = tokens.get(at) {
                path.push(name.to_string());
                at += 1;
            }
            if !is_separator(tokens, at) {
                self.whole.push(path);
                return at;
            }
            match tokens.get(at + 2) {
                Some(TokenTree::Ident(_)) => at += 2,
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.scan(&group.stream(), &path);
                    return at + 3;
                }
                Some(TokenTree::Punct(punct)) if punct.as_char() == '$' => {
                    self.prefixes.push(path);
                    return at + 3;
                }
                _ => {
                    self.whole.push(path);
                    return at + 2;
                }
            }
        }
    }
}

/// Returns the paths in the strings of an attribute: `module::function` in `#[serde(with = "…")]`.
pub(crate) fn paths_in_strings(tokens: &TokenStream) -> Vec<Vec<String>> {
    let tokens: Vec<_> = tokens.clone().into_iter().collect();
    let values = tokens.windows(2).filter_map(|pair| match pair {
        [TokenTree::Punct(equals), TokenTree::Literal(value)] if equals.as_char() == '=' => {
            match Lit::new(value.clone()) {
                Lit::Str(text) => text.parse::<syn::Path>().ok(),
                _ => None,
            }
        }
        _ => None,
    });
    let names = |path: syn::Path| path.segments.iter().map(|it| it.ident.to_string()).collect();
    values.map(names).collect()
}

/// Returns whether the identifier at an index starts a path. It may also be a field, a method, a
/// lifetime, a macro variable or the rest of a path.
fn starts_path(tokens: &[TokenTree], at: usize) -> bool {
    let Some(TokenTree::Punct(before)) = at.checked_sub(1).and_then(|it| tokens.get(it)) else {
        return true;
    };
    match before.as_char() {
        '\'' => false,
        // A range ends in a path: `0..MAX`.
        '.' => at.checked_sub(2).is_some_and(|it| is_joint(tokens, it, '.')),
        '$' => tokens.get(at).is_some_and(|token| token.to_string() == "crate"),
        ':' => !at.checked_sub(2).is_some_and(|it| is_separator(tokens, it)),
        _ => true,
    }
}

/// Returns whether `::` stands at an index.
fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    let second = matches!(tokens.get(at + 1), Some(TokenTree::Punct(it)) if it.as_char() == ':');
    second && is_joint(tokens, at, ':')
}

fn is_joint(tokens: &[TokenTree], at: usize, character: char) -> bool {
    matches!(
        tokens.get(at),
        Some(TokenTree::Punct(it)) if it.as_char() == character && it.spacing() == Spacing::Joint
    )
}
