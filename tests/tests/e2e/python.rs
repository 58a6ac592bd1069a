//! What runs functions in python3.13 runs them in the other Python as well.

use serde_json::{Value, json};
use thaw_tests::{
    functions::{NewFunction, RUNTIME},
    world::World,
};

use crate::ready::ready;

const OTHER: &str = "python3.11";

/// A function's process as it looks from inside, but for what has to differ from one to the other.
async fn process(world: &World, runtime: &str) -> Value {
    let name = world.create(NewFunction::of("process").runtime(runtime)).await;
    ready(world, 1).await;
    let mut process = world.invoke(&name, json!({})).await.value();
    assert!(process["started_as"].as_array().unwrap().contains(&json!("thaw_prestart")), "{process}");
    let environment = process["environment"].as_object_mut().unwrap();
    assert_eq!(environment.remove("AWS_EXECUTION_ENV"), Some(json!(format!("AWS_Lambda_{runtime}"))));
    for name in [
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "_X_AMZN_TRACE_ID",
    ] {
        assert!(environment.remove(name).is_some(), "{name}");
    }
    world.delete(&name).await.unwrap();
    ready(world, 0).await;
    process
}

#[tokio::test]
async fn python3_11_looks_from_inside_as_python3_13_does() {
    let world = World::start_with(&[("ready-min", "1"), ("ready-max", "1")]).await;
    assert_eq!(process(&world, OTHER).await, process(&world, RUNTIME).await);
}

#[tokio::test]
async fn python3_11_runs_functions_as_python3_13_does() {
    let world = crate::world().await;
    for runtime in [OTHER, RUNTIME] {
        let echo = world.create(NewFunction::of("echo").runtime(runtime)).await;
        let event = json!({ "key": "value", "list": [1, 2.5, null, "ä ☃"] });
        assert_eq!(world.invoke(&echo, event.clone()).await.value(), event, "{runtime}");

        let state = world.create(NewFunction::of("state").runtime(runtime)).await;
        for calls in 1..4 {
            let answer = world.invoke(&state, json!({})).await.value();
            assert_eq!((&answer["calls"], &answer["written"]), (&json!(calls), &json!(calls)), "{runtime}");
        }

        let failing = world.create(NewFunction::of("failures").runtime(runtime).memory(512)).await;
        let answer = world.invoke(&failing, json!({ "how": "raise" })).await;
        assert_eq!(answer.error(), ("OutOfCheese", "no cheese: ä ☃"), "{runtime}");
        let trace = answer.payload["stackTrace"].to_string();
        assert!(trace.contains("/var/task/failures.py") && trace.contains("deeper"), "{runtime}: {trace}");

        let broken = world.create(NewFunction::of("syntax_error").runtime(runtime)).await;
        let answer = world.invoke(&broken, json!({})).await;
        assert_eq!(answer.error().0, "Runtime.UserCodeSyntaxError", "{runtime}");
    }
}
