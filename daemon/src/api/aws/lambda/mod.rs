//! Lambda's REST API: rest-json, under a date for each generation of it.
//!
//! [`operations`] is the one table: what there is, by which method and path, how large a request may be, and who answers
//! it. A family of operations is a file; each turns JSON, path and query into the domain's types, asks it, and writes what
//! it says as the service's model has it.

mod account;
mod aliases;
mod code;
mod code_signing;
mod configuration;
mod events;
mod functions;
mod input;
mod invoke;
mod layers;
mod mappings;
mod operations;
mod permissions;
mod provisioned;
mod settings;
mod tags;
mod urls;
mod versions;

use std::sync::Arc;

use http::request::Parts;

pub(super) use self::input::Call;
use self::{
    input::Labels,
    operations::{Handler, OPERATIONS, Operation},
};
use super::{AwsDoors, answer::Answer, error::AwsError};
use crate::{
    clock::SharedClock,
    events::mapping::MappingRegistry,
    functions::{FunctionRegistry, UrlBase},
    identity::sigv4::Verifier,
    invoke::Invoker,
};

/// How much of an operation there is. For the README's table, which a test holds against this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// All that Lambda does.
    Yes,
    /// Not all.
    Partly,
    /// Nothing: it answers NotImplementedException.
    No,
}

/// Every operation of Lambda's API, with how much of it is served.
pub fn operations() -> impl Iterator<Item = (&'static str, Served)> {
    OPERATIONS.iter().map(|operation| (operation.name, operation.served))
}

/// What operations work with.
#[derive(Debug)]
pub(super) struct Lambda {
    registry: FunctionRegistry,
    mappings: MappingRegistry,
    invoker: Invoker,
    verifier: Arc<Verifier>,
    clock: SharedClock,
    url_base: UrlBase,
}

/// An operation that a request is for, and what its path names.
#[derive(Debug)]
pub(super) struct FoundOperation {
    operation: &'static Operation,
    labels: Labels,
}

impl FoundOperation {
    /// The most bytes of its request.
    pub(super) fn body_limit(&self) -> usize {
        self.operation.body_limit
    }

    /// Its name, as Lambda tells it to callers that send too much.
    pub(super) fn told_name(&self) -> &'static str {
        if self.operation.name == "Invoke" { "InvokeFunction" } else { self.operation.name }
    }
}

impl Lambda {
    pub(super) fn new(doors: AwsDoors) -> Self {
        let AwsDoors {
            registry,
            mappings,
            invoker,
            verifier,
            clock,
            url_base,
            logs: _,
            schedules: _,
            buckets: _,
        } = doors;
        Self { registry, mappings, invoker, verifier, clock, url_base }
    }

    /// The operation that a request is for.
    pub(super) fn find(&self, head: &Parts) -> Result<FoundOperation, AwsError> {
        let path = head.uri.path();
        let query = head.uri.query().unwrap_or_default();
        for operation in OPERATIONS {
            if operation.method == head.method.as_str()
                && operation.query.is_none_or(|wanted| query.split('&').any(|pair| pair == wanted))
                && let Some(labels) = Labels::matching(operation.path, path)
            {
                return Ok(FoundOperation { operation, labels });
            }
        }
        Err(AwsError::new(
            "UnknownOperationException",
            format!("Lambda has no operation {} {}", head.method, shown(path)),
        ))
    }

    /// Answers a request whose sender is known.
    pub(super) async fn serve(&self, found: FoundOperation, mut call: Call) -> Result<Answer, AwsError> {
        let FoundOperation { operation, labels } = found;
        call.labels = labels;
        if call.identity.service.is_some() && operation.name != "Invoke" {
            return Err(input::denied(self.registry.region(), &call, operation.name, &"*"));
        }
        match operation.handler {
            Handler::Served(handler) => handler(self, call).await,
            Handler::Missing => Err(AwsError::new(
                "NotImplementedException",
                format!("thawd does not serve {} yet", operation.name),
            )),
        }
    }

    /// The functions of the caller's account, and of no other.
    fn functions(&self, call: &Call) -> FunctionRegistry {
        self.registry.of(call.identity.account)
    }
}

fn shown(path: &str) -> String {
    path.chars().filter(|character| !character.is_control()).take(256).collect()
}
