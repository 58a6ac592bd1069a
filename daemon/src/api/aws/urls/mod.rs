//! Function URLs: HTTP in, a function called, HTTP out. Anybody may come here, so nothing is believed of a request, and as
//! little of what a function answers.
//!
//! [`Address`] says which URL a request is for; [`Urls::take`] answers it: a preflight at once (`cors`), others when
//! whoever sends it may pass, by the URL's `AuthType` and the policy of what it calls. The request becomes an event
//! (`event`), what the function answers an answer (`reply`), or the beginning of one (`stream`).

mod address;
mod cors;
mod event;
mod reply;
mod stream;

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header::ALLOW, request::Parts};
use hyper::body::Incoming;

pub(super) use self::address::Address;
use self::{
    cors::CrossOrigin,
    event::{Around, TRACE_HEADER},
    reply::{Malformed, Reply, ReplyHead},
};
use super::{
    AwsDoors,
    answer::{Answer, Body, answer, full, set},
    body::{Bodies, BodyError, Place},
    error::AwsError,
};
use crate::{
    clock::SharedClock,
    functions::{
        FunctionError, FunctionRegistry, FunctionUrl, InvokeMode, UrlAuthType, UrlBase, UrlCaller, UrlTarget,
    },
    identity::{
        AccountId,
        sigv4::{Identity, SignatureError, Verifier},
    },
    invoke::{Invocation, InvokeError, Invoker, PAYLOAD_LIMIT, Streamed, TraceHeader},
    runtime_api::RequestId,
    sandbox::AcquireError,
};

/// The service that a request to a URL is signed for.
const SERVICE: &str = "lambda";

/// What large bodies for the URLs of an account may take at the same time, in MB; each has 6 at the most. They take nothing of
/// what the account has for those who call the AWS API.
const LARGE_BODIES: u32 = 96;

/// How long a caller may take to send a body, whoever he is.
const BODY_PATIENCE: Duration = Duration::from_secs(120);

/// What a function is called with. Source: `requestContext.http.method` in Lambda's developer guide.
const METHODS: [Method; 7] =
    [Method::GET, Method::POST, Method::PUT, Method::HEAD, Method::OPTIONS, Method::PATCH, Method::DELETE];

/// What whoever is not let in is told.
const FORBIDDEN: &str = "Forbidden. For troubleshooting Function URL authorization issues, see: \
                         https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";

#[derive(Debug)]
pub(super) struct Urls {
    registry: FunctionRegistry,
    invoker: Invoker,
    verifier: Arc<Verifier>,
    clock: SharedClock,
    base: UrlBase,
    bodies: Bodies,
}

/// A request on its way to a function.
#[derive(Debug)]
struct Visit {
    head: Parts,
    body: Incoming,
    path: String,
    peer: IpAddr,
    request_id: RequestId,
}

/// Why a request has no answer of a function.
#[derive(Debug)]
enum Refusal {
    /// Lambda says so.
    Told(AwsError),
    /// The method is none that a function is called with.
    Method,
    /// The function failed, or what it answered is no answer, for this reason. Whoever asked learns no more of it.
    Failed(&'static str),
}

/// The function says itself, in its log, what happened.
const FAILED: Refusal = Refusal::Failed("the function failed");

impl Urls {
    pub(super) fn new(doors: AwsDoors) -> Self {
        let AwsDoors { registry, invoker, verifier, clock, url_base, .. } = doors;
        Self { registry, invoker, verifier, clock, base: url_base, bodies: Bodies::new(LARGE_BODIES) }
    }

    /// Answers a request.
    pub(super) async fn take(
        &self,
        address: Address,
        head: Parts,
        body: Incoming,
        peer: IpAddr,
        request_id: &str,
    ) -> Answer {
        let Some(target) = address.id.and_then(|id| self.registry.url_target(id)) else {
            return AwsError::access_denied().into_answer();
        };
        let config = Arc::clone(&target.url.config);
        let origin = config.cors.as_ref().map(|cors| CrossOrigin::of(cors, &head.headers));
        if let Some(origin) = origin.as_ref().filter(|_| cors::is_preflight(&head)) {
            let mut answer = Answer::new(full(Bytes::new()));
            *answer.headers_mut() = origin.preflight(&head);
            return answer;
        }
        let request_id = RequestId::known(request_id.into());
        let visit = Visit { head, body, path: address.path, peer, request_id };
        let mut answer = match self.call(&target, visit).await {
            Ok((head, body)) => with_head(head, body),
            Err(refusal) => refusal.into_answer(),
        };
        if let Some(origin) = origin {
            origin.mark(answer.headers_mut());
        }
        answer
    }

    async fn call(&self, target: &UrlTarget, visit: Visit) -> Result<(ReplyHead, Body), Refusal> {
        let Visit { head, body, path, peer, request_id } = visit;
        if !METHODS.contains(&head.method) {
            return Err(Refusal::Method);
        }
        let url = &target.url;
        // Whoever is let in by nothing has no body read.
        let now = self.clock.now();
        let admitted = match url.config.auth_type {
            UrlAuthType::None if target.lets_in(UrlCaller::Anybody) => None,
            UrlAuthType::None => return Err(forbidden()),
            UrlAuthType::AwsIam => Some(self.verifier.admit(&head, SERVICE, now).map_err(unsigned)?),
        };
        let (body, place) = self.read(url.arn.account, body).await?;
        let (body, identity) = match &admitted {
            None => (body, None),
            Some(admitted) => {
                let body = admitted.verify(&head, body).map_err(AwsError::from)?;
                let identity = admitted.identity();
                // A service speaks for nobody but itself.
                if identity.service.is_some() || !target.lets_in(UrlCaller::Account(identity.account)) {
                    return Err(forbidden());
                }
                (body, Some(identity))
            }
        };
        // AWS does not follow chains through URLs either: a trace goes on, and nothing is counted.
        let trace = head.headers.get(TRACE_HEADER).and_then(|value| value.to_str().ok());
        let trace = TraceHeader::begun_by(trace);
        let event = self.event(url, &head, &body, &path, peer, &request_id, &trace, identity)?;
        // What is kept from here on is the event, which is bounded as the payload of any call is: `Call::take_payload`.
        drop((body, place));
        let invocation = Invocation {
            function: url.arn.clone().into(),
            qualifier: None,
            payload: event.into(),
            client_context: None,
            tail: false,
            trace: Some(trace),
        };
        let answered = match url.config.invoke_mode.unwrap_or(InvokeMode::Buffered) {
            InvokeMode::Buffered => self.buffered(request_id, invocation).await,
            InvokeMode::ResponseStream => self.streamed(request_id, invocation).await,
        };
        answered.inspect_err(|refusal| {
            if let Refusal::Failed(reason) = refusal {
                tracing::debug!(function = %url.arn, reason, "a request to a function URL has no answer");
            }
        })
    }

    async fn read(&self, account: AccountId, body: Incoming) -> Result<(Bytes, Option<Place>), Refusal> {
        let read = tokio::time::timeout(BODY_PATIENCE, self.bodies.read(account, body, PAYLOAD_LIMIT)).await;
        match read.unwrap_or(Err(BodyError::Broken)) {
            Ok(read) => Ok(read),
            Err(BodyError::TooLarge) => Err(too_large()),
            Err(BodyError::NoRoom) => Err(AwsError::no_room_for_body().into()),
            Err(BodyError::Broken) => {
                Err(AwsError::new("RequestTimeoutException", "The body did not arrive whole.").into())
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all that an event tells of")]
    fn event(
        &self,
        url: &FunctionUrl,
        head: &Parts,
        body: &[u8],
        path: &str,
        peer: IpAddr,
        request_id: &RequestId,
        trace: &TraceHeader,
        identity: Option<&Identity>,
    ) -> Result<Vec<u8>, Refusal> {
        let region = self.registry.region();
        let around = Around {
            path,
            id: &url.config.id.to_string(),
            domain: &self.base.domain(url.config.id, region),
            scheme: self.base.scheme(),
            port: self.base.port(),
            request_id: request_id.as_str(),
            trace_root: &trace.root(),
            peer,
            now: self.clock.now(),
            identity,
            owner: url.arn.account,
            partition: region.partition(),
        };
        event::event(head, body, &around).map_err(|error| AwsError::internal(&error).into())
    }

    async fn buffered(
        &self,
        request_id: RequestId,
        invocation: Invocation,
    ) -> Result<(ReplyHead, Body), Refusal> {
        let invoked = self.invoker.invoke_as(request_id, invocation).await?;
        let payload = invoked.outcome.result.map_err(|_| FAILED)?;
        let Reply { head, body } = Reply::read(payload)?;
        Ok((head, full(body)))
    }

    async fn streamed(
        &self,
        request_id: RequestId,
        invocation: Invocation,
    ) -> Result<(ReplyHead, Body), Refusal> {
        match self.invoker.invoke_streaming_as(request_id, invocation).await? {
            Streamed::Begun(call) => Ok(stream::answer(call).await?),
            Streamed::Whole(invoked) => {
                let payload = invoked.outcome.result.map_err(|_| FAILED)?;
                Ok((ReplyHead::of_whole(), full(payload)))
            }
        }
    }
}

fn with_head(head: ReplyHead, body: Body) -> Answer {
    let mut answer = Answer::new(body);
    *answer.status_mut() = head.status;
    *answer.headers_mut() = head.headers;
    answer
}

fn forbidden() -> Refusal {
    AwsError::new("AccessDeniedException", FORBIDDEN).into()
}

fn too_large() -> Refusal {
    AwsError::new(
        "RequestEntityTooLargeException",
        format!("Request must be smaller than {PAYLOAD_LIMIT} bytes for the InvokeFunction operation"),
    )
    .into()
}

fn unsigned(error: SignatureError) -> Refusal {
    match error {
        SignatureError::Missing => forbidden(),
        error => AwsError::from(error).into(),
    }
}

impl From<AwsError> for Refusal {
    fn from(error: AwsError) -> Self {
        Self::Told(error)
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::Failed(malformed.0)
    }
}

/// Strangers are not told what the daemon lacks: its log has that.
impl From<InvokeError> for Refusal {
    fn from(error: InvokeError) -> Self {
        match error {
            InvokeError::Throttled(throttled) => AwsError::from(throttled).into(),
            InvokeError::Acquire(AcquireError::TooManyRequests { .. }) => {
                AwsError::new("TooManyRequestsException", "Rate Exceeded.").into()
            }
            InvokeError::PayloadTooLarge { .. } => too_large(),
            // It went while the request was read.
            InvokeError::Function(FunctionError::NotFound { .. }) => AwsError::access_denied().into(),
            error => {
                let source: &dyn std::error::Error = &error;
                tracing::warn!(error = source, "a function could not be called by its URL");
                AwsError::new("ServiceUnavailableException", "Service Unavailable").into()
            }
        }
    }
}

impl Refusal {
    fn into_answer(self) -> Answer {
        match self {
            Self::Told(error) => error.into_answer(),
            Self::Method => {
                let error = AwsError::new("MethodNotAllowedException", "Method Not Allowed");
                let mut answer = error.into_answer();
                let methods = METHODS.map(|method| method.to_string()).join(", ");
                if let Ok(methods) = HeaderValue::from_str(&methods) {
                    answer.headers_mut().insert(ALLOW, methods);
                }
                answer
            }
            Self::Failed(_) => {
                let mut answer = answer(StatusCode::BAD_GATEWAY, "text/plain", "Internal Server Error");
                set(&mut answer, "x-amzn-errortype", "InternalFailure");
                answer
            }
        }
    }
}
