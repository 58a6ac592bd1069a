//! The examples of CloudWatch's guide, what was recorded of the real one, and whatever else comes in.

use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The messages that a pattern matches.
fn matched<'a>(text: &str, messages: &[&'a str]) -> Vec<&'a str> {
    let pattern = pattern(text);
    messages.iter().copied().filter(|message| pattern.matches(message)).collect()
}

fn matches(text: &str, message: &str) -> bool {
    pattern(text).matches(message)
}

fn assert_refused(texts: &[&str]) {
    for text in texts {
        assert!(Pattern::parse(text).is_err(), "{text} is a pattern");
    }
}

const REQUESTS: [&str; 4] = [
    "[ERROR 400] BAD REQUEST",
    "[ERROR 401] UNAUTHORIZED REQUEST",
    "[ERROR 419] MISSING ARGUMENTS",
    "[ERROR 420] INVALID ARGUMENTS",
];

#[test]
fn an_empty_pattern_matches_everything() {
    for text in ["", " ", "\t\n"] {
        assert_eq!(matched(text, &["", "anything"]), ["", "anything"]);
    }
}

#[test]
fn terms_are_all_in_the_message_in_any_order_and_case_counts() {
    assert_eq!(matched("ERROR", &REQUESTS), REQUESTS);
    assert_eq!(matched("ARGUMENTS ERROR", &REQUESTS), REQUESTS[2..]);
    assert!(matches("Exception", "Unhandled InvalidQueryException"));
    assert!(!matches("error", REQUESTS[0]));
}

#[test]
fn a_phrase_is_in_the_message_as_it_is_written() {
    assert_eq!(matched("\"BAD REQUEST\"", &REQUESTS), REQUESTS[..1]);
    assert_eq!(matched("\"[ERROR 4\" REQUEST", &REQUESTS), REQUESTS[..2]);
    assert!(matches(r#""a \"b\" \\c""#, r#"a "b" \c"#));
    assert!(matches("\"\"", "anything"));
}

#[test]
fn one_of_the_optional_terms_is_enough_and_beside_others_they_are_ignored() {
    assert_eq!(matched("?BAD ?INVALID", &REQUESTS), [REQUESTS[0], REQUESTS[3]]);
    assert_eq!(matched("?BAD ?INVALID REQUEST", &REQUESTS), REQUESTS[..2]);
    assert_eq!(matched("?BAD -REQUEST", &REQUESTS), REQUESTS[2..]);
    assert!(matches("?\"a b\"", "a b"));
}

#[test]
fn excluded_terms_are_not_in_the_message() {
    assert_eq!(matched("ERROR -ARGUMENTS", &REQUESTS), REQUESTS[..2]);
    assert_eq!(matched("-\"BAD REQUEST\"", &REQUESTS), REQUESTS[1..]);
}

#[test]
fn a_word_with_symbols_wants_quotes() {
    let error = Pattern::parse("not-found").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the filter pattern is not one at character 10: Invalid character(s) in term 'not-found'; put it in double quotes"
    );
    assert_refused(&["a.b", "error:", "\"never closed", "-", "? a", "a -", "*"]);
}

#[test]
fn a_regular_expression_matches_anywhere_unless_it_is_anchored() {
    assert_eq!(matched("%AUTHORIZED%", &REQUESTS), REQUESTS[1..2]);
    assert_eq!(matched("%40[01]\\]%", &REQUESTS), REQUESTS[..2]);
    assert_eq!(matched("%^BAD%", &REQUESTS), Vec::<&str>::new());
    assert_eq!(
        matched("%}$%", &["Successful message", "{\"Message\": Success}", "{'Hello, World'} is not"]),
        ["{\"Message\": Success}"]
    );
    for (text, message) in [
        ("%colou?r%", "color"),
        ("%a{3,5}%", "aaaa"),
        ("%gra|ey%", "grey"),
        ("%^starting|^shutting down%", "shutting down now"),
        ("%ab*c%", "ac"),
        ("%\\d\\D\\s\\w%", "1a _"),
        ("%\\x3A%", "key:value"),
        ("%10\\.10%", "10.10"),
        ("%a\\-b\\\\%", "a-b\\"),
    ] {
        assert!(matches(text, message), "{text}");
    }
    assert!(!matches("%10\\.10%", "10010"));
}

#[test]
fn an_expression_of_what_cloudwatch_does_not_allow_is_refused() {
    assert_refused(&[
        "%something!%",
        "%(ab)+%",
        "%café%",
        "%\\p%",
        "%\\(%",
        "%\\!%",
        "%%",
        "%abc",
        "%a{3,%",
        "%a\\",
        "%[%",
        "%\\xZZ%",
        "%a% %b% %c%",
        "[a=%x%, b=%y%, c=%z%]",
        // Small to write and huge to compile.
        "%.{1000}{1000}{1000}%",
    ]);
}

const EVENT: &str = r#"{
    "eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"],
    "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "cluster.name": "c",
    "flag": true, "other": false, "n": 3, "text": "3", "errorCode": 404, "thousand": [1000]
}"#;

#[test]
fn properties_of_json_are_compared_with_text() {
    for text in [
        r#"{ $.eventType = "UpdateTrail" }"#,
        "{$.eventType=UpdateTrail}",
        "{ $.sourceIPAddress != 123.123.* }",
        r#"{ $.arrayKey[0] = "value" }"#,
        r#"{ $.arrayKey[*] = "another value" }"#,
        "{ $.eventType = %Trail% }",
        r"{ $.* = %111\.111\.111\.1[0-9]{1,2}% }",
        "{ $.['cluster.name'] = c }",
        r#"{ $["cluster.name"] = "c" }"#,
        r#"{ $.objectList[1].name = "b" }"#,
        "{ $.objectList[*].id = 2 }",
        r#"{ $.eventType = "*" }"#,
        r#"{ $.eventType = "*ate*ail" }"#,
    ] {
        assert!(matches(text, EVENT), "{text}");
    }
    for text in [
        "{ $.sourceIPAddress != 111.111.* }",
        r#"{ $.arrayKey[1] = "value" }"#,
        "{ $.arrayKey[9] = value }",
        // What is not there, or has no one text, neither equals nor differs.
        "{ $.arrayKey = value }",
        "{ $.objectList[0] != x }",
        "{ $.missing != x }",
        "{ $.flag = true }",
        r#"{ $.SomeObject = "*" }"#,
        r#"{ $.eventType = "\*" }"#,
        "{ $.eventType.more = x }",
    ] {
        assert!(!matches(text, EVENT), "{text}");
    }
}

#[test]
fn properties_of_json_are_compared_with_numbers() {
    for text in [
        "{ $.n > 2 }",
        "{ $.n < 3.5 }",
        "{ $.n >= 3 }",
        "{ $.n <= 3 }",
        "{ $.n = 3.0 }",
        "{ $.n != 4 }",
        "{ $.n = 0.3e1 }",
        "{ $.thousand[0] = 1e+3 }",
        "{ $.errorCode = 4* }",
        "{ $.text = 3 }",
        r#"{ $.n = "3" }"#,
        "{ $.n > -1 }",
    ] {
        assert!(matches(text, EVENT), "{text}");
    }
    for text in ["{ $.n > 3 }", "{ $.eventType > 2 }", "{ $.n != 3 }", "{ $.missing < 1 }"] {
        assert!(!matches(text, EVENT), "{text}");
    }
}

#[test]
fn properties_of_json_are_there_or_not_and_true_false_or_null() {
    for text in [
        "{ $.SomeObject IS NULL }",
        "{ $.missing NOT EXISTS }",
        "{ $.flag IS TRUE }",
        "{ $.other IS FALSE }",
        "{ $.flag is true }",
    ] {
        assert!(matches(text, EVENT), "{text}");
    }
    for text in [
        "{ $.missing IS NULL }",
        "{ $.eventType IS NULL }",
        "{ $.SomeObject NOT EXISTS }",
        "{ $.eventType IS TRUE }",
        "{ $.flag IS FALSE }",
    ] {
        assert!(!matches(text, EVENT), "{text}");
    }
}

#[test]
fn conditions_are_joined_and_and_binds_more_closely_than_or() {
    let message = r#"{"a": 1, "b": [[0, 1], [2, 3]]}"#;
    assert!(matches("{ $.a = 1 || $.b[0][1] = 9 && $.a = 9 }", message));
    assert!(!matches("{ ($.a = 1 || $.b[0][1] = 9) && $.a = 9 }", message));
    assert!(matches("{ ($.a = 1) && (($.b[1][0] = 9) || $.b[1][1] = 3) }", message));
    assert!(matches("{$.a=1&&$.b[0][0]=0}", message));
}

#[test]
fn what_is_not_json_matches_no_property() {
    for message in ["", "eventType=UpdateTrail", "{\"eventType\": ", "INFO {\"a\": 1}", "3", "null"] {
        assert!(!matches("{ $.eventType NOT EXISTS }", message), "{message}");
    }
    assert!(!matches("{ $.a = 1 }", &"[".repeat(100_000)));
}

#[test]
fn a_malformed_condition_is_refused() {
    assert_refused(&[
        "{ $.a = }",
        "{ $.a }",
        "{ $.a = 1",
        "{ $.a = 1 } trailing",
        "{ a = 1 }",
        "{ $.a == 1 }",
        "{ $.a = 1 && }",
        "{ ($.a = 1 }",
        "{ $.a IS MAYBE }",
        "{ $.a EXISTS }",
        "{ $.a NOT }",
        "{ $.a[x] = 1 }",
        "{ $.a = \"open }",
        "{ $ = 1 }",
        "{ $.a[99999999999999999999] = 1 }",
        "{ $.a < b }",
        "{ $.a < %b% }",
        "{}",
        "{ $.a. = 1 }",
        "{ $.*[*] = 1 }",
        "{ $.['a = 1 }",
        "{ $.a[*] = 1 || $.b[*] = 1 || $.c[*] = 1 || $.d[*] = 1 }",
    ]);
    let deep = |depth: usize| format!("{{ {}$.a = 1{} }}", "(".repeat(depth), ")".repeat(depth));
    assert!(matches(&deep(16), "{\"a\": 1}"));
    assert_refused(&[&deep(17), &deep(400)]);
}

const APACHE: &str =
    "127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] \"GET /index.html HTTP/1.0\" 404 1534";

#[test]
fn fields_are_split_at_spaces_and_quotes_and_brackets_hold_them_together() {
    for text in [
        "[ip, user, username, timestamp, request, status_code, bytes]",
        r"[ip=%127\.0\.0\.[1-9]%, user, username, timestamp, request =*.html*, status_code = 4*, bytes]",
        "[ip, user, username, timestamp, request =*.html*, status_code = 404 || status_code = 410, bytes]",
        "[ip, server, username, timestamp, request, status_code, bytes > 1000]",
        "[,,, timestamp = \"10/Oct/2000:13:25:15 -0700\", request = \"GET /index.html HTTP/1.0\", , ]",
        "[..., request =*.html*, status_code = 4*, bytes]",
        "[..., status_code >= 400 && status_code < 500, bytes = 1534]",
        "[ip, ..., bytes=1534]",
        "[ip, user=Prod, ...]",
        "[..., status_code=4*,]",
        "[]",
    ] {
        assert!(matches(text, APACHE), "{text}");
    }
    for text in [
        "[ip, server, username, timestamp, request, status_code, bytes > 2000]",
        "[..., bytes < 100]",
        "[a, b, c, d, e, f, g, h]",
        "[a, b, c, d, e, f, g, h, ...]",
        "[ip = 4*, ...]",
    ] {
        assert!(!matches(text, APACHE), "{text}");
    }
}

#[test]
fn the_last_field_takes_the_rest_of_the_message() {
    assert!(matches("[level=ERROR, rest]", "ERROR 12:00 Failed to process"));
    assert!(!matches("[level=ERROR]", "ERROR 12:00 Failed to process"));
    assert!(matches("[level=ERROR*]", "ERROR 12:00 Failed to process"));
    assert!(matches("[level, rest=\"a b  c\"]", "ERROR a b  c "));
    assert!(!matches("[level=ERROR, rest]", "ERROR"));
    assert!(!matches("[level]", ""));
}

#[test]
fn the_conditions_of_a_field_are_joined() {
    let messages = ["INFO a", "WARNING b", "ERROR c", "FOO d"];
    for (text, expected) in [
        ("[w1=ERROR || w1=WARNING, w2]", &messages[1..3]),
        ("[w1 = ERROR||w1 = WARNING, w2]", &messages[1..3]),
        ("[w1!=ERROR&&w1!=WARNING&&w1!=FOO, w2]", &messages[..1]),
        ("[w1 = ERROR && (w1 != FOO || w1 = WARNING), w2]", &messages[2..3]),
        ("[(w1=ERROR || w1=%WARN%) && w1 != ERROR, w2]", &messages[1..2]),
    ] {
        assert_eq!(matched(text, &messages), expected, "{text}");
    }
}

#[test]
fn malformed_fields_are_refused() {
    assert_refused(&[
        "[w1!=ERROR AND w1!=WARNING, w2]",
        "[w1=ERROR OR w1=WARNING, w2]",
        "[w1=ERROR && || w1=WARNING, w2]",
        "[w1=ERROR !=== w1=WARNING, w2]",
        "[w1==ERROR  || w1!=WARNING, w2]",
        "[a, ..., b, ..., c]",
        "[a = ]",
        "[a, b",
        "[a, b] trailing",
        "[a = 1 ||]",
        "[1a]",
        "[a, b=x || c=y]",
        "[",
        "[a b]",
        "[(a)]",
    ]);
}

#[test]
fn a_pattern_that_is_too_long_is_refused() {
    assert!(Pattern::parse(&"ä".repeat(1024)).is_ok());
    assert_eq!(Pattern::parse(&"ä".repeat(1025)).unwrap_err(), PatternError::TooLong(1025));
}

/// Texts of what patterns are made of, so that many come far.
fn pattern_like() -> impl Strategy<Value = String> {
    let pieces = prop::collection::vec(
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            "(",
            ")",
            "$",
            ".",
            "$.a",
            "*",
            "=",
            "!=",
            "<",
            ">=",
            "&&",
            "||",
            "IS",
            "NOT EXISTS",
            "NULL",
            "...",
            ",",
            "\"",
            "%",
            "\\",
            "?",
            "-",
            " ",
            "a",
            "1e3",
            "ä",
            "'",
            "[0]",
            "{2}",
            "|",
            "^",
            "+",
            "\u{0}",
        ]),
        0..40,
    );
    prop_oneof![
        pieces.clone().prop_map(|pieces| pieces.concat()),
        pieces.clone().prop_map(|pieces| format!("{{ $.a{} }}", pieces.concat())),
        pieces.prop_map(|pieces| format!("[a, {}]", pieces.concat())),
        ".{0,60}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn no_pattern_and_no_message_does_harm(
        text in pattern_like(),
        message in prop_oneof![".{0,60}", pattern_like(), Just(EVENT.to_owned()), Just(APACHE.to_owned())],
    ) {
        if let Ok(pattern) = Pattern::parse(&text) {
            let first = pattern.matches(&message);
            prop_assert_eq!(pattern.matches(&message), first);
        }
    }

    #[test]
    fn a_quoted_phrase_matches_whatever_contains_it(phrase in ".{0,20}", before in ".{0,20}", after in ".{0,20}") {
        let quoted = phrase.replace('\\', "\\\\").replace('"', "\\\"");
        let (pattern, message) = (format!("\"{quoted}\""), format!("{before}{phrase}{after}"));
        prop_assert!(matches(&pattern, &message));
    }

    #[test]
    fn an_expression_says_what_its_engine_says(text in "[a-c.*+?|]{1,8}", message in "[a-c]{0,12}") {
        if let (Ok(pattern), Ok(engine)) = (Pattern::parse(&format!("%{text}%")), regex::bytes::Regex::new(&text)) {
            prop_assert_eq!(pattern.matches(&message), engine.is_match(message.as_bytes()));
        }
    }

    #[test]
    fn a_property_equals_its_own_text_and_nothing_else(value in "[a-z*\\\\\" ]{0,12}", other in "[a-z]{0,12}") {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"").replace('*', "\\*");
        let pattern = format!("{{ $.a = \"{quoted}\" }}");
        let [same, different] = [&value, &other].map(|value| serde_json::json!({ "a": value }).to_string());
        prop_assert!(matches(&pattern, &same));
        prop_assert_eq!(matches(&pattern, &different), value == other);
    }
}
