//! What honest archives become.

use std::{
    os::unix::fs::{MetadataExt as _, symlink},
    time::{Duration, SystemTime},
};

use zip::CompressionMethod;

use super::*;

fn mode(path: PathBuf) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn an_archive_becomes_a_directory_named_by_its_digest() {
    let world = World::new();
    let archive = zip(|writer| {
        file(writer, "app.py", b"def handler(event, context): ...\n");
        writer.add_directory("empty/", SimpleFileOptions::default()).unwrap();
        file(writer, "lib/deep/\u{fc}.txt", "\u{fc}".as_bytes());
        file_with(
            writer,
            "stored",
            &[7; 100_000],
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored),
        );
        file(writer, "nothing", b"");
    });
    let (path, _pin) = world.unpack(&archive).unwrap();
    assert_eq!(path.file_name().unwrap().to_str().unwrap(), Sha256Digest::of(&archive).to_string());
    assert_eq!(fs::read(path.join("app.py")).unwrap(), b"def handler(event, context): ...\n");
    assert_eq!(fs::read_to_string(path.join("lib/deep/\u{fc}.txt")).unwrap(), "\u{fc}");
    assert_eq!(fs::read(path.join("stored")).unwrap(), vec![7; 100_000]);
    assert_eq!(fs::read(path.join("nothing")).unwrap(), b"");
    assert!(path.join("empty").is_dir());
}

#[test]
fn everyone_can_read_what_is_unpacked_and_only_the_owner_can_write_it() {
    let world = World::new();
    let archive = zip(|writer| {
        for permissions in [0o755, 0o644, 0o600, 0o700, 0o777, 0o666, 0o400, 0o111] {
            let options = SimpleFileOptions::default().unix_permissions(permissions);
            file_with(writer, &format!("dir/{permissions:o}"), b"x", options);
        }
    });
    let (path, _pin) = world.unpack(&archive).unwrap();
    assert_eq!(mode(path.clone()), 0o755);
    assert_eq!(mode(path.join("dir")), 0o755);
    for (stored, unpacked) in [
        ("755", 0o755),
        ("644", 0o644),
        ("600", 0o644),
        ("700", 0o755),
        ("777", 0o755),
        ("666", 0o644),
        ("400", 0o444),
        ("111", 0o555),
    ] {
        assert_eq!(mode(path.join("dir").join(stored)), unpacked, "{stored}");
    }
}

#[test]
fn set_user_id_bits_do_not_survive() {
    let world = World::new();
    let mut archive = zip(|writer| file(writer, "tool", b"x"));
    let at = listed(&archive, "tool");
    set_u32(&mut archive, at + 38, 0o107_755 << 16);
    let (path, _pin) = world.unpack(&archive).unwrap();
    assert_eq!(mode(path.join("tool")), 0o755);
}

#[test]
fn an_archive_without_modes_is_readable() {
    let world = World::new();
    let mut archive = zip(|writer| file(writer, "app.py", b"x"));
    let at = listed(&archive, "app.py");
    archive[at + 5] = 0;
    set_u32(&mut archive, at + 38, 0);
    let (path, _pin) = world.unpack(&archive).unwrap();
    assert_eq!(mode(path.join("app.py")), 0o644);
}

#[test]
fn links_that_stay_inside_are_kept() {
    let world = World::new();
    let archive = zip(|writer| {
        link(writer, "lib/libx.so", "libx.so.1");
        file(writer, "lib/libx.so.1", b"elf");
        link(writer, "bin/tool", "../lib/libx.so");
        link(writer, "here", ".");
    });
    let (path, _pin) = world.unpack(&archive).unwrap();
    assert_eq!(fs::read_link(path.join("bin/tool")).unwrap().to_str(), Some("../lib/libx.so"));
    assert_eq!(fs::read(path.join("bin/tool")).unwrap(), b"elf");
    assert_eq!(fs::read(path.join("here/here/bin/tool")).unwrap(), b"elf");
}

#[test]
fn a_leading_dot_slash_is_dropped() {
    let world = World::new();
    let mut archive = zip(|writer| {
        writer.add_directory("N", SimpleFileOptions::default()).unwrap();
        file(writer, "MMapp.py", b"x");
    });
    rename(&mut archive, b"N/", b"./");
    rename(&mut archive, b"MMapp.py", b"./app.py");
    let (path, _pin) = world.unpack(&archive).unwrap();
    assert_eq!(fs::read(path.join("app.py")).unwrap(), b"x");
}

#[test]
fn the_time_of_a_file_is_the_archives() {
    let world = World::new();
    let stamp = zip::DateTime::from_date_and_time(2024, 2, 29, 12, 30, 58).unwrap();
    let archive = zip(|writer| {
        file_with(writer, "app.py", b"x", SimpleFileOptions::default().last_modified_time(stamp))
    });
    let (path, _pin) = world.unpack(&archive).unwrap();
    let modified = fs::metadata(path.join("app.py")).unwrap().modified().unwrap();
    assert_eq!(modified, SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_209_858));
}

#[test]
fn a_comment_at_the_end_does_no_harm() {
    let world = World::new();
    let archive = zip(|writer| {
        file(writer, "app.py", b"x");
        writer.set_comment("made by hand").unwrap();
    });
    world.unpack(&archive).unwrap();
}

#[test]
fn a_zip64_archive_is_read() {
    let world = World::new();
    let archive = zip(|writer| {
        file_with(writer, "app.py", b"x", SimpleFileOptions::default().large_file(true));
        writer.set_raw_zip64_extensible_data_sector(vec![0; 8].into_boxed_slice());
    });
    let (path, _pin) = world.unpack(&archive).unwrap();
    assert_eq!(fs::read(path.join("app.py")).unwrap(), b"x");
}

#[test]
fn an_archive_that_was_streamed_is_read() {
    let world = World::new();
    let mut writer = ZipWriter::new_stream(Vec::new());
    writer.start_file("app.py", SimpleFileOptions::default()).unwrap();
    writer.write_all(b"streamed").unwrap();
    let archive = writer.finish().unwrap().into_inner();
    let (path, _pin) = world.unpack(&archive).unwrap();
    assert_eq!(fs::read(path.join("app.py")).unwrap(), b"streamed");
}

#[test]
fn exactly_as_much_as_allowed_is_allowed() {
    let archive = zip(|writer| {
        file(writer, "a", &[1; 600]);
        file(writer, "b/c", &[2; 400]);
    });
    let limits =
        PackageLimits { max_zip_bytes: archive.len() as u64, max_unpacked_bytes: 1000, max_entries: 3 };
    World::with(limits).unpack(&archive).unwrap();
}

#[test]
fn an_interrupted_unpacking_is_cleared_away_when_the_store_opens() {
    let mut world = World::new();
    let left = world.packages.0.directory.join(format!("{UNPACKING_PREFIX}abc"));
    fs::create_dir_all(left.join("sub")).unwrap();
    fs::write(left.join("sub/file"), b"x").unwrap();
    symlink("/etc", left.join("link")).unwrap();
    fs::create_dir(world.packages.0.directory.join(format!("{REMOVING_PREFIX}abc"))).unwrap();
    world.reopen();
    assert!(world.files().is_empty());
}
