//! What is measured, a chapter a file. Each has a thawd of its own.

mod aws;
mod burst;
mod cold;
mod density;
mod events;
mod polling;
mod race;
mod reclaim;
mod replay;
mod throughput;
mod throughput_custom;
mod warm;

use bollard::Docker;
use clap::ValueEnum;

use crate::{Options, figures::Section};

/// A part of the benchmark that can be run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Chapter {
    /// Calls on frozen sandboxes, beside a bare loop of the same client.
    Warm,
    /// The same calls through the AWS API, beside gRPC.
    Aws,
    /// Calls where the function has no sandbox, beside `docker run`.
    Cold,
    /// 8 callers, beside 8 bare loops.
    Throughput,
    /// The same with a function that brings its runtime, in Rust.
    ThroughputCustom,
    /// 100 functions at once, beside 100 `docker run`s.
    Burst,
    /// 1,000 frozen sandboxes.
    Density,
    /// 100,000 calls that race the freeze.
    Race,
    /// Events: accepted by 64 clients, beside a plain fsync a call; and 100,000 of them delivered.
    Events,
    /// Records of a Redis stream, beside a plain consumer of it.
    Polling,
    /// Memory of frozen sandboxes given to swap. Needs swap.
    Reclaim,
    /// Hours of a cloud's calls, compressed: how many are cold under each keep-alive policy.
    Replay,
}

impl Chapter {
    /// Whether it can't be measured on a machine without swap.
    pub(crate) fn needs_swap(self) -> bool {
        self == Self::Reclaim
    }

    /// Measures it.
    ///
    /// # Errors
    /// If anything fails on the way.
    pub(crate) async fn measure(self, engine: &Docker, options: &Options) -> anyhow::Result<Section> {
        match self {
            Self::Warm => warm::measure(engine, options).await,
            Self::Aws => aws::measure(engine, options).await,
            Self::Cold => cold::measure(engine, options).await,
            Self::Throughput => throughput::measure(engine, options).await,
            Self::ThroughputCustom => throughput_custom::measure(engine, options).await,
            Self::Burst => burst::measure(engine, options).await,
            Self::Density => density::measure(engine, options).await,
            Self::Race => race::measure(engine, options).await,
            Self::Events => events::measure(engine, options).await,
            Self::Polling => polling::measure(engine, options).await,
            Self::Reclaim => reclaim::measure(engine, options).await,
            Self::Replay => replay::measure(engine, options).await,
        }
    }
}
