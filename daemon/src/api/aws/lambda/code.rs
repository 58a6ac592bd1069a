//! A package in a request: its bytes, or where in S3 it is.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;

use super::{
    functions::invalid,
    input::{Call, Checks},
};
use crate::{
    api::aws::error::AwsError,
    functions::{FunctionRegistry, S3Object, UploadedCode},
};

/// A copy is kept of what is fetched: the only way that a package is stored here.
const COPY: &str = "COPY";

/// It would stay in its bucket, to be read again for each sandbox.
const REFERENCE: &str = "REFERENCE";

/// FunctionCode, LayerVersionContentInput, and what UpdateFunctionCode has of them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct CodeInput {
    zip_file: Option<String>,
    s3_bucket: Option<String>,
    s3_key: Option<String>,
    s3_object_version: Option<String>,
    s3_object_storage_mode: Option<String>,
    image_uri: Option<String>,
}

/// The same, where no constraint of the model is broken.
#[derive(Default)]
pub(super) struct Code {
    zip_file: Option<String>,
    s3: S3,
    is_reference: bool,
    is_image: bool,
}

/// What a request says of S3.
#[derive(Default)]
enum S3 {
    #[default]
    Nothing,
    /// Something is missing.
    Incomplete,
    Object(S3Object),
}

impl CodeInput {
    /// Notes what is wrong. `place` is what the members are in, such as `code.`.
    pub(super) fn checked(self, place: &str, checks: &mut Checks) -> Code {
        let Self { zip_file, s3_bucket, s3_key, s3_object_version, s3_object_storage_mode, image_uri } = self;
        let mode = s3_object_storage_mode.as_deref();
        if let Some(other) = mode.filter(|mode| ![COPY, REFERENCE].contains(mode)) {
            let constraint = format!("Member must satisfy enum value set: [{COPY}, {REFERENCE}]");
            checks.refuse_in(place, "s3ObjectStorageMode", other, &constraint);
        }
        let s3 = match (&s3_bucket, &s3_key) {
            (Some(bucket), Some(key)) => {
                match S3Object::parse(place, bucket, key, s3_object_version.as_deref()) {
                    Ok(object) => S3::Object(object),
                    Err(broken) => {
                        broken.into_iter().for_each(|error| checks.note(error));
                        S3::Nothing
                    }
                }
            }
            (None, None) if s3_object_version.is_none() && mode.is_none() => S3::Nothing,
            _ => S3::Incomplete,
        };
        Code { zip_file, s3, is_reference: mode == Some(REFERENCE), is_image: image_uri.is_some() }
    }
}

impl Code {
    /// Whether it names an image, and is no package.
    pub(super) fn is_image(&self) -> bool {
        self.is_image
    }

    /// Takes the package in. One that is refused leaves nothing.
    pub(super) async fn receive(
        self,
        registry: &FunctionRegistry,
        call: &mut Call,
    ) -> Result<UploadedCode, AwsError> {
        match (self.zip_file, self.s3) {
            (Some(zip_file), S3::Nothing) => {
                let uploaded = upload(registry, zip_file).await;
                // It is on the disk, and what is still to be done with it may take long.
                call.let_go();
                uploaded
            }
            (Some(_), _) => {
                Err(invalid("Please do not provide other FunctionCode parameters when providing a ZipFile."))
            }
            (None, S3::Nothing) => Err(invalid("Please provide a source for function code.")),
            (None, S3::Incomplete) => Err(invalid(S3Object::INCOMPLETE)),
            (None, S3::Object(_)) if self.is_reference => Err(invalid(
                "thawd keeps a copy of every package: S3ObjectStorageMode REFERENCE is not served.",
            )),
            (None, S3::Object(object)) => {
                call.let_go();
                Ok(registry.fetch(&object).await?)
            }
        }
    }
}

/// Takes a package in that is in the request itself.
async fn upload(registry: &FunctionRegistry, zip_file: String) -> Result<UploadedCode, AwsError> {
    let bytes = STANDARD
        .decode(zip_file.as_bytes())
        .map_err(|_| AwsError::new("SerializationException", "ZipFile is not base64"))?;
    drop(zip_file);
    if bytes.is_empty() {
        return Err(invalid("Uploaded file must be a non-empty zip"));
    }
    let mut upload = registry.begin_upload().await?;
    upload.append(Bytes::from(bytes)).await?;
    Ok(upload.finish().await?)
}
