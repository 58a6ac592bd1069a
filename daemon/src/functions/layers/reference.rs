//! A layer version as a function refers to it.

use serde::{Deserialize, Serialize};

use super::LayerVersionArn;
use crate::store::Sha256Digest;

/// What a function keeps of a layer version. It goes on with it though the version is deleted meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerReference {
    /// Which layer version.
    pub arn: LayerVersionArn,
    /// Bytes of its archive.
    pub code_size: u64,
    /// The archive.
    pub package: Sha256Digest,
}
