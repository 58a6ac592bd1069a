//! Functions are created, listed and read; packages are kept and cleared away.

use serde_json::json;
use thaw_proto::v1::{CollectGarbageRequest, ListFunctionsRequest, State};
use thaw_tests::{
    functions::{NewFunction, unique},
    package::Package,
    remains,
    world::{World, fields, reason},
};
use tonic::Code;

use crate::world;

#[tokio::test]
async fn a_function_is_as_it_was_asked_for() {
    let world = world().await;
    let package = Package::new().handler("echo").zip();
    let size = package.len() as u64;
    let function = NewFunction::packaged("whole", "echo.handler", package)
        .timeout(900)
        .memory(10_240)
        .env("KEY", "value");
    let function = function.with(|request| {
        request.description = "what it does: ä".to_owned();
        request.ephemeral_storage = 10_240;
    });
    let asked = function.request.clone();
    let created = world.try_create(function).await.unwrap();
    assert_eq!(created.function_name, asked.function_name);
    assert_eq!(
        created.function_arn,
        format!("arn:aws:lambda:us-east-1:000000000000:function:{}", asked.function_name)
    );
    assert_eq!(
        (&created.runtime, &created.handler, &created.role),
        (&asked.runtime, &asked.handler, &asked.role)
    );
    assert_eq!((created.timeout, created.memory_size, created.ephemeral_storage), (900, 10_240, 10_240));
    assert_eq!((&created.description, &created.environment), (&asked.description, &asked.environment));
    assert_eq!(
        (created.version.as_str(), created.state(), created.code_size),
        ("$LATEST", State::Active, size)
    );
    assert_eq!(created.code_sha256.len(), 44, "base64 of 32 bytes: {}", created.code_sha256);
    assert!(!created.revision_id.is_empty() && created.last_modified.is_some());
    assert_eq!(world.get(&asked.function_name).await.unwrap(), created);
    assert_eq!(world.get(&created.function_arn).await.unwrap(), created);
}

#[tokio::test]
async fn what_is_not_asked_for_has_lambdas_defaults() {
    let world = world().await;
    let function = NewFunction::of("echo").timeout(0);
    let created = world.try_create(function).await.unwrap();
    assert_eq!((created.timeout, created.memory_size, created.ephemeral_storage), (3, 128, 512));
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused() {
    let world = world().await;
    let name = world.create(NewFunction::of("echo")).await;
    let before = world.get(&name).await.unwrap();
    let refusal = world.try_create(NewFunction::of("none").named(&name)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::AlreadyExists, "{refusal:?}");
    assert_eq!(reason(&refusal), "RESOURCE_CONFLICT");
    assert_eq!(world.get(&name).await.unwrap(), before);
}

#[tokio::test]
async fn of_many_who_create_one_name_exactly_one_does() {
    let world = world().await;
    let name = unique("contested");
    let create = || world.try_create(NewFunction::of("echo").named(&name));
    let (a, b, c, d) = tokio::join!(create(), create(), create(), create());
    let outcomes = [a, b, c, d];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for refusal in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(reason(&refusal), "RESOURCE_CONFLICT");
    }
}

#[tokio::test]
async fn functions_are_listed_by_page_in_the_order_of_their_names() {
    let world = World::start().await;
    let mut names = Vec::new();
    for name in ["beta", "alpha", "Gamma", "alpha-2", "_first"] {
        names.push(world.create(NewFunction::of("echo").named(name)).await);
    }
    names.sort();
    for page_size in [0, 1, 2, 5, 50] {
        let mut listed = Vec::new();
        let mut request = ListFunctionsRequest { page_size, ..ListFunctionsRequest::default() };
        loop {
            let page = world.functions().list_functions(request.clone()).await.unwrap().into_inner();
            assert!(page_size == 0 || page.functions.len() <= page_size as usize);
            listed.extend(page.functions.into_iter().map(|function| function.function_name));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(listed, names, "by pages of {page_size}");
    }
    for (request, field) in [
        (ListFunctionsRequest { page_size: 51, ..ListFunctionsRequest::default() }, "page_size"),
        (
            ListFunctionsRequest { page_size: 1, page_token: "no token".to_owned(), all_versions: false },
            "page_token",
        ),
    ] {
        let refusal = world.functions().list_functions(request).await.unwrap_err();
        assert_eq!((refusal.code(), fields(&refusal)), (Code::InvalidArgument, vec![field.to_owned()]));
    }
}

#[tokio::test]
async fn a_package_of_20_mb_is_streamed_and_runs() {
    let world = world().await;
    let mut noise = Vec::with_capacity(20 << 20);
    let mut state = 7_u64;
    while noise.len() < 20 << 20 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.extend(state.to_le_bytes());
    }
    let package = Package::new().handler("echo").file("noise.bin", &noise).zip();
    assert!(package.len() > 20 << 20, "noise does not shrink");
    let name = world.create(NewFunction::packaged("large", "echo.handler", package.clone())).await;
    assert_eq!(world.get(&name).await.unwrap().code_size, package.len() as u64);
    assert_eq!(world.invoke(&name, json!("works")).await.value(), "works");
}

#[tokio::test]
async fn file_modes_are_kept() {
    let world = world().await;
    let source = b"import os\ndef handler(event, context):\n    return [os.access(p, os.X_OK) for p in ('run', 'text')]\n";
    let package = Package::new()
        .file("app.py", source)
        .file_with_mode("run", b"#!/bin/sh\n", 0o755)
        .file("text", b"x")
        .zip();
    let name = world.create(NewFunction::packaged("modes", "app.handler", package)).await;
    assert_eq!(world.invoke(&name, json!({})).await.value(), json!([true, false]));
}

#[tokio::test]
async fn garbage_collection_removes_the_packages_that_no_function_refers_to() {
    let world = World::start().await;
    let kept = world.create(NewFunction::of("echo")).await;
    let gone = world.create(NewFunction::of("none")).await;
    world.invoke(&kept, json!({})).await;
    world.invoke(&gone, json!({})).await;
    world.delete(&gone).await.unwrap();
    let packages = world.daemon().data_dir().join("packages");
    let has = |file: &str| remains::below(&packages).iter().any(|path| path.ends_with(file));
    assert!(has("echo.py"));
    thaw_tests::wait::eventually("the sandbox of the deleted function lets go of its package", async || {
        world.admin().collect_garbage(CollectGarbageRequest { dry_run: true }).await.unwrap();
        world.admin().collect_garbage(CollectGarbageRequest { dry_run: false }).await.unwrap();
        (!has("none.py")).then_some(())
    })
    .await;
    assert!(has("echo.py"));
    assert_eq!(world.invoke(&kept, json!(1)).await.value(), 1);
    let again = world.admin().collect_garbage(CollectGarbageRequest::default()).await.unwrap().into_inner();
    assert_eq!((again.packages, again.bytes), (0, 0));
}
