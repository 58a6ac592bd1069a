//! The Runtime API over real connections, with a scripted owner behind it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use proptest::prelude::*;

use super::*;

const PREFIX: &str = "/2018-06-01/runtime";

/// A served listener whose owner answers every call the same way.
struct Sandbox {
    address: SocketAddr,
    executor: tokio::runtime::Runtime,
    _api: RuntimeApi,
}

impl Sandbox {
    fn start() -> Self {
        let executor =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, calls) = tokio::sync::mpsc::channel(8);
        let api = {
            let _inside = executor.enter();
            serve(listener, sender).unwrap()
        };
        executor.spawn(own(calls));
        Self { address, executor, _api: api }
    }

    /// Sends bytes and reads what comes back until the server hangs up; `cut` says that no more will be sent.
    fn raw(&self, request: &[u8], cut: bool) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // The server may have hung up on nonsense before all of it was sent.
        let _ = stream.write_all(request);
        if cut {
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    fn request(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> String {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        let answer = self.raw(&[head.as_bytes(), body].concat(), false);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, path: &str) -> String {
        self.request("GET", path, "", b"")
    }

    fn post(&self, path: &str, body: &[u8]) -> String {
        self.request("POST", path, "", body)
    }
}

/// Answers `/next` with one event, takes responses to `good`, and refuses what makes no sense.
async fn own(mut calls: tokio::sync::mpsc::Receiver<RuntimeCall>) {
    while let Some(call) = calls.recv().await {
        let _ = match call {
            RuntimeCall::Next { reply } => {
                let event = Event {
                    request_id: RequestId("good".into()),
                    deadline_ms: 1_700_000_003_000,
                    function_arn: "arn:aws:lambda:us-east-1:000000000000:function:f".into(),
                    trace_id: "Root=1-0-0".to_owned(),
                    client_context: Some("{\"custom\":{}}".to_owned()),
                    payload: Bytes::from_static(b"{\"key\":1}"),
                };
                reply.send(NextReply::Event(Box::new(event))).is_ok()
            }
            RuntimeCall::Response { request_id, body, reply } => {
                let verdict = match (request_id.as_str(), body) {
                    ("good", Body::Whole(_)) => Verdict::Accepted,
                    ("good", Body::TooLarge) => Verdict::TooLarge,
                    _ => Verdict::InvalidRequestId,
                };
                reply.send(verdict).is_ok()
            }
            RuntimeCall::Error { error, reply, .. } => {
                assert!(error.error_type.is_none_or(|name| name.len() <= 256));
                reply.send(Verdict::Accepted).is_ok()
            }
            call @ RuntimeCall::InitError { .. } => {
                call.refuse("the initialisation is over");
                true
            }
        };
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[test]
fn an_event_comes_with_all_its_headers() {
    let answer = Sandbox::start().get(&format!("{PREFIX}/invocation/next")).to_lowercase();
    for header in [
        "http/1.1 200 ok",
        "content-type: application/json",
        "lambda-runtime-aws-request-id: good",
        "lambda-runtime-deadline-ms: 1700000003000",
        "lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:f",
        "lambda-runtime-trace-id: root=1-0-0",
        "lambda-runtime-client-context: {\"custom\":{}}",
    ] {
        assert!(answer.contains(header), "{header} is not in {answer}");
    }
    assert!(answer.ends_with("{\"key\":1}"), "{answer}");
}

#[test]
fn every_refusal_has_its_documented_status() {
    let sandbox = Sandbox::start();
    let good = sandbox.post(&format!("{PREFIX}/invocation/good/response"), b"{}");
    assert_eq!(status(&good), "202", "{good}");
    let wrong = sandbox.post(&format!("{PREFIX}/invocation/other/response"), b"{}");
    assert_eq!(status(&wrong), "400", "{wrong}");
    assert!(wrong.contains("InvalidRequestID"), "{wrong}");
    let late = sandbox.post(&format!("{PREFIX}/init/error"), b"{}");
    assert_eq!(status(&late), "403", "{late}");
    assert_eq!(status(&sandbox.get("/2018-06-01/runtime/nothing")), "404");
    assert_eq!(status(&sandbox.get("/")), "404");
    assert_eq!(status(&sandbox.post(&format!("{PREFIX}/invocation/next"), b"")), "405");
}

#[test]
fn a_response_over_the_limit_is_read_to_its_end_and_refused() {
    let sandbox = Sandbox::start();
    let path = format!("{PREFIX}/invocation/good/response");
    assert_eq!(status(&sandbox.post(&path, &vec![b' '; RESPONSE_LIMIT])), "202");
    let refused = sandbox.post(&path, &vec![b' '; RESPONSE_LIMIT + 1]);
    assert_eq!(status(&refused), "413", "{refused}");
}

#[test]
fn connections_over_the_limit_wait_and_do_not_break_the_others() {
    let sandbox = Sandbox::start();
    let idle: Vec<_> = (0..40).map(|_| TcpStream::connect(sandbox.address).unwrap()).collect();
    drop(idle);
    assert_eq!(status(&sandbox.get(&format!("{PREFIX}/invocation/next"))), "200");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a sandbox sends, the next good request is answered.
    #[test]
    fn no_bytes_break_the_server(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..2000),
            "(GET|POST|PUT|\u{0}) /2018-06-01/runtime/(invocation/[^ ]{0,40}/)?(next|response|error|init/error) HTTP/1.[019]\r\n\
              ((Content-Length|Transfer-Encoding|Expect|Lambda-Runtime-Function-Error-Type): [ -~]{0,300}\r\n){0,3}\r\n.{0,100}"
                .prop_map(String::into_bytes),
        ],
    ) {
        let sandbox = Sandbox::start();
        sandbox.raw(&bytes, true);
        let answer = sandbox.get(&format!("{PREFIX}/invocation/next"));
        prop_assert_eq!(status(&answer), "200");
        sandbox.executor.shutdown_background();
    }
}
