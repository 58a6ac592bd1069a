//! RuntimeService.

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, StreamExt};
use thaw_proto::v1::{
    BuildRuntimeRequest, BuildRuntimeResponse, ListRuntimesRequest, ListRuntimesResponse, Runtime,
    runtime_service_server::RuntimeService,
};
use tonic::{Request, Response, Status};

use super::{
    error::{Refusal, invalid},
    wire::timestamp,
};
use crate::runtimes::{BuildProgress, RuntimeCatalog, RuntimeStatus};

#[derive(Debug)]
pub(super) struct Runtimes {
    pub(super) runtimes: Arc<RuntimeCatalog>,
}

#[tonic::async_trait]
impl RuntimeService for Runtimes {
    async fn list_runtimes(
        &self,
        _: Request<ListRuntimesRequest>,
    ) -> Result<Response<ListRuntimesResponse>, Status> {
        let runtimes = self.runtimes.list().await.map_err(Refusal::from)?;
        Ok(Response::new(ListRuntimesResponse { runtimes: runtimes.into_iter().map(runtime).collect() }))
    }

    type BuildRuntimeStream = Pin<Box<dyn Stream<Item = Result<BuildRuntimeResponse, Status>> + Send>>;

    async fn build_runtime(
        &self,
        request: Request<BuildRuntimeRequest>,
    ) -> Result<Response<Self::BuildRuntimeStream>, Status> {
        let BuildRuntimeRequest { name, rebuild } = request.into_inner();
        if name.is_empty() {
            return Err(invalid("name", "name a runtime, as `thaw runtime list` shows them"));
        }
        let progress = Arc::clone(&self.runtimes).build(&name, rebuild);
        Ok(Response::new(Box::pin(
            progress.map(|item| item.map(step).map_err(|error| Refusal::from(error).into())),
        )))
    }
}

fn step(progress: BuildProgress) -> BuildRuntimeResponse {
    BuildRuntimeResponse {
        step: progress.step,
        steps: progress.steps,
        status: progress.status,
        output: progress.output,
        runtime: progress.runtime.map(runtime),
    }
}

fn runtime(status: RuntimeStatus) -> Runtime {
    Runtime {
        name: status.name,
        image: status.image,
        built: status.built,
        outdated: status.outdated,
        image_id: status.image_id,
        image_size: status.image_size,
        created: status.created.map(timestamp),
        base: status.base,
    }
}
