//! What is measured: a function that echoes, in one runtime or another.

use std::{env, fs, path::PathBuf};

use anyhow::Context;

use crate::{HANDLER, IMAGE, RUNTIME};

/// A function and what it runs in.
#[derive(Debug)]
pub(crate) struct Subject {
    /// Lambda's identifier of the runtime.
    pub(crate) runtime: &'static str,
    /// The image.
    pub(crate) image: &'static str,
    /// What the image starts, where that is not its own entry point.
    pub(crate) entrypoint: Option<&'static str>,
    /// The handler.
    pub(crate) handler: &'static str,
    /// The one file of its package, and what is in it.
    pub(crate) file: &'static str,
    pub(crate) content: Vec<u8>,
    pub(crate) mode: u32,
}

impl Subject {
    /// Python with its official client.
    pub(crate) fn python() -> Self {
        Self {
            runtime: RUNTIME,
            image: IMAGE,
            entrypoint: None,
            handler: "app.handler",
            file: "app.py",
            content: HANDLER.into(),
            mode: 0o644,
        }
    }

    /// Rust with its official crate: the program `rust-echo` beside this one.
    ///
    /// # Errors
    /// If that was not built.
    pub(crate) fn rust() -> anyhow::Result<Self> {
        let directory = env::current_exe()?.parent().map(PathBuf::from).unwrap_or_default();
        let program = directory.join("rust-echo");
        let profile = if cfg!(debug_assertions) { "" } else { " --release" };
        let content = fs::read(&program).with_context(|| {
            format!(
                "reading {}: run `cargo rustc -p rust-echo{profile} -- -C target-feature=+crt-static`",
                program.display()
            )
        })?;
        Ok(Self {
            runtime: "provided.al2023",
            image: "thaw/provided.al2023",
            entrypoint: Some("/var/task/bootstrap"),
            handler: "bootstrap",
            file: "bootstrap",
            content,
            mode: 0o755,
        })
    }
}
