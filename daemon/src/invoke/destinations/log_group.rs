//! A log group as a destination: one log event a result, in a stream of the function's.

use bytes::Bytes;

use super::{Delivery, DestinationError};
use crate::{
    clock::Clock,
    functions::Destination,
    logs::{GroupKey, LogError, LogStore, PutEvent},
};

/// Sends a result. Its group must exist; the stream is made.
pub(super) async fn send(
    logs: &LogStore,
    clock: &dyn Clock,
    result: &Delivery,
    body: Bytes,
) -> Result<(), DestinationError> {
    let group = group_of(&result.target)?;
    if group.account() != result.function.account.to_string() {
        return Err(DestinationError::OtherAccount(result.target.clone()));
    }
    let stream = format!("{}/{}", result.function.name, result.purpose.as_str());
    match logs.create_stream(&group, &stream).await {
        Ok(()) | Err(LogError::StreamExists(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let message = String::from_utf8_lossy(&body).into_owned();
    let event = PutEvent { timestamp_ms: clock.now_millis(), message };
    logs.put(&group, &stream, vec![event]).await?;
    Ok(())
}

/// `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`, with `:*` behind it perhaps.
fn group_of(target: &Destination) -> Result<GroupKey, DestinationError> {
    let refused = || DestinationError::NoLogGroup(target.clone());
    let mut parts = target.as_str().splitn(7, ':').skip(4);
    let account = parts.next().ok_or_else(refused)?;
    if parts.next() != Some("log-group") {
        return Err(refused());
    }
    let name = parts.next().ok_or_else(refused)?;
    GroupKey::new(account, name.strip_suffix(":*").unwrap_or(name)).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_group_is_named_by_its_arn() {
        let group = |arn: &str| group_of(&arn.parse().unwrap());
        for arn in [
            "arn:aws:logs:us-east-1:000000000000:log-group:/results/f",
            "arn:aws:logs:us-east-1:000000000000:log-group:/results/f:*",
        ] {
            assert_eq!(group(arn).unwrap().group(), "/results/f");
        }
        assert!(group("arn:aws:logs:us-east-1:000000000000:/results/f").is_err());
        assert!(group("arn:aws:logs:us-east-1:000000000000:log-group:a b").is_err());
    }
}
