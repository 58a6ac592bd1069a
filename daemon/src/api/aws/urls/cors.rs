//! CORS of a URL that has it configured: preflights are answered here and reach no function, and what a function says of it is
//! replaced, so that no answer ever says two things.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
    request::Parts,
};

use crate::functions::Cors;

/// Every one.
const ANY: &str = "*";

/// What begins the names of CORS's headers.
const PREFIX: &str = "access-control-";

/// What may be said to the origin of a request.
#[derive(Debug)]
pub(super) struct CrossOrigin<'a> {
    cors: &'a Cors,
    /// What is allowed: this origin, or every one.
    allowed: Option<HeaderValue>,
}

impl<'a> CrossOrigin<'a> {
    pub(super) fn of(cors: &'a Cors, headers: &HeaderMap) -> Self {
        Self { cors, allowed: headers.get(ORIGIN).and_then(|origin| allowed(cors, origin)) }
    }

    /// Sets an answer's headers.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        let of_function: Vec<HeaderName> =
            headers.keys().filter(|name| name.as_str().starts_with(PREFIX)).cloned().collect();
        for name in of_function {
            headers.remove(name);
        }
        self.allow(headers);
        if self.allowed.is_some() {
            set_list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, self.cors.expose_headers.as_deref());
        }
    }

    /// The headers of a preflight's answer.
    pub(super) fn preflight(&self, head: &Parts) -> HeaderMap {
        let mut headers = HeaderMap::new();
        self.allow(&mut headers);
        if self.allowed.is_none() {
            return headers;
        }
        for (name, list, asked) in [
            (ACCESS_CONTROL_ALLOW_METHODS, &self.cors.allow_methods, ACCESS_CONTROL_REQUEST_METHOD),
            (ACCESS_CONTROL_ALLOW_HEADERS, &self.cors.allow_headers, ACCESS_CONTROL_REQUEST_HEADERS),
        ] {
            let list = list.as_deref();
            // To browsers `*` does not mean every one where credentials are sent.
            let every_one = list.is_some_and(|list| list.iter().any(|item| item == ANY));
            match head.headers.get(asked) {
                Some(asked) if every_one && self.with_credentials() => {
                    drop(headers.insert(name, asked.clone()))
                }
                _ => set_list(&mut headers, name, list),
            }
        }
        if let Some(age) = self.cors.max_age {
            headers.insert(ACCESS_CONTROL_MAX_AGE, age.into());
        }
        headers
    }

    fn allow(&self, headers: &mut HeaderMap) {
        let depends = self.allowed.as_ref().is_none_or(|allowed| *allowed != ANY);
        if depends {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        let Some(allowed) = &self.allowed else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
        if self.with_credentials() {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    fn with_credentials(&self) -> bool {
        self.cors.allow_credentials == Some(true)
    }
}

/// Whether a request only asks what another may do.
pub(super) fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(ORIGIN)
        && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn allowed(cors: &Cors, origin: &HeaderValue) -> Option<HeaderValue> {
    let origins = cors.allow_origins.as_deref().unwrap_or_default();
    if origins.iter().any(|known| known == ANY) {
        let echoed = cors.allow_credentials == Some(true);
        return Some(if echoed { origin.clone() } else { HeaderValue::from_static(ANY) });
    }
    origins.iter().any(|known| known.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

fn set_list(headers: &mut HeaderMap, name: HeaderName, list: Option<&[String]>) {
    // What is in such a list can be part of a header.
    let value = list.filter(|list| !list.is_empty()).map(|list| HeaderValue::from_str(&list.join(",")));
    if let Some(Ok(value)) = value {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::functions::CorsSettings;

    fn cors(origins: &[&str], credentials: bool) -> Cors {
        let list = |items: &[&str]| Some(items.iter().map(ToString::to_string).collect());
        Cors::new(CorsSettings {
            allow_credentials: Some(credentials),
            allow_headers: list(&["x-a", "x-b"]),
            allow_methods: list(&["*"]),
            allow_origins: list(origins),
            expose_headers: list(&["x-c"]),
            max_age: Some(60),
        })
        .unwrap()
    }

    fn asking(origin: &str) -> Parts {
        let request = Request::options("/")
            .header("origin", origin)
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", "x-a");
        request.body(()).unwrap().into_parts().0
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let mut shown: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        shown.sort();
        shown
    }

    #[test]
    fn a_preflight_tells_what_is_allowed() {
        let (cors, head) = (cors(&["https://a.example"], false), asking("https://a.example"));
        assert!(is_preflight(&head));
        assert_eq!(
            shown(&CrossOrigin::of(&cors, &head.headers).preflight(&head)),
            [
                "access-control-allow-headers: x-a,x-b",
                "access-control-allow-methods: *",
                "access-control-allow-origin: https://a.example",
                "access-control-max-age: 60",
                "vary: Origin"
            ]
        );
        let head = asking("https://b.example");
        assert_eq!(shown(&CrossOrigin::of(&cors, &head.headers).preflight(&head)), ["vary: Origin"]);
    }

    #[test]
    fn every_origin_is_told_so_but_with_credentials_its_name() {
        let head = asking("https://b.example");
        let told = |cors: &Cors| {
            let mut headers = HeaderMap::new();
            CrossOrigin::of(cors, &head.headers).mark(&mut headers);
            shown(&headers)
        };
        assert_eq!(
            told(&cors(&["*"], false)),
            ["access-control-allow-origin: *", "access-control-expose-headers: x-c"]
        );
        assert_eq!(
            told(&cors(&["*"], true)),
            [
                "access-control-allow-credentials: true",
                "access-control-allow-origin: https://b.example",
                "access-control-expose-headers: x-c",
                "vary: Origin"
            ]
        );
        let preflight = cors(&["*"], true);
        let preflight = CrossOrigin::of(&preflight, &head.headers).preflight(&head);
        assert_eq!(preflight[ACCESS_CONTROL_ALLOW_METHODS], "PUT");
    }

    #[test]
    fn what_a_function_says_of_it_is_replaced() {
        let (cors, head) = (cors(&["https://a.example"], false), asking("https://b.example"));
        let mut headers = HeaderMap::from_iter([
            (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
            (
                HeaderName::from_static("access-control-allow-private-network"),
                HeaderValue::from_static("true"),
            ),
            (VARY, HeaderValue::from_static("Accept")),
        ]);
        CrossOrigin::of(&cors, &head.headers).mark(&mut headers);
        assert_eq!(shown(&headers), ["vary: Accept", "vary: Origin"]);
    }

    #[test]
    fn only_a_question_is_a_preflight() {
        let mut head = asking("https://a.example");
        head.headers.remove(ACCESS_CONTROL_REQUEST_METHOD);
        assert!(!is_preflight(&head));
        let mut head = asking("https://a.example");
        head.method = Method::GET;
        assert!(!is_preflight(&head));
    }
}
