//! Objects of S3 as people write them.

use thaw_proto::v1::S3Object;

/// What an object's address begins with.
const SCHEME: &str = "s3://";

/// What stands before its version. A key may have a question mark, too, so no other parameter is looked for.
const VERSION: &str = "?versionId=";

/// The object at `s3://BUCKET/KEY`, or `s3://BUCKET/KEY?versionId=VERSION`. The key stands there as it is, as the AWS command
/// line has it: nothing of it is decoded.
pub(super) fn s3_object(text: &str) -> Result<S3Object, String> {
    let refuse = |why: &str| Err(format!("{why}; give s3://BUCKET/KEY or s3://BUCKET/KEY?versionId=VERSION"));
    let Some(path) = text.strip_prefix(SCHEME) else { return refuse("this is no address in S3") };
    let (path, version) = match path.rsplit_once(VERSION) {
        Some((_, "")) => return refuse("the version is missing"),
        Some((path, version)) => (path, version),
        None => (path, ""),
    };
    match path.split_once('/') {
        Some(("", _)) => refuse("the bucket is missing"),
        None | Some((_, "")) => refuse("the key is missing"),
        Some((bucket, key)) => {
            Ok(S3Object { bucket: bucket.to_owned(), key: key.to_owned(), version: version.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_by_bucket_key_and_version() {
        for (text, bucket, key, version) in [
            ("s3://builds/hello.zip", "builds", "hello.zip", ""),
            ("s3://builds/a/b c%20+?d.zip", "builds", "a/b c%20+?d.zip", ""),
            ("s3://builds//a", "builds", "/a", ""),
            ("s3://builds/a?versionId=v/1", "builds", "a", "v/1"),
            ("s3://builds/a?versionId=1?versionId=2", "builds", "a?versionId=1", "2"),
        ] {
            let object = s3_object(text).unwrap();
            assert_eq!((&*object.bucket, &*object.key, &*object.version), (bucket, key, version), "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_told_with_what_to_give() {
        for (text, why) in [
            ("https://builds.s3.amazonaws.com/hello.zip", "this is no address in S3"),
            ("builds/hello.zip", "this is no address in S3"),
            ("s3://builds", "the key is missing"),
            ("s3://builds/", "the key is missing"),
            ("s3:///hello.zip", "the bucket is missing"),
            ("s3://builds/hello.zip?versionId=", "the version is missing"),
        ] {
            let told = s3_object(text).unwrap_err();
            assert!(told.starts_with(why) && told.contains("give s3://BUCKET/KEY"), "{text}: {told}");
        }
    }
}
