//! Where this host's own Debian packages come from.
//!
//! A base that can't be pulled is made of the packages that the host's apt sources name, so that a host behind a mirror
//! uses that mirror. Both forms of sources are read: one line each, and deb822. Source: sources.list(5).

use std::{collections::BTreeSet, fs, path::Path};

/// The archive that every Debian host can use where its own sources name none, as on Ubuntu.
const DEFAULT_ARCHIVE: &str = "http://deb.debian.org/debian";

/// The releases of Debian that a source may name to count as Debian's own archive.
const SUITES: [&str; 8] =
    ["bullseye", "bookworm", "trixie", "forky", "sid", "stable", "testing", "oldstable"];

/// The Debian archive that the host's sources name.
pub(super) fn archive() -> String {
    let mut texts = Vec::new();
    let mut paths = vec![Path::new("/etc/apt/sources.list").to_owned()];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        let found: BTreeSet<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.extend(found);
    }
    for path in paths {
        let deb822 = path.extension().is_some_and(|extension| extension == "sources");
        // A host without sources has the default.
        if let Ok(text) = fs::read_to_string(&path) {
            texts.push((deb822, text));
        }
    }
    texts
        .iter()
        .find_map(|(deb822, text)| if *deb822 { from_deb822(text) } else { from_lines(text) })
        .unwrap_or_else(|| DEFAULT_ARCHIVE.to_owned())
}

/// `deb [options] URI SUITE COMPONENT...`
fn from_lines(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        let mut words = rest.split_whitespace();
        let (uri, suite) = (words.next()?, words.next()?);
        (is_debian(suite) && is_archive(uri) && words.any(|component| component == "main"))
            .then(|| uri.to_owned())
    })
}

/// Paragraphs of `Field: value`, a value going on in indented lines.
fn from_deb822(text: &str) -> Option<String> {
    text.split("\n\n").find_map(|paragraph| {
        let field = |name: &str| {
            let mut value = String::new();
            let mut inside = false;
            for line in paragraph.lines().filter(|line| !line.starts_with('#')) {
                if line.starts_with([' ', '\t']) {
                    if inside {
                        value.push_str(line);
                    }
                } else if let Some((key, rest)) = line.split_once(':') {
                    inside = key.trim().eq_ignore_ascii_case(name);
                    if inside {
                        value.push_str(rest);
                    }
                }
            }
            value
        };
        if field("Enabled").trim().eq_ignore_ascii_case("no") {
            return None;
        }
        let is_wanted = field("Types").split_whitespace().any(|kind| kind == "deb")
            && field("Suites").split_whitespace().any(is_debian)
            && field("Components").split_whitespace().any(|component| component == "main");
        let uris = field("URIs");
        let uri = uris.split_whitespace().find(|uri| is_archive(uri))?;
        is_wanted.then(|| uri.to_owned())
    })
}

fn is_debian(suite: &str) -> bool {
    SUITES.contains(&suite)
}

/// The main archive, not that of security updates, which has no base system.
fn is_archive(uri: &str) -> bool {
    (uri.starts_with("http://") || uri.starts_with("https://")) && !uri.contains("security")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_names_the_archive() {
        let text = "# deb http://commented/debian bookworm main\n\
                    deb http://security.example/debian-security bookworm-security main\n\
                    deb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian bookworm main contrib\n";
        assert_eq!(from_lines(text).as_deref(), Some("https://mirror.example/debian"));
    }

    #[test]
    fn a_paragraph_names_the_archive() {
        let text = "Types: deb\nURIs: http://security.example/debian-security\nSuites: bookworm-security\nComponents: main\n\n\
                    Types: deb deb-src\n# a comment\nURIs:\n http://mirror.example/debian\nSuites: bookworm bookworm-updates\n\
                    Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n";
        assert_eq!(from_deb822(text).as_deref(), Some("http://mirror.example/debian"));
    }

    #[test]
    fn sources_of_others_are_passed_over() {
        assert_eq!(from_lines("deb https://other.example/apt nodistro main\n"), None);
        assert_eq!(from_lines("deb http://archive.example/ubuntu noble main universe\n"), None);
        assert_eq!(
            from_deb822("Types: deb\nURIs: https://other.example/apt\nSuites: nodistro\nComponents: main\n"),
            None
        );
        assert_eq!(
            from_deb822(
                "Enabled: no\nTypes: deb\nURIs: http://m.example/debian\nSuites: trixie\nComponents: main\n"
            ),
            None
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reading(text in "(deb|Types|URIs|[ :\n\t\\[\\]#a-z])*") {
            let _ = (from_lines(&text), from_deb822(&text));
        }
    }
}
