//! Layers: archives that functions share, laid under /opt.

mod arn;
mod reference;

pub use self::{
    arn::{LayerArn, LayerName, LayerVersionArn},
    reference::LayerReference,
};
