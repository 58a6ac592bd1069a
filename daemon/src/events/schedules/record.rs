//! What the store keeps of schedules: what each is, and, since that changes with every run, how far it is. Both lie under
//! `ACCOUNT/rule/NAME` or `ACCOUNT/schedule/NAME`.

use super::{Definition, Progress};
use crate::store::Record;

impl Record for Definition {
    const TREE: &'static str = "schedules";
    const SCHEMA_VERSION: u16 = 1;
}

impl Record for Progress {
    const TREE: &'static str = "schedule_progress";
    const SCHEMA_VERSION: u16 = 1;
}
