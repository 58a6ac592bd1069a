//! Layers under /opt.

use bytes::Bytes;
use serde_json::json;
use thaw_proto::v1::{DeleteLayerVersionRequest, LayerVersion, PublishLayerVersionRequest};
use thaw_tests::{
    functions::{NewFunction, unique},
    package::Package,
    world::{World, fields},
};

use crate::world;

async fn publish(world: &World, name: &str, package: Bytes) -> LayerVersion {
    let message = PublishLayerVersionRequest {
        layer_name: name.to_owned(),
        chunk: package,
        ..PublishLayerVersionRequest::default()
    };
    let published = world.layers().publish_layer_version(tokio_stream::iter([message])).await;
    published.expect("publish a layer").into_inner().layer_version.expect("a layer version")
}

fn tool(name: &str, file: &str) -> Bytes {
    Package::new()
        .file("python/shared_tool.py", format!("NAME = {name:?}\n").as_bytes())
        .file(file, name.as_bytes())
        .zip()
}

async fn layered(world: &World, layers: &[&LayerVersion]) -> String {
    let arns = layers.iter().map(|layer| layer.layer_version_arn.clone()).collect();
    world.create(NewFunction::of("layered").with(|request| request.layers = arns)).await
}

#[tokio::test]
async fn a_layer_is_there_to_be_read_and_on_pythons_path() {
    let world = world().await;
    let layer = publish(&world, &unique("tool"), tool("one", "data/one.txt")).await;
    assert_eq!(layer.version, 1);
    let name = layered(&world, &[&layer]).await;
    for _ in 0..2 {
        let value = world.invoke(&name, json!({})).await.value();
        assert_eq!(value["tool"], "one");
        assert_eq!(value["files"]["/opt/data/one.txt"], "one");
        assert_eq!(value["written"], "Read-only file system");
    }
}

#[tokio::test]
async fn of_several_layers_the_last_is_on_top() {
    let world = world().await;
    let layers = [
        publish(&world, &unique("tool"), tool("one", "data/one.txt")).await,
        publish(&world, &unique("tool"), tool("two", "data/two.txt")).await,
        publish(&world, &unique("data"), Package::new().file("data/one.txt", b"hidden").zip()).await,
    ];
    let name = layered(&world, &layers.iter().collect::<Vec<_>>()).await;
    let value = world.invoke(&name, json!({})).await.value();
    assert_eq!(value["tool"], "two");
    assert_eq!(value["files"]["/opt/data/two.txt"], "two");
    assert_eq!(value["files"]["/opt/data/one.txt"], "hidden");
    assert_eq!(value["written"], "Read-only file system");
}

#[tokio::test]
async fn a_function_keeps_a_layer_that_was_deleted_and_no_other_gets_it() {
    let world = world().await;
    let layer = publish(&world, &unique("tool"), tool("kept", "data/one.txt")).await;
    let name = layered(&world, &[&layer]).await;
    let request = DeleteLayerVersionRequest { layer_version_arn: layer.layer_version_arn.clone() };
    world.layers().delete_layer_version(request).await.unwrap();
    assert_eq!(world.invoke(&name, json!({})).await.value()["tool"], "kept");
    let other =
        NewFunction::of("layered").with(|request| request.layers = vec![layer.layer_version_arn.clone()]);
    let refusal = world.try_create(other).await.expect_err("the layer is gone");
    assert_eq!(fields(&refusal), ["layers"]);
    assert!(refusal.message().contains("does not exist."), "{}", refusal.message());
}
