//! A bucket's notifications as XML.

use quick_xml::{de, se};
use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::error::{Code, S3Error};
use crate::events::buckets::{Configuration, Draft};

/// The namespace of S3's XML.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

const MALFORMED: &str =
    "The XML you provided was not well-formed or did not validate against our published schema";

/// A request's body; its root has to be this one, or any other XML would take a bucket's notifications away.
#[derive(Debug, Deserialize)]
enum Body {
    NotificationConfiguration(Request),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    #[serde(default)]
    cloud_function_configuration: Vec<CloudFunctionConfiguration>,
    topic_configuration: Option<Vec<IgnoredAny>>,
    queue_configuration: Option<Vec<IgnoredAny>>,
    event_bridge_configuration: Option<IgnoredAny>,
}

#[derive(Debug, Serialize)]
#[serde(rename = "NotificationConfiguration")]
struct Answer {
    #[serde(rename = "@xmlns")]
    namespace: &'static str,
    #[serde(rename = "CloudFunctionConfiguration")]
    functions: Vec<CloudFunctionConfiguration>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CloudFunctionConfiguration {
    id: Option<String>,
    cloud_function: String,
    #[serde(default)]
    event: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<Filter>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Filter {
    #[serde(rename = "S3Key")]
    key: Option<S3Key>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct S3Key {
    #[serde(default)]
    filter_rule: Vec<FilterRule>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct FilterRule {
    #[serde(default)]
    name: String,
    #[serde(default)]
    value: String,
}

/// The notifications that a request wants.
pub(super) fn read(body: &[u8]) -> Result<Vec<Draft>, S3Error> {
    let malformed = || Code::MalformedXml.because(MALFORMED);
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    let Body::NotificationConfiguration(request) = de::from_str(text).map_err(|_| malformed())?;
    let others = [request.topic_configuration.is_some(), request.queue_configuration.is_some()];
    if others.contains(&true) || request.event_bridge_configuration.is_some() {
        return Err(Code::NotImplemented.because(
            "Buckets call functions here, and tell neither topics nor queues nor EventBridge: leave \
             TopicConfiguration, QueueConfiguration and EventBridgeConfiguration out.",
        ));
    }
    let drafts = request.cloud_function_configuration.into_iter().map(|wanted| Draft {
        id: wanted.id,
        function: wanted.cloud_function,
        events: wanted.event,
        rules: wanted
            .filter
            .and_then(|filter| filter.key)
            .map(|key| key.filter_rule.into_iter().map(|rule| (rule.name, rule.value)).collect())
            .unwrap_or_default(),
    });
    Ok(drafts.collect())
}

/// The answer that tells what a bucket has.
pub(super) fn written(configuration: &Configuration) -> Result<String, S3Error> {
    let functions = configuration.notifications().iter().map(|notification| {
        let filter = &notification.filter;
        let rules = [("Prefix", &filter.prefix), ("Suffix", &filter.suffix)].into_iter();
        let rules = rules.filter_map(|(name, value)| {
            value.as_ref().map(|value| FilterRule { name: name.to_owned(), value: value.to_string() })
        });
        let rules: Vec<_> = rules.collect();
        let filter = (!rules.is_empty()).then_some(Filter { key: Some(S3Key { filter_rule: rules }) });
        CloudFunctionConfiguration {
            id: Some(notification.id.to_string()),
            cloud_function: notification.function.to_string(),
            event: notification.events.iter().map(ToString::to_string).collect(),
            filter,
        }
    });
    let answer = Answer { namespace: NAMESPACE, functions: functions.collect() };
    let body = se::to_string(&answer).map_err(|error| Code::InternalError.because(error.to_string()))?;
    Ok(format!("{DECLARATION}{body}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{events::buckets::Notification, functions::Region};

    /// As botocore writes it.
    const BODY: &str = r#"<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><CloudFunctionConfiguration><Id>a &amp; b</Id><CloudFunction>arn:aws:lambda:us-east-1:000000000000:function:f:live</CloudFunction><Event>s3:ObjectCreated:*</Event><Event>s3:ObjectRemoved:Delete</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>in/</Value></FilterRule><FilterRule><Name>suffix</Name><Value>.jpg</Value></FilterRule></S3Key></Filter></CloudFunctionConfiguration></NotificationConfiguration>"#;

    fn read_and_written(body: &str) -> String {
        let drafts = read(body.as_bytes()).unwrap().into_iter();
        let notifications = drafts.map(|draft| Notification::new(draft, &Region::default()).unwrap());
        written(&Configuration::new(notifications.collect()).unwrap()).unwrap()
    }

    #[test]
    fn a_configuration_survives_xml_and_back() {
        let written = read_and_written(BODY);
        let expected = BODY.replace(">prefix<", ">Prefix<").replace(">suffix<", ">Suffix<");
        assert_eq!(written, format!("{DECLARATION}{expected}"));
    }

    #[test]
    fn elements_may_come_in_any_order_and_with_spaces() {
        let event = "<Event>s3:ObjectRemoved:Delete</Event>";
        let mixed = BODY.replacen(event, "", 1).replacen("</Filter>", &format!("</Filter>\n  {event}\n"), 1);
        assert!(read_and_written(&mixed).contains(event));
        let empty = r#"<?xml version="1.0"?><NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>"#;
        assert!(read(empty.as_bytes()).unwrap().is_empty());
    }

    #[test]
    fn only_a_notification_configuration_is_taken_for_one() {
        let told = |body: &str| format!("{:?}", read(body.as_bytes()).unwrap_err());
        for body in ["", "{}", "<A/>", "<NotificationConfiguration>", "<NotificationConfiguration></A>"] {
            assert!(told(body).contains("MalformedXml"), "{body}");
        }
        for other in ["TopicConfiguration", "QueueConfiguration", "EventBridgeConfiguration"] {
            let body = format!(
                "<NotificationConfiguration><{other}><Id>x</Id></{other}></NotificationConfiguration>"
            );
            assert!(told(&body).contains("NotImplemented"), "{body}");
        }
    }

    #[test]
    fn depth_and_entities_do_no_harm() {
        let deep = "<a>".repeat(80_000);
        let body = format!("<NotificationConfiguration>{deep}");
        assert!(read(body.as_bytes()).is_err());
        let entity = r#"<!DOCTYPE x [<!ENTITY a "aaaa">]><NotificationConfiguration><CloudFunctionConfiguration><CloudFunction>&a;</CloudFunction></CloudFunctionConfiguration></NotificationConfiguration>"#;
        assert!(read(entity.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(
            text in "(<NotificationConfiguration>|</NotificationConfiguration>|<CloudFunctionConfiguration>|<Event>|</Event>|<Id/>|<Filter>|<|>|&|[a-z]|.){0,12}"
        ) {
            let _ = read(text.as_bytes());
        }
    }
}
