//! `thaw bucket`.

use clap::Subcommand;
use serde_json::{Value, json};
use thaw_proto::v1::{
    Bucket, BucketNotification, DeleteBucketNotificationRequest, GetBucketRequest, GetBucketWebhookRequest,
    ListBucketsRequest, MakeBucketWebhookTokenRequest, PutBucketNotificationRequest,
};

use crate::{
    client::Client,
    failure::Failure,
    ui::{Ui, stamp},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Call a function when something happens to a bucket's objects. Its policy has to let the bucket in.
    #[command(after_help = "Example:\n  \
        thaw function allow thumbnail --statement-id photos --principal s3.amazonaws.com --source-arn arn:aws:s3:::photos\n  \
        thaw bucket notify photos --function thumbnail --event s3:ObjectCreated:* --prefix in/ --suffix .jpg")]
    Notify {
        /// The bucket.
        bucket: String,
        /// The function's name or ARN, with or without :QUALIFIER.
        #[arg(long)]
        function: String,
        /// What has to happen, e.g. s3:ObjectCreated:Put, s3:ObjectCreated:* or s3:ObjectRemoved:Delete. As often as needed.
        #[arg(long = "event", required = true, value_name = "EVENT")]
        events: Vec<String>,
        /// How keys have to begin, as they are in events: encoded as in URLs.
        #[arg(long, default_value = "", hide_default_value = true)]
        prefix: String,
        /// How keys have to end, as they are in events: encoded as in URLs.
        #[arg(long, default_value = "", hide_default_value = true)]
        suffix: String,
        /// Names the notification. One of this name is set anew. Without it, it gets a name.
        #[arg(long, default_value = "", hide_default_value = true)]
        id: String,
    },
    /// Show buckets and what they call.
    List,
    /// Show what a bucket calls, and what came of its events.
    Show {
        /// The bucket.
        bucket: String,
    },
    /// Take a notification away.
    Remove {
        /// The bucket.
        bucket: String,
        /// Which notification.
        #[arg(long, required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All of the bucket's.
        #[arg(long)]
        all: bool,
    },
    /// Show where the storage server is to send notifications, or make the token that it has to show.
    Webhook {
        /// Make a token. It is shown once; the one before does not count any more.
        #[arg(long)]
        new_token: bool,
        /// The account, if it is not the daemon's own.
        #[arg(long, default_value = "", hide_default_value = true, value_name = "ACCOUNT")]
        account: String,
    },
}

pub(crate) async fn run(command: Command, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut buckets = client.buckets().await?;
    match command {
        Command::Notify { bucket, function, events, prefix, suffix, id } => {
            let request =
                PutBucketNotificationRequest { bucket, id, function_name: function, events, prefix, suffix };
            show(buckets.put_bucket_notification(request).await?.into_inner().bucket, ui)
        }
        Command::List => list(&buckets.list_buckets(ListBucketsRequest {}).await?.into_inner().buckets, ui),
        Command::Show { bucket } => {
            show(buckets.get_bucket(GetBucketRequest { bucket }).await?.into_inner().bucket, ui)
        }
        Command::Remove { bucket, id, all: _ } => {
            let id = id.unwrap_or_default();
            let request = DeleteBucketNotificationRequest { bucket: bucket.clone(), id };
            buckets.delete_bucket_notification(request).await?;
            ui.done(&json!({ "Removed": bucket }), &format!("removed from {bucket}"))
        }
        Command::Webhook { new_token: true, account } => {
            let request = MakeBucketWebhookTokenRequest { account_id: account };
            let made = buckets.make_bucket_webhook_token(request).await?.into_inner();
            if ui.is_json() {
                return ui.json(&json!({ "Url": made.url, "Token": made.token }));
            }
            ui.note("the token is not shown again");
            ui.list(&[("url", place(made.url)), ("token", made.token)])
        }
        Command::Webhook { new_token: false, account } => {
            let request = GetBucketWebhookRequest { account_id: account };
            let webhook = buckets.get_bucket_webhook(request).await?.into_inner();
            let made = webhook.token_created.map(|made| stamp(Some(made)));
            if ui.is_json() {
                let told = json!({ "Url": webhook.url, "TokenCreated": made, "Unmeant": webhook.unmeant });
                return ui.json(&told);
            }
            ui.list(&[
                ("url", place(webhook.url)),
                (
                    "token",
                    made.map_or_else(|| "none; see --new-token".to_owned(), |made| format!("of {made}")),
                ),
                ("unmeant", format!("{} events that no notification was about", webhook.unmeant)),
            ])
        }
    }
}

fn place(url: String) -> String {
    if url.is_empty() { "none: aws_listen is none".to_owned() } else { url }
}

fn list(buckets: &[Bucket], ui: &Ui) -> Result<(), Failure> {
    if ui.is_json() {
        return ui.json(&json!({ "Buckets": buckets.iter().map(as_json).collect::<Vec<_>>() }));
    }
    if buckets.is_empty() {
        ui.note("no bucket calls a function; see `thaw bucket notify --help`");
        return Ok(());
    }
    let rows = buckets.iter().flat_map(|bucket| {
        bucket.notifications.iter().map(|one| {
            vec![
                bucket.name.clone(),
                one.id.clone(),
                one.events.join(" "),
                keys(one),
                one.function_arn.clone(),
            ]
        })
    });
    ui.table(&["bucket", "id", "events", "keys", "calls"], rows.collect())
}

fn show(bucket: Option<Bucket>, ui: &Ui) -> Result<(), Failure> {
    let bucket = bucket.unwrap_or_default();
    if ui.is_json() {
        return ui.json(&as_json(&bucket));
    }
    let mut pairs = vec![("bucket", bucket.name)];
    for one in bucket.notifications {
        let keys = keys(&one);
        pairs.extend([
            ("id", one.id),
            ("events", one.events.join(" ")),
            ("keys", keys),
            ("calls", one.function_arn),
        ]);
    }
    pairs.push(("accepted", bucket.accepted.to_string()));
    pairs.push(("dropped", bucket.dropped.to_string()));
    if !bucket.last_drop.is_empty() {
        pairs.push(("last drop", bucket.last_drop));
    }
    ui.list(&pairs)
}

/// E.g. `in/*.jpg`.
fn keys(notification: &BucketNotification) -> String {
    format!("{}*{}", notification.prefix, notification.suffix)
}

fn as_json(bucket: &Bucket) -> Value {
    let notifications = bucket.notifications.iter().map(|one| {
        json!({
            "Id": one.id,
            "LambdaFunctionArn": one.function_arn,
            "Events": one.events,
            "Prefix": one.prefix,
            "Suffix": one.suffix,
        })
    });
    json!({
        "Bucket": bucket.name,
        "Notifications": notifications.collect::<Vec<_>>(),
        "Accepted": bucket.accepted,
        "Dropped": bucket.dropped,
        "LastDrop": bucket.last_drop,
    })
}
