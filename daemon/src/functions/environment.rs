//! The variables that a function is given. Their values are secrets: nothing here prints one.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use serde::{Deserialize, Serialize, Serializer as _};

use super::field::InvalidField;

/// Bytes that all names and values together may take, as JSON.
const MAX_JSON_BYTES: usize = 4096;

/// Names that the sandbox sets itself, as Lambda documents them under "Defined runtime environment variables", and the
/// older names of credentials that it refuses too. Sorted, to be searched.
const RESERVED: [&str; 23] = [
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
];

/// A function's own environment variables, by name.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables in the order of their names. The values are secrets of the function.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<String, String>> for Environment {
    type Error = InvalidField;

    fn try_from(variables: BTreeMap<String, String>) -> Result<Self, Self::Error> {
        Self::of_pairs(variables.into_iter().collect())
    }
}

impl Environment {
    /// The variables in the order in which a caller names them, which is the order in which a refusal does.
    ///
    /// # Errors
    /// A name is reserved or of another form; a value can't be one; all together are too long.
    pub fn of_pairs(pairs: Vec<(String, String)>) -> Result<Self, InvalidField> {
        let mut variables: Vec<(String, String)> = Vec::with_capacity(pairs.len());
        let mut places: HashMap<String, usize> = HashMap::with_capacity(pairs.len());
        for (name, value) in pairs {
            // Of a name that comes twice the later value counts, as in any JSON object.
            match places.get(&name).and_then(|place| variables.get_mut(*place)) {
                Some(named) => named.1 = value,
                None => {
                    places.insert(name.clone(), variables.len());
                    variables.push((name, value));
                }
            }
        }
        let reserved: Vec<&str> = variables
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| RESERVED.binary_search(name).is_ok())
            .collect();
        if !reserved.is_empty() {
            return Err(refuse(format!(
                "Lambda was unable to configure your environment variables because the environment variables you \
                 have provided contains reserved keys that are currently not supported for modification. Reserved \
                 keys used in this request: {}",
                reserved.join(", ")
            )));
        }
        if let Some(name) = variables.iter().map(|(name, _)| name).find(|name| !is_variable_name(name)) {
            return Err(InvalidField::constraint(
                FIELD,
                "environment.variables",
                name,
                "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: \
                 [a-zA-Z]([a-zA-Z0-9_])+]",
            ));
        }
        if let Some((name, _)) = variables.iter().find(|(_, value)| value.contains('\0')) {
            return Err(refuse(format!(
                "The value of the environment variable {name} has a NUL character, which no process can be given"
            )));
        }
        let measured = json(&variables);
        if measured.len() > MAX_JSON_BYTES {
            // Lambda's message has the values, too; they go back to whoever sent them and nowhere else.
            return Err(refuse(format!(
                "Lambda was unable to configure your environment variables because the environment variables you \
                 have provided exceeded the 4KB limit. String measured: {measured}"
            )));
        }
        Ok(Self(variables.into_iter().collect()))
    }
}

impl From<Environment> for BTreeMap<String, String> {
    fn from(environment: Environment) -> Self {
        environment.0
    }
}

/// Prints names only.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

const FIELD: &str = "environment";

fn refuse(message: String) -> InvalidField {
    InvalidField::new(FIELD, message)
}

/// Lambda's `[a-zA-Z]([a-zA-Z0-9_])+`.
fn is_variable_name(name: &str) -> bool {
    name.len() >= 2
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The variables as a JSON object without white space.
fn json(variables: &[(String, String)]) -> String {
    let mut json = Vec::new();
    let pairs = variables.iter().map(|(name, value)| (name, value));
    // Strings are no values that JSON can't carry, and memory takes whatever is written.
    let _ = serde_json::Serializer::new(&mut json).collect_map(pairs);
    String::from_utf8(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Result<Environment, InvalidField> {
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        variables.try_into()
    }

    #[test]
    fn the_reserved_names_are_sorted_so_that_searching_finds_each() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn reserved_names_are_refused_in_lambdas_words() {
        let error = environment(&[("AWS_REGION", "x"), ("OK", "y"), ("_HANDLER", "z")]).unwrap_err();
        assert_eq!(error.field, "environment");
        assert_eq!(
            error.message,
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided contains reserved keys that are currently not supported for modification. Reserved keys used \
             in this request: AWS_REGION, _HANDLER"
        );
    }

    #[test]
    fn names_that_lambda_leaves_to_the_user_are_taken() {
        assert!(
            environment(&[("PATH", "/x"), ("TZ", "Europe/Berlin"), ("PYTHONPATH", "/opt"), ("LANG", "C")])
                .is_ok()
        );
    }

    #[test]
    fn names_of_another_form_are_refused() {
        for name in ["", "A", "1A", "_A", "A-B", "A B", "A=B", "Ä1", "A\0"] {
            assert!(environment(&[(name, "x")]).is_err(), "{name:?}");
        }
    }

    #[test]
    fn four_kilobytes_of_json_are_the_most() {
        // {"AB":"…"} is 9 bytes and the value.
        assert!(environment(&[("AB", &"x".repeat(4096 - 9))]).is_ok());
        let error = environment(&[("AB", &"x".repeat(4096 - 8))]).unwrap_err();
        assert!(error.message.contains("exceeded the 4KB limit. String measured: {\"AB\":\"xxx"), "{error}");
    }

    #[test]
    fn variables_are_measured_in_the_order_in_which_they_come() {
        let pairs =
            |value: &str| vec![("Z_".to_owned(), "1".to_owned()), ("AB".to_owned(), value.to_owned())];
        let error = Environment::of_pairs(pairs(&"x".repeat(4096))).unwrap_err();
        assert!(error.message.contains("String measured: {\"Z_\":\"1\",\"AB\":\"xxx"), "{error}");
        let twice = Environment::of_pairs([pairs("old"), pairs("new")].concat()).unwrap();
        assert_eq!(twice.iter().collect::<Vec<_>>(), [("AB", "new"), ("Z_", "1")]);
    }

    #[test]
    fn a_value_with_a_nul_is_refused_without_repeating_it() {
        let error = environment(&[("KEY", "secret\0")]).unwrap_err();
        assert!(error.message.contains("KEY") && !error.message.contains("secret"));
    }

    #[test]
    fn debug_output_shows_names_and_no_values() {
        let shown = format!("{:?}", environment(&[("PASSWORD", "hunter2")]).unwrap());
        assert_eq!(shown, r#"{"PASSWORD"}"#);
    }

    #[test]
    fn an_environment_survives_serde_and_is_checked_when_read() {
        let original = environment(&[("KEY", "value")]).unwrap();
        let json = serde_json::to_string(&original).unwrap();
        assert_eq!(serde_json::from_str::<Environment>(&json).unwrap(), original);
        assert!(serde_json::from_str::<Environment>(r#"{"AWS_REGION":"x"}"#).is_err());
    }
}
