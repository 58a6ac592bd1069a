//! A topic of SNS as a destination: one message a result.

use aws_sdk_sns::{Client, types::MessageAttributeValue};

use super::{Delivery, DestinationError, config, own, refusal};
use crate::aws_services::AwsEndpoint;

/// The header that says what chain of invocations a request belongs to.
const TRACE: &str = "x-amzn-trace-id";

/// The most bytes of a message with its attributes. Source: SNS's quotas.
pub(super) const LARGEST: usize = 262_144;

/// Publishes a result.
pub(super) async fn send(
    endpoint: Option<&AwsEndpoint>,
    result: &Delivery,
    body: String,
) -> Result<(), DestinationError> {
    let endpoint = endpoint.ok_or(DestinationError::NoSetting("sns_endpoint"))?;
    let arn = own(result)?;
    let client = Client::new(&config(endpoint, result, arn.region)?);
    let mut message = client.publish().topic_arn(result.target.as_str()).message(body);
    for attribute in result.attributes() {
        let value = MessageAttributeValue::builder()
            .data_type(attribute.kind.as_str())
            .string_value(&attribute.value);
        let value = value
            .build()
            .map_err(|error| DestinationError::Service { service: "SNS", why: error.to_string() })?;
        message = message.message_attributes(attribute.name, value);
    }
    let trace = result.trace.as_ref().map(ToString::to_string);
    let sending = message.customize().mutate_request(move |request| {
        // SNS hands it on to the queues that are subscribed.
        if let Some(trace) = &trace {
            request.headers_mut().insert(TRACE, trace.clone());
        }
    });
    sending.send().await.map(drop).map_err(|error| refusal("SNS", error))
}
