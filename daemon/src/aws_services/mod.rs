//! Services of AWS that thawd is a client of: queues it reads, topics it writes to, buckets it does both with.
//!
//! Each is AWS's own or anything that speaks its protocol, at an address that a setting gives, and is asked as the account
//! whose queue, stream or topic it is: what one account may reach, another does not reach through thawd.

mod s3;

use std::{sync::Arc, time::Duration};

use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::{behavior_version::BehaviorVersion, http::SharedHttpClient};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::{SdkConfig, region::Region, sdk_config::SharedCredentialsProvider};

pub use self::s3::{ObjectRequest, S3Client, S3Error};
use crate::{
    identity::{AccountId, Credentials},
    web_client::WebClient,
};

/// How long a service may take to answer, beyond what it is told to wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a service is, and who asks there.
#[derive(Clone, Debug)]
pub struct AwsEndpoint {
    url: String,
    credentials: Arc<Credentials>,
    /// Shared by all clients of the endpoint, and with it its connections.
    http: SharedHttpClient,
}

/// The services, as far as settings say where they are.
#[derive(Clone, Debug, Default)]
pub struct AwsEndpoints {
    /// What calls those that no client of AWS's is needed for, and endpoints that are no service of AWS.
    pub web: WebClient,
    /// Queues.
    pub sqs: Option<AwsEndpoint>,
    /// Topics.
    pub sns: Option<AwsEndpoint>,
    /// Buckets.
    pub s3: Option<S3Client>,
    /// Streams.
    pub kinesis: Option<AwsEndpoint>,
    /// The streams of tables.
    pub dynamodb: Option<AwsEndpoint>,
}

/// An account has no credential to ask a service with.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no credential for account {account} to ask {url} with; add one to the file that the setting for it names"
)]
pub struct NoCredential {
    /// The account.
    pub account: AccountId,
    url: String,
}

impl AwsEndpoint {
    /// A service at `http://HOST:PORT` or `https://…`, asked with these credentials, by account.
    #[must_use]
    pub fn new(url: String, credentials: Credentials) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .build_https();
        Self { url, credentials: Arc::new(credentials), http }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What an account signs its requests with.
    ///
    /// # Errors
    /// The account has no credential.
    pub fn credentials(&self, account: AccountId) -> Result<aws_credential_types::Credentials, NoCredential> {
        let credential = self
            .credentials
            .of_account(account)
            .ok_or_else(|| NoCredential { account, url: self.url.clone() })?;
        let token = credential.session.as_ref().map(|session| session.token().to_owned());
        Ok(aws_credential_types::Credentials::new(
            credential.access_key_id.as_str(),
            credential.secret_access_key.expose(),
            token,
            None,
            "thawd",
        ))
    }

    /// What a client of one of AWS's SDKs is made of, for what an account has in a region.
    ///
    /// # Errors
    /// The account has no credential.
    pub fn sdk_config(&self, account: AccountId, region: &str) -> Result<SdkConfig, NoCredential> {
        let credentials = self.credentials(account)?;
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).build();
        Ok(SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .endpoint_url(&self.url)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .timeout_config(timeouts)
            .http_client(self.http.clone())
            .build())
    }
}
