//! Reads a request's body: no more than the operation may have, without a copy where it comes in one piece.
//!
//! Large bodies take room while they are read and until something else has been made of them: a package that is kept, a call
//! that has been begun. Each account has room of its own, which bounds what its bodies take in memory; so whoever sends much,
//! or slowly, or for long, keeps nobody waiting but himself. What all accounts may take is that for each of them, and which
//! there are the settings say.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::identity::AccountId;

/// A body that goes beyond this is a large one.
const SMALL: usize = 1024 * 1024;

/// Room is counted in these.
const MB: usize = 1024 * 1024;

/// How long a caller may take between two pieces of a body, and how long a large one waits for room.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a body may take in all: the largest comes within that over a line of 1 Mbit/s.
const LONGEST: Duration = Duration::from_secs(600);

/// How much beyond its limit a body is read and dropped, so that the caller gets to see why it is refused.
const DISCARD: usize = 128 * 1024 * 1024;

/// Why there is no body.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It is over the limit.
    TooLarge,
    /// The caller went, or was too slow.
    Broken,
    /// His account sends more at once than it has room for.
    NoRoom,
}

/// The room that a large body takes of its account's, until this is dropped.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

/// Takes bodies; bounds what those of an account take together.
#[derive(Debug)]
pub(super) struct Bodies {
    /// Of each account, in MB.
    room: u32,
    /// No more than there are accounts.
    accounts: Mutex<HashMap<AccountId, Arc<Semaphore>>>,
}

impl Bodies {
    /// Takes large bodies of so many MB at the same time of each account. Others wait.
    pub(super) fn new(room: u32) -> Self {
        Self { room, accounts: Mutex::default() }
    }

    /// Room for a body of so many bytes. Whoever asked before is served before.
    async fn place(&self, account: AccountId, bytes: usize) -> Result<Place, BodyError> {
        let room = {
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(
                accounts.entry(account).or_insert_with(|| Arc::new(Semaphore::new(self.room as usize))),
            )
        };
        let needed = u32::try_from(bytes.div_ceil(MB)).unwrap_or(u32::MAX).min(self.room);
        match tokio::time::timeout(PATIENCE, room.acquire_many_owned(needed)).await {
            Ok(Ok(permit)) => Ok(Place(permit)),
            Ok(Err(_)) | Err(_) => Err(BodyError::NoRoom),
        }
    }

    /// Reads a body of at most `limit` bytes that an account sends. A large one has a place, which is to be kept for as long as
    /// its bytes are.
    pub(super) async fn read<B: Body<Data = Bytes> + Unpin>(
        &self,
        account: AccountId,
        body: B,
        limit: usize,
    ) -> Result<(Bytes, Option<Place>), BodyError> {
        let reading = self.read_frames(account, body, limit);
        tokio::time::timeout(LONGEST, reading).await.unwrap_or(Err(BodyError::Broken))
    }

    async fn read_frames<B: Body<Data = Bytes> + Unpin>(
        &self,
        account: AccountId,
        mut body: B,
        limit: usize,
    ) -> Result<(Bytes, Option<Place>), BodyError> {
        let mut first = None;
        let mut rest = BytesMut::new();
        let mut seen = 0_usize;
        let mut place = None;
        let sizes = body.size_hint();
        let announced = usize::try_from(sizes.lower()).unwrap_or(usize::MAX);
        let largest = sizes.upper().and_then(|upper| usize::try_from(upper).ok()).unwrap_or(limit).min(limit);
        loop {
            let frame = match tokio::time::timeout(PATIENCE, body.frame()).await {
                Err(_) => return Err(BodyError::Broken),
                Ok(None) => break,
                Ok(Some(frame)) => frame.map_err(|_| BodyError::Broken)?,
            };
            let Ok(data) = frame.into_data() else { continue };
            seen = seen.saturating_add(data.len());
            if seen > limit {
                (first, rest) = (None, BytesMut::new());
                if seen > limit.saturating_add(DISCARD) {
                    break;
                }
                continue;
            }
            if seen > SMALL && place.is_none() {
                place = Some(self.place(account, largest).await?);
            }
            // Most bodies come in one frame: that one is handed on as it is.
            match first.take() {
                None if rest.is_empty() => first = Some(data),
                None => rest.extend_from_slice(&data),
                Some(before) => {
                    rest.reserve(if place.is_some() { announced.min(limit) } else { SMALL.min(announced) });
                    rest.extend_from_slice(&before);
                    rest.extend_from_slice(&data);
                }
            }
        }
        if seen > limit {
            return Err(BodyError::TooLarge);
        }
        Ok((first.unwrap_or_else(|| rest.freeze()), place))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    const LIMIT: usize = 67 * MB;

    fn account(digits: &str) -> AccountId {
        digits.parse().unwrap()
    }

    fn full(bytes: usize) -> Full<Bytes> {
        Full::new(vec![b'x'; bytes].into())
    }

    /// A body that goes beyond what is small, and then goes on for ever.
    fn stalled() -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let begun = stream::iter([Ok(Frame::data(Bytes::from(vec![b'x'; SMALL + 1])))]);
        StreamBody::new(begun.chain(stream::pending()))
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_whose_bodies_stall_keeps_nobody_waiting_but_itself() {
        let bodies = Bodies::new(268);
        let (one, other) = (account("000000000001"), account("000000000002"));
        let mut stalling: Vec<_> = (0..4).map(|_| Box::pin(bodies.read(one, stalled(), LIMIT))).collect();
        for body in &mut stalling {
            assert!(body.now_or_never().is_none());
        }
        assert!(matches!(bodies.read(one, full(2 * MB), LIMIT).await, Err(BodyError::NoRoom)));
        assert!(
            bodies.read(one, full(SMALL), LIMIT).now_or_never().unwrap().is_ok(),
            "small ones take no room"
        );
        let (read, place) = bodies.read(other, full(2 * MB), LIMIT).now_or_never().unwrap().unwrap();
        assert_eq!((read.len(), place.is_some()), (2 * MB, true));
    }

    #[tokio::test]
    async fn a_body_takes_the_room_that_it_needs_until_its_place_is_given_up() {
        let bodies = Bodies::new(12);
        let one = account("000000000001");
        let mut places = Vec::new();
        for size in [6 * MB, 3 * MB, 2 * MB + 1] {
            places.push(bodies.read(one, full(size), 6 * MB).now_or_never().unwrap().unwrap().1.unwrap());
        }
        let mut next = Box::pin(bodies.read(one, full(2 * MB), 6 * MB));
        assert!((&mut next).now_or_never().is_none());
        drop(places.pop());
        assert!(next.now_or_never().unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_in_drops_is_not_waited_for_for_ever() {
        let drops = stream::unfold((), async |()| {
            tokio::time::sleep(PATIENCE / 2).await;
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x"))), ()))
        });
        let body = StreamBody::new(Box::pin(drops));
        let read = Bodies::new(1).read(account("000000000001"), body, LIMIT).await;
        assert!(matches!(read, Err(BodyError::Broken)));
    }

    #[tokio::test]
    async fn what_goes_beyond_the_limit_is_not_kept() {
        let read = Bodies::new(1).read(account("000000000001"), full(SMALL + 1), SMALL).await;
        assert!(matches!(read, Err(BodyError::TooLarge)));
    }
}
