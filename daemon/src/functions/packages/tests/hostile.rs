//! Archives that must be refused, each with its entry named and nothing left on disk.

use proptest::prelude::*;

use super::*;

fn small(limits: impl FnOnce(&mut PackageLimits)) -> World {
    let mut set = PackageLimits::default();
    limits(&mut set);
    World::with(set)
}

#[test]
fn names_that_lead_out_or_are_no_names_are_refused() {
    let world = World::new();
    for name in [
        &b"../evil"[..],
        b"a/../../evil",
        b"a/../b",
        b"..",
        b"/etc/passwd",
        b"//etc/passwd",
        b"a/./b",
        b"a//b",
        b".",
        b"..\\evil",
        b"a\\b",
        b"C:\\evil",
        b"a\0b",
        b"a/..",
    ] {
        let error = world.refusal(&zip_named(name));
        let shown = format!("{:?}", String::from_utf8_lossy(name));
        assert!(matches!(error, PackageError::Name { .. }), "{shown}: {error:?}");
        assert!(error.to_string().contains(&shown), "{error}");
    }
    assert!(!world.packages.0.directory.join("../evil").exists());
}

#[test]
fn names_that_are_too_long_or_too_deep_are_refused() {
    let world = World::new();
    for name in ["x".repeat(256), "x/".repeat(64) + "x", "x".repeat(5000), "yyyyyyy/".repeat(200) + "x"] {
        assert!(matches!(world.refusal(&zip_named(name.as_bytes())), PackageError::Name { .. }));
    }
}

#[test]
fn a_link_that_leaves_the_package_is_refused() {
    let world = World::new();
    for target in ["/etc/passwd", "..", "../x", "a/../../x", "", "x\0y"] {
        let error = world.refusal(&zip(|writer| link(writer, "sneaky", target)));
        assert!(matches!(error, PackageError::Symlink { .. }), "{target:?}: {error:?}");
        assert!(error.to_string().contains("\"sneaky\""), "{error}");
    }
    let long = "x/".repeat(4000);
    assert!(matches!(world.refusal(&zip(|writer| link(writer, "l", &long))), PackageError::Symlink { .. }));
}

#[test]
fn a_link_that_leaves_with_the_help_of_another_is_refused() {
    let world = World::new();
    let archive = zip(|writer| {
        link(writer, "dir/up", "..");
        link(writer, "out", "dir/up/../etc");
    });
    let error = world.refusal(&archive);
    assert!(matches!(&error, PackageError::Symlink { entry, .. } if entry == "out"), "{error:?}");
}

#[test]
fn nothing_is_written_through_a_link() {
    let world = World::new();
    let through = zip(|writer| {
        link(writer, "dir", "real");
        file(writer, "dir/file", b"x");
    });
    assert!(matches!(world.refusal(&through), PackageError::ThroughSymlink { .. }));
    let before = zip(|writer| {
        file(writer, "dir/file", b"x");
        link(writer, "dir", "real");
    });
    assert!(matches!(world.refusal(&before), PackageError::Clash { .. }));
    let mut replaced = zip(|writer| {
        link(writer, "fileA", "target");
        file(writer, "fileB", b"x");
    });
    rename(&mut replaced, b"fileB", b"fileA");
    assert!(matches!(world.refusal(&replaced), PackageError::Duplicate { .. }));
}

#[test]
fn devices_pipes_and_sockets_are_refused() {
    let world = World::new();
    for kind in [0o020_000, 0o060_000, 0o010_000, 0o140_000, 0o040_000, 0o050_000] {
        for system in [0, 3] {
            let mut archive = zip(|writer| file(writer, "special", b""));
            let at = listed(&archive, "special");
            archive[at + 5] = system;
            set_u32(&mut archive, at + 38, (kind | 0o666) << 16);
            let error = world.refusal(&archive);
            assert!(
                matches!(&error, PackageError::SpecialFile { entry, .. } if entry == "special"),
                "{kind:o} {error:?}"
            );
        }
    }
}

#[test]
fn names_that_come_twice_are_refused() {
    let world = World::new();
    let mut same = zip(|writer| {
        file(writer, "app.py", b"one");
        file(writer, "apq.py", b"two");
    });
    rename(&mut same, b"apq.py", b"app.py");
    let error = world.refusal(&same);
    assert!(matches!(&error, PackageError::Duplicate { entry } if entry == "app.py"), "{error:?}");

    let mut spelled_otherwise = zip(|writer| {
        file(writer, "app.py", b"one");
        file(writer, "NNapp.py", b"two");
    });
    rename(&mut spelled_otherwise, b"NNapp.py", b"./app.py");
    assert!(matches!(world.refusal(&spelled_otherwise), PackageError::Duplicate { .. }));

    let file_and_directory = zip(|writer| {
        file(writer, "a", b"x");
        file(writer, "a/b", b"y");
    });
    assert!(matches!(world.refusal(&file_and_directory), PackageError::Clash { .. }));
}

/// The sizes in both headers: (in the local one, in the listed one).
const COMPRESSED: (usize, usize) = (18, 20);
const UNCOMPRESSED: (usize, usize) = (22, 24);

#[test]
fn sizes_that_lie_are_refused_both_ways() {
    let world = World::new();
    let honest = zip(|writer| {
        file(writer, "lie", &b"0123456789".repeat(1000));
        file(writer, "other", &b"abcdefghij".repeat(1000));
    });
    world.unpack(&honest).unwrap();
    world.packages.collect_garbage(|_| false, false).unwrap();
    for (in_local, in_listed) in [COMPRESSED, UNCOMPRESSED] {
        for size in [0, 1, 10, 9_999, 10_001, 1_000_000, 0xFFFF_FFFE] {
            for (patch_local, patch_listed) in [(true, true), (true, false), (false, true)] {
                let mut archive = honest.clone();
                let (local, listed) = (local(&archive, "lie"), listed(&archive, "lie"));
                if patch_local {
                    set_u32(&mut archive, local + in_local, size);
                }
                if patch_listed {
                    set_u32(&mut archive, listed + in_listed, size);
                }
                let error = world.refusal(&archive);
                assert!(
                    error.to_string().contains("\"lie\""),
                    "{size} {patch_local} {patch_listed}: {error}"
                );
            }
        }
    }
}

#[test]
fn a_bomb_is_refused_whether_it_says_so_or_not() {
    let world = small(|limits| limits.max_unpacked_bytes = 1_000_000);
    let honest = zip(|writer| {
        file(writer, "harmless", b"x");
        file(writer, "bomb", &vec![0; 3_000_000]);
    });
    assert!(honest.len() < 10_000);
    let error = world.refusal(&honest);
    assert!(
        matches!(&error, PackageError::UnpackedTooLarge { entry, limit: 1_000_000 } if entry == "bomb"),
        "{error:?}"
    );
    let mut lying = honest;
    let (local, listed) = (local(&lying, "bomb"), listed(&lying, "bomb"));
    set_u32(&mut lying, local + UNCOMPRESSED.0, 1000);
    set_u32(&mut lying, listed + UNCOMPRESSED.1, 1000);
    assert!(world.refusal(&lying).to_string().contains("\"bomb\""));
}

#[test]
fn a_bomb_of_many_files_is_refused() {
    let world = small(|limits| limits.max_unpacked_bytes = 1_000_000);
    let archive = zip(|writer| {
        for number in 0..20 {
            file(writer, &format!("{number}"), &vec![0; 100_000]);
        }
    });
    assert!(matches!(world.refusal(&archive), PackageError::UnpackedTooLarge { .. }));
}

#[test]
fn more_entries_than_allowed_are_refused() {
    let world = small(|limits| limits.max_entries = 10);
    let archive = zip(|writer| {
        for number in 0..11 {
            file(writer, &format!("{number}"), b"");
        }
    });
    assert!(matches!(world.refusal(&archive), PackageError::TooManyEntries { limit: 10, .. }));
    let implied = zip(|writer| file(writer, "a/b/c/d/e/f/g/h/i/j/k", b""));
    assert!(matches!(world.refusal(&implied), PackageError::TooManyEntries { limit: 10, .. }));
}

#[test]
fn a_directory_that_would_fill_the_memory_is_refused_before_it_is_loaded() {
    let world = World::new();
    // One entry may have 64 KB of extra fields; a few hundred of them together are too many.
    let mut archive = Vec::new();
    let entries = 200_u16;
    for number in 0..entries {
        archive.extend_from_slice(b"PK\x01\x02");
        archive.extend_from_slice(&[0; 24]);
        archive.extend_from_slice(&3_u16.to_le_bytes());
        archive.extend_from_slice(&u16::MAX.to_le_bytes());
        archive.extend_from_slice(&[0; 14]);
        archive.extend_from_slice(format!("{number:03}").as_bytes());
        archive.extend_from_slice(&vec![0; usize::from(u16::MAX)]);
    }
    let size = u32::try_from(archive.len()).unwrap();
    archive.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    archive.extend_from_slice(&entries.to_le_bytes());
    archive.extend_from_slice(&entries.to_le_bytes());
    archive.extend_from_slice(&size.to_le_bytes());
    archive.extend_from_slice(&[0; 6]);
    let error = world.refusal(&archive);
    assert!(error.to_string().contains("too many extra fields"), "{error}");
}

#[test]
fn an_archive_that_is_larger_than_any_may_be_is_not_looked_at() {
    let most = |limits: &PackageLimits| usize::try_from(limits.largest_archive()).unwrap();
    let world = small(|limits| (limits.max_zip_bytes, limits.max_unpacked_bytes) = (100, 1000));
    let limits = PackageLimits { max_zip_bytes: 100, max_unpacked_bytes: 1000, ..PackageLimits::default() };
    let archive = vec![0; most(&limits) + 1];
    assert!(matches!(world.refusal(&archive), PackageError::ArchiveTooLarge { .. }));
    assert!(matches!(world.refusal(&archive[1..]), PackageError::NotAnArchive));
    let generous = PackageLimits { max_zip_bytes: 1 << 40, ..limits };
    assert_eq!(generous.largest_archive(), 1 << 40, "an upload may be larger than what it unpacks to");
}

#[test]
fn an_archive_cut_off_anywhere_is_refused() {
    let world = World::new();
    let archive = zip(|writer| {
        file(writer, "app.py", &b"print('hello')\n".repeat(20));
        file(writer, "lib/x", b"x");
    });
    for len in 0..archive.len() {
        world.refusal(&archive[..len]);
    }
    let error = world.refusal(&archive[..archive.len() - 30]);
    assert!(matches!(error, PackageError::Truncated), "{error:?}");
}

#[test]
fn what_is_no_archive_or_holds_nothing_is_refused() {
    let world = World::new();
    assert!(matches!(world.refusal(b""), PackageError::NotAnArchive));
    assert!(matches!(world.refusal(b"def handler(event, context):\n"), PackageError::NotAnArchive));
    assert!(matches!(world.refusal(&zip(|_| {})), PackageError::Empty));
}

#[test]
fn data_before_or_after_the_archive_is_refused() {
    let world = World::new();
    let archive = zip(|writer| file(writer, "app.py", b"x"));
    assert!(matches!(
        world.refusal(&[b"#!/bin/sh\n", &archive[..]].concat()),
        PackageError::Malformed { .. }
    ));
    assert!(matches!(world.refusal(&[&archive[..], b"more"].concat()), PackageError::Malformed { .. }));
}

#[test]
fn encrypted_entries_are_refused() {
    let world = World::new();
    let mut archive = zip(|writer| file(writer, "secret", b"x"));
    let (local, listed) = (local(&archive, "secret"), listed(&archive, "secret"));
    set_u16(&mut archive, local + 6, 1);
    set_u16(&mut archive, listed + 8, 1);
    let error = world.refusal(&archive);
    assert!(matches!(&error, PackageError::Encrypted { entry } if entry == "secret"), "{error:?}");
}

#[test]
fn other_compression_methods_are_refused() {
    let world = World::new();
    for method in [1, 9, 12, 14, 93, 95, 99] {
        let mut archive = zip(|writer| file(writer, "packed", b"x"));
        let (local, listed) = (local(&archive, "packed"), listed(&archive, "packed"));
        set_u16(&mut archive, local + 8, method);
        set_u16(&mut archive, listed + 10, method);
        let error = world.refusal(&archive);
        assert!(
            matches!(&error, PackageError::UnsupportedCompression { entry, .. } if entry == "packed"),
            "{error:?}"
        );
    }
}

#[test]
fn damaged_content_is_refused() {
    let world = World::new();
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let archive = zip(|writer| file_with(writer, "app.py", &b"0123456789".repeat(10), stored));
    let data = local(&archive, "app.py") + 30 + "app.py".len();
    for at in data..listed(&archive, "app.py") {
        let mut damaged = archive.clone();
        damaged[at] ^= 0x10;
        let error = world.refusal(&damaged);
        assert!(error.to_string().contains("\"app.py\""), "{error}");
    }
}

#[test]
fn two_names_for_the_same_bytes_are_refused() {
    let world = World::new();
    let archive = zip(|writer| {
        file(writer, "first", b"content");
        writer.shallow_copy_file("first", "second").unwrap();
    });
    assert!(world.refusal(&archive).to_string().contains("\"second\""));
}

#[test]
fn a_directory_with_content_is_refused() {
    let world = World::new();
    let mut archive = zip(|writer| file(writer, "dirX", b"content"));
    rename(&mut archive, b"dirX", b"dir/");
    assert!(matches!(world.refusal(&archive), PackageError::SizeMismatch { .. }));
}

fn one_of_everything() -> Vec<u8> {
    zip(|writer| {
        file(writer, "app.py", &b"print('hello')\n".repeat(5));
        writer.add_directory("dir", SimpleFileOptions::default()).unwrap();
        link(writer, "dir/link", "../app.py");
        let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        file_with(writer, "dir/stored", b"0123456789", stored);
    })
}

/// Whatever happened, there is the package or nothing, and all of it is inside.
fn assert_whole_or_nothing(world: &World, archive: &[u8]) -> Result<(), TestCaseError> {
    match world.unpack(archive) {
        Ok((path, _pin)) => {
            let digest = Sha256Digest::of(archive).to_string();
            prop_assert_eq!(world.files(), vec![digest]);
            let root = path.canonicalize().unwrap();
            let mut waiting = vec![root.clone()];
            while let Some(directory) = waiting.pop() {
                for entry in fs::read_dir(directory).unwrap() {
                    let entry = entry.unwrap();
                    match entry.path().canonicalize() {
                        Ok(real) => prop_assert!(real.starts_with(&root)),
                        Err(error) => prop_assert_eq!(error.kind(), ErrorKind::NotFound),
                    }
                    if entry.file_type().unwrap().is_dir() {
                        waiting.push(entry.path());
                    }
                }
            }
        }
        Err(error) => {
            prop_assert!(error.is_fault_of_archive(), "{error:?}");
            prop_assert_eq!(world.files(), Vec::<String>::new());
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_whole_or_nothing(&World::new(), &bytes)?;
    }

    #[test]
    fn no_change_of_an_archive_does_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut archive = one_of_everything();
        for (at, byte) in changes {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        assert_whole_or_nothing(&World::new(), &archive)?;
    }

    #[test]
    fn no_rearrangement_of_an_archive_does_harm(
        from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), len in 1..100_usize,
    ) {
        let mut archive = one_of_everything();
        let from = from.index(archive.len());
        let piece: Vec<u8> = archive[from..].iter().take(len).copied().collect();
        let to = to.index(archive.len());
        archive.splice(to..to, piece);
        assert_whole_or_nothing(&World::new(), &archive)?;
    }
}
