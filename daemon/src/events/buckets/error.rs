//! Why something about buckets was not done.

use std::{borrow::Cow, fmt};

use super::BucketName;
use crate::{changes::Interrupted, functions::InvalidField, store::StoreError};

/// Why something about buckets was not done.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The configuration is at fault.
    #[error(transparent)]
    InvalidArgument(#[from] InvalidArgument),
    /// Another field of the request is at fault.
    #[error(transparent)]
    InvalidField(#[from] InvalidField),
    /// There is no such notification.
    #[error("the bucket {bucket} has no notification {id:?}; see `thaw bucket show {bucket}`")]
    NoNotification {
        /// Of which bucket.
        bucket: BucketName,
        /// Which.
        id: String,
    },
    /// There would be too many.
    #[error("an account has notifications of at most {limit} buckets; remove those of one")]
    TooMany {
        /// How many there may be.
        limit: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The daemon is ending.
    #[error("the daemon is stopping; ask again when it is back")]
    Interrupted,
}

impl From<Interrupted> for BucketError {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

/// S3's `InvalidArgument`: a message, and the arguments that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidArgument {
    /// What is wrong.
    pub message: Cow<'static, str>,
    /// With what: names and values.
    pub arguments: Vec<(String, String)>,
    /// Whether S3 numbers them, as it does where there can be several.
    pub numbered: bool,
}

impl InvalidArgument {
    pub(super) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), arguments: Vec::new(), numbered: false }
    }

    pub(super) fn argument(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.arguments.push((name.into(), value.into()));
        self
    }
}

impl fmt::Display for InvalidArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for (name, value) in &self.arguments {
            write!(f, " ({name}: {value})")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidArgument {}
