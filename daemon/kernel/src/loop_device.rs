//! Loop devices: files as disks.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::KernelError;

/// How often a free device is asked for: another process may take the one that was offered.
const ATTEMPTS: u32 = 64;

/// How long a device that was just made may take to appear in /dev.
const APPEAR_LIMIT: u32 = 100;

/// `LO_FLAGS_AUTOCLEAR`: the device lets go of its file with its last user. Source: linux/loop.h, as all of this.
const AUTOCLEAR: u32 = 4;
const LOOP_CTL_GET_FREE: u64 = 0x4C82;
const LOOP_CONFIGURE: u64 = 0x4C0A;
const LOOP_CLR_FD: u64 = 0x4C01;

/// `struct loop_info64`.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// An open loop device with a file behind it. It frees itself when this and every mount of it are gone.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    pub(crate) path: PathBuf,
    _device: File,
}

impl LoopDevice {
    /// Puts `file` behind a free device. `label` is what `losetup` shows, if the file has no name.
    pub(crate) fn attach(file: &File, label: &str) -> Result<Self, KernelError> {
        let control = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/loop-control")
            .map_err(KernelError::of("open", "/dev/loop-control (is the kernel module `loop` there?)"))?;
        let mut config = LoopConfig {
            fd: file.as_raw_fd().cast_unsigned(),
            block_size: 0,
            info: LoopInfo {
                device: 0,
                inode: 0,
                rdevice: 0,
                offset: 0,
                sizelimit: 0,
                number: 0,
                encrypt_type: 0,
                encrypt_key_size: 0,
                flags: AUTOCLEAR,
                file_name: [0; 64],
                crypt_name: [0; 64],
                encrypt_key: [0; 32],
                init: [0; 2],
            },
            reserved: [0; 8],
        };
        // One byte stays zero, as the end of the string.
        for (to, from) in config.info.file_name[..63].iter_mut().zip(label.bytes()) {
            *to = from;
        }
        for _ in 0..ATTEMPTS {
            let number = ioctl(&control, LOOP_CTL_GET_FREE, 0)
                .map_err(KernelError::of("find a free", "loop device"))?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let device = open(&path).map_err(KernelError::of("open", path.display()))?;
            match configure(&device, &config) {
                Ok(()) => return Ok(Self { path, _device: device }),
                // Somebody else was quicker.
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                Err(error) => return Err(KernelError::of("put a file behind", path.display())(error)),
            }
        }
        Err(KernelError::of("find a free", "loop device")(io::Error::from_raw_os_error(libc::EBUSY)))
    }
}

/// Opens a device; one that the kernel has just made appears in /dev a moment later.
fn open(path: &Path) -> io::Result<File> {
    let mut waited = 0;
    loop {
        match OpenOptions::new().read(true).write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && waited < APPEAR_LIMIT => {
                waited += 1;
                std::thread::park_timeout(Duration::from_millis(1));
            }
            other => return other,
        }
    }
}

fn ioctl(file: &File, request: u64, argument: u64) -> io::Result<i32> {
    // SAFETY: the requests that come here take an integer or nothing and touch no memory of this process.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), request as libc::Ioctl, argument) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn configure(device: &File, config: &LoopConfig) -> io::Result<()> {
    // SAFETY: LOOP_CONFIGURE reads one loop_config, which this is, and which outlives the call.
    let result =
        unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE as libc::Ioctl, std::ptr::from_ref(config)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Frees the devices whose label begins with `label`. They free themselves as a rule; this is for what a crash of the
/// machine's own tools may leave.
pub(crate) fn detach_labelled(label: &str) -> Result<usize, KernelError> {
    let mut count = 0;
    let sys = Path::new("/sys/block");
    for entry in fs::read_dir(sys).map_err(KernelError::of("list", sys.display()))?.filter_map(Result::ok) {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with("loop")) else { continue };
        // The kernel shows the file's path here, and for a nameless one the directory that it was made in.
        let Ok(file) = fs::read_to_string(entry.path().join("loop/backing_file")) else { continue };
        if !file.starts_with(label) {
            continue;
        }
        let path = Path::new("/dev").join(name);
        let device = File::open(&path).map_err(KernelError::of("open", path.display()))?;
        if ioctl(&device, LOOP_CLR_FD, 0).is_ok() {
            count += 1;
        }
    }
    Ok(count)
}
