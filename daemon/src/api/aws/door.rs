//! One request: whose it is, for which service, and what that service says.

use std::net::IpAddr;

use http::{Method, StatusCode, request::Parts};
use hyper::{Request, body::Incoming};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    AwsDoors,
    answer::{Answer, set},
    body::{Bodies, BodyError},
    error::AwsError,
    events::{self, Events},
    lambda::{Call, Lambda},
    logs::{self, Logs},
    packages,
    s3::{self, S3},
    sts,
    urls::{Address, Urls},
};
use crate::identity::sigv4::{Identity, Verifier};

/// The most bytes of a request that is no operation of Lambda: a form with a few words in it.
const SMALL_BODY: usize = 64 * 1024;

/// What large bodies of an account may take at the same time, in MB: four packages of 50 MB, each 67 MB in base64, or as many
/// payloads as have room in that.
const LARGE_BODIES: u32 = 268;

/// Services, as signatures name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Lambda,
    Logs,
    Events,
    Sts,
    S3,
    Packages,
    /// What storage servers call, with a token instead of a signature.
    Webhook,
}

impl Service {
    /// Which service a request is for: what its signature names, unless its path says more.
    fn of(head: &Parts) -> Self {
        if head.uri.path().starts_with(packages::PREFIX) {
            return Self::Packages;
        }
        if head.uri.path().starts_with(s3::PREFIX) {
            return Self::Webhook;
        }
        match Verifier::service_of(head).as_deref() {
            Some("sts") => Self::Sts,
            Some("s3") => Self::S3,
            Some("logs") => Self::Logs,
            Some("events") => Self::Events,
            None if logs::is_for_logs(&head.headers) => Self::Logs,
            None if events::is_for_events(&head.headers) => Self::Events,
            _ => Self::Lambda,
        }
    }

    /// The name that a request must be signed for.
    fn scope(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::Logs => "logs",
            Self::Events => "events",
            Self::Sts => "sts",
            Self::S3 | Self::Packages | Self::Webhook => "s3",
        }
    }
}

#[derive(Debug)]
pub(super) struct Door {
    doors: AwsDoors,
    lambda: Lambda,
    logs: Logs,
    events: Events,
    urls: Urls,
    s3: S3,
    bodies: Bodies,
}

impl Door {
    /// A door whose answers that go on for ever end with `stop`.
    pub(super) fn new(doors: AwsDoors, stop: CancellationToken) -> Self {
        let region = doors.registry.region().clone();
        let logs = Logs::new(doors.logs.clone(), region, doors.clock.clone(), stop);
        let events = Events::new(doors.schedules.clone());
        let (lambda, urls) = (Lambda::new(doors.clone()), Urls::new(doors.clone()));
        let s3 = S3::new(doors.buckets.clone(), doors.invoker.clone(), doors.clock.clone());
        Self { lambda, logs, events, s3, urls, doors, bodies: Bodies::new(LARGE_BODIES) }
    }

    /// Answers a request, whatever it is. `peer` has the other end of its connection.
    pub(super) async fn take(&self, request: Request<Incoming>, peer: IpAddr) -> Answer {
        let request_id = Uuid::new_v4().to_string();
        let (head, body) = request.into_parts();
        let mut answer = match Address::of(&head) {
            Some(address) => self.urls.take(address, head, body, peer, &request_id).await,
            None => self.answer(head, body, &request_id).await,
        };
        if !answer.headers().contains_key("x-amzn-requestid") {
            set(&mut answer, "x-amzn-requestid", &request_id);
        }
        answer
    }

    async fn answer(&self, head: Parts, body: Incoming, request_id: &str) -> Answer {
        let service = Service::of(&head);
        if service == Service::Webhook {
            return self.s3.hear(&head, body, &self.bodies).await;
        }
        match self.serve(service, head, body, request_id).await {
            Ok(answer) => answer,
            Err(error) if service == Service::Sts => {
                let code = error.name.strip_suffix("Exception").unwrap_or(error.name);
                sts::error(error.status, code, error.message.as_deref().unwrap_or_default(), request_id)
            }
            Err(error) if matches!(service, Service::Logs | Service::Events) => {
                // Of this protocol 400 is the status of whatever a caller could have known.
                let status =
                    if error.status.is_server_error() { error.status } else { StatusCode::BAD_REQUEST };
                logs::refused(status, error.name, error.message.as_deref().unwrap_or_default())
            }
            Err(error) if service == Service::S3 => s3::refused(&error, request_id),
            Err(error) => error.into_answer(),
        }
    }

    async fn serve(
        &self,
        service: Service,
        head: Parts,
        body: Incoming,
        request_id: &str,
    ) -> Result<Answer, AwsError> {
        let now = self.doors.clock.now();
        let admitted = self.doors.verifier.admit(&head, service.scope(), now)?;
        // Looked up before the body is taken, since each operation has a limit of its own. What it says of a request that
        // can't be served is told only to whoever has proved to be somebody.
        let operation = (service == Service::Lambda).then(|| self.lambda.find(&head));
        let limit = match &operation {
            Some(Ok(found)) => found.body_limit(),
            Some(Err(_)) => SMALL_BODY,
            None if service == Service::Logs => logs::BODY_LIMIT,
            None if service == Service::Events => events::BODY_LIMIT,
            None if service == Service::S3 => s3::BODY_LIMIT,
            None => SMALL_BODY,
        };
        // The room is that of the account that the request says it is of: whether it is shows only when the body is there.
        let (body, place) = match self.bodies.read(admitted.identity().account, body, limit).await {
            Ok(read) => read,
            Err(BodyError::Broken) => {
                return Err(AwsError::new("RequestTimeoutException", "The body did not arrive whole."));
            }
            Err(BodyError::NoRoom) => return Err(AwsError::no_room_for_body()),
            // The signature covers a body that is not here, so all that is said is how large one may be.
            Err(BodyError::TooLarge) => {
                let name = match &operation {
                    Some(Ok(found)) => found.told_name(),
                    Some(Err(_)) | None => "request",
                };
                return Err(AwsError::new(
                    "RequestEntityTooLargeException",
                    format!("Request must be smaller than {limit} bytes for the {name} operation"),
                ));
            }
        };
        let payload = admitted.verify(&head, body)?;
        let identity = admitted.identity().clone();
        if let Some(caller) = &identity.service
            && service != Service::Lambda
        {
            let told = format!("{} may call functions that let it in, and nothing else.", caller.principal);
            return Err(AwsError::new("AccessDeniedException", told));
        }
        match (service, operation) {
            (Service::Lambda, Some(operation)) => {
                let found = operation?;
                let region = self.doors.registry.region().clone();
                self.lambda.serve(found, Call::new(identity, head, payload, place, region)).await
            }
            (Service::Logs, _) => Ok(self.logs.answer(identity.account, &head.headers, &payload).await),
            (Service::Events, _) => Ok(self.events.answer(identity.account, &head.headers, &payload).await),
            (Service::Sts, _) => Ok(self.ask_sts(&identity, &head, &payload, request_id)),
            (Service::S3, _) => Ok(self.s3.answer(identity.account, &head, &payload, request_id).await),
            (Service::Packages | Service::Webhook | Service::Lambda, _) => {
                if head.method != Method::GET {
                    return Err(AwsError::new("MethodNotAllowedException", "A package can only be read."));
                }
                let registry = self.doors.registry.of(identity.account);
                packages::serve(&registry, &identity, head.uri.path()).await
            }
        }
    }

    fn ask_sts(&self, identity: &Identity, head: &Parts, payload: &[u8], request_id: &str) -> Answer {
        let partition = self.doors.registry.region().partition();
        let form = match std::str::from_utf8(payload) {
            Ok("") => head.uri.query().unwrap_or_default(),
            Ok(form) => form,
            Err(_) => {
                let told = "The request is no text.";
                return sts::error(StatusCode::BAD_REQUEST, "MalformedInput", told, request_id);
            }
        };
        sts::serve(identity, form, partition, request_id)
    }
}
