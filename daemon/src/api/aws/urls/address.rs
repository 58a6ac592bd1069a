//! Which URL a request is for: by the name of the host that it asks, or by its path.

use http::{header::HOST, request::Parts};

use crate::functions::{UrlBase, UrlId};

/// What follows an id in the domain name of a URL.
const LABEL: &str = "lambda-url";

/// Where a request goes, if it goes to a URL.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::api::aws) struct Address {
    /// The URL; none if no URL has such an id.
    pub(super) id: Option<UrlId>,
    /// The path behind it, as it was sent.
    pub(super) path: String,
}

impl Address {
    /// Reads it from a request's head. The domain that follows the label does not matter: it is whatever leads here.
    pub(in crate::api::aws) fn of(head: &Parts) -> Option<Self> {
        let path = head.uri.path();
        if let Some(id) = host(head).and_then(id_of_host) {
            let path = if path.starts_with('/') { path } else { "/" };
            return Some(Self { id: id.parse().ok(), path: path.to_owned() });
        }
        let rest = path.strip_prefix(UrlBase::PATHS)?;
        let (id, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        Some(Self { id: id.parse().ok(), path: path.to_owned() })
    }
}

/// A request that has a whole URL in its first line means that, whatever its header says.
fn host(head: &Parts) -> Option<&str> {
    head.uri.host().or_else(|| head.headers.get(HOST)?.to_str().ok())
}

fn id_of_host(host: &str) -> Option<&str> {
    let (id, rest) = host.split_once('.')?;
    let (label, domain) = rest.split_once('.')?;
    (label.eq_ignore_ascii_case(LABEL) && !domain.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    fn of(host: &str, uri: &str) -> Option<Address> {
        let request = Request::builder().uri(uri).header("host", host).body(()).ok()?;
        Address::of(&request.into_parts().0)
    }

    #[test]
    fn a_url_is_found_by_host_and_by_path() {
        let id = UrlId::random();
        let found = |path: &str| Some(Address { id: Some(id), path: path.to_owned() });
        let upper = id.to_string().to_ascii_uppercase();
        for host in [
            format!("{id}.lambda-url.us-east-1.localhost:4566"),
            format!("{upper}.LAMBDA-URL.x"),
            format!("{id}.lambda-url.eu-west-1.fn.example.org"),
        ] {
            assert_eq!(of(&host, "/a%2Fb/?q=1"), found("/a%2Fb/"), "{host}");
            assert_eq!(of(&host, &format!("/_thaw/urls/{}/", UrlId::random())).unwrap().id, Some(id));
        }
        for (path, rest) in [("", "/"), ("/", "/"), ("/a/b", "/a/b"), ("//", "//")] {
            assert_eq!(of("127.0.0.1:4566", &format!("/_thaw/urls/{id}{path}")), found(rest), "{path}");
        }
        assert_eq!(of("other", &format!("http://{id}.lambda-url.x.y/z")), found("/z"));
    }

    #[test]
    fn what_only_looks_like_a_url_is_none_or_nobodys() {
        for host in ["127.0.0.1:4566", "lambda.us-east-1.localhost", "a.lambda-url", "lambda-url.x.y", ""] {
            assert_eq!(of(host, "/2015-03-31/functions"), None, "{host}");
        }
        assert_eq!(of("x.lambda-url.us-east-1.localhost", "/").unwrap().id, None);
        assert_eq!(of("h", "/_thaw/urls/").unwrap().id, None);
        assert_eq!(of("h", "/_thaw/packages/x"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_request_makes_it_panic(host in "[ -~é]{0,40}", path in "/(_thaw/urls/)?[!-~]{0,50}") {
            let _ = of(&host, &path);
        }
    }
}
