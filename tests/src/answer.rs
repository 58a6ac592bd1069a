//! What an invocation answered, as a test looks at it.

use bytes::Bytes;
use serde_json::Value;
use thaw_proto::v1::InvokeResponse;

/// An invocation's answer.
#[derive(Debug)]
pub struct Answer {
    /// 200, or 204 for a dry run.
    pub status: u32,
    /// Empty if the function returned.
    pub function_error: String,
    /// What the function returned, or its error. `Null` if there is nothing.
    pub payload: Value,
    /// The same, as it came.
    pub bytes: Bytes,
    /// The end of its log, if it was asked for.
    pub tail: String,
    /// The invocation's id.
    pub request_id: String,
    /// The version that ran.
    pub executed_version: String,
    /// Whether it waited for its sandbox to initialise.
    pub is_cold: bool,
}

impl Answer {
    /// Reads a response.
    #[must_use]
    pub fn of(response: InvokeResponse) -> Self {
        let InvokeResponse {
            status_code,
            function_error,
            payload,
            log_result,
            executed_version,
            request_id,
            init_duration,
        } = response;
        let value = match payload.as_ref() {
            b"" => Value::Null,
            json => serde_json::from_slice(json)
                .unwrap_or_else(|error| panic!("the payload is no JSON ({error}): {payload:?}")),
        };
        let tail = String::from_utf8(log_result.to_vec()).expect("a tail is UTF-8");
        Self {
            status: status_code,
            function_error,
            payload: value,
            bytes: payload,
            tail,
            request_id,
            executed_version,
            is_cold: init_duration.is_some(),
        }
    }

    /// What the function returned; fails the test if it failed.
    pub fn value(self) -> Value {
        assert_eq!(self.function_error, "", "the function failed: {}", self.payload);
        assert_eq!(self.status, 200);
        self.payload
    }

    /// Type and message of the function's error; fails the test if it did not fail.
    #[must_use]
    pub fn error(&self) -> (&str, &str) {
        assert_eq!(self.function_error, "Unhandled", "the function did not fail: {}", self.payload);
        assert_eq!(self.status, 200, "a function error is a result");
        let text = |field: &str| {
            self.payload[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.payload))
        };
        (text("errorType"), text("errorMessage"))
    }
}
