//! Waiting for what happens soon, with a generous end.

use std::time::Duration;

use tokio::time::Instant;

/// How often is looked.
const PAUSE: Duration = Duration::from_millis(20);

/// Longer than anything here takes on a machine under load.
pub const SOON: Duration = Duration::from_secs(30);

/// Looks until `look` finds something, and fails the test if it doesn't for [`SOON`].
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {} s in vain: {what}", SOON.as_secs());
        tokio::time::sleep(PAUSE).await;
    }
}
