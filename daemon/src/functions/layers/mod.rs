//! Layers: archives that functions share, laid under /opt.
//!
//! A layer has versions, numbered from 1, that never change. The registry keeps them; this module says what they are.

mod arn;
mod reference;
mod version;

pub use self::{
    arn::{LayerArn, LayerName, LayerVersionArn},
    reference::LayerReference,
    version::{CompatibleRuntime, LayerVersion, LicenseInfo, PublishLayer},
};
