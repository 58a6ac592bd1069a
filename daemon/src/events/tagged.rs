//! What can have tags: functions, code-signing configurations and event source mappings, each of which keeps its own.

use super::mapping::{MappingError, MappingId, MappingRegistry};
use crate::{
    functions::{CodeSigningArn, FunctionArn, FunctionError, FunctionRegistry, Tags},
    identity::AccountId,
};

/// Something that has tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tagged {
    /// A function as a whole.
    Function(FunctionArn),
    /// A code-signing configuration.
    CodeSigning(CodeSigningArn),
    /// An account's event source mapping.
    Mapping(AccountId, MappingId),
}

/// Why tags could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TagError {
    /// Of a function or a code-signing configuration.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// Of a mapping.
    #[error(transparent)]
    Mapping(#[from] MappingError),
}

/// Who keeps them.
#[derive(Clone, Copy, Debug)]
pub struct TagKeepers<'a> {
    /// Functions and code-signing configurations.
    pub functions: &'a FunctionRegistry,
    /// Event source mappings.
    pub mappings: &'a MappingRegistry,
}

impl TagKeepers<'_> {
    /// The configuration, of whatever account, or the account's mapping that an ARN names. `None` of every other text, which may
    /// name a function.
    ///
    /// # Errors
    /// The account has no such mapping.
    pub fn by_arn(self, text: &str, account: AccountId) -> Result<Option<Tagged>, MappingError> {
        if let Ok(arn) = text.parse() {
            return Ok(Some(Tagged::CodeSigning(arn)));
        }
        let Some((_, id)) = text.split_once(":event-source-mapping:") else { return Ok(None) };
        let mapping = self.mappings.get(account, id.parse()?)?;
        match mapping.arn() == text {
            true => Ok(Some(Tagged::Mapping(account, mapping.id))),
            false => Err(MappingError::NotFound),
        }
    }

    /// The tags of something.
    ///
    /// # Errors
    /// It is not there.
    pub fn tags(self, of: &Tagged) -> Result<Tags, TagError> {
        Ok(match of {
            Tagged::Function(arn) => self.functions.tags(arn)?,
            Tagged::CodeSigning(arn) => self.functions.code_signing(arn)?.tags.clone(),
            Tagged::Mapping(account, id) => self.mappings.get(*account, *id)?.tags.clone(),
        })
    }

    /// Adds tags, or replaces some.
    ///
    /// # Errors
    /// It is not there; they are too many with those that it has; a function is given none.
    pub async fn tag(self, of: &Tagged, tags: Tags) -> Result<(), TagError> {
        match of {
            Tagged::Function(arn) => self.functions.tag(arn, tags).await?,
            Tagged::CodeSigning(arn) => {
                self.functions.tag_code_signing(arn, |old| old.with(tags)).await?;
            }
            Tagged::Mapping(account, id) => self.mappings.tag(*account, *id, tags).await?,
        }
        Ok(())
    }

    /// Removes tags; those that it does not have are removed already.
    ///
    /// # Errors
    /// It is not there.
    pub async fn untag(self, of: &Tagged, keys: Vec<String>) -> Result<(), TagError> {
        match of {
            Tagged::Function(arn) => self.functions.untag(arn, keys).await?,
            Tagged::CodeSigning(arn) => {
                self.functions.tag_code_signing(arn, move |old| Ok(old.without(&keys))).await?;
            }
            Tagged::Mapping(account, id) => self.mappings.untag(*account, *id, keys).await?,
        }
        Ok(())
    }
}
