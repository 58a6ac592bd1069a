//! Why the control plane refused, or could not.

use super::{FunctionArn, FunctionName, InvalidField, PackageError, Region};
use crate::store::StoreError;

/// What went wrong with a request about functions. In every case nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// A field of the request is at fault.
    #[error(transparent)]
    InvalidField(#[from] InvalidField),

    /// There is no such function, version or alias.
    #[error("Function not found: {arn}")]
    NotFound {
        /// What was asked for, with its qualifier if it had one.
        arn: FunctionArn,
    },

    /// The reference names a function of another region. On Lambda also a "resource not found".
    #[error("Functions from '{region}' are not reachable in this region ('{here}')")]
    OtherRegion {
        /// The region that the reference names.
        region: Region,
        /// This machine's.
        here: Region,
    },

    /// The name is taken.
    #[error("Function already exist: {name}")]
    AlreadyExists {
        /// The name.
        name: FunctionName,
    },

    /// Another request changed the function at the same moment. Safe to send again.
    #[error("The operation cannot be performed at this time. An update is in progress for resource: {arn}")]
    UpdateInProgress {
        /// The function.
        arn: FunctionArn,
    },

    /// The revision that the request builds on is not the current one.
    #[error(
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve \
         the latest Revision Id"
    )]
    PreconditionFailed,

    /// The uploaded archive is larger than one may be.
    #[error("the package is larger than {limit} bytes, the most that an upload may have")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },

    /// The package was refused, or could not be kept.
    #[error(transparent)]
    Package(#[from] PackageError),

    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// The work was not finished, because the daemon is stopping or met a defect.
    #[error("the request was not finished, because the daemon is stopping; send it again when it runs")]
    Interrupted,
}
