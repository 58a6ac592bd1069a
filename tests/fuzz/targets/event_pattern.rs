//! Patterns of event filters, and the events that they are held against.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use thaw_daemon::events::pattern::Pattern;

// A pattern and an event, a line each.
fuzz_target!(|text: &str| {
    let (pattern, event) = text.split_once('\n').unwrap_or((text, "{}"));
    let Ok(pattern) = pattern.parse::<Pattern>() else { return };
    let Ok(event) = serde_json::from_str::<Value>(event) else { return };
    let matches = pattern.matches(&event);
    assert_eq!(matches, pattern.matches(&event));
});
