//! A layer version, as everybody but the registry sees it, and a request for a new one.

use std::str::FromStr;

use time::OffsetDateTime;

use super::{LayerName, LayerVersionArn};
use crate::{
    functions::{
        Architecture, Description, InvalidField, RUNTIMES,
        field::{string_forms, text_forms},
        runtime_name::RUNTIMES_OF_LAYERS,
    },
    store::Sha256Digest,
};

/// A layer version. It never changes; functions that have it keep it though it is deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerVersion {
    /// Its ARN.
    pub arn: LayerVersionArn,
    /// For people.
    pub description: Description,
    /// The licence of what is in it: for people, too.
    pub license: Option<LicenseInfo>,
    /// The runtimes that it is for, as far as it was said. Only lists look at them.
    pub runtimes: Option<Vec<CompatibleRuntime>>,
    /// The processors that it is for, as far as it was said.
    pub architectures: Option<Vec<Architecture>>,
    /// The package: the SHA-256 of the uploaded archive.
    pub package: Sha256Digest,
    /// Bytes of the uploaded archive.
    pub code_size: u64,
    /// When it was published.
    pub created: OffsetDateTime,
}

/// A layer version to publish.
#[derive(Clone, Debug)]
pub struct PublishLayer {
    /// The layer's name; there need not be a layer of that name yet.
    pub name: LayerName,
    /// For people.
    pub description: Description,
    /// For people.
    pub license: Option<LicenseInfo>,
    /// The runtimes that it is for.
    pub runtimes: Option<Vec<CompatibleRuntime>>,
    /// The processors that it is for.
    pub architectures: Option<Vec<Architecture>>,
}

/// A licence: an SPDX name, a URL or the text itself, in at most 512 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseInfo(Box<str>);

string_forms!(LicenseInfo);

impl FromStr for LicenseInfo {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.chars().count() > 512 {
            return Err(InvalidField::constraint(
                "license_info",
                "licenseInfo",
                text,
                "Member must have length less than or equal to 512",
            ));
        }
        Ok(Self(text.into()))
    }
}

/// A runtime that a layer is for. It may be one that no function is given any more, or not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompatibleRuntime(&'static str);

impl std::fmt::Display for CompatibleRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for CompatibleRuntime {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = RUNTIMES_OF_LAYERS.iter().find(|runtime| **runtime == text);
        known
            .map(|runtime| Self(runtime))
            .ok_or_else(|| refuse("compatibleRuntime", text, &enum_of(&RUNTIMES_OF_LAYERS)))
    }
}

text_forms!(CompatibleRuntime);

impl CompatibleRuntime {
    /// The runtimes that a caller lists. Lambda takes more than it names when it refuses some.
    ///
    /// # Errors
    /// One of them is unknown.
    pub fn of_list<T: AsRef<str>>(words: &[T]) -> Result<Vec<Self>, InvalidField> {
        let parsed: Result<Vec<Self>, _> = words.iter().map(|word| word.as_ref().parse()).collect();
        parsed.map_err(|_| refuse("compatibleRuntimes", &shown(words), &enum_of(&RUNTIMES)))
    }
}

impl Architecture {
    /// The processors that a caller says a layer is for: any that Lambda knows.
    ///
    /// # Errors
    /// One of them is unknown.
    pub fn of_layer<T: AsRef<str>>(words: &[T]) -> Result<Vec<Self>, InvalidField> {
        let parsed: Result<Vec<Self>, _> = words.iter().map(|word| word.as_ref().parse()).collect();
        parsed.map_err(|_| {
            refuse(
                "compatibleArchitectures",
                &shown(words),
                "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not \
                 be null]",
            )
        })
    }

    /// The processor that layer versions are looked for by.
    ///
    /// # Errors
    /// It is unknown.
    pub fn of_layers_looked_for(word: &str) -> Result<Self, InvalidField> {
        let told = "Member must satisfy enum value set: [x86_64, arm64]";
        word.parse().map_err(|_| refuse("compatibleArchitecture", word, told))
    }
}

fn enum_of(runtimes: &[&str]) -> String {
    format!("Member must satisfy enum value set: [{}]", runtimes.join(", "))
}

fn shown<T: AsRef<str>>(words: &[T]) -> String {
    format!("[{}]", words.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "))
}

fn refuse(member: &str, value: &str, constraint: &str) -> InvalidField {
    InvalidField::constraint("compatible", member, value, constraint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_layer_is_for_is_refused_as_a_whole_list() {
        assert_eq!(CompatibleRuntime::of_list(&["python3.13"]).unwrap()[0].to_string(), "python3.13");
        let told = CompatibleRuntime::of_list(&["no", "python3.13"]).unwrap_err().message;
        assert!(told.contains("Value '[no, python3.13]' at 'compatibleRuntimes' failed"), "{told}");
        assert!(told.contains("[nodejs20.x, ") && told.ends_with("java8.al2]"), "{told}");
        let told = Architecture::of_layer(&["mips"]).unwrap_err().message;
        assert!(told.contains("Value '[mips]' at 'compatibleArchitectures' failed"), "{told}");
    }

    #[test]
    fn a_layer_may_be_for_a_runtime_that_no_function_is_given_any_more() {
        assert_eq!(CompatibleRuntime::of_list(&["go1.x", "java8"]).unwrap().len(), 2);
        let told = "cobol".parse::<CompatibleRuntime>().unwrap_err().message;
        assert!(told.contains("Value 'cobol' at 'compatibleRuntime' failed"), "{told}");
        assert!(told.contains("[ruby3.5, ") && told.ends_with("python2.7]"), "{told}");
    }
}
