//! What makes functions run besides callers: event sources.

pub mod pattern;
