//! The settings of a function that are numbers, each with its unit, range and default.

use std::{fmt, time::Duration};

use super::field::InvalidField;

/// Makes a number type with Lambda's range and default for it.
macro_rules! bounded_number {
    ($(#[$meta:meta])* $type:ident, $field:literal, $member:literal, $min:literal..=$max:literal, $default:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "u32", into = "u32")]
        pub struct $type(u32);

        impl $type {
            /// The least.
            pub const MIN: Self = Self($min);
            /// The most.
            pub const MAX: Self = Self($max);

            /// The number.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl Default for $type {
            fn default() -> Self {
                Self($default)
            }
        }

        impl TryFrom<u32> for $type {
            type Error = InvalidField;

            fn try_from(number: u32) -> Result<Self, Self::Error> {
                let refuse = |constraint| InvalidField::constraint($field, $member, number, constraint);
                if number < $min {
                    return Err(refuse(concat!("Member must have value greater than or equal to ", $min)));
                }
                if number > $max {
                    return Err(refuse(concat!("Member must have value less than or equal to ", $max)));
                }
                Ok(Self(number))
            }
        }

        impl From<$type> for u32 {
            fn from(number: $type) -> u32 {
                number.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

bounded_number!(
    /// Memory of a sandbox in MB (of 1,048,576 bytes, as Lambda counts): 128 to 10,240; 128 if not given.
    MemoryMb, "memory_size", "memorySize", 128..=10240, 128
);

bounded_number!(
    /// How long one invocation may take, in seconds: 1 to 900; 3 if not given.
    TimeoutSeconds, "timeout", "timeout", 1..=900, 3
);

bounded_number!(
    /// Size of a sandbox's /tmp in MB (of 1,048,576 bytes): 512 to 10,240; 512 if not given.
    EphemeralStorageMb, "ephemeral_storage", "ephemeralStorage.size", 512..=10240, 512
);

const BYTES_PER_MB: u64 = 1024 * 1024;

impl MemoryMb {
    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0 as u64 * BYTES_PER_MB
    }
}

impl EphemeralStorageMb {
    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0 as u64 * BYTES_PER_MB
    }
}

impl TimeoutSeconds {
    /// As a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_lambdas() {
        assert_eq!(MemoryMb::default().get(), 128);
        assert_eq!(TimeoutSeconds::default().duration(), Duration::from_secs(3));
        assert_eq!(EphemeralStorageMb::default().bytes(), 512 * 1024 * 1024);
    }

    #[test]
    fn the_ends_of_a_range_belong_to_it_and_nothing_beyond_does() {
        assert!(MemoryMb::try_from(128).is_ok() && MemoryMb::try_from(10_240).is_ok());
        assert!(MemoryMb::try_from(127).is_err() && MemoryMb::try_from(10_241).is_err());
        assert!(TimeoutSeconds::try_from(0).is_err() && TimeoutSeconds::try_from(901).is_err());
        assert!(
            EphemeralStorageMb::try_from(511).is_err() && EphemeralStorageMb::try_from(u32::MAX).is_err()
        );
    }

    #[test]
    fn a_refused_number_is_told_in_lambdas_words() {
        assert_eq!(
            TimeoutSeconds::try_from(901).unwrap_err(),
            InvalidField::constraint(
                "timeout",
                "timeout",
                901,
                "Member must have value less than or equal to 900"
            )
        );
    }

    #[test]
    fn a_number_read_back_is_checked_again() {
        assert_eq!(serde_json::from_str::<MemoryMb>("512").unwrap().get(), 512);
        assert!(serde_json::from_str::<MemoryMb>("5").is_err());
    }
}
