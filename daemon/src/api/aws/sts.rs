//! STS: the one thing that tools ask it, who they are. Query protocol: a form in, XML out.

use http::StatusCode;

use super::answer::{Answer, answer};
use crate::identity::sigv4::Identity;

/// The service's version, as its clients send it.
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Answers a request of this service; `form` is its body or query.
pub(super) fn serve(identity: &Identity, form: &str, partition: &str, request_id: &str) -> Answer {
    let action = form.split('&').find_map(|pair| pair.strip_prefix("Action="));
    match action {
        Some("GetCallerIdentity") => {
            let account = identity.account;
            let body = format!(
                "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\"><GetCallerIdentityResult>\
                 <Arn>arn:{partition}:iam::{account}:root</Arn><UserId>{account}</UserId><Account>{account}</Account>\
                 </GetCallerIdentityResult><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
                 </GetCallerIdentityResponse>"
            );
            answer(StatusCode::OK, "text/xml", body)
        }
        Some(_) | None => error(
            StatusCode::BAD_REQUEST,
            "InvalidAction",
            "Of STS, only GetCallerIdentity is served here.",
            request_id,
        ),
    }
}

/// An error of a service that speaks the query protocol. `message` has nothing that XML would take for its own.
pub(super) fn error(status: StatusCode, code: &str, message: &str, request_id: &str) -> Answer {
    let message = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let body = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
         </Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    );
    answer(status, "text/xml", body)
}
