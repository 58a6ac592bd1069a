//! What eight callers of a compiled function get through, beside as many bare loops of the same program.
//!
//! No interpreter takes part: beside the chapter with the Python function it shows how much of a call is the client's.

use bollard::Docker;

use super::throughput;
use crate::{Options, figures::Section, subject::Subject};

/// Measures it.
///
/// # Errors
/// If anything fails on the way.
pub(crate) async fn measure(engine: &Docker, _: &Options) -> anyhow::Result<Section> {
    let title = "Throughput with 8 callers of one Rust function (provided.al2023)";
    throughput::of(engine, title, &Subject::rust()?).await
}
