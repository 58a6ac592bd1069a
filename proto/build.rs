//! Compiles `thaw/v1/*.proto` with protox, so that no `protoc` has to be installed.
#![forbid(unsafe_code)]

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const FILES: [&str; 15] = [
    "thaw/v1/functions.proto",
    "thaw/v1/versions.proto",
    "thaw/v1/attributes.proto",
    "thaw/v1/event_sources.proto",
    "thaw/v1/layers.proto",
    "thaw/v1/code_signing.proto",
    "thaw/v1/invocation.proto",
    "thaw/v1/events.proto",
    "thaw/v1/event_invoke_configs.proto",
    "thaw/v1/logs.proto",
    "thaw/v1/runtimes.proto",
    "thaw/v1/schedules.proto",
    "thaw/v1/buckets.proto",
    "thaw/v1/urls.proto",
    "thaw/v1/admin.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=thaw");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("thaw.v1.descriptors"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".thaw.v1").compile_fds(descriptors)?;
    Ok(())
}
