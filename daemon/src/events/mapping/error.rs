//! Why a mapping was refused, or could not be kept.

use super::{MappingId, SourceArn};
use crate::{
    changes::Interrupted,
    functions::{ErrorKind, FunctionName, InvalidField, InvalidKind},
    store::StoreError,
};

/// What went wrong with a request about mappings. In every case nothing was changed. The words are Lambda's, where these are
/// known.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// A field of the request is at fault.
    #[error(transparent)]
    InvalidField(#[from] InvalidField),

    /// There is no such mapping.
    #[error("The resource you requested does not exist.")]
    NotFound,

    /// The function is mapped to this source already.
    #[error("{}", exists(source_arn, function, *id))]
    Exists {
        /// The source.
        source_arn: SourceArn,
        /// The function.
        function: FunctionName,
        /// The mapping that is there.
        id: MappingId,
    },

    /// A change of it is not finished. Safe to send again.
    #[error("Cannot {change} the event source mapping because it is in use.")]
    InUse {
        /// What was to be done: `update` or `delete`.
        change: &'static str,
    },

    /// The account has as many as it may.
    #[error("an account may have {limit} event source mappings; delete one first")]
    TooMany {
        /// The limit.
        limit: usize,
    },

    /// The source was to be looked at and does not answer, or not to this account. Safe to send again.
    #[error("the event source can't be looked at: {source_arn}: {why}")]
    SourceSilent {
        /// The source.
        source_arn: SourceArn,
        /// What came instead.
        why: String,
    },

    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// The work was not finished, because the daemon is stopping or met a defect.
    #[error("the request was not finished, because the daemon is stopping; send it again when it runs")]
    Interrupted,
}

impl From<Interrupted> for MappingError {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

impl MappingError {
    /// What it means to a client.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidField(InvalidField { kind: InvalidKind::Constraint, .. }) => ErrorKind::Validation,
            Self::InvalidField(_) | Self::TooMany { .. } => ErrorKind::InvalidParameterValue,
            Self::NotFound => ErrorKind::ResourceNotFound,
            Self::Exists { .. } => ErrorKind::ResourceConflict,
            Self::InUse { .. } => ErrorKind::ResourceInUse,
            Self::SourceSilent { .. } | Self::Store(StoreError::Closed) | Self::Interrupted => {
                ErrorKind::Unavailable
            }
            Self::Store(_) => ErrorKind::Internal,
        }
    }
}

/// Lambda says it in two ways.
fn exists(source: &SourceArn, function: &FunctionName, id: MappingId) -> String {
    if source.kind().is_queue() {
        format!(
            "An event source mapping with SQS arn (\" {source} \") and function (\" {function} \") already exists. Please \
             update or delete the existing mapping with UUID {id}"
        )
    } else {
        format!(
            "The event source arn (\" {source} \") and function (\" {function} \") provided mapping already exists. Please \
             update or delete the existing mapping with UUID {id}"
        )
    }
}
