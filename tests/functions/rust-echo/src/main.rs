//! A Lambda function as its users write them: the official runtime crate and a handler. It answers with its event, or does
//! what the event's `how` asks for.
//!
//! Built static, so that it runs on whatever glibc the image has, and packed as `bootstrap`:
//! `cargo rustc -p rust-echo --release -- -C target-feature=+crt-static`.
#![forbid(unsafe_code)]

use std::{
    collections::BTreeMap,
    env,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use lambda_runtime::{Diagnostic, Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

/// Calls of this process.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// How often the background task of [`background`] has woken up.
static TICKS: AtomicU64 = AtomicU64::new(0);

/// An error with a name of its own, which is what its caller is told.
#[derive(Debug)]
struct OutOfCheese(&'static str);

impl From<OutOfCheese> for Diagnostic {
    fn from(error: OutOfCheese) -> Self {
        Self { error_type: "OutOfCheese".to_owned(), error_message: error.0.to_owned() }
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    run(service_fn(handler)).await
}

#[expect(clippy::panic, reason = "what happens then is to be seen")]
async fn handler(event: LambdaEvent<Value>) -> Result<Value, OutOfCheese> {
    let LambdaEvent { payload, context } = event;
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    match payload.get("how").and_then(Value::as_str) {
        None => Ok(payload),
        Some("error") => Err(OutOfCheese("no cheese: ä ☃")),
        Some("panic") => panic!("not today"),
        Some("exit") => std::process::exit(3),
        Some("sleep") => {
            println!("before the sleep");
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(json!("late"))
        }
        Some("calls") => Ok(json!(calls)),
        Some("background") => Ok(background(calls).await),
        Some("self") => Ok(json!({
            "environment": env::vars().collect::<BTreeMap<_, _>>(),
            "arguments": env::args().collect::<Vec<_>>(),
            "directory": env::current_dir().ok(),
            "context": {
                "request_id": context.request_id,
                "deadline": context.deadline,
                "invoked_function_arn": context.invoked_function_arn,
                "function_name": context.env_config.function_name,
                "memory": context.env_config.memory,
                "log_stream": context.env_config.log_stream,
            },
        })),
        Some(_) => Err(OutOfCheese("there is no such way")),
    }
}

/// How often a task that goes on between calls woke up until this one began, and until it ended.
async fn background(calls: u32) -> Value {
    if calls == 1 {
        tokio::spawn(async {
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                TICKS.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let before = TICKS.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(300)).await;
    json!({ "before": before, "after": TICKS.load(Ordering::Relaxed) })
}
