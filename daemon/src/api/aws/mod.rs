//! AWS's own protocols, as its unmodified clients speak them.

mod event_stream;
pub(in crate::api) mod logs;
