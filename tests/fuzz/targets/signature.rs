//! The head of a request to the AWS API: what whoever has no key sends is read before anything else is.
#![no_main]

use std::sync::LazyLock;

use http::Request;
use libfuzzer_sys::fuzz_target;
use thaw_daemon::identity::{Credentials, sigv4::Verifier};
use time::macros::datetime;

static VERIFIER: LazyLock<Verifier> =
    LazyLock::new(|| Verifier::new(Credentials::development(), "us-east-1"));

// A line each: path and query, Authorization, X-Amz-Date, and then other headers as `name: value`.
fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let mut request = Request::post(lines.next().unwrap_or_default());
    for name in ["authorization", "x-amz-date"] {
        if let Some(value) = lines.next() {
            request = request.header(name, value);
        }
    }
    for line in lines {
        if let Some((name, value)) = line.split_once(": ") {
            request = request.header(name, value);
        }
    }
    let Ok(request) = request.body(()) else { return };
    let head = request.into_parts().0;
    let _ = Verifier::service_of(&head);
    if let Ok(admitted) = VERIFIER.admit(&head, "lambda", datetime!(2026-01-01 00:00 UTC)) {
        let whole = admitted.verify(&head, text.to_owned().into());
        assert!(whole.is_err(), "nobody can sign what he does not know the key of by chance");
    }
});
