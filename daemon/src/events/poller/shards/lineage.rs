//! Which shards may be read: those whose parents are through, so that records of one key stay in their order when a stream
//! is split or merged.
//!
//! Plain data; the follower carries it out.

use std::collections::{HashMap, HashSet};

use super::stream::{Shard, ShardId};

/// Shards of a listing that are to be read now. `is_through` tells of those that need not be read any more.
///
/// A parent that is not listed has lost its records to time, and holds up nobody.
pub(super) fn readable(
    listed: &[Shard],
    is_through: impl Fn(&ShardId) -> bool,
) -> impl Iterator<Item = &Shard> {
    let there: HashSet<&ShardId> = listed.iter().map(|shard| &shard.id).collect();
    let through: HashMap<&ShardId, bool> = there.iter().map(|id| (*id, is_through(id))).collect();
    let is_open = move |id: &ShardId| through.get(id) == Some(&false);
    listed.iter().filter(move |shard| is_open(&shard.id) && !shard.parents.iter().any(&is_open))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: usize) -> ShardId {
        ShardId::new(&format!("shardId-{number:012}")).unwrap()
    }

    fn shard(number: usize, parents: &[usize]) -> Shard {
        Shard { id: id(number), parents: parents.iter().map(|parent| id(*parent)).collect() }
    }

    fn ids<'a>(shards: impl Iterator<Item = &'a Shard>) -> Vec<ShardId> {
        shards.map(|shard| shard.id.clone()).collect()
    }

    #[test]
    fn children_wait_for_all_their_parents_but_not_for_those_that_are_gone() {
        // 1 was split into 2 and 3, which were merged into 4; 0 is gone.
        let listed = [shard(1, &[0]), shard(2, &[1]), shard(3, &[1]), shard(4, &[2, 3])];
        let next = |through: &[usize]| {
            ids(readable(&listed, |shard| through.iter().any(|number| id(*number) == *shard)))
        };
        assert_eq!(next(&[]), [id(1)]);
        assert_eq!(next(&[1]), [id(2), id(3)]);
        assert_eq!(next(&[1, 2]), [id(3)]);
        assert_eq!(next(&[1, 2, 3]), [id(4)]);
        assert!(next(&[1, 2, 3, 4]).is_empty());
    }

    proptest! {
        #[test]
        fn every_shard_is_read_once_and_after_its_parents(
            // Each shard comes of up to two of those before it.
            parents in prop::collection::vec(prop::collection::btree_set(0_usize..30, 0..3), 1..30),
        ) {
            let listed: Vec<Shard> = parents
                .iter()
                .enumerate()
                .map(|(number, parents)| {
                    let parents: Vec<usize> = parents.iter().copied().filter(|parent| *parent < number).collect();
                    shard(number, &parents)
                })
                .collect();
            let mut through = HashSet::new();
            while through.len() < listed.len() {
                let now: Vec<Shard> = readable(&listed, |shard| through.contains(shard)).cloned().collect();
                prop_assert!(!now.is_empty(), "nothing is left to read, and not everything is through");
                for shard in now {
                    prop_assert!(shard.parents.iter().all(|parent| through.contains(parent)));
                    prop_assert!(through.insert(shard.id));
                }
            }
        }
    }
}
