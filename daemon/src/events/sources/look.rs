//! Looks at a source before it is mapped.

use std::{pin::Pin, time::Duration};

use super::{dynamodb, kinesis, sqs::Queue};
use crate::{
    events::{
        mapping::{MappingError, SourceArn, SourceKind, Sources},
        poller::{Endpoints, source::SourceError},
    },
    functions::InvalidField,
};

/// How long a source may take to be looked at: whoever maps it waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lambda's words for a queue that is not there.
const NO_QUEUE: &str = "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS \
                        Error Message: The specified queue does not exist.";

impl Sources for Endpoints {
    fn look_at<'a>(
        &'a self,
        source: &'a SourceArn,
        function_timeout: u32,
    ) -> Pin<Box<dyn Future<Output = Result<(), MappingError>> + Send + 'a>> {
        Box::pin(async move {
            let (kind, aws) = (source.kind(), &self.aws);
            let endpoint = match kind {
                SourceKind::Sqs | SourceKind::SqsFifo => &aws.sqs,
                SourceKind::Kinesis => &aws.kinesis,
                SourceKind::DynamoDb => &aws.dynamodb,
                // A mapping waits for these.
                SourceKind::Redis | SourceKind::Nats => return Ok(()),
            };
            let Some(endpoint) = endpoint else { return Ok(()) };
            let is_there = match kind {
                SourceKind::Kinesis => answer(source, kinesis::is_there(endpoint, source)).await?,
                SourceKind::DynamoDb => answer(source, dynamodb::is_there(endpoint, source)).await?,
                _ => {
                    let mut queue =
                        Queue::new(endpoint, source).map_err(|error| silent(source, error.to_string()))?;
                    let visibility = answer(source, queue.visibility_timeout()).await?;
                    return check_queue(visibility, function_timeout).map_err(Into::into);
                }
            };
            check_stream(source, is_there)
        })
    }
}

fn silent(source: &SourceArn, why: String) -> MappingError {
    MappingError::SourceSilent { source_arn: source.clone(), why }
}

/// What a source says, if it says something in time.
async fn answer<T>(
    source: &SourceArn,
    asking: impl Future<Output = Result<T, SourceError>>,
) -> Result<T, MappingError> {
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(answer) => answer.map_err(|error| silent(source, error.to_string())),
        Err(_) => Err(silent(source, format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

/// The words are Lambda's.
fn check_stream(source: &SourceArn, is_there: bool) -> Result<(), MappingError> {
    if is_there {
        return Ok(());
    }
    Err(InvalidField::new("event_source_arn", format!("Stream not found: {source}")).into())
}

/// A queue that is not there has no time-out. Otherwise a message must not be given again while its function runs.
fn check_queue(visibility: Option<u32>, function_timeout: u32) -> Result<(), InvalidField> {
    let invalid = |told: String| Err(InvalidField::new("event_source_arn", told));
    match visibility {
        None => invalid(NO_QUEUE.to_owned()),
        Some(visibility) if visibility < function_timeout => invalid(format!(
            "Queue visibility timeout: {visibility} seconds is less than Function timeout: {function_timeout} seconds"
        )),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_hides_messages_at_least_as_long_as_its_function_may_run() {
        assert!(check_queue(Some(30), 30).is_ok());
        let told = check_queue(Some(29), 30).unwrap_err().message;
        assert_eq!(told, "Queue visibility timeout: 29 seconds is less than Function timeout: 30 seconds");
        assert_eq!(check_queue(None, 3).unwrap_err().message, NO_QUEUE);
    }
}
