//! A runtime's base image: there already, or pulled, or made of Debian's packages.

use std::{process::Stdio, time::Duration};

use bollard::{
    Docker,
    query_parameters::{CreateImageOptionsBuilder, RemoveImageOptions},
};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Command,
};

use super::{RuntimeDefinition, RuntimeError, apt, build::Progress};

/// How long a pull may go on without a sign of progress. A registry that can't be reached must not be waited for.
const PULL_SILENCE: Duration = Duration::from_secs(20);

/// How much of what mmdebstrap says is kept for an error.
const REMEMBERED: usize = 20;

/// The bytes of a base system that are sent to the engine at a time.
const CHUNK: usize = 256 * 1024;

pub(super) async fn pull(docker: &Docker, definition: &RuntimeDefinition, progress: &Progress) -> bool {
    let options = CreateImageOptionsBuilder::new().from_image("debian").tag(definition.suite).build();
    let mut pulling = Box::pin(docker.create_image(Some(options), None, None));
    loop {
        match tokio::time::timeout(PULL_SILENCE, pulling.next()).await {
            Ok(None) => return true,
            Ok(Some(Ok(info))) => {
                if let Some(detail) = info.error_detail {
                    progress.output(detail.message.unwrap_or_default()).await;
                    return false;
                }
                progress.output(info.status.unwrap_or_default()).await;
            }
            Ok(Some(Err(error))) => {
                progress.output(format!("no registry answers: {error}")).await;
                return false;
            }
            Err(_) => {
                progress.output(format!("no registry answers within {} s", PULL_SILENCE.as_secs())).await;
                return false;
            }
        }
    }
}

/// Makes the base with mmdebstrap and imports it under the name that a pull would have given it.
pub(super) async fn bootstrap(
    docker: &Docker,
    definition: &RuntimeDefinition,
    progress: &Progress,
) -> Result<(), RuntimeError> {
    let archive = apt::archive();
    progress.output(format!("making debian:{} of packages from {archive}", definition.suite)).await;
    let mut child = Command::new("mmdebstrap")
        .args(["--variant=minbase", "--include=ca-certificates", definition.suite, "-", &archive])
        .env("TMPDIR", "/var/tmp")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A caller that goes away ends it; it removes its own directory then.
        .kill_on_drop(true)
        .spawn()
        .map_err(RuntimeError::NoMmdebstrap)?;
    let (Some(tar), Some(said)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(RuntimeError::Mmdebstrap("its output can't be read".to_owned()));
    };
    let chunks = futures_util::stream::unfold(tar, |mut tar| async move {
        let mut chunk = vec![0; CHUNK];
        match tar.read(&mut chunk).await {
            Ok(0) => None,
            Ok(count) => {
                chunk.truncate(count);
                Some((Ok(bytes::Bytes::from(chunk)), tar))
            }
            Err(error) => Some((Err(error), tar)),
        }
    });
    let options = CreateImageOptionsBuilder::new().from_src("-").repo("debian").tag(definition.suite).build();
    let importing = async {
        let mut importing =
            Box::pin(docker.create_image(Some(options), Some(bollard::body_try_stream(chunks)), None));
        while let Some(info) = importing.next().await {
            let info =
                info.map_err(|source| RuntimeError::Engine { what: "import the base image", source })?;
            if let Some(detail) = info.error_detail {
                return Err(RuntimeError::Build(detail.message.unwrap_or_default()));
            }
        }
        Ok(())
    };
    let listening = async {
        let mut last = std::collections::VecDeque::new();
        let mut lines = BufReader::new(said).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if last.len() == REMEMBERED {
                last.pop_front();
            }
            last.push_back(line.clone());
            progress.output(line).await;
        }
        Vec::from(last).join("\n")
    };
    let (imported, last) = tokio::join!(importing, listening);
    let status = child.wait().await.map_err(|error| RuntimeError::Mmdebstrap(error.to_string()))?;
    if !status.success() {
        // What was imported, if anything was, is half a system under a name that others would trust.
        if imported.is_ok()
            && let Err(error) =
                docker.remove_image(&definition.base(), None::<RemoveImageOptions>, None).await
        {
            tracing::warn!(%error, "half a base image was left");
        }
        return Err(RuntimeError::Mmdebstrap(last));
    }
    imported
}
