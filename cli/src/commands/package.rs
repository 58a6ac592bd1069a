//! Packages: a zip archive that is there or in S3, or one made of a directory.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, Write},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use futures_util::stream;
use indicatif::ProgressBar;
use thaw_proto::v1::S3Object;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::s3_url::s3_object;
use crate::{failure::Failure, ui::Ui};

/// The bytes of a package that are sent at a time.
const CHUNK: usize = 1 << 20;

/// Left out of an archive: what Python and git make, and no function needs. Named in the help text.
const LEFT_OUT: [&str; 2] = [".git", "__pycache__"];

/// Where the code is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Source {
    /// A zip archive.
    #[arg(long, value_name = "FILE")]
    zip: Option<PathBuf>,
    /// A directory, whose content is zipped as it is, but for .git and __pycache__.
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
    /// A zip archive in a bucket of the server that the daemon's setting s3_endpoint names: s3://BUCKET/KEY, of one version
    /// s3://BUCKET/KEY?versionId=VERSION.
    #[arg(long, value_name = "URL", value_parser = s3_object)]
    s3: Option<S3Object>,
}

/// Code that is ready to be sent.
#[derive(Debug)]
pub(crate) enum Code {
    /// Its bytes.
    Package(Package),
    /// Where the daemon gets them.
    Object(S3Object),
}

impl Code {
    /// Where in S3 it is, if it is.
    pub(crate) fn object(&self) -> Option<S3Object> {
        match self {
            Self::Package(_) => None,
            Self::Object(object) => Some(object.clone()),
        }
    }

    /// What shows on a terminal that it is on its way.
    pub(crate) fn bar(&self, ui: &Ui) -> ProgressBar {
        match self {
            Self::Package(package) => ui.bar("uploading", package.length),
            Self::Object(_) => ui.spinner(),
        }
    }
}

/// A package that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Package {
    file: File,
    length: u64,
}

impl Source {
    /// Opens the archive, or makes it in a file without a name. One in S3 is left to the daemon.
    pub(crate) fn open(&self) -> Result<Code, Failure> {
        if let Some(object) = &self.s3 {
            return Ok(Code::Object(object.clone()));
        }
        let file = match (&self.zip, &self.source) {
            (Some(path), _) => {
                File::open(path).with_context(|| format!("reading the package {}", path.display()))?
            }
            (None, Some(directory)) => archive(directory)?,
            (None, None) => return Err(Failure::Usage("give --zip, --source or --s3".to_owned())),
        };
        let length = file.metadata().context("reading the package")?.len();
        if length == 0 {
            return Err(Failure::Usage("the package is empty".to_owned()));
        }
        Ok(Code::Package(Package { file, length }))
    }
}

impl Package {
    /// The next bytes; none at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut chunk = Vec::with_capacity(CHUNK);
        (&mut self.file).take(CHUNK as u64).read_to_end(&mut chunk)?;
        Ok((!chunk.is_empty()).then(|| chunk.into()))
    }
}

/// Zips a directory: the same content gives the same bytes, so that an unchanged function keeps its digest.
fn archive(directory: &Path) -> anyhow::Result<File> {
    if !directory.is_dir() {
        bail!("--source {}: there is no such directory", directory.display());
    }
    let mut zip = ZipWriter::new(tempfile::tempfile().context("making a temporary file")?);
    add(&mut zip, directory, "")?;
    let mut file = zip.finish().context("finishing the archive")?;
    file.rewind().context("reading the archive")?;
    Ok(file)
}

fn add(zip: &mut ZipWriter<File>, directory: &Path, prefix: &str) -> anyhow::Result<()> {
    let reading = || format!("reading {}", directory.display());
    let mut entries = fs::read_dir(directory)
        .with_context(reading)?
        .collect::<Result<Vec<_>, _>>()
        .with_context(reading)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}")) else {
            bail!("{}: names in a package must be UTF-8", path.display());
        };
        if LEFT_OUT.iter().any(|left_out| entry.file_name() == *left_out) {
            continue;
        }
        let metadata = fs::symlink_metadata(&path).with_context(|| format!("reading {}", path.display()))?;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            // The same each time, whatever the clock says.
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(metadata.permissions().mode() & 0o777)
            .large_file(metadata.len() > u64::from(u32::MAX));
        let kind = metadata.file_type();
        if kind.is_dir() {
            zip.add_directory(name.as_str(), options)?;
            add(zip, &path, &format!("{name}/"))?;
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).with_context(|| format!("reading {}", path.display()))?;
            let Some(target) = target.to_str() else {
                bail!("{}: names in a package must be UTF-8", path.display());
            };
            zip.add_symlink(name.as_str(), target, options)?;
        } else if kind.is_file() {
            zip.start_file(name.as_str(), options)?;
            let mut file = File::open(&path).with_context(|| format!("reading {}", path.display()))?;
            io::copy(&mut file, zip).with_context(|| format!("reading {}", path.display()))?;
        } else {
            let what = if kind.is_fifo() {
                "a FIFO"
            } else if kind.is_socket() {
                "a socket"
            } else {
                "a device"
            };
            bail!("{} is {what}, which a package can't hold", path.display());
        }
    }
    zip.flush().context("writing the archive")
}

/// The first message, then the package's pieces, if they are here. A file that can't be read on ends the stream early; the daemon then
/// refuses the archive as cut off.
pub(crate) fn upload<M: Send + 'static>(
    first: M,
    code: Code,
    bar: ProgressBar,
    message: impl Fn(Bytes) -> M + Send + 'static,
) -> impl futures_util::Stream<Item = M> + Send + 'static {
    stream::unfold((Some(first), code), move |(first, mut code)| {
        let next = match (first, &mut code) {
            (Some(first), _) => Some(first),
            (None, Code::Object(_)) => None,
            (None, Code::Package(package)) => package
                .next()
                .unwrap_or_else(|error| {
                    let _ = writeln!(io::stderr(), "error: the package can't be read on: {error}");
                    None
                })
                .map(|chunk| {
                    bar.inc(chunk.len() as u64);
                    message(chunk)
                }),
        };
        async move { next.map(|next| (next, (None, code))) }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::create_dir_all(path.join("lib/__pycache__")).unwrap();
        fs::create_dir_all(path.join(".git")).unwrap();
        fs::write(path.join("app.py"), "def handler(event, context): pass").unwrap();
        fs::write(path.join("run.sh"), "#!/bin/sh").unwrap();
        fs::set_permissions(path.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(path.join("lib/__pycache__/app.pyc"), "x").unwrap();
        symlink("app.py", path.join("link.py")).unwrap();
        directory
    }

    fn bytes(directory: &Path) -> Vec<u8> {
        let mut bytes = Vec::new();
        archive(directory).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_same_directory_gives_the_same_archive() {
        let directory = tree();
        let first = bytes(directory.path());
        fs::write(directory.path().join("app.py"), "def handler(event, context): pass").unwrap();
        assert_eq!(first, bytes(directory.path()));
    }

    #[test]
    fn modes_and_links_are_kept_and_litter_is_not() {
        let directory = tree();
        let mut zip = zip::ZipArchive::new(archive(directory.path()).unwrap()).unwrap();
        let names: Vec<_> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["app.py", "lib/", "link.py", "run.sh"]);
        assert_eq!(zip.by_name("run.sh").unwrap().unix_mode().unwrap() & 0o777, 0o755);
        assert!(zip.by_name("link.py").unwrap().is_symlink());
    }

    #[test]
    fn a_fifo_is_refused_by_name() {
        let directory = tree();
        let fifo = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert!(archive(directory.path()).unwrap_err().to_string().contains("pipe is a FIFO"));
    }
}
