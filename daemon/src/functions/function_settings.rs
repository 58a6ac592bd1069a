//! Everything about a function that its owner sets, but for its code.

use serde::{Deserialize, Serialize};

use super::{
    Architecture, DeadLetterArn, Description, Environment, EphemeralStorageMb, Handler, InvalidField,
    KmsKeyArn, LoggingChange, LoggingConfig, MemoryMb, RoleArn, RuntimeName, SnapStart, TimeoutSeconds,
    TracingMode, VpcConfig, layers::LayerReference,
};

/// A function's settings. A published version keeps those that it was published with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// What runs it.
    pub runtime: RuntimeName,
    /// Where the runtime finds the handler.
    pub handler: Handler,
    /// The execution role, if it was given one.
    pub role: Option<RoleArn>,
    /// For people.
    pub description: Description,
    /// How long an invocation may take.
    pub timeout: TimeoutSeconds,
    /// Memory of a sandbox.
    pub memory: MemoryMb,
    /// Size of /tmp.
    pub ephemeral_storage: EphemeralStorageMb,
    /// Variables, if there ever were any: Lambda tells none from an empty set. Their values are secrets and print as
    /// nothing.
    pub environment: Option<Environment>,
    /// The processor that the code is for.
    pub architecture: Architecture,
    /// Whether calls are traced.
    pub tracing: TracingMode,
    /// Where events go that were given up.
    pub dead_letter: Option<DeadLetterArn>,
    /// The function's network, if it ever was set.
    pub vpc: Option<VpcConfig>,
    /// How it logs.
    pub logging: LoggingConfig,
    /// For what snapshots are asked.
    pub snap_start: SnapStart,
    /// What is laid under /opt, the first at the bottom.
    pub layers: Vec<LayerReference>,
    /// The key for its environment.
    pub kms_key: Option<KmsKeyArn>,
}

impl Settings {
    /// The settings that a function has if its owner sets no more than he must.
    #[must_use]
    pub fn new(runtime: RuntimeName, handler: Handler) -> Self {
        Self {
            runtime,
            handler,
            role: None,
            description: Description::default(),
            timeout: TimeoutSeconds::default(),
            memory: MemoryMb::default(),
            ephemeral_storage: EphemeralStorageMb::default(),
            environment: None,
            architecture: Architecture::default(),
            tracing: TracingMode::default(),
            dead_letter: None,
            vpc: None,
            logging: LoggingConfig::default(),
            snap_start: SnapStart::default(),
            layers: Vec::new(),
            kms_key: None,
        }
    }

    /// The function's variables in the order of their names. The values are secrets of the function.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.iter().flat_map(Environment::iter)
    }

    /// The settings after a change, its layers apart.
    ///
    /// # Errors
    /// Settings that don't go together.
    pub fn changed(&self, change: UpdateConfiguration) -> Result<Self, InvalidField> {
        let UpdateConfiguration {
            runtime,
            handler,
            role,
            description,
            timeout,
            memory,
            ephemeral_storage,
            environment,
            tracing,
            dead_letter,
            vpc,
            logging,
            snap_start,
            kms_key,
            layers: _,
            revision_id: _,
        } = change;
        Ok(Self {
            runtime: runtime.unwrap_or_else(|| self.runtime.clone()),
            handler: handler.unwrap_or_else(|| self.handler.clone()),
            role: role.unwrap_or_else(|| self.role.clone()),
            description: description.unwrap_or_else(|| self.description.clone()),
            timeout: timeout.unwrap_or(self.timeout),
            memory: memory.unwrap_or(self.memory),
            ephemeral_storage: ephemeral_storage.unwrap_or(self.ephemeral_storage),
            environment: environment.or_else(|| self.environment.clone()),
            architecture: self.architecture,
            tracing: tracing.unwrap_or(self.tracing),
            dead_letter: dead_letter.unwrap_or_else(|| self.dead_letter.clone()),
            vpc: vpc.or_else(|| self.vpc.clone()),
            logging: logging
                .map_or_else(|| Ok(self.logging.clone()), |change| self.logging.changed(change))?,
            snap_start: snap_start.unwrap_or(self.snap_start),
            layers: self.layers.clone(),
            kms_key: kms_key.unwrap_or_else(|| self.kms_key.clone()),
        })
    }
}

/// Settings to change; `None` leaves one as it is.
#[derive(Clone, Debug, Default)]
pub struct UpdateConfiguration {
    /// What runs the function.
    pub runtime: Option<RuntimeName>,
    /// Where the runtime finds the handler.
    pub handler: Option<Handler>,
    /// The execution role; `Some(None)` takes it away.
    pub role: Option<Option<RoleArn>>,
    /// For people.
    pub description: Option<Description>,
    /// How long an invocation may take.
    pub timeout: Option<TimeoutSeconds>,
    /// Memory of a sandbox.
    pub memory: Option<MemoryMb>,
    /// Size of /tmp.
    pub ephemeral_storage: Option<EphemeralStorageMb>,
    /// All variables; those that are not among them go.
    pub environment: Option<Environment>,
    /// Whether calls are traced.
    pub tracing: Option<TracingMode>,
    /// Where events go that were given up; `Some(None)` is nowhere.
    pub dead_letter: Option<Option<DeadLetterArn>>,
    /// The network.
    pub vpc: Option<VpcConfig>,
    /// How it logs.
    pub logging: Option<LoggingChange>,
    /// For what snapshots are asked.
    pub snap_start: Option<SnapStart>,
    /// The key for its environment; `Some(None)` takes it away.
    pub kms_key: Option<Option<KmsKeyArn>>,
    /// ARNs of all layer versions, the first at the bottom; those that are not among them go.
    pub layers: Option<Vec<super::layers::LayerVersionArn>>,
    /// If set, the update is refused unless the function is at this revision.
    pub revision_id: Option<super::RevisionId>,
}
