//! A result on its way to its destination.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    functions::{Destination, FunctionArn},
    invoke::{
        queue::{LastError, Payload},
        trace::TraceHeader,
    },
};

/// Why a result is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// The function took the event.
    OnSuccess,
    /// It was given up.
    OnFailure,
    /// It was given up, and is sent as it came.
    DeadLetter,
}

impl Purpose {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnSuccess => "on-success",
            Self::OnFailure => "on-failure",
            Self::DeadLetter => "dead-letter",
        }
    }
}

/// Whose result it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// An event's.
    #[default]
    Event,
    /// That of records which an event source mapping gave up.
    Mapping {
        /// The mapping.
        id: String,
        /// The shard of its source.
        shard: String,
    },
}

/// A result, before it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::invoke) struct Outgoing {
    pub(in crate::invoke) target: Destination,
    pub(in crate::invoke) purpose: Purpose,
    pub(in crate::invoke) body: Bytes,
    pub(in crate::invoke) attributes: Vec<(String, String)>,
    /// What chain of invocations it belongs to.
    pub(in crate::invoke) trace: Option<TraceHeader>,
}

/// The results of one event.
pub(in crate::invoke) type Results = Vec<Outgoing>;

/// A result that waits for its destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The invocation that it is of; of what no event was, an id of its own.
    pub id: String,
    /// Whose.
    pub function: FunctionArn,
    /// Where it goes.
    pub target: Destination,
    /// Why.
    pub purpose: Purpose,
    /// What it is the result of.
    #[serde(default)]
    pub origin: Origin,
    pub(in crate::invoke) body: Payload,
    /// What goes with it beside its body.
    pub(in crate::invoke) attributes: Vec<(String, String)>,
    #[serde(default)]
    pub(in crate::invoke) trace: Option<TraceHeader>,
    /// In milliseconds of the queue's clock.
    pub made_at: i64,
    /// How often its destination did not take it.
    pub failures: u32,
    /// What went wrong last.
    pub last_error: Option<LastError>,
}

/// What type a message's attribute has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttributeKind {
    Text,
    Number,
}

impl AttributeKind {
    /// The word that SQS and SNS have for it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "String",
            Self::Number => "Number",
        }
    }
}

/// An attribute of a message, as SQS and SNS take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    pub(super) kind: AttributeKind,
    pub(super) value: String,
}

impl Delivery {
    /// What goes with the message. What has nothing to say is left out, since an empty value is refused; and so would be what
    /// XML does not have, which a function may well have printed.
    pub(super) fn attributes(&self) -> impl Iterator<Item = Attribute<'_>> {
        self.attributes.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| Attribute {
            name,
            kind: if name == "ErrorCode" { AttributeKind::Number } else { AttributeKind::Text },
            value: value.replace(is_refused, "\u{fffd}"),
        })
    }
}

/// Whether SQS refuses a message with this character. Source: SendMessage.
fn is_refused(character: char) -> bool {
    let allowed =
        matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    !allowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invoke::destinations::tests::delivery;

    #[test]
    fn attributes_are_such_as_queues_take() {
        let mut result = delivery("arn:aws:sqs:us-east-1:000000000000:q", Purpose::DeadLetter);
        result.attributes =
            [("RequestID", "e1"), ("ErrorCode", "200"), ("Empty", ""), ("ErrorMessage", "a\u{7}b\n")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        let attributes: Vec<Attribute<'_>> = result.attributes().collect();
        assert_eq!(
            attributes.iter().map(|it| it.name).collect::<Vec<_>>(),
            ["RequestID", "ErrorCode", "ErrorMessage"]
        );
        assert_eq!(
            attributes.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>(),
            ["String", "Number", "String"]
        );
        assert_eq!(attributes[2].value, "a\u{fffd}b\n");
    }
}
