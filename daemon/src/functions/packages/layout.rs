//! What a package will look like on disk, worked out from names alone, before anything is written.
//!
//! The layout is a tree of plain paths. No two entries may claim one path, nothing may lie below a file or behind a link,
//! and a link may not lead out, also not with the help of other links. So whoever writes the layout down, directories
//! first and links last, cannot be led outside by any of it.

use std::collections::{BTreeMap, VecDeque};

use super::{
    directory::name_too_long,
    error::PackageError,
    limits::{MAX_DEPTH, MAX_LINK_STEPS, MAX_LINKS_FOLLOWED, MAX_NAME_BYTES, MAX_PATH_BYTES},
};

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A directory that has an entry of its own.
    Directory,
    /// A directory that only other entries' names imply.
    ImpliedDirectory,
    /// A file: the archive's entry of this index.
    File(usize),
    /// A symbolic link: the archive's entry of this index.
    Symlink(usize),
}

/// The tree, by path. Sorted, so that a directory comes before what is in it.
#[derive(Debug)]
pub(super) struct Layout {
    nodes: BTreeMap<String, Node>,
    max_nodes: u64,
}

impl Layout {
    pub(super) fn new(max_nodes: u64) -> Self {
        Self { nodes: BTreeMap::new(), max_nodes }
    }

    /// Adds what the entry named `entry` puts at `path`.
    pub(super) fn add(&mut self, entry: &str, path: &str, node: Node) -> Result<(), PackageError> {
        for (at, _) in path.match_indices('/') {
            self.imply_directory(entry, &path[..at])?;
        }
        match self.nodes.get(path) {
            None => self.insert(entry, path, node),
            Some(Node::ImpliedDirectory) if node == Node::Directory => self.insert(entry, path, node),
            Some(there) if is_directory(there) != is_directory(&node) => {
                Err(PackageError::Clash { entry: entry.to_owned(), other: path.to_owned() })
            }
            Some(_) => Err(PackageError::Duplicate { entry: entry.to_owned() }),
        }
    }

    fn imply_directory(&mut self, entry: &str, path: &str) -> Result<(), PackageError> {
        match self.nodes.get(path) {
            None => self.insert(entry, path, Node::ImpliedDirectory),
            Some(Node::Directory | Node::ImpliedDirectory) => Ok(()),
            Some(Node::File(_)) => {
                Err(PackageError::Clash { entry: entry.to_owned(), other: path.to_owned() })
            }
            Some(Node::Symlink(_)) => {
                Err(PackageError::ThroughSymlink { entry: entry.to_owned(), link: path.to_owned() })
            }
        }
    }

    fn insert(&mut self, entry: &str, path: &str, node: Node) -> Result<(), PackageError> {
        self.nodes.insert(path.to_owned(), node);
        if self.nodes.len() as u64 > self.max_nodes {
            return Err(PackageError::TooManyEntries { entry: entry.to_owned(), limit: self.max_nodes });
        }
        Ok(())
    }

    /// The tree, parents first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }
}

fn is_directory(node: &Node) -> bool {
    matches!(node, Node::Directory | Node::ImpliedDirectory)
}

/// The path that an entry's name means: its parts joined by `/`. `None` for the root of the package itself.
///
/// One leading `./` is dropped, because some archivers write it; any other part that is not a plain name is refused
/// rather than repaired, so that one path has one spelling.
pub(super) fn path_of(entry: &str) -> Result<Option<&str>, PackageError> {
    let refuse = |problem| Err(PackageError::Name { entry: entry.to_owned(), problem });
    if entry.len() > MAX_PATH_BYTES {
        return Err(name_too_long(entry));
    }
    if entry.contains('\0') {
        return refuse("has a NUL character");
    }
    if entry.contains('\\') {
        return refuse("has a backslash; separate directories with /");
    }
    if entry.starts_with('/') {
        return refuse("is an absolute path");
    }
    let path = entry.strip_prefix("./").unwrap_or(entry);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return if entry == "./" { Ok(None) } else { refuse("is empty") };
    }
    for (depth, name) in path.split('/').enumerate() {
        match name {
            ".." => return refuse("leaves the package by .."),
            "." => return refuse("has a part that is a single dot"),
            "" => return refuse("has an empty part"),
            _ if name.len() > MAX_NAME_BYTES => return refuse("has a part of more than 255 bytes"),
            _ if depth >= MAX_DEPTH => return refuse("has more than 64 parts"),
            _ => {}
        }
    }
    Ok(Some(path))
}

/// Checks that no link leads out of the package. `links` are all links by path, with their targets.
pub(super) fn check_links(links: &BTreeMap<String, String>) -> Result<(), PackageError> {
    let mut steps = 0;
    for (path, target) in links {
        follow(links, path, target, &mut steps).map_err(|problem| PackageError::Symlink {
            entry: path.clone(),
            target: target.clone(),
            problem,
        })?;
    }
    Ok(())
}

/// Follows a link as the kernel would, through other links too. A part that does not exist counts as a directory: what
/// is not there today cannot be where `..` leads out tomorrow, as packages never change.
fn follow<'a>(
    links: &'a BTreeMap<String, String>,
    path: &'a str,
    target: &'a str,
    steps: &mut usize,
) -> Result<(), &'static str> {
    let mut at = parent_of(path).to_owned();
    let mut ahead: VecDeque<&str> = parts_of(target)?.collect();
    let mut followed = 0;
    while let Some(part) = ahead.pop_front() {
        *steps += 1;
        if *steps > MAX_LINK_STEPS {
            return Err("is one of too many links");
        }
        match part {
            "" | "." => continue,
            ".." if at.is_empty() => return Err("leaves the package"),
            ".." => {
                at.truncate(parent_of(&at).len());
                continue;
            }
            name => {
                if !at.is_empty() {
                    at.push('/');
                }
                at.push_str(name);
            }
        }
        if let Some(next) = links.get(&at) {
            followed += 1;
            if followed > MAX_LINKS_FOLLOWED {
                return Err("leads through too many links");
            }
            at.truncate(parent_of(&at).len());
            for part in parts_of(next)?.rev() {
                ahead.push_front(part);
            }
        }
    }
    Ok(())
}

/// The directory that a path is in: empty for the root of the package.
fn parent_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn parts_of(target: &str) -> Result<impl DoubleEndedIterator<Item = &str>, &'static str> {
    if target.is_empty() {
        return Err("is empty");
    }
    if target.starts_with('/') {
        return Err("is an absolute path");
    }
    Ok(target.split('/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn links(links: &[(&str, &str)]) -> Result<(), PackageError> {
        check_links(&links.iter().map(|(path, target)| ((*path).to_owned(), (*target).to_owned())).collect())
    }

    #[test]
    fn plain_names_are_paths() {
        assert_eq!(path_of("app.py").unwrap(), Some("app.py"));
        assert_eq!(path_of("a/b c/ü.py").unwrap(), Some("a/b c/ü.py"));
        assert_eq!(path_of("a/").unwrap(), Some("a"));
        assert_eq!(path_of("./a/b").unwrap(), Some("a/b"));
        assert_eq!(path_of("./").unwrap(), None);
        assert_eq!(path_of("...").unwrap(), Some("..."));
    }

    #[test]
    fn every_other_way_to_write_a_path_is_refused() {
        for entry in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            ".",
            "a/.",
            "a/./b",
            "././a",
            "a//b",
            "a//",
            ".//a",
            "a\\b",
            "..\\a",
            "C:\\a",
            "a\0b",
        ] {
            assert!(matches!(path_of(entry), Err(PackageError::Name { .. })), "{entry:?}");
        }
        assert!(path_of(&"x".repeat(256)).is_err());
        assert!(path_of(&"x/".repeat(65)).is_err());
        assert!(path_of(&"x/".repeat(64)).is_ok());
        assert!(path_of(&"xxxxxxxx/".repeat(200)).is_err());
    }

    #[test]
    fn links_within_the_package_are_fine() {
        links(&[
            ("a", "b"),
            ("x/y", "../z"),
            ("lib/so", "so.1"),
            ("so.1", "nowhere"),
            ("here", "."),
            ("x/up", ".."),
        ])
        .unwrap();
    }

    #[test]
    fn links_that_leave_are_refused_however_they_do_it() {
        for hostile in [
            &[("a", "/etc/passwd")][..],
            &[("a", "..")],
            &[("a", "../b")],
            &[("x/a", "../../b")],
            &[("a", "b/../../c")],
            &[("a", "")],
            // `deep/up` is the root, so `..` behind it is outside, though it does not look it.
            &[("deep/up", ".."), ("y", "deep/up/..")],
            &[("deep/up", ".."), ("y", "deep/up/../../..")],
            &[("a", "b"), ("b", "a")],
            &[("self", "self")],
        ] {
            assert!(matches!(links(hostile), Err(PackageError::Symlink { .. })), "{hostile:?}");
        }
    }

    #[test]
    fn following_links_takes_a_bounded_time() {
        let long = "x/".repeat(500);
        let many: Vec<(String, &str)> =
            (0..20_000).map(|number| (format!("l{number}"), long.as_str())).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(path, target)| (path.as_str(), *target)).collect();
        assert!(matches!(
            links(&many),
            Err(PackageError::Symlink { problem: "is one of too many links", .. })
        ));
    }

    #[test]
    fn two_entries_cannot_claim_one_path() {
        let mut layout = Layout::new(100);
        layout.add("a/b", "a/b", Node::File(0)).unwrap();
        layout.add("a/", "a", Node::Directory).unwrap();
        assert!(matches!(layout.add("a/", "a", Node::Directory), Err(PackageError::Duplicate { .. })));
        assert!(matches!(layout.add("./a/b", "a/b", Node::File(1)), Err(PackageError::Duplicate { .. })));
        assert!(matches!(layout.add("a/b", "a/b", Node::Symlink(1)), Err(PackageError::Duplicate { .. })));
        assert!(matches!(layout.add("a", "a", Node::File(1)), Err(PackageError::Clash { .. })));
        assert!(matches!(layout.add("a/b/", "a/b", Node::Directory), Err(PackageError::Clash { .. })));
        assert!(matches!(layout.add("a/b/c", "a/b/c", Node::File(1)), Err(PackageError::Clash { .. })));
    }

    #[test]
    fn nothing_lies_behind_a_link_whichever_comes_first() {
        let mut layout = Layout::new(100);
        layout.add("link", "link", Node::Symlink(0)).unwrap();
        assert!(matches!(
            layout.add("link/a", "link/a", Node::File(1)),
            Err(PackageError::ThroughSymlink { .. })
        ));
        let mut layout = Layout::new(100);
        layout.add("link/a", "link/a", Node::File(0)).unwrap();
        assert!(matches!(layout.add("link", "link", Node::Symlink(1)), Err(PackageError::Clash { .. })));
    }

    #[test]
    fn implied_directories_count() {
        let mut layout = Layout::new(3);
        layout.add("a/b/c", "a/b/c", Node::File(0)).unwrap();
        assert!(matches!(
            layout.add("d", "d", Node::File(1)),
            Err(PackageError::TooManyEntries { limit: 3, .. })
        ));
    }

    proptest! {
        #[test]
        fn a_path_never_leads_out(entry in "(\\.|/|\\.\\.|a|\\\\|b|.){0,12}") {
            if let Ok(Some(path)) = path_of(&entry) {
                prop_assert!(!path.starts_with('/'));
                prop_assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")));
            }
        }

        /// The kernel is asked whether what was accepted stays inside.
        #[test]
        fn links_that_are_accepted_stay_inside_on_a_real_file_system(
            made in prop::collection::btree_map("[abc](/[abc]){0,2}", "(\\.\\.|[abc]|\\.)(/(\\.\\.|[abc])){0,3}", 1..5)
        ) {
            // One after another, without those that the layout or the check would refuse.
            let mut accepted = BTreeMap::new();
            for (path, target) in made {
                if !accepted.keys().any(|other| path.starts_with(&format!("{other}/"))) {
                    accepted.insert(path.clone(), target);
                    if check_links(&accepted).is_err() {
                        accepted.remove(&path);
                    }
                }
            }
            let outside = tempfile::tempdir().unwrap();
            let root = outside.path().join("package");
            std::fs::create_dir(&root).unwrap();
            for (path, target) in &accepted {
                let path = root.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::os::unix::fs::symlink(target, &path).unwrap();
            }
            for path in accepted.keys() {
                if let Ok(real) = root.join(path).canonicalize() {
                    prop_assert!(real.starts_with(root.canonicalize().unwrap()), "{path} leads to {}", real.display());
                }
            }
        }
    }
}
