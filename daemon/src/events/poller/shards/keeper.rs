//! Keeps the checkpoint of a shard: the one that is told what was read and what is through.

use tokio::sync::{mpsc, oneshot};

use super::{
    super::{source::SourceError, windows::Window},
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
        window: WindowNote,
        /// Told when that is durable.
        heard: Option<oneshot::Sender<Result<(), SourceError>>>,
    },
    /// Nothing follows what was read: the shard is closed.
    End,
}

/// What has become of a shard's window.
#[derive(Debug)]
pub(super) enum WindowNote {
    Same,
    Open(Window),
    Closed,
}

/// Follows `notes` until nobody has any more, or the shard is through: all of its records are, and no window is open. Says
/// whether it is.
pub(super) async fn keep(
    checkpoints: Checkpoints,
    shard: ShardId,
    mut is_open: bool,
    mut notes: mpsc::Receiver<Note>,
) -> bool {
    let mut progress = Progress::default();
    let mut is_closed = false;
    // Where it has come to, if that is not written.
    let mut reached = None;
    let mut window = WindowNote::Same;
    let mut told = Vec::new();
    while notes.recv_many(&mut told, NOTES).await > 0 {
        let mut waiting = Vec::new();
        for note in told.drain(..) {
            match note {
                Note::Read(ids) => ids.into_iter().for_each(|id| progress.read(id)),
                Note::Ended { ids, window: new, heard } => {
                    ids.iter().for_each(|id| progress.ended(id));
                    waiting.extend(heard);
                    match new {
                        WindowNote::Same => {}
                        WindowNote::Open(_) | WindowNote::Closed => {
                            is_open = matches!(new, WindowNote::Open(_));
                            window = new;
                        }
                    }
                }
                Note::End => is_closed = true,
            }
        }
        if let Some(last) = progress.advance() {
            reached = Some(Checkpoint::After(last));
        }
        let is_through = is_closed && progress.is_empty() && !is_open;
        if is_through {
            reached = Some(Checkpoint::Through);
        }
        let written = match (&reached, &window) {
            (None, WindowNote::Same) => Ok(()),
            _ => checkpoints.note(&shard, reached.as_ref(), &window).await,
        };
        match &written {
            Ok(()) => (reached, window) = (None, WindowNote::Same),
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
