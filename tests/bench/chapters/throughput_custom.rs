//! What eight callers of a compiled function get through, beside as many bare loops of the same program.
//!
//! No interpreter takes part: beside the chapter with the Python function it shows how much of a call is the client's.

use bollard::Docker;

use super::throughput::{both, rate};
use crate::{Options, figures::Section, subject::Subject};

/// Measures it.
///
/// # Errors
/// If anything fails on the way.
pub(crate) async fn measure(engine: &Docker, _: &Options) -> anyhow::Result<Section> {
    let (bare, calls) = both(engine, &Subject::rust()?).await?;
    let title = "Throughput with 8 callers of one Rust function (provided.al2023)";
    let mut section = Section::new(title, "bare loop", &bare);
    section.line("8 bare loops of the official crate", &bare);
    section.line("8 callers through thawd", &calls);
    section.note(format!(
        "calls a second: bare loops {:.0}, thawd {:.0} ({:.0} % of them)",
        rate(&bare),
        rate(&calls),
        rate(&calls) / rate(&bare) * 100.0
    ));
    Ok(section)
}
