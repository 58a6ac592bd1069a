//! thawd as a library: what `main.rs` puts together, and what tests reach into.
#![forbid(unsafe_code)]
