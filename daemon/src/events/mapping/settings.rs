//! What may be set of a mapping, and what it is if nobody says.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{FilterCriteria, SourceArn, SourceKind};
use crate::functions::{Destination, FunctionReference, InvalidField, Tags, word_forms};

/// Records that a batch may have.
const BATCH_SIZES: std::ops::RangeInclusive<i64> = 1..=10_000;

/// Messages of a FIFO queue that a batch may have. Source: "Using Lambda with Amazon SQS".
const FIFO_BATCH_MAX: u32 = 10;

/// Messages that a batch of a queue may have without a window.
const QUEUE_BATCH_WITHOUT_WINDOW: u32 = 10;

/// Seconds that a batch may be gathered.
const WINDOWS: std::ops::RangeInclusive<i64> = 0..=300;

/// Seconds that a record may be old; -1 for ever. Below a minute Lambda takes none but -1.
const RECORD_AGES: std::ops::RangeInclusive<i64> = -1..=604_800;
const RECORD_AGE_MIN: i64 = 60;

/// Times that a batch is tried again; -1 for ever.
const RETRIES: std::ops::RangeInclusive<i64> = -1..=10_000;

/// Batches of a shard that run at once.
const FACTORS: std::ops::RangeInclusive<i64> = 1..=10;

/// Seconds of a tumbling window.
const TUMBLING: std::ops::RangeInclusive<i64> = 0..=900;

/// Calls of a queue that run at once.
const CONCURRENCIES: std::ops::RangeInclusive<i64> = 2..=1000;

word_forms! {
    /// What a mapping counts for its owner. Kept and shown.
    Metric, "metrics_config", "metricsConfig.metrics",
    {
        /// How many records came and went.
        EventCount = "EventCount",
        /// How many could not be processed.
        ErrorCount = "ErrorCount",
        /// Of Kafka.
        KafkaMetrics = "KafkaMetrics",
    }
}

/// Where in a stream reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartingPosition {
    /// With the oldest record that there is.
    TrimHorizon,
    /// With what comes after the mapping was created.
    Latest,
    /// With the first record of this time or later.
    AtTimestamp(#[serde(with = "time::serde::rfc3339")] OffsetDateTime),
}

impl StartingPosition {
    /// Lambda's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TrimHorizon => "TRIM_HORIZON",
            Self::Latest => "LATEST",
            Self::AtTimestamp(_) => "AT_TIMESTAMP",
        }
    }

    /// Reads Lambda's word.
    ///
    /// # Errors
    /// It is none, or needs a time and there is none.
    pub fn parse(word: &str, timestamp: Option<OffsetDateTime>) -> Result<Self, InvalidField> {
        match (word, timestamp) {
            ("TRIM_HORIZON", _) => Ok(Self::TrimHorizon),
            ("LATEST", _) => Ok(Self::Latest),
            ("AT_TIMESTAMP", Some(timestamp)) => Ok(Self::AtTimestamp(timestamp)),
            ("AT_TIMESTAMP", None) => Err(InvalidField::new(
                "starting_position_timestamp",
                "StartingPositionTimestamp is required for the starting position AT_TIMESTAMP.",
            )),
            (word, _) => Err(InvalidField::constraint(
                "starting_position",
                "startingPosition",
                word,
                "Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]",
            )),
        }
    }
}

/// How a mapping reads its source and calls its function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingSettings {
    /// Records of a call, at most.
    pub batch_size: u32,
    /// Seconds that a batch is gathered, at most.
    pub batching_window: u32,
    /// Which records are meant.
    pub filters: FilterCriteria,
    /// Whether the function tells which records of a batch failed.
    pub report_batch_item_failures: bool,
    /// What only queues or only streams have.
    pub delivery: Delivery,
    /// A key that filters would be encrypted with. Kept and shown.
    pub kms_key: Option<String>,
    /// Kept and shown.
    pub metrics: Vec<Metric>,
}

/// What only queues or only streams have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// Messages stand alone. What fails is given again by the queue, or goes to its own dead letters.
    Queue {
        /// Calls that run at once, at most.
        maximum_concurrency: Option<u32>,
    },
    /// Records follow one another. What fails is tried again here, and nothing after it before it is through.
    Stream(StreamSettings),
}

/// What only streams have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSettings {
    /// Where reading began.
    pub starting_position: StartingPosition,
    /// Batches of a shard that run at once.
    pub parallelization_factor: u32,
    /// Seconds after which a record is given up; never if it is not said.
    pub maximum_record_age: Option<u32>,
    /// How often a batch is tried again before it is given up; for ever if it is not said.
    pub maximum_retry_attempts: Option<u32>,
    /// Whether a batch that failed is tried again in halves.
    pub bisect_batch_on_function_error: bool,
    /// Seconds of a tumbling window; 0 for none.
    pub tumbling_window: u32,
    /// Where it is told of batches that were given up.
    pub on_failure: Option<Destination>,
}

/// What a new mapping is to be.
#[derive(Clone, Debug)]
pub struct CreateMapping {
    /// The source.
    pub source: SourceArn,
    /// Where in a stream to begin.
    pub starting_position: Option<StartingPosition>,
    /// Words that people put on it.
    pub tags: Tags,
    /// Everything that can be changed later, too.
    pub change: MappingChange,
}

/// What to set of a mapping. `None` is not said. Numbers are as the caller has them.
#[derive(Clone, Debug, Default)]
pub struct MappingChange {
    /// The function to call.
    pub function: Option<FunctionReference>,
    /// Whether to read at all.
    pub enabled: Option<bool>,
    /// Records of a call, at most.
    pub batch_size: Option<i64>,
    /// Seconds that a batch is gathered, at most.
    pub batching_window: Option<i64>,
    /// Which records are meant. Empty for all.
    pub filters: Option<FilterCriteria>,
    /// Whether the function tells which records of a batch failed.
    pub report_batch_item_failures: Option<bool>,
    /// Calls of a queue that run at once; `Some(None)` for as many as it likes.
    pub maximum_concurrency: Option<Option<i64>>,
    /// Batches of a shard that run at once.
    pub parallelization_factor: Option<i64>,
    /// Seconds after which a record is given up; -1 for never.
    pub maximum_record_age: Option<i64>,
    /// How often a batch is tried again; -1 for ever.
    pub maximum_retry_attempts: Option<i64>,
    /// Whether a batch that failed is tried again in halves.
    pub bisect_batch_on_function_error: Option<bool>,
    /// Seconds of a tumbling window.
    pub tumbling_window: Option<i64>,
    /// Where it is told of batches that were given up; `Some(None)` for nowhere.
    pub on_failure: Option<Option<Destination>>,
    /// A key that filters would be encrypted with.
    pub kms_key: Option<String>,
    /// What is counted.
    pub metrics: Option<Vec<Metric>>,
}

impl MappingChange {
    /// The constraints of Lambda's model that it breaks, for a front door to tell with others.
    #[must_use]
    pub fn broken_constraints(&self) -> Vec<InvalidField> {
        let concurrency = self.maximum_concurrency.flatten();
        [
            range("batch_size", "batchSize", self.batch_size, BATCH_SIZES),
            range("maximum_batching_window", "maximumBatchingWindowInSeconds", self.batching_window, WINDOWS),
            range("maximum_concurrency", "scalingConfig.maximumConcurrency", concurrency, CONCURRENCIES),
            range("parallelization_factor", "parallelizationFactor", self.parallelization_factor, FACTORS),
            range("maximum_record_age", "maximumRecordAgeInSeconds", self.maximum_record_age, RECORD_AGES),
            range("maximum_retry_attempts", "maximumRetryAttempts", self.maximum_retry_attempts, RETRIES),
            range("tumbling_window", "tumblingWindowInSeconds", self.tumbling_window, TUMBLING),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl MappingSettings {
    /// What a mapping of such a source has if nothing is said. Source: CreateEventSourceMapping.
    ///
    /// # Errors
    /// A stream's starting position is missing, or it has no such.
    pub(super) fn defaults(
        source: &SourceArn,
        starting_position: Option<StartingPosition>,
    ) -> Result<Self, InvalidField> {
        let (batch_size, delivery) = if source.kind().is_queue() {
            if starting_position.is_some() {
                return Err(unsupported("starting_position", "StartingPosition"));
            }
            (10, Delivery::Queue { maximum_concurrency: None })
        } else {
            (100, Delivery::Stream(StreamSettings::beginning(source, starting_position)?))
        };
        Ok(Self {
            batch_size,
            batching_window: 0,
            filters: FilterCriteria::default(),
            report_batch_item_failures: false,
            delivery,
            kms_key: None,
            metrics: Vec::new(),
        })
    }

    /// These with a change.
    ///
    /// # Errors
    /// A number is out of its range; something is said that such a source does not have; what is said does not go
    /// together.
    pub(super) fn with(mut self, source: &SourceArn, change: &MappingChange) -> Result<Self, InvalidField> {
        if let Some(error) = InvalidField::several(change.broken_constraints()) {
            return Err(error);
        }
        set(&mut self.batch_size, change.batch_size);
        set(&mut self.batching_window, change.batching_window);
        if let Some(filters) = &change.filters {
            self.filters = filters.clone();
        }
        if let Some(report) = change.report_batch_item_failures {
            self.report_batch_item_failures = report;
        }
        if let Some(key) = &change.kms_key {
            self.kms_key = (!key.is_empty()).then(|| key.clone());
        }
        if let Some(metrics) = &change.metrics {
            self.metrics = metrics.clone();
        }
        match &mut self.delivery {
            Delivery::Queue { maximum_concurrency } => {
                refuse_what_only_streams_have(change)?;
                if let Some(most) = change.maximum_concurrency {
                    *maximum_concurrency = most.and_then(|most| u32::try_from(most).ok());
                }
            }
            Delivery::Stream(stream) => {
                if change.maximum_concurrency.is_some() {
                    return Err(unsupported("maximum_concurrency", "ScalingConfig"));
                }
                stream.set(source.kind(), change)?;
            }
        }
        self.check_batch(source.kind())?;
        Ok(self)
    }

    fn check_batch(&self, kind: SourceKind) -> Result<(), InvalidField> {
        match kind {
            SourceKind::SqsFifo if self.batch_size > FIFO_BATCH_MAX => Err(InvalidField::new(
                "batch_size",
                format!("Batch size may not be greater than {FIFO_BATCH_MAX} for FIFO queues."),
            )),
            SourceKind::SqsFifo if self.batching_window > 0 => Err(InvalidField::new(
                "maximum_batching_window",
                "Batching window is not supported for FIFO queues.",
            )),
            SourceKind::Sqs if self.batch_size > QUEUE_BATCH_WITHOUT_WINDOW && self.batching_window == 0 => {
                Err(InvalidField::new(
                    "maximum_batching_window",
                    "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
                ))
            }
            _ => Ok(()),
        }
    }
}

impl StreamSettings {
    fn beginning(source: &SourceArn, position: Option<StartingPosition>) -> Result<Self, InvalidField> {
        let Some(starting_position) = position else {
            let missing = "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: \
                           Member must not be null.";
            return Err(InvalidField::new("starting_position", missing));
        };
        // The streams of tables can't be read from a time on.
        if source.kind() == SourceKind::DynamoDb
            && matches!(starting_position, StartingPosition::AtTimestamp(_))
        {
            let told = format!("Unsupported starting position for arn type: {source}");
            return Err(InvalidField::new("starting_position", told));
        }
        Ok(Self {
            starting_position,
            parallelization_factor: 1,
            maximum_record_age: None,
            maximum_retry_attempts: None,
            bisect_batch_on_function_error: false,
            tumbling_window: 0,
            on_failure: None,
        })
    }

    fn set(&mut self, kind: SourceKind, change: &MappingChange) -> Result<(), InvalidField> {
        set(&mut self.parallelization_factor, change.parallelization_factor);
        set(&mut self.tumbling_window, change.tumbling_window);
        if let Some(age) = change.maximum_record_age {
            if (0..RECORD_AGE_MIN).contains(&age) {
                let told = format!("MaximumRecordAgeInSeconds must be -1 or {RECORD_AGE_MIN} to 604800.");
                return Err(InvalidField::new("maximum_record_age", told));
            }
            self.maximum_record_age = u32::try_from(age).ok();
        }
        if let Some(retries) = change.maximum_retry_attempts {
            self.maximum_retry_attempts = u32::try_from(retries).ok();
        }
        if let Some(bisect) = change.bisect_batch_on_function_error {
            self.bisect_batch_on_function_error = bisect;
        }
        if let Some(destination) = &change.on_failure {
            self.on_failure = destination.clone();
        }
        if self.parallelization_factor > 1 && !kind.has_shards() {
            return Err(unsupported("parallelization_factor", "ParallelizationFactor"));
        }
        if self.tumbling_window > 0 && !kind.has_shards() {
            return Err(unsupported("tumbling_window", "TumblingWindowInSeconds"));
        }
        // A shard has one state, which goes from call to call.
        if self.tumbling_window > 0 && self.parallelization_factor > 1 {
            let told =
                "TumblingWindowInSeconds can't be set together with a ParallelizationFactor greater than 1.";
            return Err(InvalidField::new("tumbling_window", told));
        }
        Ok(())
    }
}

fn refuse_what_only_streams_have(change: &MappingChange) -> Result<(), InvalidField> {
    for (said, field, member) in [
        (change.on_failure.as_ref().is_some_and(Option::is_some), "on_failure", "DestinationConfig"),
        (change.parallelization_factor.is_some(), "parallelization_factor", "ParallelizationFactor"),
        (change.maximum_record_age.is_some(), "maximum_record_age", "MaximumRecordAgeInSeconds"),
        (change.maximum_retry_attempts.is_some(), "maximum_retry_attempts", "MaximumRetryAttempts"),
        (change.bisect_batch_on_function_error.is_some(), "bisect_batch", "BisectBatchOnFunctionError"),
        (change.tumbling_window.is_some(), "tumbling_window", "TumblingWindowInSeconds"),
    ] {
        if said {
            return Err(unsupported(field, member));
        }
    }
    Ok(())
}

/// In Lambda's words.
pub(crate) fn unsupported(field: &'static str, member: &str) -> InvalidField {
    InvalidField::new(field, format!("Unsupported {member} parameter for given event source mapping type."))
}

/// A number whose range has been checked.
fn set(setting: &mut u32, number: Option<i64>) {
    if let Some(number) = number.and_then(|number| u32::try_from(number).ok()) {
        *setting = number;
    }
}

fn range(
    field: &'static str,
    member: &str,
    number: Option<i64>,
    allowed: std::ops::RangeInclusive<i64>,
) -> Option<InvalidField> {
    let number = number?;
    let (least, most) = (allowed.start(), allowed.end());
    let constraint = match number {
        number if number < *least => format!("Member must have value greater than or equal to {least}"),
        number if number > *most => format!("Member must have value less than or equal to {most}"),
        _ => return None,
    };
    Some(InvalidField::constraint(field, member, number, constraint))
}
