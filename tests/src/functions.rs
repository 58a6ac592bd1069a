//! Functions for tests: a handler from `tests/handlers`, and what is to be special about it.

use std::{
    collections::HashMap,
    fs,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use thaw_proto::v1::{CreateFunctionRequest, Environment};

use crate::{package::Package, programs};

/// How much of a package one message carries: under gRPC's usual limit of 4 MB.
const CHUNK: usize = 1 << 20;

/// Enough memory for one CPU. For handlers that compute or fill disks: a small function's share of a CPU is small.
pub const ONE_CPU: u32 = 1769;

/// The runtime that tests use.
pub const RUNTIME: &str = "python3.13";

/// The runtime of functions that bring their own.
pub const PROVIDED: &str = "provided.al2023";

/// A name that no other test has.
#[must_use]
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A function to create.
#[derive(Clone, Debug)]
pub struct NewFunction {
    /// Everything but the package.
    pub request: CreateFunctionRequest,
    /// The zip archive.
    pub package: Bytes,
}

impl NewFunction {
    /// The function `handler` of the file `tests/handlers/NAME.py`.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::packaged(name, &format!("{name}.handler"), Package::new().handler(name).zip())
    }

    /// A function whose package the test makes itself.
    #[must_use]
    pub fn packaged(prefix: &str, handler: &str, package: impl Into<Bytes>) -> Self {
        let request = CreateFunctionRequest {
            function_name: unique(&prefix.replace('_', "-")),
            runtime: RUNTIME.to_owned(),
            handler: handler.to_owned(),
            role: "arn:aws:iam::000000000000:role/test".to_owned(),
            timeout: 30,
            ..CreateFunctionRequest::default()
        };
        Self { request, package: package.into() }
    }

    /// A function that brings its runtime: an executable `bootstrap` of this content.
    #[must_use]
    pub fn bootstrap(prefix: &str, content: &[u8]) -> Self {
        let package = Package::new().file_with_mode("bootstrap", content, 0o755);
        Self::packaged(prefix, "any.handler", package.zip()).runtime(PROVIDED)
    }

    /// The function of `tests/functions/rust-echo`.
    #[must_use]
    pub fn rust() -> Self {
        let path = programs::rust_echo();
        let program = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::bootstrap("rust", &program)
    }

    /// In another runtime.
    #[must_use]
    pub fn runtime(self, runtime: &str) -> Self {
        self.with(|request| request.runtime = runtime.to_owned())
    }

    /// With a time-out of `seconds`. Tests default to a generous 30.
    #[must_use]
    pub fn timeout(mut self, seconds: u32) -> Self {
        self.request.timeout = seconds;
        self
    }

    /// With `mb` MB of memory.
    #[must_use]
    pub fn memory(mut self, mb: u32) -> Self {
        self.request.memory_size = mb;
        self
    }

    /// With a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        let environment = self.request.environment.get_or_insert_with(Environment::default);
        environment.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With these variables and no others.
    #[must_use]
    pub fn environment(mut self, variables: HashMap<String, String>) -> Self {
        self.request.environment = Some(Environment { variables });
        self
    }

    /// With a name of the test's choice.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.request.function_name = name.to_owned();
        self
    }

    /// With another change of the request.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut CreateFunctionRequest)) -> Self {
        change(&mut self.request);
        self
    }

    /// The messages that create it: configuration and first bytes, then the rest of the package.
    pub fn messages(&self) -> impl Iterator<Item = CreateFunctionRequest> + Send + 'static {
        let mut chunks = chunks(&self.package);
        let first =
            CreateFunctionRequest { chunk: chunks.next().unwrap_or_default(), ..self.request.clone() };
        std::iter::once(first)
            .chain(chunks.map(|chunk| CreateFunctionRequest { chunk, ..CreateFunctionRequest::default() }))
    }
}

/// A package in pieces that fit a message.
pub fn chunks(package: &Bytes) -> impl Iterator<Item = Bytes> + Send + use<> {
    let package = package.clone();
    (0..package.len()).step_by(CHUNK).map(move |start| package.slice(start..package.len().min(start + CHUNK)))
}
