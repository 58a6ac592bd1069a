//! Functions: the control plane.
//!
//! What a function is ([`FunctionVersion`] and the types of its settings), its code on disk ([`packages`]) and the
//! registry that creates, changes and finds functions ([`registry`]). The front doors call it, and on the path of an
//! invocation the one synchronous question: which version does this reference mean.
//!
//! This layer knows no wire format, no Docker and no sandbox. It tells subscribers when a function changed; what becomes
//! of the sandboxes is for them to decide.

mod alias;
mod arn;
mod code_signing;
mod concurrency;
mod destination;
mod environment;
mod error;
mod event_invoke;
mod field;
mod function_settings;
mod function_url;
mod layers;
mod logging;
mod name;
mod options;
pub mod packages;
mod policy;
mod provisioned;
mod reference;
mod region;
pub mod registry;
mod revision;
mod runtime_name;
mod s3_object;
mod service_call;
mod settings;
mod sizes;
mod tags;
mod version;

pub use alias::{Alias, CreateAlias, Routing, UpdateAlias, Weight};
pub use arn::FunctionArn;
pub use code_signing::{
    CodeSigningArn, CodeSigningConfig, CodeSigningId, CreateCodeSigning, SigningProfileArn,
    UntrustedArtifact, UpdateCodeSigning,
};
pub use concurrency::{Concurrency, LEAST_UNRESERVED, Slot, Throttled, TooMuchProvisioned, TooMuchReserved};
pub use destination::{Destination, DestinationArn};
pub use environment::Environment;
pub use error::{ErrorKind, FunctionError};
pub use event_invoke::{EventAgeSeconds, EventInvokeConfig, EventInvokeSettings, RetryAttempts};
pub use field::{InvalidField, InvalidKind};
pub(crate) use field::{string_forms, text_forms, word_forms};
pub use function_settings::{Settings, UpdateConfiguration};
pub use function_url::{
    Cors, CorsSettings, FunctionUrlConfig, FunctionUrlSettings, InvokeMode, UrlBase, UrlId,
};
pub use layers::{
    CompatibleRuntime, LayerArn, LayerName, LayerReference, LayerVersion, LayerVersionArn, LicenseInfo,
    PublishLayer,
};
pub use logging::{
    ApplicationLogLevel, LogFormat, LogGroupName, LoggingChange, LoggingConfig, SystemLogLevel,
};
pub use name::{AliasName, FunctionName};
pub use options::{
    Architecture, DeadLetterArn, KmsKeyArn, RecursiveLoop, RuntimeManagement, RuntimeVersionArn, SnapStart,
    TracingMode, UpdateRuntimeOn, VpcConfig,
};
pub use packages::{PackageError, PackageLimits, PackagePin, PackageStore};
pub use policy::{
    Action, EventSourceToken, OrganisationId, Policy, Principal, ServiceCall, SourceArn, Statement,
    StatementId, UrlAuthType, UrlCaller,
};
pub use provisioned::{ProvisionedConcurrency, ProvisionedExecutions, ProvisionedPart};
pub use reference::FunctionReference;
pub use region::Region;
pub use registry::{
    AddPermission, Changed, CodeUpload, Collected, CreateFunction, FetchError, Found, FunctionChange,
    FunctionPage, FunctionRegistry, FunctionUrl, FunctionVersion, LastUpdateStatus, Page, Provisioned,
    PublishVersion, Reason, RegistryOptions, ResultServices, State, Unsaid, UpdateCode, UploadedCode,
    UrlTarget, Usage,
};
pub use revision::RevisionId;
pub use runtime_name::{RUNTIMES, RuntimeName};
pub use s3_object::S3Object;
pub use settings::{Description, Handler, RoleArn};
pub use sizes::{EphemeralStorageMb, MemoryMb, TimeoutSeconds};
pub use tags::Tags;
pub use version::{NoName, Qualifier, Version, VersionNumber};
