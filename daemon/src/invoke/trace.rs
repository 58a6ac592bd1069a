//! Which chain of invocations one belongs to, and whether the chain is a loop.
//!
//! An invocation has a tracing header, which AWS's SDKs in a function hand on with whatever they ask of AWS, and thawd with
//! every result that it sends. Its `Lineage` counts how often each function was called before in the chain. Lambda stops a
//! function that was called about sixteen times in one chain. Source: "Use Lambda recursive loop detection to prevent infinite
//! loops"; "Tracing header" in X-Ray's guide, for the form. As there, whoever leaves the header out breaks the chain.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{functions::FunctionName, identity::AccountId};

/// How often a function may be called in one chain.
const CALLS: u32 = 16;

/// How many functions of a chain are counted. Those that were called last; a loop is seldom as long.
const FUNCTIONS: usize = 32;

/// The most bytes of a header that are read.
const LONGEST: usize = 2_048;

/// A tracing header: `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=…;Sampled=0;Lineage=a87bd80c:1|68fd508a:5`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct TraceHeader {
    /// `1-`, the time and a random part, in hexadecimal digits.
    root: String,
    /// Sixteen hexadecimal digits. A chain that nobody has called in has none.
    parent: Option<String>,
    sampled: bool,
    /// In the order in which they were called last.
    lineage: Vec<Calls>,
}

/// How often a function was called in a chain, the first time left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Calls {
    /// The beginning of a digest of the function's name.
    function: u32,
    again: u32,
}

/// A function's call as part of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entered {
    /// What the call has, and hands on.
    pub(super) header: TraceHeader,
    /// Whether the function has been called as often as it may before.
    pub(super) is_loop: bool,
}

impl Default for TraceHeader {
    /// A new chain.
    fn default() -> Self {
        let random = uuid::Uuid::new_v4().simple().to_string();
        // The first part would be the time; random digits serve as well for a trace that nobody stores.
        let root = format!("1-{}-{}", &random[..8], &random[8..]);
        Self { root, parent: None, sampled: false, lineage: Vec::new() }
    }
}

impl TraceHeader {
    /// What a header says, as far as it can be understood. What it does not say is as in a new chain.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut header = Self::default();
        if text.len() > LONGEST {
            return header;
        }
        for field in text.split(';') {
            match field.trim().split_once('=') {
                Some(("Root", root)) if is_root(root) => root.clone_into(&mut header.root),
                Some(("Parent", parent)) if is_parent(parent) => header.parent = Some(parent.to_owned()),
                Some(("Sampled", sampled)) => header.sampled = sampled == "1",
                Some(("Lineage", lineage)) => {
                    let all: Vec<Calls> = lineage.split('|').filter_map(|text| text.parse().ok()).collect();
                    header.lineage = all[all.len().saturating_sub(FUNCTIONS)..].into();
                }
                _ => {}
            }
        }
        header
    }

    /// A chain that begins here, for a request from outside: of what its header says only the root is kept.
    #[must_use]
    pub fn begun_by(header: Option<&str>) -> Self {
        let told = header.map(Self::read).unwrap_or_default();
        Self { root: told.root, ..Self::default() }
    }

    /// The header with nothing but the root: `Root=1-5759e988-bd862e3fe1be46a994272793`.
    #[must_use]
    pub fn root(&self) -> String {
        format!("Root={}", self.root)
    }

    /// The chain with a call of this function at its end.
    pub(super) fn enter(&self, account: AccountId, name: &FunctionName) -> Entered {
        let digest = Sha256::digest(format!("{account}/{name}"));
        let function = digest.first_chunk().map_or(0, |beginning| u32::from_be_bytes(*beginning));
        let before = self.lineage.iter().find(|calls| calls.function == function);
        let again = before.map_or(0, |calls| calls.again.saturating_add(1));
        let others = self.lineage.iter().filter(|calls| calls.function != function);
        let mut lineage: Vec<Calls> = others.copied().collect();
        lineage.push(Calls { function, again });
        if lineage.len() > FUNCTIONS {
            lineage.remove(0);
        }
        let header =
            Self { root: self.root.clone(), parent: Some(new_parent()), sampled: self.sampled, lineage };
        Entered { header, is_loop: again >= CALLS }
    }

    /// One chain that stands for several: records of several chains may be in one call.
    #[must_use]
    pub fn together(self, other: &Self) -> Self {
        let mut lineage = self.lineage;
        for calls in &other.lineage {
            let is_full = lineage.len() >= FUNCTIONS;
            match lineage.iter_mut().find(|known| known.function == calls.function) {
                Some(known) => known.again = known.again.max(calls.again),
                None if is_full => {}
                None => lineage.push(*calls),
            }
        }
        Self { lineage, ..self }
    }

    /// Bytes of the header.
    pub(super) fn len(&self) -> usize {
        self.to_string().len()
    }
}

impl fmt::Display for TraceHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root={}", self.root)?;
        if let Some(parent) = &self.parent {
            write!(f, ";Parent={parent}")?;
        }
        write!(f, ";Sampled={}", u8::from(self.sampled))?;
        for (at, Calls { function, again }) in self.lineage.iter().enumerate() {
            write!(f, "{}{function:08x}:{again}", if at == 0 { ";Lineage=" } else { "|" })?;
        }
        Ok(())
    }
}

impl From<String> for TraceHeader {
    fn from(text: String) -> Self {
        Self::read(&text)
    }
}

impl From<TraceHeader> for String {
    fn from(header: TraceHeader) -> Self {
        header.to_string()
    }
}

impl FromStr for Calls {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (function, again) = text.rsplit_once(':').unwrap_or((text, "0"));
        // Some headers have a version in front: `1:a87bd80c:0`.
        let function = function.rsplit(':').next().unwrap_or_default();
        Ok(Self { function: u32::from_str_radix(function, 16)?, again: again.parse()? })
    }
}

/// `1-`, eight digits, `-`, twenty-four digits; hexadecimal.
fn is_root(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts.as_slice(), ["1", time, random] if time.len() == 8 && random.len() == 24)
        && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

fn is_parent(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn new_parent() -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    random[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;\
                          Lineage=a87bd80c:1|68fd508a:5";

    fn entered(header: &TraceHeader, name: &str) -> Entered {
        header.enter(AccountId::DEFAULT, &name.parse().unwrap())
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let header = TraceHeader::read(HEADER);
        assert_eq!(header.to_string(), HEADER);
        let next = entered(&header, "f").header;
        assert!(next.root == header.root && next.parent != header.parent && next.sampled, "{next}");
        assert_eq!(TraceHeader::read(&next.to_string()), next);
        assert_eq!(
            TraceHeader::read("Lineage=1:a87bd80c:3").lineage,
            [Calls { function: 0xa87b_d80c, again: 3 }]
        );
        assert!(TraceHeader::read("nonsense").lineage.is_empty());
    }

    #[test]
    fn a_request_from_outside_brings_its_root_and_no_chain() {
        let begun = TraceHeader::begun_by(Some(HEADER));
        assert_eq!(begun.to_string(), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0");
        assert_eq!(begun.root(), "Root=1-5759e988-bd862e3fe1be46a994272793");
        for told in [None, Some("Root=1-5759e988-x"), Some("")] {
            assert!(is_root(&TraceHeader::begun_by(told).root), "{told:?}");
        }
    }

    #[test]
    fn a_function_may_be_called_sixteen_times_in_a_chain() {
        let mut header = TraceHeader::default();
        for call in 1..=17 {
            let one = entered(&header, "one");
            assert_eq!(one.is_loop, call > 16, "call {call}");
            header = entered(&one.header, "other").header;
        }
        assert!(!entered(&header, "third").is_loop);
        assert!(
            !header.enter("111111111111".parse().unwrap(), &"one".parse().unwrap()).is_loop,
            "another's function"
        );
    }

    #[test]
    fn only_so_many_functions_are_counted() {
        let mut header = TraceHeader::default();
        for number in 0..100 {
            header = entered(&header, &format!("f{number}")).header;
        }
        assert_eq!(header.lineage.len(), FUNCTIONS);
        assert_eq!(entered(&header, "f99").header.lineage.last().unwrap().again, 1);
        assert!(header.to_string().len() <= LONGEST);
    }

    #[test]
    fn chains_that_come_together_count_what_is_more() {
        let (one, other) = (TraceHeader::read("Lineage=1:3|2:1"), TraceHeader::read("Lineage=1:2|3:7"));
        let both = one.together(&other);
        let counts: Vec<(u32, u32)> =
            both.lineage.iter().map(|calls| (calls.function, calls.again)).collect();
        assert_eq!(counts, [(1, 3), (2, 1), (3, 7)]);
    }

    proptest! {
        #[test]
        fn whatever_a_caller_sends_makes_a_header(text: String) {
            let header = TraceHeader::read(&text);
            prop_assert!(http::HeaderValue::try_from(header.to_string()).is_ok());
        }
    }
}
