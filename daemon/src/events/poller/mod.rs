//! The pollers: they read the sources of all enabled mappings and call the functions.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::mapping::{Mapping, MappingRegistry};

/// Keeps one poller for each mapping that is to be read.
#[derive(Clone, Debug)]
pub struct Pollers {
    mappings: MappingRegistry,
}

impl Pollers {
    /// Pollers of these mappings.
    #[must_use]
    pub fn new(mappings: MappingRegistry) -> Self {
        Self { mappings }
    }

    /// Follows the mappings until `stop`.
    pub async fn follow(self, stop: CancellationToken) {
        let mut changed = self.mappings.subscribe();
        loop {
            changed.borrow_and_update();
            for mapping in self.mappings.all() {
                self.follow_one(mapping).await;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                told = changed.changed() => if told.is_err() { return },
            }
        }
    }

    async fn follow_one(&self, mapping: Arc<Mapping>) {
        if mapping.state.is_changing()
            && let Err(error) = self.mappings.settle(&mapping).await
        {
            tracing::error!(mapping = %mapping.id, %error, "an event source mapping could not be settled");
        }
    }
}
