//! Looking at a source before it is mapped, as Lambda does.

use std::{fmt, future::Future, pin::Pin};

use super::{MappingError, SourceArn};

/// Whoever can look at sources.
pub trait Sources: fmt::Debug + Send + Sync + 'static {
    /// Looks at a source that is to feed a function with this time-out, in seconds. A source that can't be asked, because no
    /// setting says where it is, is taken at its word: the mapping tells of it. Takes a bounded time.
    ///
    /// # Errors
    /// It is not there; it can't feed such a function; it does not answer.
    fn look_at<'a>(
        &'a self,
        source: &'a SourceArn,
        function_timeout: u32,
    ) -> Pin<Box<dyn Future<Output = Result<(), MappingError>> + Send + 'a>>;
}
