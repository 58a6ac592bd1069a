//! Event source mappings, as tests change them and wait for them.

use thaw_proto::v1::{EventSource, EventSourceSettings, GetEventSourceRequest, UpdateEventSourceRequest};

use crate::{wait::eventually, world::World};

impl World {
    /// A mapping; none if there is none.
    pub async fn mapping(&self, uuid: &str) -> Option<EventSource> {
        let request = GetEventSourceRequest { uuid: uuid.to_owned() };
        self.event_sources().get_event_source(request).await.ok()?.into_inner().event_source
    }

    /// Changes settings of a mapping.
    pub async fn update_mapping(&self, uuid: &str, settings: EventSourceSettings) {
        let request = UpdateEventSourceRequest {
            uuid: uuid.to_owned(),
            settings: Some(settings),
            ..UpdateEventSourceRequest::default()
        };
        self.event_sources().update_event_source(request).await.unwrap();
    }

    /// Waits until a change of a mapping is in force.
    pub async fn mapping_in_state(&self, uuid: &str, state: &str) {
        eventually(&format!("the mapping is {state}"), async || {
            self.mapping(uuid).await.filter(|mapping| mapping.state == state).map(drop)
        })
        .await;
    }
}
