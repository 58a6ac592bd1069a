//! Why a signature does not prove who sent a request. The texts are AWS's, which tools match on and people search for.

/// A request that does not prove where it comes from. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It has no signature at all.
    #[error("Missing Authentication Token")]
    Missing,
    /// A part of the signature is missing or malformed.
    #[error("{0}")]
    Incomplete(String),
    /// Nobody is known by that access key, or the session's token is not the one that belongs to it.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The session that the credential belongs to is over.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
    /// It was signed for another time, place or service, or leaves out what has to be signed.
    #[error("{0}")]
    OutOfScope(String),
    /// It was not signed with the caller's secret, or changed on its way.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
         and signing method. Consult the service documentation for details."
    )]
    Mismatch,
    /// A payload in signed chunks is not put together as it should be.
    #[error("The aws-chunked payload is malformed: {0}")]
    Chunks(&'static str),
}
