//! Functions: the control plane.
//!
//! What a function is ([`FunctionVersion`] and the types of its settings), its code on disk ([`packages`]) and the
//! registry that creates, changes and finds functions ([`registry`]). The front doors call it, and on the path of an
//! invocation the one synchronous question: which version does this reference mean.
//!
//! This layer knows no wire format, no Docker and no sandbox. It tells subscribers when a function changed; what becomes
//! of the sandboxes is for them to decide.

mod arn;
mod environment;
mod error;
mod field;
mod name;
pub mod packages;
mod reference;
mod region;
pub mod registry;
mod revision;
mod settings;
mod sizes;
mod version;

pub use arn::FunctionArn;
pub use environment::Environment;
pub use error::FunctionError;
pub use field::InvalidField;
pub use name::{AliasName, FunctionName};
pub use packages::{PackageError, PackageLimits, PackagePin, PackageStore};
pub use reference::FunctionReference;
pub use region::Region;
pub use registry::{
    CodeUpload, Collected, CreateFunction, FunctionChange, FunctionPage, FunctionRegistry, FunctionVersion,
    LastUpdateStatus, RegistryOptions, State, UpdateCode, UpdateConfiguration, UploadedCode,
};
pub use revision::RevisionId;
pub use settings::{Description, Handler, RoleArn, RuntimeName};
pub use sizes::{EphemeralStorageMb, MemoryMb, TimeoutSeconds};
pub use version::{Qualifier, Version};
