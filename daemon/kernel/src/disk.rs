//! Disks of a set size for a sandbox's /tmp.
//!
//! Each is an ext4 file system in a sparse file without a name, on a loop device that frees itself. Making the file
//! system takes longer than all the rest, so it is made once a size and copied, holes and all.

use std::{
    fs::{self, File, OpenOptions},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use rustix::{
    fs::{AtFlags, SeekFrom, copy_file_range, ftruncate, seek},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
        fsmount, fsopen,
    },
};

use crate::{DetachedMount, KernelError, loop_device};

/// What ext4 needs for itself: inode tables (an inode of 256 bytes for every 16 KiB) and bitmaps, with some to spare.
fn with_overhead(size: u64) -> u64 {
    size + size / 32 + (8 << 20)
}

/// Makes disks out of templates that it keeps in a directory.
#[derive(Debug)]
pub struct DiskTemplates {
    directory: PathBuf,
    making: Mutex<()>,
}

impl DiskTemplates {
    /// Keeps templates in `directory`, which is made if it isn't there.
    ///
    /// # Errors
    /// If the directory can't be made.
    pub fn open(directory: &Path) -> Result<Self, KernelError> {
        fs::create_dir_all(directory).map_err(KernelError::of("make the directory", directory.display()))?;
        let directory = directory.canonicalize().map_err(KernelError::of("find", directory.display()))?;
        Ok(Self { directory, making: Mutex::new(()) })
    }

    /// A disk on which `size` bytes are free, whose root belongs to `user` and `group`.
    ///
    /// # Errors
    /// If mkfs.ext4 is missing, the disk is full, or the machine has no loop devices.
    pub fn create(&self, size: u64, user: u32, group: u32) -> Result<DetachedMount, KernelError> {
        let template = self.template(size, user, group)?;
        let disk = self.copy(&template, with_overhead(size))?;
        let device = loop_device::LoopDevice::attach(&disk, "thaw")?;
        let on = device.path.display();
        let context = fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC)
            .map_err(KernelError::of("open the file system", "ext4"))?;
        let mounted = fsconfig_set_string(context.as_fd(), "source", device.path.as_path())
            // Its content ends with its sandbox: nothing is gained by ordering writes, and discards would reach the file.
            .and_then(|()| fsconfig_set_flag(context.as_fd(), "nobarrier"))
            .and_then(|()| fsconfig_create(context.as_fd()))
            .and_then(|()| {
                fsmount(
                    context.as_fd(),
                    FsMountFlags::FSMOUNT_CLOEXEC,
                    MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV,
                )
            })
            .map_err(KernelError::of("mount", on))?;
        let mount = DetachedMount::from_fd(mounted);
        // A function expects an empty /tmp.
        match rustix::fs::unlinkat(mount.as_fd(), "lost+found", AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(KernelError::of("empty the disk on", device.path.display())(error)),
        }
        Ok(mount)
    }

    /// Frees loop devices that still hold a disk of this directory. Call when no sandbox is left.
    ///
    /// # Errors
    /// If the devices can't be listed.
    pub fn detach_leaked(&self) -> Result<usize, KernelError> {
        loop_device::detach_labelled(&self.directory.to_string_lossy())
    }

    fn template(&self, size: u64, user: u32, group: u32) -> Result<File, KernelError> {
        let path = self.directory.join(format!("{size}-{user}-{group}.ext4"));
        // One at a time: two calls may want the first disk of a size.
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        match File::open(&path) {
            Ok(template) => return Ok(template),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(KernelError::of("open", path.display())(error)),
        }
        let unfinished = path.with_extension("new");
        File::create(&unfinished)
            .and_then(|file| file.set_len(with_overhead(size)))
            .map_err(KernelError::of("make", unfinished.display()))?;
        mkfs(&unfinished, user, group)?;
        // Named only when it is whole; it need not survive a power cut, but half of it must not.
        File::open(&unfinished)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&unfinished, &path))
            .map_err(KernelError::of("keep", path.display()))?;
        File::open(&path).map_err(KernelError::of("open", path.display()))
    }

    /// Copies what a template holds into a file without a name.
    fn copy(&self, template: &File, length: u64) -> Result<File, KernelError> {
        let disk = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_TMPFILE)
            .mode(0o600)
            .open(&self.directory)
            .map_err(KernelError::of("make a disk in", self.directory.display()))?;
        copy_data(template, &disk, length)
            .map_err(KernelError::of("copy a disk in", self.directory.display()))?;
        Ok(disk)
    }
}

/// Copies the parts of a sparse file that hold data. Positions are given explicitly on the writing side; the reading
/// side's own position is used to find data, so it is opened for each copy.
fn copy_data(from: &File, to: &File, length: u64) -> rustix::io::Result<()> {
    ftruncate(to, length)?;
    let mut end = 0;
    loop {
        let start = match seek(from, SeekFrom::Data(end)) {
            Ok(start) => start,
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => return Ok(()),
            Err(error) => return Err(error),
        };
        end = seek(from, SeekFrom::Hole(start))?;
        let (mut read_at, mut write_at) = (start, start);
        while read_at < end {
            let wanted = usize::try_from(end - read_at).unwrap_or(usize::MAX);
            if copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), wanted)? == 0 {
                return Ok(());
            }
        }
    }
}

fn mkfs(path: &Path, user: u32, group: u32) -> Result<(), KernelError> {
    let failed = |reason: String| KernelError::Mkfs { path: path.to_owned(), reason };
    let output = Command::new("mkfs.ext4")
        // No journal: its content need not survive anything. No blocks for root: all of it is the function's.
        .args(["-q", "-F", "-O", "^has_journal,^resize_inode", "-m", "0", "-i", "16384", "-E"])
        .arg(format!("lazy_itable_init=1,nodiscard,root_owner={user}:{group}"))
        .arg(path)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::Mode;

    use super::*;

    #[test]
    fn a_disk_has_its_size_belongs_to_its_user_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let templates = DiskTemplates::open(directory.path()).unwrap();
        let size = 512 << 20;
        let disk = templates.create(size, 993, 990).unwrap();
        let stat = rustix::fs::fstatvfs(disk.as_fd()).unwrap();
        assert!(stat.f_bavail * stat.f_frsize >= size, "{} bytes are free", stat.f_bavail * stat.f_frsize);
        let root = rustix::fs::fstat(disk.as_fd()).unwrap();
        assert_eq!((root.st_uid, root.st_gid), (993, 990));
        assert!(
            rustix::fs::openat(disk.as_fd(), "lost+found", rustix::fs::OFlags::PATH, Mode::empty()).is_err()
        );
        drop(disk);
        let left = || {
            fs::read_dir("/sys/block").unwrap().filter_map(Result::ok).any(|entry| {
                fs::read_to_string(entry.path().join("loop/backing_file"))
                    .is_ok_and(|file| file.starts_with(directory.path().to_str().unwrap()))
            })
        };
        // The kernel frees the device a moment after its last user went.
        for _ in 0..200 {
            if !left() {
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
        panic!("a loop device was left");
    }

    #[test]
    fn the_second_disk_of_a_size_is_empty_again() {
        let directory = tempfile::tempdir().unwrap();
        let templates = DiskTemplates::open(directory.path()).unwrap();
        for _ in 0..2 {
            let disk = templates.create(16 << 20, 0, 0).unwrap();
            let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::EXCL | rustix::fs::OFlags::WRONLY;
            rustix::fs::openat(disk.as_fd(), "file", flags, Mode::RUSR).unwrap();
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "only the template has a name");
    }
}
