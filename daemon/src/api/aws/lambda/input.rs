//! What a request says: in its path, its query, its headers and its JSON.

use std::{fmt::Display, str::FromStr};

use bytes::Bytes;
use http::{HeaderMap, request::Parts};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::Lambda;
use crate::{
    api::aws::{body::Place, error::AwsError},
    functions::{
        FunctionReference, FunctionRegistry, InvalidField, InvalidKind, Qualifier, Region, RevisionId,
    },
    identity::{AccountId, sigv4::Identity},
};

/// Colons of a function's ARN before its name.
const PARTS_BEFORE_NAME: usize = 6;

/// What a path names, by its template's labels, decoded.
#[derive(Debug, Default)]
pub(super) struct Labels(Vec<(&'static str, String)>);

impl Labels {
    /// The labels of a path, if it is one of this template. A slash at the end does no harm: older clients send one.
    pub(super) fn matching(template: &'static str, path: &str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut labels = Vec::new();
        let mut segments = path.split('/');
        for part in template.split('/') {
            let segment = segments.next()?;
            match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(_) if segment.is_empty() => return None,
                Some(label) => {
                    labels.push((label, percent_decode_str(segment).decode_utf8().ok()?.into_owned()))
                }
                None if part == segment => {}
                None => return None,
            }
        }
        segments.next().is_none().then_some(Self(labels))
    }

    fn get(&self, label: &str) -> &str {
        self.0.iter().find(|(name, _)| *name == label).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// A request of a caller who is known.
#[derive(Debug)]
pub(crate) struct Call {
    pub(super) identity: Identity,
    pub(super) labels: Labels,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    query: Vec<(String, String)>,
    region: Region,
    /// What a large body takes of its account's room for such.
    place: Option<Place>,
}

impl Call {
    /// A request that is somebody's, with its body and the place that it takes among large ones.
    pub(crate) fn new(
        identity: Identity,
        head: Parts,
        body: Bytes,
        place: Option<Place>,
        region: Region,
    ) -> Self {
        let decode =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let query = head.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let query = query.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let query = query.map(|(name, value)| (decode(name), decode(value))).collect();
        Self { identity, labels: Labels::default(), headers: head.headers, body, query, region, place }
    }

    /// Gives the body up and its place to others of the account, before a wait that may be long.
    pub(super) fn let_go(&mut self) {
        self.body = Bytes::new();
        self.place = None;
    }

    /// Takes the body out as the payload of a call, and gives its place up before the call begins: the account's room is for
    /// what is read, and how long a call takes nobody knows. What payloads of calls take is bounded all the same: a call that
    /// is not refused has a sandbox or one that is on its way to it, which has 128 MB at the least of the memory budget, and no
    /// payload has more than 6. How many calls an account has at once, its concurrency says.
    pub(super) fn take_payload(&mut self) -> Bytes {
        self.place = None;
        std::mem::take(&mut self.body)
    }

    /// What the path names.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name)
    }

    /// A parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter of the query.
    pub(super) fn parameters(&self, name: &str) -> Vec<String> {
        self.query.iter().filter(|(found, _)| found == name).map(|(_, value)| value.clone()).collect()
    }

    /// A header that is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The host that the caller knows this daemon by.
    pub(super) fn host(&self) -> &str {
        self.header("host").unwrap_or("127.0.0.1")
    }

    /// The request's JSON; what is not known in it is not looked at.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, AwsError> {
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        serde_json::from_slice(body).map_err(|error| {
            AwsError::new(
                "SerializationException",
                format!("Could not parse request body into json: {error}"),
            )
        })
    }

    /// The function of the path, with the qualifier that may stand beside it. A function of another account is refused
    /// before anything is said of it.
    pub(super) fn function(&self, checks: &mut Checks) -> (Option<FunctionReference>, Option<Qualifier>) {
        let qualifier = self.parameter("Qualifier").filter(|text| !text.is_empty());
        let qualifier = qualifier.and_then(|text| checks.parse(text));
        let text = self.label("FunctionName");
        match text.parse::<FunctionReference>() {
            Ok(reference) => (Some(reference), qualifier),
            // Well-formed, and longer than any function's name: there is no such function.
            Err(error) if error.kind == InvalidKind::Value => {
                checks.not_found = Some(self.not_found(text, checks.with_version));
                (None, qualifier)
            }
            Err(error) => (checks.take(Err(error)), qualifier),
        }
    }

    /// What Lambda says it has not found: the ARN with the qualifier that the caller named, in the reference or beside it,
    /// or else with the one that stands for none, if versions are told.
    fn not_found(&self, text: &str, with_version: bool) -> String {
        let arn = self.arn_of(text);
        let is_qualified = arn.matches(':').count() > PARTS_BEFORE_NAME;
        match self.parameter("Qualifier").filter(|qualifier| !qualifier.is_empty()) {
            _ if is_qualified => arn,
            Some(qualifier) => format!("{arn}:{qualifier}"),
            None if with_version => format!("{arn}:$LATEST"),
            None => arn,
        }
    }

    /// The ARN that a well-formed reference means, whatever its name.
    fn arn_of(&self, text: &str) -> String {
        if text.starts_with("arn:") {
            return text.to_owned();
        }
        let name = text.rsplit_once("function:").map_or(text, |(_, name)| name);
        let (region, account) = (&self.region, self.identity.account);
        format!("arn:{}:lambda:{region}:{account}:function:{name}", region.partition())
    }

    /// MaxItems, if it is said; no more than `most`.
    pub(super) fn max_items(&self, checks: &mut Checks, most: u32) -> Result<usize, AwsError> {
        let Some(text) = self.parameter("MaxItems") else { return Ok(0) };
        let number: i64 = text.parse().map_err(|_| {
            AwsError::new(
                "SerializationException",
                "MaxItems: STRING_VALUE can not be converted to an Integer",
            )
        })?;
        if number < 1 {
            checks.refuse("maxItems", text, "Member must have value greater than or equal to 1");
        } else if number > i64::from(most) {
            checks.refuse("maxItems", text, &format!("Member must have value less than or equal to {most}"));
        }
        Ok(usize::try_from(number).unwrap_or_default())
    }

    /// Where a list goes on, as the list before said it.
    pub(super) fn marker<T: FromStr>(&self) -> Result<Option<T>, AwsError> {
        let Some(text) = self.parameter("Marker").filter(|text| !text.is_empty()) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| AwsError::new("InvalidParameterValueException", "Invalid Marker"))
    }
}

/// Collects what is wrong with a request, so that it is told all at once, as Lambda does.
#[derive(Debug, Default)]
pub(super) struct Checks {
    errors: Vec<InvalidField>,
    /// The ARN of a function that can't be, if one was named.
    not_found: Option<String>,
    /// Whether what is not found is told with the version that was looked for.
    with_version: bool,
}

impl Checks {
    /// For a call, of which Lambda says which version it did not find.
    pub(super) fn of_call() -> Self {
        Self { with_version: true, ..Self::default() }
    }

    /// Takes a checked value, or notes what is wrong with it.
    pub(super) fn take<T>(&mut self, checked: Result<T, InvalidField>) -> Option<T> {
        checked.map_err(|error| self.errors.push(error)).ok()
    }

    /// Parses a value.
    pub(super) fn parse<T: FromStr<Err = InvalidField>>(&mut self, text: &str) -> Option<T> {
        self.take(text.parse())
    }

    /// Parses a value that may be missing.
    pub(super) fn optional<T: FromStr<Err = InvalidField>>(&mut self, text: Option<&str>) -> Option<T> {
        text.and_then(|text| self.parse(text))
    }

    /// Parses a value that may be missing or empty, which is the same.
    pub(super) fn unless_empty<T: FromStr<Err = InvalidField>>(&mut self, text: Option<&str>) -> Option<T> {
        self.optional(text.filter(|text| !text.is_empty()))
    }

    /// Checks a number of a request against the range of what it is.
    pub(super) fn number<T: TryFrom<u32, Error = InvalidField>>(
        &mut self,
        member: &'static str,
        number: Option<i64>,
    ) -> Option<T> {
        let number = number?;
        // What no type here could hold is as much out of range as the nearest that it can.
        let near = u32::try_from(number).unwrap_or(if number < 0 { 0 } else { u32::MAX });
        let checked = T::try_from(near).map_err(|mut error| {
            let (near, number) = (format!("Value '{near}'"), format!("Value '{number}'"));
            error.message = error.message.replacen(&near, &number, 1);
            error
        });
        if checked.is_ok() && number < 0 {
            self.refuse(member, &number.to_string(), "Member must have value greater than or equal to 0");
            return None;
        }
        self.take(checked)
    }

    /// Notes a broken constraint of a member that the domain has no type for.
    pub(super) fn refuse(&mut self, member: &'static str, value: &str, constraint: &str) {
        self.errors.push(InvalidField::constraint(member, member, value, constraint));
    }

    /// The same of a member of another one, whose name comes first: `code.` and the like.
    pub(super) fn refuse_in(&mut self, place: &str, member: &'static str, value: &str, constraint: &str) {
        self.errors.push(InvalidField::constraint(member, &format!("{place}{member}"), value, constraint));
    }

    /// Notes what the domain found.
    pub(super) fn note(&mut self, error: InvalidField) {
        self.errors.push(error);
    }

    /// Notes that a member is missing.
    pub(super) fn missing(&mut self, member: &'static str) {
        let mut error = InvalidField::constraint(member, member, "null", "Member must not be null");
        error.message = error.message.replacen("'null'", "null", 1);
        self.errors.push(error);
    }

    /// What Lambda says of all of it.
    pub(super) fn finish(self) -> Result<(), AwsError> {
        if let Some(error) = InvalidField::several(self.errors) {
            return Err(error.into());
        }
        let Some(arn) = self.not_found else { return Ok(()) };
        Err(AwsError::new("ResourceNotFoundException", format!("Function not found: {arn}")))
    }

    /// The same, and a value that is there if nothing was wrong.
    pub(super) fn finish_with<T>(self, value: Option<T>) -> Result<T, AwsError> {
        self.finish()?;
        value.ok_or_else(|| {
            AwsError::new("ValidationException", "1 validation error detected: a required member is missing")
        })
    }
}

/// The caller's own function that a reference means. Those of others are out of reach, and not told from what is not there
/// by anything but their account.
pub(super) fn own(
    reference: FunctionReference,
    call: &Call,
    registry: &FunctionRegistry,
    operation: &str,
) -> Result<FunctionReference, AwsError> {
    let account: AccountId = call.identity.account;
    let arn = reference.arn_for(registry.region(), account);
    if reference.foreign_region(registry.region()).is_none() && arn.account != account {
        return Err(denied(registry.region(), call, operation, &arn));
    }
    Ok(arn.into())
}

/// What Lambda says to a caller who asks for something of another account's.
pub(super) fn denied(region: &Region, call: &Call, operation: &str, resource: &impl Display) -> AwsError {
    let (partition, account) = (region.partition(), call.identity.account);
    let user = match &call.identity.service {
        Some(service) => service.principal.to_string(),
        None => format!("arn:{partition}:iam::{account}:root"),
    };
    AwsError::new(
        "AccessDeniedException",
        format!(
            "User: {user} is not authorized to perform: lambda:{operation} on resource: \
             {resource} because no resource-based policy allows the lambda:{operation} action"
        ),
    )
}

/// The caller's own function that a request names, and the qualifier, where nothing else of the request is to be checked.
pub(super) fn target(
    lambda: &Lambda,
    call: &Call,
    operation: &str,
) -> Result<(FunctionReference, Option<Qualifier>), AwsError> {
    let mut checks = Checks::default();
    let (reference, qualifier) = call.function(&mut checks);
    let reference = checks.finish_with(reference)?;
    Ok((own(reference, call, &lambda.functions(call), operation)?, qualifier))
}

/// A revision id of a request. One that Thaw did not give is that of no state.
pub(super) fn revision(text: Option<&str>) -> Option<RevisionId> {
    let text = text.filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| RevisionId::random()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEMPLATE: &str = "/2015-03-31/functions/{FunctionName}/aliases/{Name}";

    #[test]
    fn labels_are_decoded_and_a_slash_at_the_end_does_no_harm() {
        let path =
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Aa/aliases/b/";
        let labels = Labels::matching(TEMPLATE, path).unwrap();
        assert_eq!(labels.get("FunctionName"), "arn:aws:lambda:us-east-1:000000000000:function:a");
        assert_eq!(labels.get("Name"), "b");
        for other in [
            "/2015-03-31/functions/a/aliases",
            "/2015-03-31/functions/a/aliases/b/c",
            "/2015-03-31/functions//aliases/b",
            "",
        ] {
            assert!(Labels::matching(TEMPLATE, other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_name_too_long_for_any_function_is_not_found_as_it_was_asked_for() {
        let name = "a".repeat(65);
        for (path, query, told) in [
            ("", "", ":$LATEST"),
            (":live", "", ":live"),
            ("", "?Qualifier=live", ":live"),
            (":live", "?Qualifier=live", ":live"),
        ] {
            let request = http::Request::builder().uri(format!("/{query}")).body(()).unwrap();
            let account = AccountId::DEFAULT;
            let identity =
                Identity { account, access_key_id: "test".to_owned().try_into().unwrap(), service: None };
            let mut call = Call::new(identity, request.into_parts().0, Bytes::new(), None, Region::default());
            call.labels = Labels(vec![("FunctionName", format!("{name}{path}"))]);
            let mut checks = Checks::of_call();
            call.function(&mut checks);
            let told =
                format!("Function not found: arn:aws:lambda:us-east-1:{account}:function:{name}{told}");
            assert_eq!(checks.finish().unwrap_err().message, Some(told));
        }
    }

    #[test]
    fn several_broken_constraints_are_told_at_once() {
        let mut checks = Checks::default();
        checks.refuse("maxItems", "0", "Member must have value greater than or equal to 1");
        checks.missing("tagKeys");
        let error = checks.finish().unwrap_err();
        assert_eq!(
            error.message.as_deref(),
            Some(
                "2 validation errors detected: Value '0' at 'maxItems' failed to satisfy constraint: Member must have value \
                 greater than or equal to 1; Value null at 'tagKeys' failed to satisfy constraint: Member must not be null"
            )
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_path_makes_the_matcher_panic(path in "(/2015-03-31|/functions|/aliases|/|%|%3A|%ff|.){0,10}") {
            let _ = Labels::matching(TEMPLATE, &path);
        }

        #[test]
        fn a_label_survives_its_way(name in "[ -~]{1,40}") {
            let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let labels = Labels::matching(TEMPLATE, &format!("/2015-03-31/functions/{encoded}/aliases/b")).unwrap();
            prop_assert_eq!(labels.get("FunctionName"), name);
        }
    }
}
