//! How long packages stay: pins, garbage collection, two at once.

use std::thread;

use super::*;

fn package(content: &[u8]) -> Vec<u8> {
    zip(|writer| file(writer, "app.py", content))
}

#[test]
fn what_nobody_refers_to_is_collected_and_the_rest_stays() {
    let world = World::new();
    let (kept, (garbage, pin)) = (package(b"kept"), world.unpack(&package(b"garbage")).unwrap());
    let (kept_path, kept_pin) = world.unpack(&kept).unwrap();
    drop((pin, kept_pin));
    let kept = Sha256Digest::of(&kept);
    let collected = world.packages.collect_garbage(|digest| *digest == kept, false).unwrap();
    assert_eq!(collected.len(), 1);
    assert!(collected.values().all(|bytes| *bytes > 0));
    assert!(!garbage.exists());
    assert!(kept_path.join("app.py").is_file());
    assert_eq!(world.files(), vec![kept.to_string()]);
}

#[test]
fn a_pinned_package_is_spared_until_its_last_pin_goes() {
    let world = World::new();
    let (path, pin) = world.unpack(&package(b"x")).unwrap();
    let second = pin.clone();
    drop(pin);
    assert!(world.packages.collect_garbage(|_| false, false).unwrap().is_empty());
    assert!(path.is_dir());
    drop(second);
    assert_eq!(world.packages.collect_garbage(|_| false, false).unwrap().len(), 1);
    assert!(!path.exists());
}

#[test]
fn a_dry_run_counts_and_removes_nothing() {
    let world = World::new();
    let (path, pin) = world.unpack(&package(&[1; 10_000])).unwrap();
    drop(pin);
    let collected = world.packages.collect_garbage(|_| false, true).unwrap();
    assert_eq!(collected.len(), 1);
    assert_eq!(collected.values().sum::<u64>(), world.packages.bytes_on_disk().unwrap());
    assert!(path.is_dir());
}

#[test]
fn a_package_that_is_gone_cannot_be_pinned() {
    let world = World::new();
    let archive = package(b"x");
    let digest = Sha256Digest::of(&archive);
    assert!(matches!(world.packages.pin(digest), Err(PackageError::Missing { .. })));
    assert!(!world.packages.is_pinned(&digest));
    drop(world.unpack(&archive).unwrap());
    assert_eq!(world.packages.pin(digest).unwrap().digest(), digest);
    world.packages.collect_garbage(|_| false, false).unwrap();
    assert!(matches!(world.packages.pin(digest), Err(PackageError::Missing { .. })));
}

#[test]
fn unpacking_again_changes_nothing() {
    let world = World::new();
    let archive = package(b"x");
    let (path, _pin) = world.unpack(&archive).unwrap();
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    // Not even read: the digest says that it is there.
    let pin = world.packages.reserve(Sha256Digest::of(&archive));
    world.packages.unpack(&pin, world.upload(b"not an archive")).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    assert_eq!(world.files().len(), 1);
}

#[test]
fn many_at_once_unpack_one_package_once() {
    let world = World::new();
    let archive = zip(|writer| {
        for number in 0..50 {
            file(writer, &format!("{number}"), &[1; 1000]);
        }
    });
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let (path, _pin) = world.unpack(&archive).unwrap();
                assert_eq!(fs::read_dir(path).unwrap().count(), 50);
            });
        }
    });
    assert_eq!(world.files(), vec![Sha256Digest::of(&archive).to_string()]);
}

#[test]
fn collecting_while_others_unpack_and_pin_never_takes_a_pinned_package() {
    let world = World::new();
    let archive = package(b"contended");
    let digest = Sha256Digest::of(&archive);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let (path, _pin) = world.unpack(&archive).unwrap();
                        assert_eq!(fs::read(path.join("app.py")).unwrap(), b"contended");
                        if let Ok(pin) = world.packages.pin(digest) {
                            assert!(pin.path().join("app.py").is_file());
                        }
                    }
                })
            })
            .collect();
        while !workers.iter().all(|worker| worker.is_finished()) {
            world.packages.collect_garbage(|_| false, false).unwrap();
        }
    });
}

#[test]
fn checking_an_archive_keeps_nothing_of_it() {
    let world = World::new();
    let archive = package(b"x");
    world.packages.check(Path::new("upload"), world.upload(&archive)).unwrap();
    assert!(world.packages.check(Path::new("upload"), world.upload(&archive[1..])).is_err());
    assert!(world.files().is_empty());
}

#[test]
fn bytes_on_disk_follow_what_is_there() {
    let mut world = World::new();
    assert_eq!(world.packages.bytes_on_disk().unwrap(), 0);
    drop(world.unpack(&package(&vec![1; 1_000_000])).unwrap());
    let one = world.packages.bytes_on_disk().unwrap();
    assert!(one >= 1_000_000, "{one}");
    world.reopen();
    assert_eq!(world.packages.bytes_on_disk().unwrap(), one);
    world.packages.collect_garbage(|_| false, false).unwrap();
    assert_eq!(world.packages.bytes_on_disk().unwrap(), 0);
}
