//! Names and ARNs of functions, sources and destinations: what reads as one reads the same once it is written again.
#![no_main]

use std::{fmt::Display, str::FromStr};

use libfuzzer_sys::fuzz_target;
use thaw_daemon::{
    events::mapping::SourceArn,
    functions::{Destination, FunctionArn, FunctionReference, Qualifier},
};

fn again<T: FromStr + Display>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        let written = read.to_string();
        let again = written.parse::<T>().map(|again| again.to_string());
        assert_eq!(again.ok().as_ref(), Some(&written), "{text:?}");
    }
}

fuzz_target!(|text: &str| {
    again::<FunctionReference>(text);
    again::<FunctionArn>(text);
    again::<Qualifier>(text);
    again::<SourceArn>(text);
    again::<Destination>(text);
});
