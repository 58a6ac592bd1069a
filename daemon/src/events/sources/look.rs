//! Looks at a source before it is mapped.

use std::{pin::Pin, time::Duration};

use super::sqs::Queue;
use crate::{
    events::{
        mapping::{MappingError, SourceArn, SourceKind, Sources},
        poller::Endpoints,
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
            match (source.kind(), &self.aws.sqs) {
                (SourceKind::Sqs | SourceKind::SqsFifo, Some(endpoint)) => {
                    let silent = |why: String| MappingError::SourceSilent { source_arn: source.clone(), why };
                    let mut queue =
                        Queue::new(endpoint, source).map_err(|error| silent(error.to_string()))?;
                    let visibility = tokio::time::timeout(PATIENCE, queue.visibility_timeout()).await;
                    match visibility {
                        Ok(Ok(found)) => check_queue(found, function_timeout).map_err(Into::into),
                        Ok(Err(error)) => Err(silent(error.to_string())),
                        Err(_) => Err(silent(format!("SQS: no answer within {} s", PATIENCE.as_secs()))),
                    }
                }
                // A mapping waits for a stream of Redis or NATS.
                _ => Ok(()),
            }
        })
    }
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
