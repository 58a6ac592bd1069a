//! Code from S3, over a server that says what the test has it say.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use super::{super::fetch::MAX_FETCHING, *};
use crate::{aws_services::AwsEndpoint, functions::S3Object, identity::Credentials, web_client::WebClient};

/// A server that gives one answer to one request, and ends the connection. What it was asked.
async fn server(answer: impl Into<Vec<u8>>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = answer.into();
    let served = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            assert_ne!(connection.read_buf(&mut asked).await.unwrap(), 0, "the request broke off");
        }
        // Whoever has heard enough may close before the end.
        let _ = connection.write_all(&answer).await;
        String::from_utf8(asked).unwrap()
    });
    (url, served)
}

fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

impl World {
    /// The same world with S3 at this address.
    async fn with_s3(self, url: &str) -> Self {
        let Self { registry, store, clock, directory } = self;
        let packages = registry.packages().clone();
        registry.close().await;
        let s3 = Some(S3Client::new(
            AwsEndpoint::new(url.to_owned(), Credentials::development()),
            WebClient::new(),
        ));
        let options = RegistryOptions { s3, ..RegistryOptions::default() };
        let registry = FunctionRegistry::open(store.clone(), packages, clock.clone(), options).await.unwrap();
        Self { registry, store, clock, directory }
    }

    /// What came of fetching an object whose server gives this answer, and what that was asked.
    async fn fetched(answer: impl Into<Vec<u8>>) -> (Self, Result<UploadedCode, FunctionError>, String) {
        let (url, served) = server(answer).await;
        let world = Self::new().await.with_s3(&url).await;
        let fetched = world.registry.fetch(&object()).await;
        (world, fetched, served.await.unwrap())
    }

    /// Why an object is refused whose server gives this answer. Nothing of it is left.
    async fn refused(answer: impl Into<Vec<u8>>) -> FunctionError {
        let (world, fetched, _) = Self::fetched(answer).await;
        let refusal = fetched.unwrap_err();
        world.assert_packages(vec![]).await;
        assert!(!world.registry.0.uploads.any(), "an upload goes on");
        refusal
    }
}

fn object() -> S3Object {
    S3Object::parse("", "builds", "a/hello+1.zip", Some("v 1")).unwrap()
}

#[tokio::test]
async fn code_is_fetched_by_a_signed_request_and_is_as_if_it_had_been_uploaded() {
    let archive = archive("def handler(event, context): return 1");
    let (world, fetched, asked) = World::fetched(answer("200 OK", &archive)).await;
    let head = asked.to_ascii_lowercase();
    assert!(asked.starts_with("GET /builds/a/hello%2B1.zip?versionId=v%201 HTTP/1.1\r\n"), "{asked}");
    let scope = "authorization: aws4-hmac-sha256 credential=test/20250102/us-east-1/s3/aws4_request";
    assert!(head.contains(scope) && head.contains("x-amz-content-sha256: e3b0c442"), "{asked}");
    let code = fetched.unwrap();
    let digest = Sha256Digest::of(&archive);
    assert_eq!((code.digest(), code.size()), (digest, archive.len() as u64));
    world.registry.create(function("hello"), code).await.unwrap();
    world.registry.settled(&reference("hello"), None).await.unwrap();
    world.assert_packages(vec![digest]).await;
}

#[tokio::test]
async fn what_comes_in_pieces_without_a_length_is_whole_at_its_end() {
    let archive = archive("def handler(event, context): return 1");
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in archive.chunks(10) {
        answer.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        answer.extend_from_slice(piece);
        answer.extend_from_slice(b"\r\n");
    }
    let cut = answer.clone();
    answer.extend_from_slice(b"0\r\n\r\n");
    let (_, fetched, _) = World::fetched(answer).await;
    assert_eq!(fetched.unwrap().digest(), Sha256Digest::of(&archive));
    let refusal = World::refused(cut).await;
    assert_eq!(refusal.kind(), ErrorKind::Unavailable);
    assert!(refusal.to_string().contains("says it is, broke off: "), "{refusal}");
}

#[tokio::test]
async fn an_object_that_ends_too_early_is_no_code() {
    let mut answer = answer("200 OK", &archive("x"));
    answer.truncate(answer.len() - 1);
    assert!(matches!(World::refused(answer).await, FunctionError::Fetch(FetchError::Silent { .. })));
}

#[tokio::test]
async fn what_s3_refuses_is_told_in_lambdas_words() {
    let error = |code: &str, message: &str| {
        format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>")
    };
    for (status, code, message, kind) in [
        ("404 Not Found", "NoSuchKey", "The specified key does not exist.", ErrorKind::InvalidParameterValue),
        ("301 Moved Permanently", "PermanentRedirect", "Elsewhere.", ErrorKind::InvalidParameterValue),
        ("403 Forbidden", "InvalidAccessKeyId", "Who?", ErrorKind::InvalidParameterValue),
        ("503 Service Unavailable", "SlowDown", "Please reduce your request rate.", ErrorKind::Unavailable),
    ] {
        let refusal = World::refused(answer(status, error(code, message).as_bytes())).await;
        let told =
            format!("Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}");
        assert_eq!((refusal.kind(), refusal.to_string()), (kind, told));
    }
    let refusal =
        World::refused(answer("403 Forbidden", error("AccessDenied", "Access Denied").as_bytes())).await;
    assert_eq!(refusal.kind(), ErrorKind::AccessDenied);
    assert_eq!(
        refusal.to_string(),
        "Your access has been denied by S3, please make sure your request credentials have permission to GetObject for \
         builds/a/hello+1.zip. S3 Error Code: AccessDenied. S3 Error Message: Access Denied"
    );
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let (elsewhere, served) = server(answer("200 OK", &archive("x"))).await;
    let moved =
        format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}/\r\nContent-Length: 0\r\n\r\n");
    let refusal = World::refused(moved).await.to_string();
    assert!(refusal.contains("S3 Error Code: TemporaryRedirect."), "{refusal}");
    assert!(!served.is_finished(), "the other server was asked");
    served.abort();
}

#[tokio::test]
async fn what_can_not_be_a_package_is_refused_before_it_is_read_or_where_it_goes_too_far() {
    let told = "Unzipped size must be smaller than 3000 bytes";
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
    assert_eq!(World::refused(announced).await.to_string(), told);
    let most = World::new().await.registry.packages().limits().largest_archive();
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.resize(endless.len() + usize::try_from(most).unwrap() + 1, 0);
    assert_eq!(World::refused(endless).await.to_string(), told);
    let empty = World::refused(answer("200 OK", b"")).await;
    assert_eq!(empty.to_string(), "Uploaded file must be a non-empty zip");
}

#[tokio::test]
async fn an_archive_from_s3_may_be_larger_than_an_upload() {
    let noise: Vec<u8> =
        (0..110_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let (_, fetched, _) = World::fetched(answer("200 OK", &noise)).await;
    assert_eq!(fetched.unwrap().size(), 440_000, "an upload has at most 100,000");
}

#[tokio::test]
async fn without_a_server_or_a_credential_nothing_is_fetched() {
    let world = World::new().await;
    let refusal = world.registry.fetch(&object()).await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::InvalidParameterValue);
    assert!(refusal.to_string().contains("the setting s3_endpoint"), "{refusal}");
    // A port that nobody listens at any more.
    let (url, served) = server("").await;
    served.abort();
    assert!(served.await.unwrap_err().is_cancelled());
    let world = world.with_s3(&url).await;
    let refusal = world.registry.fetch(&object()).await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Unavailable);
    assert!(refusal.to_string().contains("could not be reached: "), "{refusal}");
    assert!(!refusal.to_string().contains(&url), "an address may have a password in it: {refusal}");
    let refusal = world.registry.of("000000000009".parse().unwrap()).fetch(&object()).await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::AccessDenied);
    assert!(refusal.to_string().contains("account 000000000009 has no credential"), "{refusal}");
}

#[tokio::test]
async fn a_fetch_that_gets_no_turn_is_told_so_and_nobody_is_asked() {
    let (url, _served) = server("").await;
    let world = World::new().await.with_s3(&url).await;
    let turns = u32::try_from(MAX_FETCHING).unwrap();
    let _turns = world.registry.0.fetching.acquire_many(turns).await.unwrap();
    tokio::time::pause();
    let refusal = world.registry.fetch(&object()).await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Unavailable);
    assert!(refusal.to_string().contains("Too many packages are being fetched"), "{refusal}");
}
