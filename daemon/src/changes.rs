//! Changes that are made to their end, also if whoever asked for one has gone meanwhile.
//!
//! A front door drops what it does for a caller that hangs up. A change that is dropped between its write and its showing would
//! leave what is shown behind what is kept.

use tokio_util::task::TaskTracker;

/// The change was not finished: the daemon is stopping, or the change met a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interrupted;

/// Makes a change to its end, as one of `tasks`; once these are closed, none is made. `what` names it in the log.
pub(crate) async fn to_its_end<T, E>(
    tasks: &TaskTracker,
    what: &'static str,
    change: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Interrupted> + Send + 'static,
{
    if tasks.is_closed() {
        return Err(Interrupted.into());
    }
    match tasks.spawn(change).await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(%error, "{what} was not finished");
            Err(Interrupted.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    impl From<Interrupted> for &'static str {
        fn from(_: Interrupted) -> Self {
            "interrupted"
        }
    }

    #[tokio::test]
    async fn a_change_is_made_to_its_end_also_if_nobody_waits_for_it() {
        let tasks = TaskTracker::new();
        let (go, gone) = oneshot::channel::<()>();
        let (told, end) = oneshot::channel();
        let change = to_its_end::<(), &'static str>(&tasks, "a change", async move {
            let _ = gone.await;
            let _ = told.send(());
            Ok(())
        });
        let mut change = Box::pin(change);
        assert!(futures_util::poll!(&mut change).is_pending());
        drop(change);
        go.send(()).unwrap();
        end.await.unwrap();
    }

    #[tokio::test]
    async fn one_that_breaks_or_comes_too_late_is_told_to_be_interrupted() {
        let tasks = TaskTracker::new();
        let broken = to_its_end::<(), &'static str>(&tasks, "a change", async { panic!("a defect") }).await;
        assert_eq!(broken, Err("interrupted"));
        tasks.close();
        assert_eq!(
            to_its_end(&tasks, "a change", async { Ok::<_, &'static str>(1) }).await,
            Err("interrupted")
        );
    }
}
