//! Archives that come from the daemon in pieces, and go into a file.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use serde_json::json;
use tonic::Streaming;

use crate::{
    failure::Failure,
    ui::{self, Ui},
};

#[derive(Args, Debug)]
pub(crate) struct Target {
    /// The file to write, which must not be there yet; - for standard output.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

impl Target {
    /// Writes the archive. What could not be written whole is removed.
    pub(crate) async fn receive<M>(
        self,
        pieces: Streaming<M>,
        chunk: fn(M) -> Bytes,
        ui: &Ui,
    ) -> Result<(), Failure> {
        if self.to == Path::new("-") {
            return to_output(pieces, chunk, ui).await;
        }
        let shown = self.to.display();
        let file = File::create_new(&self.to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Failure::Usage(format!("--to: {shown} is there already; remove it, or name another file"))
            }
            _ => Failure::Local(anyhow::Error::from(error).context(format!("creating {shown}"))),
        })?;
        let spinner = ui.spinner();
        let written = to_file(pieces, chunk, file, &self.to).await;
        spinner.finish_and_clear();
        match written {
            Ok(length) if ui.is_json() => ui.json(&json!({ "File": shown.to_string(), "CodeSize": length })),
            Ok(length) => ui.line(&format!("{shown}: {}", ui::bytes(length))),
            Err(failure) => {
                // The failure is what matters; a file that stays is seen.
                let _ = fs::remove_file(&self.to);
                Err(failure)
            }
        }
    }
}

async fn to_file<M>(
    mut pieces: Streaming<M>,
    chunk: fn(M) -> Bytes,
    mut file: File,
    path: &Path,
) -> Result<u64, Failure> {
    let mut length = 0;
    while let Some(message) = pieces.message().await? {
        let piece = chunk(message);
        file.write_all(&piece).with_context(|| format!("writing {}", path.display()))?;
        length += piece.len() as u64;
    }
    Ok(length)
}

async fn to_output<M>(mut pieces: Streaming<M>, chunk: fn(M) -> Bytes, ui: &Ui) -> Result<(), Failure> {
    while let Some(message) = pieces.message().await? {
        ui.raw(&chunk(message))?;
    }
    Ok(())
}
