//! Paths and queries, in the one form that both ends sign.

use std::borrow::Cow;

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A query's pairs, not decoded, in the order in which they were sent.
#[derive(Clone, Debug)]
pub(super) struct QueryPairs<'a>(Vec<(&'a str, &'a str)>);

impl<'a> QueryPairs<'a> {
    pub(super) fn of(uri: &'a Uri) -> Self {
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        Self(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect())
    }

    /// The first value of a name, decoded.
    pub(super) fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        let (_, value) = self.0.iter().find(|(found, _)| decode(found) == name)?;
        Some(decode(value))
    }

    /// As it is signed: encoded one way, sorted, without the signature itself.
    pub(super) fn canonical(&self) -> String {
        let mut pairs: Vec<(String, String)> = self
            .0
            .iter()
            .map(|(name, value)| (recode(name), recode(value)))
            .filter(|(name, _)| name != "X-Amz-Signature")
            .collect();
        pairs.sort_unstable();
        let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("&")
    }
}

/// How a service signs paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathStyle {
    /// Every service but S3: without dots and double slashes, and encoded once more than it was sent.
    Twice,
    /// S3: as it was sent.
    Once,
}

/// A path as it is signed.
pub(super) fn canonical_path(path: &str, style: PathStyle) -> String {
    match style {
        PathStyle::Once => path.split('/').map(recode).collect::<Vec<_>>().join("/"),
        PathStyle::Twice => {
            let normal = normalise(path);
            normal.split('/').map(|part| encode(part.as_bytes())).collect::<Vec<_>>().join("/")
        }
    }
}

/// Without `.`, `..` and empty segments; a slash at the end stays.
fn normalise(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let end = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

pub(super) fn encode(bytes: &[u8]) -> String {
    percent_encode(bytes, RESERVED).to_string()
}

fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// Encodes what may be encoded already, in another way.
fn recode(text: &str) -> String {
    encode(&Cow::from(percent_decode_str(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_encoded_once_more_than_it_was_sent() {
        let path = "/2015-03-31/functions/arn%3Aaws%3Alambda/x%20y";
        assert_eq!(
            canonical_path(path, PathStyle::Twice),
            "/2015-03-31/functions/arn%253Aaws%253Alambda/x%2520y"
        );
        assert_eq!(canonical_path("/a/./b/../c//d/", PathStyle::Twice), "/a/c/d/");
        assert_eq!(canonical_path("/", PathStyle::Twice), "/");
        assert_eq!(canonical_path("/a%3ab/~", PathStyle::Once), "/a%3Ab/~");
    }

    #[test]
    fn a_query_is_sorted_and_encoded_one_way() {
        let uri: Uri = "/?b=2&a=%3a&a=~&X-Amz-Signature=f&flag".parse().unwrap();
        assert_eq!(QueryPairs::of(&uri).canonical(), "a=%3A&a=~&b=2&flag=");
        assert_eq!(QueryPairs::of(&uri).get("a").unwrap(), ":");
    }
}
