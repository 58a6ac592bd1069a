//! The states of a mapping.

use crate::functions::word_forms;

word_forms! {
    /// How far a mapping is.
    MappingState, "state", "state",
    {
        /// It is new, and not read from yet.
        Creating = "Creating",
        /// It will be read from.
        Enabling = "Enabling",
        /// It is read from.
        Enabled = "Enabled",
        /// It will not be read from any more.
        Disabling = "Disabling",
        /// It is not read from.
        Disabled = "Disabled",
        /// Its settings have changed, and are not followed yet.
        Updating = "Updating",
        /// It goes as soon as what runs has ended.
        Deleting = "Deleting",
    }
}

impl MappingState {
    /// Whether a change is on its way, while which Lambda takes no other.
    #[must_use]
    pub fn is_changing(self) -> bool {
        !matches!(self, Self::Enabled | Self::Disabled)
    }
}
