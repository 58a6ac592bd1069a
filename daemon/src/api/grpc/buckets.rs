//! BucketService.

use std::net::SocketAddr;

use thaw_proto::v1::{
    Bucket, BucketNotification, DeleteBucketNotificationRequest, DeleteBucketNotificationResponse,
    GetBucketRequest, GetBucketResponse, GetBucketWebhookRequest, GetBucketWebhookResponse,
    ListBucketsRequest, ListBucketsResponse, MakeBucketWebhookTokenRequest, MakeBucketWebhookTokenResponse,
    PutBucketNotificationRequest, PutBucketNotificationResponse, bucket_service_server::BucketService,
};
use tonic::{Request, Response, Status};

use super::{
    error::{Refusal, invalid},
    wire::{parse, parse_reference, timestamp},
};
use crate::{
    api::aws::WEBHOOK_PREFIX,
    events::buckets::{BucketError, BucketName, Buckets, Configuration, Draft, Notification, Validation},
    identity::AccountId,
};

#[derive(Debug)]
pub(super) struct BucketDoor {
    pub(super) buckets: Buckets,
    pub(super) account: AccountId,
    /// Where the AWS API listens, if it does: webhooks are there.
    pub(super) aws_address: Option<SocketAddr>,
}

impl BucketDoor {
    fn shown(&self, name: &BucketName, configuration: &Configuration) -> Bucket {
        let tally = self.buckets.tally(self.account, name);
        Bucket {
            name: name.to_string(),
            notifications: configuration.notifications().iter().map(shown).collect(),
            accepted: tally.accepted,
            dropped: tally.refused,
            last_drop: tally.last_refusal.unwrap_or_default(),
        }
    }

    fn account(&self, text: &str) -> Result<AccountId, Status> {
        if text.is_empty() {
            return Ok(self.account);
        }
        text.parse().map_err(|_| invalid("account_id", "an account id is 12 digits, such as 000000000000"))
    }

    fn url(&self, account: AccountId) -> String {
        self.aws_address
            .map(|address| format!("http://{address}{WEBHOOK_PREFIX}{account}"))
            .unwrap_or_default()
    }
}

fn shown(notification: &Notification) -> BucketNotification {
    let text = |part: &Option<Box<str>>| part.as_deref().unwrap_or_default().to_owned();
    BucketNotification {
        id: notification.id.to_string(),
        function_arn: notification.function.to_string(),
        events: notification.events.iter().map(ToString::to_string).collect(),
        prefix: text(&notification.filter.prefix),
        suffix: text(&notification.filter.suffix),
    }
}

#[tonic::async_trait]
impl BucketService for BucketDoor {
    async fn put_bucket_notification(
        &self,
        request: Request<PutBucketNotificationRequest>,
    ) -> Result<Response<PutBucketNotificationResponse>, Status> {
        let PutBucketNotificationRequest { bucket, id, function_name, events, prefix, suffix } =
            request.into_inner();
        let bucket: BucketName = parse("bucket", &bucket)?;
        let functions = self.buckets.functions(self.account);
        let reference = parse_reference(&function_name, functions.region())?;
        let function = functions.find(&reference, None).map_err(Refusal::from)?.arn;
        let rules = [("prefix", prefix), ("suffix", suffix)].into_iter();
        let rules = rules.filter(|(_, value)| !value.is_empty());
        let draft = Draft {
            id: Some(id),
            function: function.to_string(),
            events,
            rules: rules.map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        let new = Notification::new(draft, functions.region()).map_err(BucketError::from);
        let new = new.map_err(Refusal::from)?;
        let configuration = self
            .buckets
            .set(self.account, bucket.clone(), Validation::Required, move |old| {
                let mut all = old.to_vec();
                match all.iter_mut().find(|other| other.id == new.id) {
                    Some(same) => *same = new,
                    None => all.push(new),
                }
                Ok(all)
            })
            .await
            .map_err(Refusal::from)?;
        let bucket = Some(self.shown(&bucket, &configuration));
        Ok(Response::new(PutBucketNotificationResponse { bucket }))
    }

    async fn delete_bucket_notification(
        &self,
        request: Request<DeleteBucketNotificationRequest>,
    ) -> Result<Response<DeleteBucketNotificationResponse>, Status> {
        let DeleteBucketNotificationRequest { bucket, id } = request.into_inner();
        let bucket: BucketName = parse("bucket", &bucket)?;
        let named = bucket.clone();
        // What is left was found to be right before, and a function that is gone must not keep it from being changed.
        self.buckets
            .set(self.account, bucket, Validation::Skipped, move |old| {
                let stays = |one: &&Notification| !id.is_empty() && *one.id != *id;
                let rest: Vec<_> = old.iter().filter(stays).cloned().collect();
                if rest.len() == old.len() {
                    return Err(BucketError::NoNotification { bucket: named, id });
                }
                Ok(rest)
            })
            .await
            .map_err(Refusal::from)?;
        Ok(Response::new(DeleteBucketNotificationResponse {}))
    }

    async fn get_bucket(
        &self,
        request: Request<GetBucketRequest>,
    ) -> Result<Response<GetBucketResponse>, Status> {
        let name: BucketName = parse("bucket", &request.into_inner().bucket)?;
        let configuration = self.buckets.get(self.account, &name);
        Ok(Response::new(GetBucketResponse { bucket: Some(self.shown(&name, &configuration)) }))
    }

    async fn list_buckets(
        &self,
        _: Request<ListBucketsRequest>,
    ) -> Result<Response<ListBucketsResponse>, Status> {
        let all = self.buckets.list(self.account);
        let buckets = all.iter().map(|(name, configuration)| self.shown(name, configuration)).collect();
        Ok(Response::new(ListBucketsResponse { buckets }))
    }

    async fn get_bucket_webhook(
        &self,
        request: Request<GetBucketWebhookRequest>,
    ) -> Result<Response<GetBucketWebhookResponse>, Status> {
        let account = self.account(&request.into_inner().account_id)?;
        Ok(Response::new(GetBucketWebhookResponse {
            url: self.url(account),
            token_created: self.buckets.webhook(account).map(|webhook| timestamp(webhook.created)),
            unmeant: self.buckets.unmeant(account),
        }))
    }

    async fn make_bucket_webhook_token(
        &self,
        request: Request<MakeBucketWebhookTokenRequest>,
    ) -> Result<Response<MakeBucketWebhookTokenResponse>, Status> {
        let account = self.account(&request.into_inner().account_id)?;
        let token = self.buckets.make_token(account).await.map_err(Refusal::from)?;
        let (url, token) = (self.url(account), token.expose().to_owned());
        Ok(Response::new(MakeBucketWebhookTokenResponse { url, token }))
    }
}
