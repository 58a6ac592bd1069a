//! How far a shard is: records end in any order, and what is noted of it is the last before the first that has not ended.
//!
//! Plain data; the keeper of the checkpoint carries it out.

use std::collections::{HashMap, VecDeque};

/// The records of a shard that were read and are not behind its checkpoint yet, in their order.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// By how many records the first of `waiting` is behind the first that there was.
    passed: u64,
    waiting: VecDeque<Waiting>,
    places: HashMap<String, u64>,
}

#[derive(Debug)]
struct Waiting {
    sequence: String,
    has_ended: bool,
}

impl Progress {
    /// Notes that a record was read.
    pub(super) fn read(&mut self, sequence: String) {
        let place = self.passed + self.waiting.len() as u64;
        // One that comes twice waits for the first of them.
        let has_ended = self.places.contains_key(&sequence);
        if !has_ended {
            self.places.insert(sequence.clone(), place);
        }
        self.waiting.push_back(Waiting { sequence, has_ended });
    }

    /// Notes that a record is through.
    pub(super) fn ended(&mut self, sequence: &str) {
        let place = self.places.get(sequence).and_then(|place| usize::try_from(place - self.passed).ok());
        if let Some(waiting) = place.and_then(|place| self.waiting.get_mut(place)) {
            waiting.has_ended = true;
        }
    }

    /// The last record with none before it, nor itself, that has not ended, if that has moved.
    pub(super) fn advance(&mut self) -> Option<String> {
        let mut last = None;
        while self.waiting.front().is_some_and(|waiting| waiting.has_ended)
            && let Some(Waiting { sequence, .. }) = self.waiting.pop_front()
        {
            if self.places.get(&sequence) == Some(&self.passed) {
                self.places.remove(&sequence);
            }
            self.passed += 1;
            last = Some(sequence);
        }
        last
    }

    /// Whether everything that was read is through.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_follows_the_lowest_record_that_has_not_ended() {
        let mut progress = Progress::default();
        for sequence in ["1", "2", "3", "4"] {
            progress.read(sequence.to_owned());
        }
        progress.ended("2");
        progress.ended("3");
        assert_eq!(progress.advance(), None);
        progress.ended("1");
        assert_eq!(progress.advance().as_deref(), Some("3"));
        assert_eq!(progress.advance(), None);
        progress.ended("2");
        progress.ended("nobody's");
        assert!(!progress.is_empty());
        progress.ended("4");
        assert_eq!(progress.advance().as_deref(), Some("4"));
        assert!(progress.is_empty());
    }

    #[test]
    fn a_record_that_a_source_gives_twice_holds_up_nothing() {
        let mut progress = Progress::default();
        for sequence in ["1", "1", "2"] {
            progress.read(sequence.to_owned());
        }
        progress.ended("1");
        progress.ended("2");
        assert_eq!(progress.advance().as_deref(), Some("2"));
        progress.ended("1");
        progress.read("1".to_owned());
        assert_eq!(progress.advance(), None);
        progress.ended("1");
        assert_eq!(progress.advance().as_deref(), Some("1"));
    }

    proptest! {
        #[test]
        fn it_never_passes_a_record_that_has_not_ended(
            order in Just((0_usize..50).collect::<Vec<_>>()).prop_shuffle(),
            at_once in 1_usize..8,
        ) {
            let mut progress = Progress::default();
            (0..50).for_each(|number| progress.read(number.to_string()));
            let mut ended = [false; 50];
            for some in order.chunks(at_once) {
                for number in some {
                    ended[*number] = true;
                    progress.ended(&number.to_string());
                }
                if let Some(last) = progress.advance() {
                    let last: usize = last.parse().unwrap();
                    prop_assert!(ended[..=last].iter().all(|ended| *ended));
                    prop_assert!(ended.get(last + 1) != Some(&true), "it stays behind");
                }
            }
            prop_assert!(progress.is_empty());
        }
    }
}
