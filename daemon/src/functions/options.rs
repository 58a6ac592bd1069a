//! The settings of a function that are a choice, or the name of something elsewhere.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::field::{InvalidField, string_forms, word_forms};

word_forms!(
    /// The processor that a function's code is for.
    Architecture, "architectures", "architectures", {
        /// 64-bit x86.
        X86_64 = "x86_64",
        /// 64-bit Arm.
        Arm64 = "arm64",
    }
);

impl Architecture {
    /// This machine's.
    pub const HERE: Self = if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::X86_64 };

    /// The one architecture that a caller names in a list; this machine's if he names none.
    ///
    /// # Errors
    /// He names several, one that is unknown, or one whose code can't run here.
    pub fn of_list<T: AsRef<str>>(words: &[T]) -> Result<Self, InvalidField> {
        let shown = || format!("[{}]", words.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "));
        let refuse =
            |constraint| InvalidField::constraint("architectures", "architectures", shown(), constraint);
        let chosen = match words {
            [] => return Ok(Self::HERE),
            [word] => word.as_ref().parse::<Self>().map_err(|_| {
                refuse(
                    "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must \
                     not be null]",
                )
            })?,
            _ => return Err(refuse("Member must have length less than or equal to 1")),
        };
        if chosen != Self::HERE {
            return Err(InvalidField::new(
                "architectures",
                format!(
                    "This machine runs functions for {} only; it can't run code for {chosen}.",
                    Self::HERE
                ),
            ));
        }
        Ok(chosen)
    }
}

impl Default for Architecture {
    fn default() -> Self {
        Self::HERE
    }
}

word_forms!(
    /// Whether calls are sampled for tracing. Kept, and handed back; nothing traces here yet.
    #[derive(Default)]
    TracingMode, "tracing_config", "tracingConfig.mode", {
        /// Whatever the caller says.
        #[default]
        PassThrough = "PassThrough",
        /// Some of all calls.
        Active = "Active",
    }
);

word_forms!(
    /// For which versions Lambda would keep snapshots. Kept, and handed back with the status `Off`.
    #[derive(Default)]
    SnapStart, "snap_start", "snapStart.applyOn", {
        /// For published versions.
        PublishedVersions = "PublishedVersions",
        /// For none.
        #[default]
        None = "None",
    }
);

word_forms!(
    /// What becomes of a function that calls itself in a circle.
    #[derive(Default)]
    RecursiveLoop, "recursive_loop", "recursiveLoop", {
        /// It is stopped.
        #[default]
        Terminate = "Terminate",
        /// It may.
        Allow = "Allow",
    }
);

word_forms!(
    /// When a function takes a newer version of its runtime.
    UpdateRuntimeOn, "update_runtime_on", "updateRuntimeOn", {
        /// When there is one.
        Auto = "Auto",
        /// Never by itself.
        Manual = "Manual",
        /// When the function is changed.
        FunctionUpdate = "FunctionUpdate",
    }
);

/// How a version's runtime is managed. Kept, and handed back: here an image is replaced by building it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeManagement {
    /// When to take a newer runtime.
    pub update_on: UpdateRuntimeOn,
    /// The runtime version to stay with; only with [`UpdateRuntimeOn::Manual`].
    pub runtime_version_arn: Option<RuntimeVersionArn>,
}

impl Default for RuntimeManagement {
    fn default() -> Self {
        Self { update_on: UpdateRuntimeOn::Auto, runtime_version_arn: None }
    }
}

impl RuntimeManagement {
    /// Checks that the two go together.
    ///
    /// # Errors
    /// A runtime version with a mode that is not manual, or the latter without one.
    pub fn new(
        update_on: UpdateRuntimeOn,
        runtime_version_arn: Option<RuntimeVersionArn>,
    ) -> Result<Self, InvalidField> {
        match (update_on, &runtime_version_arn) {
            (UpdateRuntimeOn::Manual, None) => Err(InvalidField::new(
                "runtime_version_arn",
                "You must specify a RuntimeVersionArn when UpdateRuntimeOn is Manual.",
            )),
            (UpdateRuntimeOn::Auto | UpdateRuntimeOn::FunctionUpdate, Some(_)) => Err(InvalidField::new(
                "runtime_version_arn",
                format!("You can't specify a RuntimeVersionArn when UpdateRuntimeOn is {update_on}."),
            )),
            _ => Ok(Self { update_on, runtime_version_arn }),
        }
    }
}

/// Makes a type for the ARN of something that this layer only keeps.
macro_rules! kept_arn {
    ($(#[$meta:meta])* $type:ident, $field:literal, $member:literal, $pattern:literal, $check:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $type(Box<str>);

        string_forms!($type);

        impl FromStr for $type {
            type Err = InvalidField;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> bool = $check;
                if text.len() > MAX_ARN || !text.starts_with("arn:") || !check(text) {
                    return Err(InvalidField::constraint(
                        $field,
                        $member,
                        text,
                        concat!("Member must satisfy regular expression pattern: ", $pattern),
                    ));
                }
                Ok(Self(text.into()))
            }
        }
    };
}

/// Bytes of an ARN: the most that Lambda's model takes anywhere.
const MAX_ARN: usize = 2048;

kept_arn!(
    /// The key that Lambda would encrypt the environment with. Kept, and handed back.
    KmsKeyArn, "kms_key_arn", "kMSKeyArn",
    r"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()", |text| text.splitn(6, ':').count() == 6
);

kept_arn!(
    /// Where events go that were given up: a queue or a topic. Kept, and handed back.
    DeadLetterArn, "dead_letter_config", "deadLetterConfig.targetArn",
    r"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()", |text| text.splitn(6, ':').count() == 6
);

kept_arn!(
    /// A version of a runtime.
    RuntimeVersionArn, "runtime_version_arn", "runtimeVersionArn",
    r"arn:(aws[a-zA-Z-]*):lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}::runtime:.+",
    |text| text.contains(":lambda:") && text.contains("::runtime:")
);

/// A function's network, as far as there is one: Lambda keeps an empty setting apart from none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcConfig {
    /// Whether IPv6 would be allowed.
    pub ipv6_allowed: bool,
}

impl VpcConfig {
    /// The setting that names these.
    ///
    /// # Errors
    /// It names a subnet or a security group, of which this machine has none.
    pub fn new<T: AsRef<str>>(
        subnets: &[T],
        security_groups: &[T],
        ipv6_allowed: bool,
    ) -> Result<Self, InvalidField> {
        check_ids(
            subnets,
            "subnet-",
            "subnetIds",
            "[Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, \
             Member must satisfy regular expression pattern: subnet-[0-9a-z]*]",
            |byte| byte.is_ascii_digit() || byte.is_ascii_lowercase(),
        )?;
        check_ids(
            security_groups,
            "sg-",
            "securityGroupIds",
            "[Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, \
             Member must satisfy regular expression pattern: sg-[0-9a-zA-Z]*]",
            |byte| byte.is_ascii_alphanumeric(),
        )?;
        if let Some(subnet) = subnets.first() {
            return Err(InvalidField::new(
                "vpc_config",
                format!(
                    "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error \
                     Message: The subnet ID '{}' does not exist",
                    subnet.as_ref()
                ),
            ));
        }
        if let Some(group) = security_groups.first() {
            return Err(InvalidField::new(
                "vpc_config",
                format!(
                    "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error \
                     Message: The security group '{}' does not exist",
                    group.as_ref()
                ),
            ));
        }
        Ok(Self { ipv6_allowed })
    }
}

fn check_ids<T: AsRef<str>>(
    ids: &[T],
    prefix: &str,
    member: &str,
    constraint: &str,
    is_id_byte: fn(u8) -> bool,
) -> Result<(), InvalidField> {
    let is_id = |id: &T| {
        let id = id.as_ref();
        id.len() <= 1024 && id.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(is_id_byte))
    };
    if ids.iter().all(is_id) {
        return Ok(());
    }
    let shown = ids.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    Err(InvalidField::constraint(
        "vpc_config",
        &format!("vpcConfig.{member}"),
        format_args!("[{shown}]"),
        format_args!("Member must satisfy constraint: {constraint}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_not_listed_is_refused_in_lambdas_words() {
        assert_eq!(
            "invalidOption".parse::<SnapStart>().unwrap_err().message,
            "1 validation error detected: Value 'invalidOption' at 'snapStart.applyOn' failed to satisfy constraint: \
             Member must satisfy enum value set: [PublishedVersions, None]"
        );
        assert_eq!("Allow".parse(), Ok(RecursiveLoop::Allow));
    }

    #[test]
    fn one_architecture_can_be_named_and_it_is_this_machines() {
        assert_eq!(Architecture::of_list::<&str>(&[]), Ok(Architecture::HERE));
        assert_eq!(Architecture::of_list(&[Architecture::HERE.as_str()]), Ok(Architecture::HERE));
        let told = |words: &[&str]| Architecture::of_list(words).unwrap_err().message;
        assert_eq!(
            told(&["x86_64", "arm64"]),
            "1 validation error detected: Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: \
             Member must have length less than or equal to 1"
        );
        assert!(told(&["X86_64"]).ends_with(
            "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be \
             null]"
        ));
        let other = if Architecture::HERE == Architecture::X86_64 { "arm64" } else { "x86_64" };
        assert!(told(&[other]).contains("it can't run code for"));
    }

    #[test]
    fn there_is_no_network_to_join() {
        assert_eq!(VpcConfig::new::<&str>(&[], &[], false), Ok(VpcConfig::default()));
        let told =
            |subnets: &[&str], groups: &[&str]| VpcConfig::new(subnets, groups, false).unwrap_err().message;
        assert!(told(&["subnet-1"], &[]).ends_with("The subnet ID 'subnet-1' does not exist"));
        assert!(told(&[], &["sg-1"]).ends_with("The security group 'sg-1' does not exist"));
        assert!(
            told(&["bad"], &[])
                .starts_with("1 validation error detected: Value '[bad]' at 'vpcConfig.subnetIds'")
        );
    }

    #[test]
    fn a_runtime_version_goes_with_manual_updates_only() {
        let arn: RuntimeVersionArn = "arn:aws:lambda:us-east-1::runtime:abc".parse().unwrap();
        assert!(RuntimeManagement::new(UpdateRuntimeOn::Manual, Some(arn.clone())).is_ok());
        assert!(RuntimeManagement::new(UpdateRuntimeOn::Manual, None).is_err());
        assert!(RuntimeManagement::new(UpdateRuntimeOn::Auto, Some(arn)).is_err());
        assert!("queue".parse::<DeadLetterArn>().is_err());
        assert!("arn:aws:sqs:us-east-1:000000000000:q".parse::<DeadLetterArn>().is_ok());
    }
}
