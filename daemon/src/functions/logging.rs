//! Where a function's log goes and how much of it is kept.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    FunctionName,
    field::{InvalidField, string_forms, word_forms},
};

word_forms!(
    /// The form of log lines.
    LogFormat, "logging_config", "loggingConfig.logFormat", {
        /// As the function prints them.
        Text = "Text",
        /// A JSON object each.
        Json = "JSON",
    }
);

word_forms!(
    /// The least level of what a function logs that is kept.
    ApplicationLogLevel, "logging_config", "loggingConfig.applicationLogLevel", {
        /// Everything.
        Trace = "TRACE",
        /// For whoever looks for a defect.
        Debug = "DEBUG",
        /// What happens.
        Info = "INFO",
        /// What was coped with.
        Warn = "WARN",
        /// What failed.
        Error = "ERROR",
        /// What ended the function.
        Fatal = "FATAL",
    }
);

word_forms!(
    /// The least level of what Lambda itself logs that is kept.
    SystemLogLevel, "logging_config", "loggingConfig.systemLogLevel", {
        /// Everything.
        Debug = "DEBUG",
        /// The beginning and end of each call.
        Info = "INFO",
        /// What went wrong.
        Warn = "WARN",
    }
);

/// The name of a log group: 1 to 512 of Lambda's `[\.\-_/#A-Za-z0-9]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogGroupName(Box<str>);

string_forms!(LogGroupName);

impl FromStr for LogGroupName {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |constraint| {
            InvalidField::constraint("logging_config", "loggingConfig.logGroup", text, constraint)
        };
        if text.is_empty() {
            return Err(refuse("Member must have length greater than or equal to 1"));
        }
        if text.len() > 512 {
            return Err(refuse("Member must have length less than or equal to 512"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte)) {
            return Err(refuse(r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"));
        }
        Ok(Self(text.into()))
    }
}

/// How a function logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggingConfig {
    /// The form of its lines.
    pub format: LogFormat,
    /// With [`LogFormat::Json`], what of the function's own lines is kept.
    pub application_level: Option<ApplicationLogLevel>,
    /// With [`LogFormat::Json`], what of Lambda's lines is kept.
    pub system_level: Option<SystemLogLevel>,
    /// The group, if it is not the function's own.
    pub group: Option<LogGroupName>,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, application_level: None, system_level: None, group: None }
    }
}

/// A change of how a function logs; `None` leaves something as it is.
#[derive(Clone, Debug, Default)]
pub struct LoggingChange {
    /// The form of its lines.
    pub format: Option<LogFormat>,
    /// What of the function's own lines is kept.
    pub application_level: Option<ApplicationLogLevel>,
    /// What of Lambda's lines is kept.
    pub system_level: Option<SystemLogLevel>,
    /// The group.
    pub group: Option<LogGroupName>,
}

impl LoggingConfig {
    /// The group that a function of this name logs to.
    #[must_use]
    pub fn group_of(&self, function: &FunctionName) -> String {
        match &self.group {
            Some(group) => group.to_string(),
            None => format!("/aws/lambda/{function}"),
        }
    }

    /// The setting after a change. Levels are for JSON: they come with it, as `INFO`, and go with it.
    ///
    /// # Errors
    /// A level is named for lines that are plain text.
    pub fn changed(&self, change: LoggingChange) -> Result<Self, InvalidField> {
        let LoggingChange { format, application_level, system_level, group } = change;
        let format = format.unwrap_or(self.format);
        let group = group.or_else(|| self.group.clone());
        match format {
            LogFormat::Text if application_level.is_some() || system_level.is_some() => {
                Err(InvalidField::new(
                    "logging_config",
                    "To use ApplicationLogLevel or SystemLogLevel, you must set LogFormat to JSON.",
                ))
            }
            LogFormat::Text => Ok(Self { format, application_level: None, system_level: None, group }),
            LogFormat::Json => Ok(Self {
                format,
                application_level: application_level
                    .or(self.application_level)
                    .or(Some(ApplicationLogLevel::Info)),
                system_level: system_level.or(self.system_level).or(Some(SystemLogLevel::Info)),
                group,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_come_and_go_with_json() {
        let json = LoggingChange { format: Some(LogFormat::Json), ..LoggingChange::default() };
        let json = LoggingConfig::default().changed(json).unwrap();
        assert_eq!(json.application_level, Some(ApplicationLogLevel::Info));
        assert_eq!(json.system_level, Some(SystemLogLevel::Info));
        let debug =
            LoggingChange { application_level: Some(ApplicationLogLevel::Debug), ..LoggingChange::default() };
        assert_eq!(json.changed(debug.clone()).unwrap().application_level, Some(ApplicationLogLevel::Debug));
        assert!(LoggingConfig::default().changed(debug).is_err());
        let text = LoggingChange { format: Some(LogFormat::Text), ..LoggingChange::default() };
        assert_eq!(json.changed(text).unwrap(), LoggingConfig::default());
    }

    #[test]
    fn a_function_logs_to_its_own_group_unless_it_names_one() {
        let name = "hello".parse().unwrap();
        assert_eq!(LoggingConfig::default().group_of(&name), "/aws/lambda/hello");
        let change =
            LoggingChange { group: Some("cool_lambda".parse().unwrap()), ..LoggingChange::default() };
        assert_eq!(LoggingConfig::default().changed(change).unwrap().group_of(&name), "cool_lambda");
        for text in ["", "a b", "ä", &"x".repeat(513)] {
            assert!(text.parse::<LogGroupName>().is_err(), "{text:?}");
        }
    }
}
