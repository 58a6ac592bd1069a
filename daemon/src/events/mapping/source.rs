//! Where records come from: a queue or a stream, by its ARN.

use std::{fmt, str::FromStr};

use crate::{
    functions::{InvalidField, Region, text_forms},
    identity::AccountId,
};

/// The longest ARN. Source: Lambda's model has 10,000; no queue or stream has a name that needs more than this.
const ARN_MAX: usize = 1024;

/// Lambda's pattern for ARNs, as its messages quote it.
const PATTERN: &str = r"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)";

/// A kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceKind {
    /// A queue of SQS.
    Sqs,
    /// A queue of SQS that keeps order within groups.
    SqsFifo,
    /// A stream of Kinesis.
    Kinesis,
    /// The stream of a DynamoDB table.
    DynamoDb,
    /// A stream of Redis.
    Redis,
    /// A stream of NATS JetStream.
    Nats,
}

impl SourceKind {
    /// Whether it has shards, which are read on their own.
    #[must_use]
    pub fn has_shards(self) -> bool {
        matches!(self, Self::Kinesis | Self::DynamoDb)
    }

    /// Whether it is a queue, whose messages stand alone, rather than a stream, whose records follow one another.
    #[must_use]
    pub fn is_queue(self) -> bool {
        matches!(self, Self::Sqs | Self::SqsFifo)
    }
}

/// The ARN of a source. AWS has none for Redis and NATS; theirs are made in the same way:
///
/// ```text
/// arn:aws:sqs:REGION:ACCOUNT:QUEUE
/// arn:aws:kinesis:REGION:ACCOUNT:stream/STREAM
/// arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE/stream/LABEL
/// arn:aws:redis:REGION:ACCOUNT:stream/KEY
/// arn:aws:nats:REGION:ACCOUNT:stream/STREAM
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceArn {
    kind: SourceKind,
    partition: Box<str>,
    region: Region,
    account: AccountId,
    /// What follows the account.
    resource: Box<str>,
}

impl SourceArn {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> SourceKind {
        self.kind
    }

    /// The region that it names.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Whose it is.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The name of the queue, stream or table.
    #[must_use]
    pub fn name(&self) -> &str {
        match self.kind {
            SourceKind::Sqs | SourceKind::SqsFifo => &self.resource,
            SourceKind::DynamoDb => self.resource.split('/').nth(1).unwrap_or_default(),
            // A key of Redis may have slashes.
            SourceKind::Kinesis | SourceKind::Redis | SourceKind::Nats => {
                self.resource.split_once('/').map_or("", |(_, name)| name)
            }
        }
    }
}

impl fmt::Display for SourceArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, partition, region, account, resource } = self;
        let service = match kind {
            SourceKind::Sqs | SourceKind::SqsFifo => "sqs",
            SourceKind::Kinesis => "kinesis",
            SourceKind::DynamoDb => "dynamodb",
            SourceKind::Redis => "redis",
            SourceKind::Nats => "nats",
        };
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

impl FromStr for SourceArn {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, InvalidField> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let (&["arn", partition, service, region, account, resource], true) =
            (parts.as_slice(), text.len() <= ARN_MAX)
        else {
            return Err(InvalidField::constraint(
                "event_source_arn",
                "eventSourceArn",
                text,
                format_args!("Member must satisfy regular expression pattern: {PATTERN}"),
            ));
        };
        let invalid = |why: &str| InvalidField::new("event_source_arn", why);
        let kind = match service {
            "sqs" if resource.ends_with(".fifo") => SourceKind::SqsFifo,
            "sqs" => SourceKind::Sqs,
            "kinesis" => SourceKind::Kinesis,
            "dynamodb" => SourceKind::DynamoDb,
            "redis" => SourceKind::Redis,
            "nats" => SourceKind::Nats,
            // Lambda's words.
            _ => return Err(invalid("Unrecognized event source.")),
        };
        let (Ok(region), Ok(account)) = (region.parse::<Region>(), account.parse::<AccountId>()) else {
            return Err(invalid("An event source's ARN names a region and an account."));
        };
        if partition != region.partition() {
            return Err(invalid("The partition of the event source's ARN is not that of its region."));
        }
        if !is_resource(kind, resource) {
            return Err(invalid(match kind {
                SourceKind::Sqs | SourceKind::SqsFifo => "A queue's ARN is arn:aws:sqs:REGION:ACCOUNT:QUEUE.",
                SourceKind::Kinesis => "A stream's ARN is arn:aws:kinesis:REGION:ACCOUNT:stream/STREAM.",
                SourceKind::DynamoDb => {
                    "The ARN of a table's stream is arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE/stream/LABEL."
                }
                SourceKind::Redis => {
                    "The ARN of a stream of Redis is arn:aws:redis:REGION:ACCOUNT:stream/KEY."
                }
                SourceKind::Nats => {
                    "The ARN of a stream of NATS is arn:aws:nats:REGION:ACCOUNT:stream/STREAM."
                }
            }));
        }
        Ok(Self { kind, partition: partition.into(), region, account, resource: resource.into() })
    }
}

fn is_resource(kind: SourceKind, resource: &str) -> bool {
    let plain = |name: &str, also: &[u8]| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte))
    };
    match kind {
        SourceKind::Sqs => resource.len() <= 80 && plain(resource, b"-_"),
        SourceKind::SqsFifo => {
            resource.len() <= 80 && resource.strip_suffix(".fifo").is_some_and(|name| plain(name, b"-_"))
        }
        SourceKind::Kinesis => {
            resource.strip_prefix("stream/").is_some_and(|name| name.len() <= 128 && plain(name, b"-_."))
        }
        SourceKind::DynamoDb => match resource.split('/').collect::<Vec<_>>().as_slice() {
            ["table", table, "stream", label] => {
                table.len() <= 255 && plain(table, b"-_.") && plain(label, b"-:.")
            }
            _ => false,
        },
        SourceKind::Redis => resource
            .strip_prefix("stream/")
            .is_some_and(|key| !key.is_empty() && !key.chars().any(char::is_control)),
        // What NATS allows in names of streams, in ASCII.
        SourceKind::Nats => {
            resource.strip_prefix("stream/").is_some_and(|name| name.len() <= 255 && plain(name, b"-_"))
        }
    }
}

text_forms!(SourceArn);
