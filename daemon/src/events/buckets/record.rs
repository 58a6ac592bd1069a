//! What the store keeps of buckets: each one's configuration, under `ACCOUNT/BUCKET`, and each account's webhook, under
//! `ACCOUNT`.

use super::{Configuration, Webhook};
use crate::store::Record;

impl Record for Configuration {
    const TREE: &'static str = "bucket_notifications";
    const SCHEMA_VERSION: u16 = 1;
}

impl Record for Webhook {
    const TREE: &'static str = "bucket_webhooks";
    const SCHEMA_VERSION: u16 = 1;
}
