//! Why the control plane refused, or could not.

use super::{
    CodeSigningArn, FetchError, FunctionArn, FunctionName, InvalidField, InvalidKind, PackageError, Region,
    StatementId, TooMuchProvisioned, TooMuchReserved, Version, layers::LayerVersionArn,
};
use crate::{changes::Interrupted, identity::AccountId, store::StoreError};

/// What went wrong with a request about functions. In every case nothing was changed. The words are Lambda's, where
/// Lambda's are known.
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

    /// There is no such alias.
    #[error("Cannot find alias arn: {arn}")]
    NoAlias {
        /// What was asked for.
        arn: FunctionArn,
    },

    /// There is no such alias to change.
    #[error("Alias not found: {arn}")]
    NoAliasToUpdate {
        /// What was asked for.
        arn: FunctionArn,
    },

    /// The resource has no policy, or there is no such resource.
    #[error("The resource you requested does not exist.")]
    NoSuchResource,

    /// The resource has no policy to take something from.
    #[error("No policy is associated with the given resource.")]
    NoPolicy,

    /// There is no function to have a policy.
    #[error("No policy found for: {arn}")]
    NoPolicyFor {
        /// What was asked for.
        arn: FunctionArn,
    },

    /// The policy has no such statement.
    #[error("Statement {id} is not found in resource policy.")]
    NoStatement {
        /// The statement.
        id: StatementId,
    },

    /// The policy has such a statement already.
    #[error(
        "The statement id ({id}) provided already exists. Please provide a new statement id, or remove the existing \
         statement."
    )]
    StatementExists {
        /// The statement.
        id: StatementId,
    },

    /// The policy would be too long.
    #[error("The final policy size ({size}) is bigger than the limit ({limit}).")]
    PolicyTooLong {
        /// Bytes that it would have.
        size: usize,
        /// Bytes that it may have.
        limit: usize,
    },

    /// There is no configuration for asynchronous events.
    #[error("The function {arn} doesn't have an EventInvokeConfig")]
    NoEventInvokeConfig {
        /// What was asked for.
        arn: FunctionArn,
    },

    /// There is no function to configure.
    #[error("The function doesn't exist.")]
    NoFunctionToConfigure,

    /// There is no function or alias to have a URL.
    #[error("Function does not exist")]
    NoFunctionForUrl,

    /// The function or alias has a URL.
    #[error(
        "Failed to create function url config for [functionArn = {arn}]. Error message:  FunctionUrlConfig exists for this \
         Lambda function"
    )]
    UrlExists {
        /// The function or alias.
        arn: FunctionArn,
    },

    /// There is no such layer version.
    #[error("Layer version {arn} does not exist.")]
    NoLayerVersion {
        /// What was asked for.
        arn: LayerVersionArn,
    },

    /// The layer version is another account's, which does not let this one use it. Whether it is there is not told.
    #[error(
        "User: arn:{}:iam::{account}:root is not authorized to perform: lambda:GetLayerVersion on resource: {arn} because no \
         resource-based policy allows the lambda:GetLayerVersion action",
        arn.layer.region.partition()
    )]
    LayerDenied {
        /// Who asks.
        account: AccountId,
        /// What was asked for.
        arn: LayerVersionArn,
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

    /// The alias's name is taken.
    #[error("Alias already exists: {arn}")]
    AliasExists {
        /// The alias.
        arn: FunctionArn,
    },

    /// An alias would lead to `$LATEST` and a version beside it.
    #[error("$LATEST is not supported for an alias pointing to more than 1 version")]
    SplitOfLatest,

    /// An alias leads to the version.
    #[error("Unable to delete version because the following aliases reference it: [{aliases}]")]
    VersionInUse {
        /// The version.
        version: Version,
        /// The aliases, by name.
        aliases: String,
    },

    /// Another change of the function is not finished. Safe to send again.
    #[error("The operation cannot be performed at this time. An update is in progress for resource: {arn}")]
    UpdateInProgress {
        /// The function.
        arn: FunctionArn,
    },

    /// The revision that the request builds on is not the current one.
    #[error(
        "The Revision Id provided does not match the latest Revision Id. Call the {call} API to retrieve the latest \
         Revision Id"
    )]
    PreconditionFailed {
        /// Lambda's calls that tell the current one.
        call: &'static str,
    },

    /// A share of the account's concurrency that can't be had.
    #[error(transparent)]
    TooMuchReserved(#[from] TooMuchReserved),

    /// A share that is less than what the function's versions have for themselves.
    #[error(
        " ReservedConcurrentExecutions  {share} should not be lower than function's total provisioned concurrency \
         [{provisioned}]."
    )]
    ReservedBelowProvisioned {
        /// The share.
        share: u32,
        /// What the versions have.
        provisioned: u64,
    },

    /// Provisioned concurrency that can't be had.
    #[error(transparent)]
    TooMuchProvisioned(#[from] TooMuchProvisioned),

    /// Nothing is provisioned of the version or alias.
    #[error("No Provisioned Concurrency Config found for this function")]
    NoProvisionedConcurrency,

    /// The alias leads to a version of which something is provisioned.
    #[error(
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
    )]
    VersionIsProvisioned,

    /// An alias leads to the version of which something is provisioned.
    #[error("Version is pointed by a Provisioned Concurrency alias")]
    VersionOfProvisionedAlias,

    /// There is no such code-signing configuration.
    #[error("The Lambda code signing configuration {arn} can not be found.")]
    NoCodeSigningConfig {
        /// What was asked for.
        arn: CodeSigningArn,
    },

    /// There is no such code-signing configuration for a function to have.
    #[error(
        "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}."
    )]
    CodeSigningConfigNotFound {
        /// What was asked for.
        arn: CodeSigningArn,
    },

    /// A function has the code-signing configuration.
    #[error(
        "The code signing configuration {arn} is in use by functions. Take it away from them before it is deleted."
    )]
    CodeSigningConfigInUse {
        /// What was to be deleted.
        arn: CodeSigningArn,
    },

    /// The function takes signed packages only, and none is.
    #[error(
        "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is \
         not configured to accept. Check the provided signature for {name}."
    )]
    CodeVerificationFailed {
        /// The function.
        name: FunctionName,
    },

    /// The uploaded archive is larger than one may be.
    #[error("the package is larger than {limit} bytes, the most that an upload may have")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },

    /// The package was refused, or could not be kept.
    #[error(transparent)]
    Package(#[from] PackageError),

    /// The package did not come from S3.
    #[error(transparent)]
    Fetch(#[from] FetchError),

    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// The work was not finished, because the daemon is stopping or met a defect.
    #[error("the request was not finished, because the daemon is stopping; send it again when it runs")]
    Interrupted,
}

impl From<Interrupted> for FunctionError {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

/// What an error means to a client, whatever the protocol: the name of Lambda's exception, less its suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A value breaks a constraint of the API's model.
    Validation,
    /// A value means nothing here.
    InvalidParameterValue,
    /// What was named is not there.
    ResourceNotFound,
    /// Nothing is provisioned of what was named.
    ProvisionedConcurrencyConfigNotFound,
    /// Something else is in the way.
    ResourceConflict,
    /// A change of it is under way.
    ResourceInUse,
    /// The revision is not the current one.
    PreconditionFailed,
    /// The policy would be too long.
    PolicyLengthExceeded,
    /// There is no such code-signing configuration for a function to have.
    CodeSigningConfigNotFound,
    /// A package is not signed by somebody who is trusted.
    CodeVerificationFailed,
    /// What was sent is too large.
    RequestTooLarge,
    /// Whoever asks may not have what was named.
    AccessDenied,
    /// The daemon is ending, or a service that it needs is not there. Safe to send again.
    Unavailable,
    /// A defect or a broken disk.
    Internal,
}

impl FunctionError {
    /// GetFunction and GetAlias tell a function's, version's or alias's revision.
    pub(super) const OF_FUNCTION: &'static str = "GetFunction/GetAlias";

    /// What it means to a client.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidField(InvalidField { kind: InvalidKind::Constraint, .. }) => ErrorKind::Validation,
            Self::InvalidField(_)
            | Self::TooMuchReserved(_)
            | Self::SplitOfLatest
            | Self::ReservedBelowProvisioned { .. }
            | Self::TooMuchProvisioned(_) => ErrorKind::InvalidParameterValue,
            Self::LayerDenied { .. } => ErrorKind::AccessDenied,
            Self::NoProvisionedConcurrency => ErrorKind::ProvisionedConcurrencyConfigNotFound,
            Self::NotFound { .. }
            | Self::NoAlias { .. }
            | Self::NoAliasToUpdate { .. }
            | Self::NoSuchResource
            | Self::NoPolicy
            | Self::NoPolicyFor { .. }
            | Self::NoStatement { .. }
            | Self::NoEventInvokeConfig { .. }
            | Self::NoFunctionToConfigure
            | Self::NoFunctionForUrl
            | Self::NoLayerVersion { .. }
            | Self::NoCodeSigningConfig { .. }
            | Self::OtherRegion { .. } => ErrorKind::ResourceNotFound,
            Self::AlreadyExists { .. }
            | Self::AliasExists { .. }
            | Self::UrlExists { .. }
            | Self::StatementExists { .. }
            | Self::VersionInUse { .. }
            | Self::VersionIsProvisioned
            | Self::VersionOfProvisionedAlias
            | Self::CodeSigningConfigInUse { .. }
            | Self::UpdateInProgress { .. } => ErrorKind::ResourceConflict,
            Self::PreconditionFailed { .. } => ErrorKind::PreconditionFailed,
            Self::CodeSigningConfigNotFound { .. } => ErrorKind::CodeSigningConfigNotFound,
            Self::CodeVerificationFailed { .. } => ErrorKind::CodeVerificationFailed,
            Self::PolicyTooLong { .. } => ErrorKind::PolicyLengthExceeded,
            Self::TooLarge { .. } => ErrorKind::RequestTooLarge,
            Self::Package(PackageError::ArchiveTooLarge { .. }) => ErrorKind::RequestTooLarge,
            Self::Package(error) if error.is_fault_of_archive() => ErrorKind::InvalidParameterValue,
            Self::Fetch(error) => match error {
                FetchError::NoSetting | FetchError::Refused { .. } | FetchError::TooLarge { .. } => {
                    ErrorKind::InvalidParameterValue
                }
                FetchError::NoCredential { .. } | FetchError::Denied { .. } => ErrorKind::AccessDenied,
                FetchError::Failed { .. } | FetchError::Silent { .. } | FetchError::Busy => {
                    ErrorKind::Unavailable
                }
            },
            Self::Store(StoreError::BlobTooLarge { .. }) => ErrorKind::RequestTooLarge,
            Self::Store(StoreError::Closed) | Self::Interrupted => ErrorKind::Unavailable,
            Self::Package(_) | Self::Store(_) => ErrorKind::Internal,
        }
    }
}
