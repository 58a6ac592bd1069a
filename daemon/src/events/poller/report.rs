//! What a function says of a batch: `{"batchItemFailures": [{"itemIdentifier": "…"}]}`.

use std::collections::HashSet;

use serde_json::Value;

/// What a function that answered says of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// Nothing failed.
    AllDone,
    /// These failed, by their places.
    Failed(Vec<usize>),
    /// It can't be understood: then everything failed, as on Lambda.
    Unclear,
}

/// Reads a function's answer to a batch of records with these ids.
pub(super) fn read(answer: &[u8], ids: &[&str]) -> Report {
    let failures = match serde_json::from_slice::<Value>(answer) {
        Ok(Value::Null) => return Report::AllDone,
        Ok(Value::Object(object)) if object.is_empty() => return Report::AllDone,
        Ok(Value::Array(values)) if values.is_empty() => return Report::AllDone,
        Ok(Value::String(text)) if text.is_empty() => return Report::AllDone,
        Ok(Value::Object(object)) => match object.get("batchItemFailures") {
            Some(Value::Null) => return Report::AllDone,
            Some(Value::Array(failures)) => failures.clone(),
            _ => return Report::Unclear,
        },
        _ => return Report::Unclear,
    };
    let named: Option<HashSet<&str>> = failures
        .iter()
        .map(|failure| failure.get("itemIdentifier").and_then(Value::as_str).filter(|id| ids.contains(id)))
        .collect();
    match named {
        None => Report::Unclear,
        Some(named) if named.is_empty() => Report::AllDone,
        Some(named) => {
            let failed = ids.iter().enumerate().filter(|(_, id)| named.contains(*id)).map(|(at, _)| at);
            Report::Failed(failed.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_read_as_lambda_reads_it() {
        let ids = ["a", "b", "c"];
        for done in
            ["null", "{}", "[]", "\"\"", r#"{"batchItemFailures": []}"#, r#"{"batchItemFailures": null}"#]
        {
            assert_eq!(read(done.as_bytes(), &ids), Report::AllDone, "{done}");
        }
        for unclear in [
            "\"done\"",
            "1",
            "",
            r#"{"failures": []}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": null}]}"#,
            r#"{"batchItemFailures": [{"foo": "a"}]}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": "d"}]}"#,
        ] {
            assert_eq!(read(unclear.as_bytes(), &ids), Report::Unclear, "{unclear}");
        }
        let two = r#"{"batchItemFailures": [{"itemIdentifier": "c"}, {"itemIdentifier": "b"}]}"#;
        assert_eq!(read(two.as_bytes(), &ids), Report::Failed(vec![1, 2]));
    }

    proptest! {
        #[test]
        fn no_answer_breaks_it(answer: Vec<u8>) {
            let _ = read(&answer, &["a"]);
        }
    }
}
