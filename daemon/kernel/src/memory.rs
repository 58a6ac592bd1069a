//! Gives memory of a process that stands still back to the machine: to its swap, which may be compressed memory.
//!
//! By `process_madvise(MADV_PAGEOUT)` on the process's own anonymous memory, and on nothing else. A cgroup's reclaim (version
//! 2 `memory.reclaim`, version 1 a lowered limit) would take the page cache that it brought in, too: the interpreter and its
//! libraries, which its running neighbours share and would have to read again.
//!
//! Source: process_madvise(2), madvise(2), proc_pid_maps(5).

use std::{fs, io, ops::Range, os::fd::AsRawFd};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::KernelError;

/// What is given back by one call. A process that is thawed meanwhile waits for the rest of it where it touches that memory,
/// about a millisecond at the most.
const STEP: u64 = 4 << 20;

/// Ranges in one call. Source: `IOV_MAX`.
const RANGES: usize = 1024;

/// Whether the machine has swap that is not full.
///
/// # Errors
/// If /proc can't be read.
pub fn has_free_swap() -> Result<bool, KernelError> {
    let path = "/proc/meminfo";
    let text = fs::read_to_string(path).map_err(KernelError::of("read", path))?;
    let free = text.lines().find_map(|line| line.strip_prefix("SwapFree:")?.split_whitespace().next());
    Ok(free.is_some_and(|kib| kib != "0"))
}

/// Moves the anonymous memory of process `pid` to swap, as far as there is room, as long as `go_on` says so. Returns how many
/// bytes were looked at; what of them was in memory the kernel does not say.
///
/// # Errors
/// If the kernel has no `process_madvise` (it came with Linux 5.10) or refuses it. That the process has ended is no error.
pub fn page_out(pid: u32, go_on: impl Fn() -> bool) -> Result<u64, KernelError> {
    let on = format!("process {pid}");
    let Some(id) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(0) };
    let process = match pidfd_open(id, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(rustix::io::Errno::SRCH) => return Ok(0),
        Err(error) => return Err(KernelError::of("open", on)(error)),
    };
    // Whichever process this is of, it is advised nothing unless it is the one behind the descriptor: ids are used again.
    let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) else { return Ok(0) };
    let mut looked_at = 0;
    for step in steps(anonymous(&maps)) {
        if !go_on() {
            break;
        }
        match advise(process.as_raw_fd(), &step) {
            Ok(()) => looked_at += step.iter().map(|range| range.end - range.start).sum::<u64>(),
            // It ended, or unmapped a range meanwhile.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOMEM)) => {}
            Err(error) => return Err(KernelError::of("give back memory of", on)(error)),
        }
    }
    Ok(looked_at)
}

/// The ranges of a maps file that no file is behind, but for those that the kernel provides.
fn anonymous(maps: &str) -> impl Iterator<Item = Range<u64>> {
    maps.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let range = fields.next()?;
        let (access, inode) = (fields.next()?, fields.nth(2)?);
        let name = fields.next().unwrap_or_default();
        let is_kernels = name.starts_with("[v");
        if inode != "0" || is_kernels || !access.ends_with('p') {
            return None;
        }
        let (start, end) = range.split_once('-')?;
        let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        (start < end).then_some(start..end)
    })
}

/// Cuts ranges into pieces of [`STEP`] together.
fn steps(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Vec<Range<u64>>> {
    let (mut steps, mut step, mut room) = (Vec::new(), Vec::new(), STEP);
    for mut range in ranges {
        while range.start < range.end {
            let end = range.end.min(range.start + room);
            step.push(range.start..end);
            room -= end - range.start;
            range.start = end;
            if room == 0 || step.len() == RANGES {
                steps.push(std::mem::take(&mut step));
                room = STEP;
            }
        }
    }
    if !step.is_empty() {
        steps.push(step);
    }
    steps
}

fn advise(process: i32, ranges: &[Range<u64>]) -> io::Result<()> {
    let vectors: Vec<libc::iovec> = ranges
        .iter()
        .map(|range| libc::iovec {
            // An address in the other process; nothing here follows it.
            iov_base: std::ptr::without_provenance_mut(usize::try_from(range.start).unwrap_or(0)),
            iov_len: usize::try_from(range.end - range.start).unwrap_or(0),
        })
        .collect();
    // SAFETY: the kernel reads `vectors.len()` vectors, which outlive the call. The memory that they name is another
    // process's, and its contents stay as they are: the advice moves them to swap and back.
    let result = unsafe {
        libc::syscall(
            libc::SYS_process_madvise,
            process,
            vectors.as_ptr(),
            vectors.len(),
            libc::MADV_PAGEOUT,
            0,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
55d0a000-55d0b000 r--p 00000000 fd:01 1234                       /usr/bin/python3.13
55d0b000-55d0c000 rw-p 00001000 fd:01 1234                       /usr/bin/python3.13
55d0c000-55d2c000 rw-p 00000000 00:00 0                          [heap]
7f000000-7f100000 rw-p 00000000 00:00 0
7f200000-7f201000 rw-s 00000000 00:01 0                          /dev/zero (deleted)
7ffc0000-7ffe0000 rw-p 00000000 00:00 0                          [stack]
7ffe1000-7ffe5000 r--p 00000000 00:00 0                          [vvar]
7ffe5000-7ffe7000 r-xp 00000000 00:00 0                          [vdso]
";

    #[test]
    fn only_what_no_file_is_behind_is_given_back() {
        let ranges: Vec<_> = anonymous(MAPS).collect();
        assert_eq!(ranges, [0x55d0_c000..0x55d2_c000, 0x7f00_0000..0x7f10_0000, 0x7ffc_0000..0x7ffe_0000]);
        assert_eq!(anonymous("nonsense\n-\n12-11 rw-p 0 0 0\n").count(), 0);
    }

    #[test]
    fn steps_are_no_longer_than_they_may_be_and_lose_nothing() {
        let ranges = [0..STEP + 10, STEP * 2..STEP * 5, STEP * 6..STEP * 6 + 5];
        let total: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let steps = steps(ranges.into_iter());
        let length = |step: &Vec<Range<u64>>| step.iter().map(|range| range.end - range.start).sum::<u64>();
        assert!(steps.iter().all(|step| length(step) <= STEP), "{steps:?}");
        assert_eq!(steps.iter().map(length).sum::<u64>(), total);
    }

    #[test]
    fn a_process_that_is_gone_has_nothing_to_give() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert_eq!(page_out(pid, || true).unwrap(), 0);
    }

    #[test]
    fn a_process_goes_on_with_what_it_had() {
        // Needs root, as everything here. Without swap the kernel leaves the memory where it is.
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        assert!(page_out(child.id(), || true).unwrap() > 0);
        assert_eq!(page_out(child.id(), || false).unwrap(), 0);
        io::Write::write_all(&mut child.stdin.take().unwrap(), b"as before").unwrap();
        assert_eq!(child.wait_with_output().unwrap().stdout, b"as before");
    }
}
