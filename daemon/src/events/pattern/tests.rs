use proptest::prelude::*;
use serde_json::json;

use super::*;

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> String {
    text.parse::<Pattern>().expect_err(text).to_string()
}

#[track_caller]
fn matching(text: &str, events: &[Value]) {
    for event in events {
        assert!(pattern(text).matches(event), "{text} should match {event}");
    }
}

#[track_caller]
fn not_matching(text: &str, events: &[Value]) {
    for event in events {
        assert!(!pattern(text).matches(event), "{text} should not match {event}");
    }
}

#[test]
fn a_value_is_one_of_those_that_are_listed() {
    let text = r#"{"state": ["stopped", "gone", 7, null, false]}"#;
    matching(
        text,
        &[json!({"state": "gone"}), json!({"state": 7}), json!({"state": 7.0}), json!({"state": null})],
    );
    matching(text, &[json!({"state": false, "other": 1})]);
    not_matching(text, &[json!({"state": "GONE"}), json!({"state": "7"}), json!({"state": true}), json!({})]);
    not_matching(r#"{"a": [null]}"#, &[json!({"a": "null"}), json!({"a": []}), json!({})]);
    not_matching(r#"{"a": [9007199254740993]}"#, &[json!({"a": 9_007_199_254_740_992_u64})]);
}

#[test]
fn every_key_has_to_match_and_those_that_are_not_named_may_be_anything() {
    let text = r#"{"source": ["shop"], "detail": {"kind": ["order"], "buyer": {"land": ["de"]}}}"#;
    matching(
        text,
        &[json!({"source": "shop", "detail": {"kind": "order", "n": 1, "buyer": {"land": "de"}}})],
    );
    not_matching(
        text,
        &[
            json!({"source": "shop", "detail": {"kind": "order", "buyer": {"land": "fr"}}}),
            json!({"source": "shop", "detail": "order"}),
            json!({"detail": {"kind": "order", "buyer": {"land": "de"}}}),
        ],
    );
}

#[test]
fn any_element_of_an_array_may_match() {
    let text = r#"{"tags": ["red"]}"#;
    matching(text, &[json!({"tags": ["blue", "red"]}), json!({"tags": [["red"]]})]);
    not_matching(text, &[json!({"tags": ["blue"]}), json!({"tags": []}), json!({"tags": {"red": 1}})]);
}

#[test]
fn rules_of_an_object_hold_of_one_and_the_same_element() {
    let text = r#"{"people": {"name": ["Ada"], "age": [{"numeric": [">", 30]}]}}"#;
    matching(text, &[json!({"people": [{"name": "Bob", "age": 20}, {"name": "Ada", "age": 36}]})]);
    not_matching(text, &[json!({"people": [{"name": "Bob", "age": 36}, {"name": "Ada", "age": 20}]})]);
}

#[test]
fn texts_are_compared_by_their_beginning_end_and_form() {
    matching(r#"{"a": [{"prefix": "eu-"}]}"#, &[json!({"a": "eu-west"})]);
    not_matching(r#"{"a": [{"prefix": "eu-"}]}"#, &[json!({"a": "EU-west"}), json!({"a": 1})]);
    matching(r#"{"a": [{"prefix": {"equals-ignore-case": "Eu-"}}]}"#, &[json!({"a": "eU-west"})]);
    matching(r#"{"a": [{"suffix": ".png"}]}"#, &[json!({"a": "x.png"})]);
    not_matching(r#"{"a": [{"suffix": ".png"}]}"#, &[json!({"a": "x.PNG"})]);
    matching(r#"{"a": [{"suffix": {"equals-ignore-case": ".png"}}]}"#, &[json!({"a": "x.PNG"})]);
    matching(r#"{"a": [{"prefix": ""}]}"#, &[json!({"a": "x"}), json!({"a": ""})]);
    matching(r#"{"a": [{"equals-ignore-case": "ÄPFEL"}]}"#, &[json!({"a": "äpfel"})]);
    not_matching(r#"{"a": [{"equals-ignore-case": ""}]}"#, &[json!({"a": "x"})]);
}

#[test]
fn a_star_stands_for_any_characters() {
    matching(
        r#"{"a": [{"wildcard": "dir/*/x*z"}]}"#,
        &[json!({"a": "dir/p/q/xyz"}), json!({"a": "dir//xz"})],
    );
    not_matching(
        r#"{"a": [{"wildcard": "dir/*/x*z"}]}"#,
        &[json!({"a": "dir/xz"}), json!({"a": "dir/p/xyz."})],
    );
    matching(r#"{"a": [{"wildcard": "*"}]}"#, &[json!({"a": ""}), json!({"a": "anything"})]);
    not_matching(r#"{"a": [{"wildcard": "ab*b"}]}"#, &[json!({"a": "ab"})]);
    not_matching(r#"{"a": [{"wildcard": ""}]}"#, &[json!({"a": "x"})]);
    matching(r#"{"a": [{"wildcard": "\\*\\\\*"}]}"#, &[json!({"a": "*\\x"})]);
    not_matching(r#"{"a": [{"wildcard": "\\*"}]}"#, &[json!({"a": "x"})]);
}

#[test]
fn numbers_are_compared_within_bounds() {
    let text = r#"{"n": [{"numeric": [">", 0, "<=", 5]}]}"#;
    matching(text, &[json!({"n": 0.1}), json!({"n": 5})]);
    not_matching(text, &[json!({"n": 0}), json!({"n": 5.01}), json!({"n": "3"}), json!({"n": null})]);
    matching(r#"{"n": [{"numeric": ["=", 3.018e2]}]}"#, &[json!({"n": 301.8})]);
}

#[test]
fn addresses_are_of_a_network() {
    let text = r#"{"ip": [{"cidr": "10.0.0.0/24"}]}"#;
    matching(text, &[json!({"ip": "10.0.0.255"})]);
    not_matching(
        text,
        &[json!({"ip": "10.0.1.0"}), json!({"ip": "10.0.0.256"}), json!({"ip": "::a00:0"}), json!({"ip": 1})],
    );
    matching(
        r#"{"ip": [{"cidr": "2001:db8:1234:1a00::/64"}]}"#,
        &[json!({"ip": "2001:0db8:1234:1a00:0:0:0:1"})],
    );
    matching(r#"{"ip": [{"cidr": "0.0.0.0/0"}]}"#, &[json!({"ip": "200.1.2.3"})]);
    matching(r#"{"ip": [{"cidr": "::/0"}]}"#, &[json!({"ip": "ffff::1"})]);
}

#[test]
fn anything_but_is_any_value_that_is_there_and_not_excluded() {
    for (text, no) in [
        (r#"{"a": [{"anything-but": "x"}]}"#, json!("x")),
        (r#"{"a": [{"anything-but": ["w", "x"]}]}"#, json!("x")),
        (r#"{"a": [{"anything-but": [1, 2]}]}"#, json!(2.0)),
        (r#"{"a": [{"anything-but": {"prefix": "in"}}]}"#, json!("init")),
        (r#"{"a": [{"anything-but": {"prefix": ["x", "in"]}}]}"#, json!("init")),
        (r#"{"a": [{"anything-but": {"suffix": ".t"}}]}"#, json!("x.t")),
        (r#"{"a": [{"anything-but": {"equals-ignore-case": ["no", "nein"]}}]}"#, json!("NEIN")),
        (r#"{"a": [{"anything-but": {"wildcard": "*/x/*"}}]}"#, json!("a/x/b")),
    ] {
        not_matching(text, &[json!({"a": no}), json!({}), json!({"a": []}), json!({"a": {"b": 1}})]);
        matching(
            text,
            &[json!({"a": "other"}), json!({"a": null}), json!({"a": 77}), json!({"a": [no, "other"]})],
        );
    }
}

#[test]
fn exists_asks_for_a_value_and_not_for_an_object() {
    matching(r#"{"a": [{"exists": true}]}"#, &[json!({"a": null}), json!({"a": ["x"]})]);
    not_matching(r#"{"a": [{"exists": true}]}"#, &[json!({"a": {"b": 1}}), json!({"a": []}), json!({})]);
    let absent = r#"{"a": {"b": {"c": [{"exists": false}]}}}"#;
    matching(absent, &[json!({}), json!({"a": 1}), json!({"a": {"b": {"d": 1}}})]);
    not_matching(absent, &[json!({"a": {"b": {"c": 0}}})]);
    not_matching(r#"{"a": {"b": [{"exists": false}]}}"#, &[json!({"a": [{"b": 1}, {"c": 2}]})]);
    let either = r#"{"a": {"b": [{"anything-but": ["x"]}, {"exists": false}]}}"#;
    matching(either, &[json!({}), json!({"a": {"b": "y"}})]);
    not_matching(either, &[json!({"a": {"b": "x"}})]);
}

#[test]
fn one_alternative_of_an_or_is_enough_and_stands_beside_other_rules() {
    let text = r#"{"s": ["x"], "$or": [{"n": [1]}, {"m": [{"exists": true}], "n": [2]}]}"#;
    matching(text, &[json!({"s": "x", "n": 1}), json!({"s": "x", "n": 2, "m": 0})]);
    not_matching(text, &[json!({"s": "x", "n": 2}), json!({"s": "y", "n": 1}), json!({"s": "x"})]);
    let nested = r#"{"d": {"$or": [{"a": [1]}, {"b": {"$or": [{"c": [2]}, {"c": [3]}]}}]}}"#;
    matching(nested, &[json!({"d": {"b": {"c": 3}}})]);
    matching(r#"{"$or": ["x", "y"]}"#, &[json!({"$or": "y"})]);
}

#[test]
fn keys_may_be_joined_by_dots_in_patterns_and_events() {
    for text in [r#"{"d": {"a": {"b": [1]}}}"#, r#"{"d": {"a.b": [1]}}"#, r#"{"d.a": {"b": [1]}}"#] {
        matching(
            text,
            &[
                json!({"d": {"a": {"b": 1}}}),
                json!({"d": {"a.b": 1}}),
                json!({"d.a": {"b": 1}}),
                json!({"d.a.b": 1}),
            ],
        );
        not_matching(text, &[json!({"d": {"a.b": {"b": 1}}}), json!({"d": {"ab": 1}})]);
    }
}

#[test]
fn what_a_pattern_expects_under_a_key_can_be_asked() {
    let found = pattern(r#"{"$or": [{"body": {"a": [1]}}, {"id": ["x"]}], "other": [1]}"#);
    assert_eq!(found.expects("body"), Some(Expected::Object));
    assert_eq!(found.expects("id"), Some(Expected::Value));
    assert_eq!(found.expects("data"), None);
}

#[test]
fn what_is_no_pattern_is_refused_in_eventbridges_words() {
    for (text, told) in [
        (r#"["a"]"#, "Filter is not an object"),
        (r#"{"int": 42}"#, "\"int\" must be an object or an array"),
        (r#"{"s": "x"}"#, "\"s\" must be an object or an array"),
        (r#"{"a": []}"#, "Empty arrays are not allowed"),
        (r#"{}"#, "Empty objects are not allowed"),
        (r#"{"a": {}}"#, "Empty objects are not allowed"),
        (r#"{"a": [{"EXISTS": true}]}"#, "Unrecognized match type EXISTS"),
        (r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#, "Only one key allowed in match expression"),
        (r#"{"a": [{}]}"#, "Only one key allowed in match expression"),
        (r#"{"a": [[1]]}"#, "Match value must be String, number, true, false, or null"),
        (r#"{"a": [{"prefix": 1}]}"#, "prefix match pattern must be a string"),
        (r#"{"a": [{"suffix": [".x"]}]}"#, "suffix match pattern must be a string"),
        (
            r#"{"a": [{"equals-ignore-case": {"prefix": "x"}}]}"#,
            "equals-ignore-case match pattern must be a string",
        ),
        (r#"{"a": [{"wildcard": 1}]}"#, "wildcard match pattern must be a string"),
        (r#"{"a": [{"wildcard": "arn:**:x"}]}"#, "Consecutive wildcard characters at pos 4"),
        (r#"{"a": [{"wildcard": "x\\y"}]}"#, "Invalid escape character at pos 1"),
        (r#"{"a": [{"numeric": 10}]}"#, "Value of numeric must be an array."),
        (r#"{"a": [{"numeric": [">", 0, ">", 0]}]}"#, "Bad numeric range operator: >"),
        (r#"{"a": [{"numeric": [">", 0, "<"]}]}"#, "Value of < must be numeric"),
        (r#"{"a": [{"numeric": [">", 5, "<", 5]}]}"#, "Bottom must be less than top"),
        (r#"{"a": [{"cidr": "bad-filter"}]}"#, "Malformed CIDR, one '/' required"),
        (r#"{"a": [{"cidr": "bad-/64filter"}]}"#, "Malformed CIDR, mask bits must be an integer"),
        (r#"{"a": [{"cidr": "xx.11.xx/8"}]}"#, "Nonstandard IP address: xx.11.xx"),
        (r#"{"a": [{"cidr": ["x"]}]}"#, "prefix match pattern must be a string"),
        (
            r#"{"a": [{"anything-but": null}]}"#,
            "Value of anything-but must be an array or single string/number value.",
        ),
        (
            r#"{"a": [{"anything-but": ["x", null]}]}"#,
            "Inside anything but list, start|null|boolean is not supported.",
        ),
        (r#"{"a": [{"anything-but": {"prefix": ""}}]}"#, "Null prefix/suffix not allowed"),
        (r#"{"a": [{"anything-but": {"suffix": [1]}}]}"#, "prefix/suffix match pattern must be a string"),
        (
            r#"{"a": [{"anything-but": {"equals-ignore-case": [1]}}]}"#,
            "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.",
        ),
    ] {
        assert_eq!(refusal(text), told, "{text}");
    }
    assert!("null".parse::<Pattern>().is_err() && "{".parse::<Pattern>().is_err());
}

#[test]
fn a_pattern_has_bounds() {
    let fitting = format!(r#"{{"a": ["{}"]}}"#, "x".repeat(PATTERN_MAX_CHARACTERS - 11));
    assert_eq!(fitting.chars().count(), PATTERN_MAX_CHARACTERS);
    assert!(fitting.parse::<Pattern>().is_ok());
    assert!(refusal(&format!("{fitting} ")).contains("4096 are allowed"));
    assert!(refusal(&format!(r#"{{"{}": [1]}}"#, "a.".repeat(1000))).contains("nested too deeply"));
    assert!(format!("{}[1]{}", r#"{"a":"#.repeat(500), "}".repeat(500)).parse::<Pattern>().is_err());
}

/// What costs others exponential or quadratic time.
#[test]
fn hostile_patterns_and_events_end_soon() {
    let stars = pattern(&format!(r#"{{"a": [{{"wildcard": "{}b"}}]}}"#, "*a".repeat(1000)));
    assert!(!stars.matches(&json!({"a": "a".repeat(1_000_000)})));
    let absent: Vec<String> = (0..100).map(|n| format!(r#""k{n}": [{{"exists": false}}]"#)).collect();
    let absent = pattern(&format!(r#"{{"list": {{{}}}}}"#, absent.join(",")));
    let list: Vec<Value> = (0..10_000).map(|n| json!({ "k0": n })).collect();
    assert!(!absent.matches(&json!({ "list": list })));
    let or = r#"{"a": [1]}, "#.repeat(150) + r#"{"b": [1]}"#;
    assert!(
        !pattern(&format!(r#"{{"$or": [{or}], "x": {{"$or": [{or}]}}}}"#)).matches(&json!({"x": [{}, {}]}))
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-9.0..9.0_f64).prop_map(Value::from),
        "[ab.*$]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 5, |inner| {
        let key = prop_oneof![
            "[ab.]{0,3}".boxed(),
            prop::sample::select(vec![
                "$or",
                "prefix",
                "suffix",
                "wildcard",
                "numeric",
                "exists",
                "anything-but",
                "cidr",
                "equals-ignore-case",
            ])
            .prop_map(str::to_owned)
            .boxed(),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A wildcard's meaning, without a thought of time.
fn means(form: &[char], text: &[char]) -> bool {
    match form {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|skipped| means(rest, &text[skipped..])),
        [first, rest @ ..] => text.first() == Some(first) && means(rest, &text[1..]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_makes_the_parser_panic(text in r#"[\[\]{}:,"a$or\\*0-9. -]{0,60}"#) {
        let _ = text.parse::<Pattern>();
    }

    #[test]
    fn no_pattern_and_no_event_does_harm(pattern in any_json(), event in any_json()) {
        if let Ok(pattern) = pattern.to_string().parse::<Pattern>() {
            let _ = pattern.matches(&event);
        }
    }

    #[test]
    fn an_event_matches_the_pattern_of_its_own_values(fields in prop::collection::btree_map("[a-c]{1,2}", any::<i64>(), 1..5)) {
        let listed: Value = fields.iter().map(|(key, value)| (key.clone(), json!([value]))).collect::<serde_json::Map<_, _>>().into();
        let event: Value = fields.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<serde_json::Map<_, _>>().into();
        prop_assert!(listed.to_string().parse::<Pattern>().unwrap().matches(&event));
    }

    #[test]
    fn a_wildcard_means_what_a_star_says(form in "([ab]{0,3}\\*){0,4}[ab]{0,3}", text in "[ab]{0,12}") {
        if let Ok(wildcard) = form.parse::<wildcard::Wildcard>() {
            let (form, characters): (Vec<char>, Vec<char>) = (form.chars().collect(), text.chars().collect());
            prop_assert_eq!(wildcard.matches(&text), means(&form, &characters));
        }
    }

    #[test]
    fn a_value_is_either_meant_or_excluded(wanted in "[a-c]{0,2}", value in "[a-c]{0,2}") {
        let event = json!({ "k": value });
        let is = json!({"k": [wanted]}).to_string().parse::<Pattern>().unwrap();
        let is_not = json!({"k": [{"anything-but": wanted}]}).to_string().parse::<Pattern>().unwrap();
        prop_assert!(is.matches(&event) != is_not.matches(&event));
    }
}
