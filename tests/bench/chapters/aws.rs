//! What the AWS API costs beside gRPC: the same warm call through both doors, in turn.

use anyhow::ensure;
use bollard::Docker;

use crate::{
    MEMORY_MB, Options, WARM_UP,
    aws::AwsClient,
    client::Client,
    daemon::Daemon,
    figures::{Section, Series},
    frozen::Watch,
};

const FUNCTION: &str = "aws";

/// What is asked of the AWS API at the median: milliseconds that it may add to the same call through gRPC.
const ADDED_MS: f64 = 0.25;

/// Measures it.
///
/// # Errors
/// If anything fails on the way.
pub(crate) async fn measure(engine: &Docker, options: &Options) -> anyhow::Result<Section> {
    let thawd = Daemon::start(&[]).await?;
    let measured = calls(engine, &thawd, options.calls).await;
    thawd.stop().await?;
    let (grpc, aws) = measured?;
    let mut section = Section::new("The AWS API", "gRPC", &grpc);
    section.line("warm call through gRPC, on a Unix socket", &grpc);
    section.line("the same through the AWS API, signed, on loopback", &aws);
    let added = aws.p50() - grpc.p50();
    section.promise(
        format!(
            "the AWS API adds, p50: {added:.3} ms ({:.3} - {:.3}; at most {ADDED_MS} ms)",
            aws.p50(),
            grpc.p50()
        ),
        added <= ADDED_MS,
    );
    section.note(
        "Each call is signed anew, before its time begins; that thawd checks the signature is in it"
            .to_owned(),
    );
    Ok(section)
}

/// Calls on one frozen sandbox through one door and the other, so that whatever changes on the machine meanwhile changes
/// for both.
async fn calls(engine: &Docker, thawd: &Daemon, calls: usize) -> anyhow::Result<(Series, Series)> {
    let client = Client::new(thawd.channel.clone());
    client.create(FUNCTION, MEMORY_MB).await?;
    client.invoke(FUNCTION).await?;
    client.wait_ready(1).await?;
    let mut signed = AwsClient::connect(&client.status().await?.aws_address).await?;
    let watch = Watch::of(client.process(engine, FUNCTION).await?)?;
    let (mut grpc, mut aws) = (Vec::new(), Vec::new());
    for turn in 0..WARM_UP + calls {
        watch.wait()?;
        let (through_grpc, _) = client.invoke(FUNCTION).await?;
        watch.wait()?;
        let through_aws = signed.invoke(FUNCTION).await?;
        if turn >= WARM_UP {
            grpc.push(through_grpc);
            aws.push(through_aws);
        }
    }
    let sandboxes = client.sandboxes(FUNCTION).await?;
    ensure!(sandboxes.len() == 1, "the warm calls had {} sandboxes instead of one", sandboxes.len());
    Ok((Series::of(grpc)?, Series::of(aws)?))
}
