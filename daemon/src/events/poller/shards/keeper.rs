//! Keeps the checkpoint of a shard: the one that is told what was read and what is through.

use tokio::sync::{mpsc, oneshot};

use super::{
    super::source::SourceError,
    checkpoints::{Checkpoint, Checkpoints},
    progress::Progress,
    stream::ShardId,
};

/// Notes that wait at the most; each is about a page or a batch.
pub(super) const NOTES: usize = 64;

/// What a shard's keeper is told.
#[derive(Debug)]
pub(super) enum Note {
    /// These were read, in this order. Before anything else is said of them.
    Read(Vec<String>),
    /// These are through: processed, given up, or not meant.
    Ended {
        ids: Vec<String>,
        /// Told when that is durable.
        heard: Option<oneshot::Sender<Result<(), SourceError>>>,
    },
    /// Nothing follows what was read: the shard is closed.
    End,
}

/// Follows `notes` until nobody has any more, or the shard is through. Says whether it is.
pub(super) async fn keep(checkpoints: Checkpoints, shard: ShardId, mut notes: mpsc::Receiver<Note>) -> bool {
    let mut progress = Progress::default();
    let mut is_closed = false;
    // Where it has come to, if that is not written.
    let mut reached = None;
    let mut told = Vec::new();
    while notes.recv_many(&mut told, NOTES).await > 0 {
        let mut waiting = Vec::new();
        for note in told.drain(..) {
            match note {
                Note::Read(ids) => ids.into_iter().for_each(|id| progress.read(id)),
                Note::Ended { ids, heard } => {
                    ids.iter().for_each(|id| progress.ended(id));
                    waiting.extend(heard);
                }
                Note::End => is_closed = true,
            }
        }
        if let Some(last) = progress.advance() {
            reached = Some(Checkpoint::After(last));
        }
        let is_through = is_closed && progress.is_empty();
        if is_through {
            reached = Some(Checkpoint::Through);
        }
        let written = match &reached {
            None => Ok(()),
            Some(checkpoint) => checkpoints.note(&shard, checkpoint).await,
        };
        match &written {
            Ok(()) => reached = None,
            Err(error) => tracing::error!(%shard, %error, "a checkpoint could not be written"),
        }
        for heard in waiting {
            // Whoever has gone meanwhile does not mind.
            let _ = heard.send(written.as_ref().copied().map_err(SourceError::new));
        }
        if is_through {
            return written.is_ok();
        }
    }
    false
}
