//! Targets of redirects.
//!
//! <https://www.rfc-editor.org/rfc/rfc3986#section-5.2>

use http::{StatusCode, Uri, header};

use super::url::UrlError;
use crate::body::Response;

/// Returns the absolute URL that a response redirects to, without its fragment. Returns `None` if
/// it does not redirect.
///
/// # Errors
///
/// [`UrlError::Character`] if the `Location` header is not ASCII.
pub(super) fn target(base: &Uri, response: &Response) -> Option<Result<String, UrlError>> {
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(header::LOCATION).filter(|_| is_redirect)?;
    Some(location.to_str().map(|text| resolve(base, text)).map_err(|_| UrlError::Character))
}

fn resolve(base: &Uri, location: &str) -> String {
    let location = location.split('#').next().unwrap_or_default();
    if has_scheme(location) {
        return location.to_owned();
    }
    let scheme = base.scheme_str().unwrap_or_default();
    if location.starts_with("//") {
        return format!("{scheme}:{location}");
    }
    let origin = format!("{scheme}://{}", base.authority().map_or("", |part| part.as_str()));
    let (path, query) = location.split_at(location.find('?').unwrap_or(location.len()));
    match path {
        "" if query.is_empty() => base.to_string(),
        "" => format!("{origin}{}{query}", base.path()),
        _ if path.starts_with('/') => format!("{origin}{}{query}", without_dots(path)),
        _ => {
            let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{origin}{}{query}", without_dots(&format!("{folder}/{path}")))
        }
    }
}

fn has_scheme(location: &str) -> bool {
    location.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// Removes the segments `.` and `..` of an absolute path.
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            ".." => {
                kept.pop();
            }
            "." => {}
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_resolve_like_in_the_specification() {
        let base = Uri::from_static("http://a/b/c/d;p?q");
        for (location, expected) in [
            ("https://x.example/y", "https://x.example/y"),
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/./x", "http://a/b/c/g?y/./x"),
        ] {
            assert_eq!(resolve(&base, location), expected, "{location}");
        }
    }

    proptest! {
        #[test]
        fn resolution_agrees_with_another_library(
            path in "(/[a-c.]{0,3}){1,4}",
            location in "[./a?:#]{0,12}",
        ) {
            // Where the other library rejects a URL, the guard does too.
            let base = ::url::Url::parse(&format!("https://host.example{path}")).unwrap();
            if let Ok(mut expected) = base.join(&location) {
                expected.set_fragment(None);
                let resolved = resolve(&Uri::try_from(base.as_str()).unwrap(), &location);
                let resolved = ::url::Url::parse(&resolved).unwrap();
                prop_assert_eq!(resolved, expected);
            }
        }
    }
}
