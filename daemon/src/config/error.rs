//! Why there are no settings to start with, in words for the person who gave them.

use std::{fmt, io, path::PathBuf};

/// Why there are no settings to start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file isn't TOML, or has a setting that does not exist, or one of the wrong type.
    #[error("the configuration file {} is not valid", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: Box<toml::de::Error>,
    },
    /// A setting has a value that is not allowed.
    #[error("{setting}: {problem} ({origin})")]
    Refused {
        /// The setting's name.
        setting: &'static str,
        /// What is wrong, and what is allowed.
        problem: String,
        /// Where the value came from.
        origin: Origin,
    },
    /// A value cannot be written as text: a path that is not UTF-8.
    #[error("a setting cannot be represented as text; give paths in UTF-8")]
    NotText(#[source] Box<toml::ser::Error>),
    /// The sources together do not make a whole configuration.
    #[error("the settings do not fit together")]
    Incomplete(#[source] Box<toml::de::Error>),
    /// A default cannot be computed on this machine.
    #[error("cannot read {what}, on which the default of {setting} depends; give {setting}")]
    Machine {
        /// What was read.
        what: &'static str,
        /// The setting that depends on it.
        setting: &'static str,
        /// Why it cannot be read.
        source: io::Error,
    },
}

/// Where the value of a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag on the command line.
    Flag(String),
    /// An environment variable.
    Environment(String),
    /// The configuration file.
    File(PathBuf),
    /// Nobody gave one.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "from --{flag}"),
            Self::Environment(variable) => write!(f, "from {variable}"),
            Self::File(path) => write!(f, "from {}", path.display()),
            Self::Default => f.write_str("its default"),
        }
    }
}
