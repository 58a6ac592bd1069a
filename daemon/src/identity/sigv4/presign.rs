//! Makes presigned URLs: whoever has one may fetch what it names, until it expires.

use http::{Method, Request};
use time::{Duration, OffsetDateTime};

use super::{
    Identity, S3, Verifier,
    canonical::{hex, string_to_sign},
    claim::{ALGORITHM, Claim, Place, Scope, day_of, text_of},
    uri::{PathStyle, encode},
};

impl Verifier {
    /// The query that lets its holder GET `path` of `host`, as if `identity` had asked, for as long as `lifetime`. `None` if
    /// its key is not known any more, or host and path make no URL.
    #[must_use]
    pub fn presign_get(
        &self,
        identity: &Identity,
        host: &str,
        path: &str,
        lifetime: Duration,
        now: OffsetDateTime,
    ) -> Option<String> {
        let credential = self.credentials.get(identity.access_key_id.as_str())?;
        let scope = Scope {
            access_key_id: identity.access_key_id.as_str().to_owned(),
            date: day_of(now),
            region: self.region.to_string(),
            service: S3.to_owned(),
        };
        let expires_seconds = u32::try_from(lifetime.whole_seconds()).ok()?;
        let mut query = format!(
            "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&X-Amz-Date={}&X-Amz-Expires={expires_seconds}&\
             X-Amz-SignedHeaders=host",
            encode(format!("{}/{}", scope.access_key_id, scope.text()).as_bytes()),
            text_of(now)
        );
        if let Some(session) = &credential.session {
            query.push_str("&X-Amz-Security-Token=");
            query.push_str(&encode(session.token().as_bytes()));
        }
        let claim = Claim {
            scope,
            signed_headers: vec!["host".to_owned()],
            signature: String::new(),
            time: now,
            session_token: None,
            place: Place::Query { expires_seconds },
        };
        let request = Request::builder()
            .method(Method::GET)
            .uri(format!("{path}?{query}"))
            .header("host", host)
            .body(())
            .ok()?;
        let signed = string_to_sign(&request.into_parts().0, &claim, PathStyle::Once, "UNSIGNED-PAYLOAD");
        let key = self.keys.get(&credential.secret_access_key, &claim.scope);
        Some(format!("{query}&X-Amz-Signature={}", hex(&key.sign(signed.as_bytes()))))
    }
}
