//! Where in S3 a package is.

use std::fmt;

use super::InvalidField;

/// Lambda's pattern of a bucket's name, as its messages have it.
const BUCKET_PATTERN: &str = r"[0-9A-Za-z\.\-_]*(?<!\.)";

/// Its pattern of keys and versions: anything on one line.
const LINE_PATTERN: &str = ".*";

/// Characters of a bucket's name.
const BUCKET_CHARS: (usize, usize) = (3, 63);

/// Characters of a key, and of a version.
const LINE_CHARS: (usize, usize) = (1, 1024);

/// An object of S3 that holds a package. Source: Lambda's `FunctionCode`, `S3Bucket`, `S3Key` and `S3ObjectVersion`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Object {
    bucket: Box<str>,
    key: Box<str>,
    version: Option<Box<str>>,
}

impl S3Object {
    /// What Lambda says where one of bucket and key is given without the other, or a version without both.
    pub const INCOMPLETE: &'static str = "S3 Bucket and Key are required for uploading with S3 parameters.";

    /// Checks an object's names. `place` is what they are in, as Lambda's messages have it, such as `code.`.
    ///
    /// # Errors
    /// Every constraint of Lambda's model that is broken.
    pub fn parse(
        place: &str,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Self, Vec<InvalidField>> {
        let mut broken = Vec::new();
        let mut check =
            |name: &str, value: &str, (least, most): (usize, usize), pattern: &str, fits: bool| {
                let mut refuse = |constraint: String| {
                    broken.push(InvalidField::constraint(
                        "s3_object",
                        &format!("{place}{name}"),
                        value,
                        constraint,
                    ));
                };
                let length = value.chars().count();
                if length < least {
                    refuse(format!("Member must have length greater than or equal to {least}"));
                }
                if length > most {
                    refuse(format!("Member must have length less than or equal to {most}"));
                }
                if !fits {
                    refuse(format!("Member must satisfy regular expression pattern: {pattern}"));
                }
            };
        let word = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let is_name = bucket.bytes().all(word) && !bucket.ends_with('.');
        check("s3Bucket", bucket, BUCKET_CHARS, BUCKET_PATTERN, is_name);
        check("s3Key", key, LINE_CHARS, LINE_PATTERN, is_line(key));
        if let Some(version) = version {
            check("s3ObjectVersion", version, LINE_CHARS, LINE_PATTERN, is_line(version));
        }
        if broken.is_empty() {
            Ok(Self { bucket: bucket.into(), key: key.into(), version: version.map(Into::into) })
        } else {
            Err(broken)
        }
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The object's name in it.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Which of its versions; the newest if none is said.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

/// As Lambda's messages name it.
impl fmt::Display for S3Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.key)
    }
}

/// What `.` does not match in the regular expressions of Lambda's model: the ends of lines.
fn is_line(text: &str) -> bool {
    !text.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bucket: &str, key: &str, version: Option<&str>) -> String {
        InvalidField::several(S3Object::parse("code.", bucket, key, version).unwrap_err()).unwrap().message
    }

    #[test]
    fn an_object_has_the_names_that_lambda_takes() {
        for bucket in ["abc", "A.b-c_9", ".ab", &"x".repeat(63)] {
            for key in ["a", "a b/../é?versionId=1", &"é".repeat(1024)] {
                let object = S3Object::parse("", bucket, key, Some("v/1")).unwrap();
                assert_eq!((object.bucket(), object.key(), object.version()), (bucket, key, Some("v/1")));
                assert_eq!(object.to_string(), format!("{bucket}/{key}"));
            }
        }
        assert_eq!(S3Object::parse("", "abc", "k", None).unwrap().version(), None);
    }

    #[test]
    fn what_is_no_name_is_refused_in_lambdas_words() {
        assert_eq!(
            told("s3://abc", "k", None),
            "1 validation error detected: Value 's3://abc' at 'code.s3Bucket' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: [0-9A-Za-z\\.\\-_]*(?<!\\.)"
        );
        assert_eq!(
            told("ab", "", Some("a\nb")),
            "3 validation errors detected: Value 'ab' at 'code.s3Bucket' failed to satisfy constraint: Member must have \
             length greater than or equal to 3; Value '' at 'code.s3Key' failed to satisfy constraint: Member must have \
             length greater than or equal to 1; Value 'a\\nb' at 'code.s3ObjectVersion' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: .*"
        );
        let (long, wide) = (format!("{}/", "x".repeat(63)), "y".repeat(1025));
        for part in ["equal to 63;", "pattern: [0-9A", "less than or equal to 1024"] {
            assert!(told(&long, &wide, None).contains(part), "{part}");
        }
        assert!(told("abc.", "k", None).contains("code.s3Bucket"));
    }
}
