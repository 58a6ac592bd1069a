//! Runtimes by name: which names there are, and which of them may still be chosen.

use std::str::FromStr;

use super::{
    Region,
    field::{InvalidField, string_forms},
};
use crate::store::Sha256Digest;

/// The runtimes that a function may be given, in the order of Lambda's message.
pub const RUNTIMES: [&str; 25] = [
    "nodejs20.x",
    "python3.14",
    "provided.al2023",
    "python3.12",
    "python3.13",
    "nodejs24.x",
    "nodejs22.x",
    "java25",
    "python3.10",
    "python3.11",
    "java21",
    "ruby3.3",
    "ruby3.4",
    "ruby3.2",
    "python3.8",
    "python3.9",
    "java17",
    "nodejs16.x",
    "dotnet10",
    "dotnet8",
    "java11",
    "dotnet6",
    "nodejs18.x",
    "provided.al2",
    "java8.al2",
];

/// Every runtime that a layer may be for: what there was, is and is to come, in the order of Lambda's message.
pub(super) const RUNTIMES_OF_LAYERS: [&str; 56] = [
    "ruby3.5",
    "ruby2.6",
    "dotnetcore1.0",
    "python3.7",
    "nodejs8.10",
    "nasa",
    "ruby2.7",
    "python2.7-greengrass",
    "dotnetcore2.0",
    "python3.8",
    "java21",
    "dotnet6",
    "dotnetcore2.1",
    "python3.9",
    "java11",
    "nodejs6.10",
    "provided",
    "dotnetcore3.1",
    "dotnet8",
    "java25",
    "java17",
    "nodejs",
    "nodejs4.3",
    "java8.al2",
    "go1.x",
    "dotnet10",
    "nodejs20.x",
    "go1.9",
    "byol",
    "nodejs10.x",
    "provided.al2023",
    "nodejs22.x",
    "python3.10",
    "java8",
    "nodejs12.x",
    "python3.11",
    "nodejs24.x",
    "nodejs8.x",
    "python3.12",
    "nodejs14.x",
    "nodejs8.9",
    "nodejs26.x",
    "python3.13",
    "python3.14",
    "nodejs16.x",
    "python3.15",
    "provided.al2",
    "nodejs4.3-edge",
    "nodejs18.x",
    "ruby3.2",
    "python3.4",
    "ruby3.3",
    "ruby3.4",
    "ruby2.5",
    "python3.6",
    "python2.7",
];

/// Runtimes that there were, and that no function is given any more.
const RETIRED: [&str; 19] = [
    "dotnet5.0",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "go1.x",
    "java8",
    "nodejs",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "nodejs4.3",
    "nodejs6.10",
    "nodejs8.10",
    "provided",
    "python2.7",
    "python3.6",
    "python3.7",
    "ruby2.7",
];

/// A runtime's identifier, e.g. `python3.13`. The type promises a form that is safe in paths and image tags; that Lambda
/// has such a runtime is for [`RuntimeName::check_available`], and that it is built here for the runtime catalogue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuntimeName(Box<str>);

string_forms!(RuntimeName);

impl FromStr for RuntimeName {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = text.len() <= 64
            && text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
            && !text.contains("..");
        if well_formed { Ok(Self(text.into())) } else { Err(unknown(text)) }
    }
}

impl RuntimeName {
    /// Whether a function may be given this runtime.
    ///
    /// # Errors
    /// Lambda does not know it, or no longer takes it.
    pub fn check_available(&self) -> Result<(), InvalidField> {
        if RUNTIMES.contains(&&*self.0) {
            return Ok(());
        }
        if RETIRED.contains(&&*self.0) {
            return Err(InvalidField::new(
                "runtime",
                format!(
                    "The runtime parameter of {self} is no longer supported for creating or updating AWS Lambda \
                     functions. We recommend you use a supported runtime while creating or updating functions."
                ),
            ));
        }
        Err(unknown(self.as_str()))
    }

    /// The ARN of the runtime's version: the same for every function that has it, as an image is.
    #[must_use]
    pub fn version_arn(&self, region: &Region) -> String {
        let digest = Sha256Digest::of(self.0.as_bytes());
        format!("arn:{}:lambda:{region}::runtime:{digest}", region.partition())
    }
}

fn unknown(text: &str) -> InvalidField {
    let shown: String = text.chars().filter(|character| !character.is_control()).take(256).collect();
    InvalidField::new(
        "runtime",
        format!(
            "Value {shown} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be \
             a valid ARN",
            RUNTIMES.join(", ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_a_word_that_is_safe_in_a_path() {
        assert!("python3.13".parse::<RuntimeName>().is_ok());
        for text in ["", "Python", "3python", "python/3", "..", "a..b", "python 3", &"x".repeat(65)] {
            assert!(text.parse::<RuntimeName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_lambda_does_not_know_is_told_with_what_it_knows() {
        let told = "PYTHON3.9".parse::<RuntimeName>().unwrap_err().message;
        assert!(
            told.starts_with(
                "Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: \
                 [nodejs20.x, python3.14, provided.al2023, "
            ) && told.ends_with("provided.al2, java8.al2] or be a valid ARN"),
            "{told}"
        );
        let cobol: RuntimeName = "cobol85".parse().unwrap();
        assert!(
            cobol.check_available().unwrap_err().message.starts_with("Value cobol85 at 'runtime' failed")
        );
    }

    #[test]
    fn what_lambda_has_retired_is_told_apart() {
        let old: RuntimeName = "go1.x".parse().unwrap();
        assert!(
            old.check_available()
                .unwrap_err()
                .message
                .starts_with("The runtime parameter of go1.x is no longer")
        );
        let new: RuntimeName = "python3.13".parse().unwrap();
        new.check_available().unwrap();
        assert!(new.version_arn(&Region::default()).starts_with("arn:aws:lambda:us-east-1::runtime:"));
    }
}
