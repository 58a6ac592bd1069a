//! Page tokens: where in a group a reader goes on. Opaque to callers; what comes back from them is not trusted.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{GroupKey, LogError};

/// The first byte, so that a later form can be told from this one.
const FORM: u8 = 1;

/// Tells a token of another group, which would lead to a wrong place.
const GROUP_MARK_BYTES: usize = 4;

const BYTES: usize = 1 + GROUP_MARK_BYTES + 8 + 8;

/// A place between two lines.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Place {
    #[serde(rename = "n")]
    pub(super) segment: u64,
    #[serde(rename = "o")]
    pub(super) offset: u64,
}

pub(super) fn encode(group: &GroupKey, place: Place) -> String {
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.push(FORM);
    bytes.extend(mark_of(group));
    bytes.extend(place.segment.to_be_bytes());
    bytes.extend(place.offset.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// # Errors
/// It isn't a token, or not one of this group.
pub(super) fn decode(group: &GroupKey, token: &str) -> Result<Place, LogError> {
    parse(group, token).ok_or(LogError::PageToken)
}

fn parse(group: &GroupKey, token: &str) -> Option<Place> {
    let bytes: [u8; BYTES] = URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
    let (form, rest) = bytes.split_first()?;
    let (mark, rest) = rest.split_first_chunk::<GROUP_MARK_BYTES>()?;
    let (segment, rest) = rest.split_first_chunk::<8>()?;
    let offset = rest.first_chunk::<8>()?;
    let is_ours = *form == FORM && *mark == mark_of(group);
    is_ours.then(|| Place { segment: u64::from_be_bytes(*segment), offset: u64::from_be_bytes(*offset) })
}

fn mark_of(group: &GroupKey) -> [u8; GROUP_MARK_BYTES] {
    let digest = Sha256::digest(format!("{}{}", group.account(), group.group()));
    let mut mark = [0; GROUP_MARK_BYTES];
    mark.copy_from_slice(&digest[..GROUP_MARK_BYTES]);
    mark
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(name: &str) -> GroupKey {
        GroupKey::of_function("000000000000", name).unwrap()
    }

    #[test]
    fn a_token_of_another_group_is_refused() {
        let token = encode(&group("a"), Place { segment: 1, offset: 2 });
        assert!(matches!(decode(&group("b"), &token), Err(LogError::PageToken)));
    }

    proptest! {
        #[test]
        fn a_token_leads_back_to_its_place(segment: u64, offset: u64) {
            let place = Place { segment, offset };
            prop_assert_eq!(decode(&group("f"), &encode(&group("f"), place)).unwrap(), place);
        }

        #[test]
        fn any_other_text_is_refused(text in ".{0,40}") {
            prop_assert!(matches!(decode(&group("f"), &text), Err(LogError::PageToken)));
        }

        #[test]
        fn a_token_cut_short_is_refused(segment: u64, offset: u64, length in 0_usize..28) {
            let token = encode(&group("f"), Place { segment, offset });
            prop_assert!(matches!(decode(&group("f"), &token[..length]), Err(LogError::PageToken)));
        }
    }
}
