//! The event of a run, as EventBridge sends it.

use serde_json::{Value, json};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use super::{Key, Kind};
use crate::functions::Region;

/// EventBridge's `Scheduled Event`. That of EventBridge Scheduler differs in its source and has its detail as text.
pub(super) fn scheduled(key: &Key, region: &Region, id: &str, scheduled: OffsetDateTime) -> Value {
    let (source, detail) = match key.kind {
        Kind::Rule => ("aws.events", json!({})),
        Kind::Own => ("aws.scheduler", json!("{}")),
    };
    // A time of this era in UTC always has this form.
    let time = scheduled.to_offset(UtcOffset::UTC).format(&Rfc3339).unwrap_or_default();
    json!({
        "version": "0",
        "id": id,
        "detail-type": "Scheduled Event",
        "source": source,
        "account": key.account,
        "time": time,
        "region": region,
        "resources": [key.arn(region)],
        "detail": detail,
    })
}
