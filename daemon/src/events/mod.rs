//! What calls functions by itself: schedules, as EventBridge's rules and EventBridge Scheduler have them.

pub mod schedules;
