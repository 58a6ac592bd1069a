//! Code that is in S3: it is fetched from there as if it were being uploaded.
//!
//! It is read by the credential of the account that the function or layer will be of, so S3 decides what may be read:
//! nobody gets by thawd at what is not theirs.

use std::time::Duration;

use bytes::BytesMut;
use http::{StatusCode, header::CONTENT_LENGTH};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{CodeUpload, FunctionRegistry, UploadedCode};
use crate::{
    aws_services::{ObjectRequest, S3Client, S3Error},
    functions::{FunctionError, PackageError, S3Object},
    identity::AccountId,
    web_client::innermost,
};

/// Packages that are fetched at the same time. Each takes the disk; others wait.
pub(super) const MAX_FETCHING: usize = 4;

/// How long a package may take: the largest at a megabyte a second.
const LONGEST: Duration = Duration::from_secs(300);

/// How long one waits for its turn.
const TURN: Duration = Duration::from_secs(60);

/// How long S3 may take between two pieces of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that are written at once: each time is a trip to another thread.
const PIECE: usize = 1 << 20;

/// S3's code where the credential may not read the object.
const DENIED: &str = "AccessDenied";

/// Why code did not come from S3. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody has said where S3 is.
    #[error(
        "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist: \
         there is none at all until the setting s3_endpoint of thawd says where S3 is"
    )]
    NoSetting,

    /// The account has no credential there.
    #[error(
        "Your access has been denied by S3: account {account} has no credential in the file that the setting s3_credentials \
         of thawd names."
    )]
    NoCredential {
        /// The account.
        account: AccountId,
    },

    /// S3 lets the account not read the object.
    #[error(
        "Your access has been denied by S3, please make sure your request credentials have permission to GetObject for \
         {object}. S3 Error Code: {code}. S3 Error Message: {message}"
    )]
    Denied {
        /// Bucket and key.
        object: String,
        /// S3's code.
        code: String,
        /// S3's message.
        message: String,
    },

    /// S3 refused for another reason, such as that there is no such object.
    #[error("Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}")]
    Refused {
        /// S3's code.
        code: String,
        /// S3's message.
        message: String,
    },

    /// S3 could not: it may later.
    #[error("Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}")]
    Failed {
        /// S3's code.
        code: String,
        /// S3's message.
        message: String,
    },

    /// Others are being fetched, and took too long.
    #[error("Too many packages are being fetched from S3 at the moment. Send the request again later.")]
    Busy,

    /// S3 was not reached, or the object broke off.
    #[error("Error occurred while GetObject. S3, where the setting s3_endpoint of thawd says it is, {why}")]
    Silent {
        /// What happened: a verb.
        why: String,
    },

    /// The object can't unpack to what a package may have.
    #[error("Unzipped size must be smaller than {limit} bytes")]
    TooLarge {
        /// The limit of what is unpacked, in bytes.
        limit: u64,
    },
}

impl FunctionRegistry {
    /// Takes a package from S3, for something of this registry's account. Given up half way, it leaves nothing.
    ///
    /// # Errors
    /// S3 refuses, does not answer or breaks off; the object is too large for a package, or empty; the disk fails.
    pub async fn fetch(&self, object: &S3Object) -> Result<UploadedCode, FunctionError> {
        let s3 = self.0.options.s3.as_ref().ok_or(FetchError::NoSetting)?;
        let turn = timeout(TURN, self.0.fetching.acquire()).await.map_err(|_| FetchError::Busy)?;
        // Never closed, so an error can only mean that the daemon ends.
        let _turn = turn.map_err(|_| FunctionError::Interrupted)?;
        let fetched = self.fetch_from(s3, object);
        timeout(LONGEST, fetched).await.unwrap_or_else(|_| Err(silent("took too long").into()))
    }

    async fn fetch_from(&self, s3: &S3Client, object: &S3Object) -> Result<UploadedCode, FunctionError> {
        let request = ObjectRequest {
            account: self.1,
            region: self.region().as_str(),
            bucket: object.bucket(),
            key: object.key(),
            version: object.version(),
            now: self.0.clock.now(),
        };
        let answer = s3.get(request).await.map_err(|error| refusal(error, object))?;
        let limits = self.0.packages.limits();
        let (most, too_large) =
            (limits.largest_archive(), FetchError::TooLarge { limit: limits.max_unpacked_bytes });
        let announced =
            answer.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|bytes: u64| bytes > most) {
            return Err(too_large.into());
        }
        let upload = CodeUpload::begin(&self.0.store, &self.0.packages, &self.0.uploads, most).await?;
        receive(upload, answer.into_body()).await.map_err(|error| match error {
            FunctionError::TooLarge { .. } => too_large.into(),
            error => error,
        })
    }
}

/// Takes an object's bytes to the disk, as they come.
async fn receive(mut upload: CodeUpload, mut body: Incoming) -> Result<UploadedCode, FunctionError> {
    let mut piece = BytesMut::new();
    loop {
        let frame =
            timeout(PATIENCE, body.frame()).await.map_err(|_| silent("fell silent within the object"))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| silent(&format!("broke off: {}", innermost(&error))))?;
        let Ok(data) = frame.into_data() else { continue };
        piece.extend_from_slice(&data);
        if piece.len() >= PIECE {
            upload.append(piece.split().freeze()).await?;
        }
    }
    upload.append(piece.freeze()).await?;
    if upload.is_empty() {
        return Err(PackageError::Empty.into());
    }
    upload.finish().await
}

fn silent(why: &str) -> FetchError {
    FetchError::Silent { why: why.to_owned() }
}

/// What S3's refusal means to whoever wanted code of it.
fn refusal(error: S3Error, object: &S3Object) -> FetchError {
    match error {
        S3Error::NoCredential(missing) => FetchError::NoCredential { account: missing.account },
        S3Error::NoRequest(why) => silent(&format!("could not be asked for this: {why}")),
        S3Error::Unreachable(unreachable) => silent(&format!("could not be reached: {}", unreachable.why)),
        S3Error::Refused { status, code, message } => {
            if code == DENIED {
                FetchError::Denied { object: object.to_string(), code, message }
            } else if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                FetchError::Failed { code, message }
            } else {
                FetchError::Refused { code, message }
            }
        }
    }
}
