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
            RuntimeCall::Stream { request_id, stream, ended, reply } if request_id == "good" => {
                tokio::spawn(take(stream, ended, reply));
                true
            }
            // Nobody takes its pieces.
            RuntimeCall::Stream { reply, .. } => reply.send(Verdict::InvalidRequestId).is_ok(),
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

/// Takes a streamed response and answers with what it came to, by way of a refusal.
async fn take(
    mut stream: ResponseStream,
    ended: oneshot::Receiver<StreamEnd>,
    reply: oneshot::Sender<Verdict>,
) {
    let mut bytes = 0;
    while let Some(frame) = stream.frames.recv().await {
        assert!(frame.len() <= 16 * 1024, "a piece is no longer than the connection's buffer");
        bytes += frame.len();
    }
    let why = match ended.await {
        Ok(StreamEnd::Complete) if bytes == 11 => "all eleven bytes",
        Ok(StreamEnd::Complete) => "another number of bytes",
        Ok(StreamEnd::Failed(error))
            if error.error_type.as_deref() == Some("Cheese") && error.body == "{}" =>
        {
            "no cheese"
        }
        Ok(StreamEnd::Failed(_)) => "another error",
        Ok(StreamEnd::TooLarge) if bytes <= STREAM_LIMIT => "too large",
        Ok(StreamEnd::TooLarge) => "passed on too much",
        Ok(StreamEnd::Broken) | Err(_) => "broken",
    };
    let _ = reply.send(Verdict::InvalidStateTransition(why));
}

fn streaming(id: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {PREFIX}/invocation/{id}/response HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
         Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn streamed(sandbox: &Sandbox, id: &str, headers: &str, body: &[u8], cut: bool) -> String {
    String::from_utf8_lossy(&sandbox.raw(&streaming(id, headers, body), cut)).into_owned()
}

#[test]
fn a_streamed_response_is_passed_on_to_its_end() {
    let answer = streamed(&Sandbox::start(), "good", "", b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", false);
    assert!(answer.contains("all eleven bytes"), "{answer}");
}

#[test]
fn trailers_tell_of_an_error_in_the_middle() {
    let trailer = "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n";
    let body = b"5\r\nhello\r\n0\r\nLambda-Runtime-Function-Error-Type: Cheese\r\n\
        Lambda-Runtime-Function-Error-Body: e30=\r\n\r\n";
    let answer = streamed(&Sandbox::start(), "good", trailer, body, false);
    assert!(answer.contains("no cheese"), "{answer}");
}

#[test]
fn a_streamed_response_that_breaks_off_breaks_nothing_else() {
    let sandbox = Sandbox::start();
    for body in [&b"5\r\nhel"[..], b"5\r\nhello\r\n", b"x\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n"] {
        let answer = streamed(&sandbox, "good", "", body, true);
        assert!(!answer.contains(" 202 ") && !answer.contains("bytes"), "{answer}");
    }
    assert_eq!(status(&sandbox.get(&format!("{PREFIX}/invocation/next"))), "200");
}

#[test]
fn a_stream_that_nobody_takes_is_read_to_its_end_and_refused() {
    let mut body = Vec::new();
    for _ in 0..200 {
        body.extend_from_slice(b"10000\r\n");
        body.extend_from_slice(&vec![b' '; 0x10000]);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    let answer = streamed(&Sandbox::start(), "other", "", &body, false);
    assert_eq!(status(&answer), "400", "{answer}");
}

#[test]
fn a_stream_without_an_end_is_cut_at_its_limit() {
    let sandbox = Sandbox::start();
    let mut stream = TcpStream::connect(sandbox.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(&streaming("good", "", b"")).unwrap();
    let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 0x10_0000], b"\r\n"].concat();
    let mut sent = 0;
    // The server hangs up in the end, whatever is sent.
    while stream.write_all(&chunk).is_ok() {
        sent += 1;
        assert!(sent < 400, "the server reads {sent} MB");
    }
    assert!(sent >= 200, "it was cut after {sent} MB");
    assert_eq!(status(&sandbox.get(&format!("{PREFIX}/invocation/next"))), "200");
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
