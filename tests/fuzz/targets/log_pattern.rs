//! Patterns of log filters, and the messages that they are held against.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thaw_daemon::logs::Pattern;

// A pattern and a message, a line each.
fuzz_target!(|text: &str| {
    let (pattern, message) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(pattern) = Pattern::parse(pattern) {
        let _ = pattern.matches(message);
    }
});
