//! Swap of a test's own, in compressed memory.

use std::{fs, path::PathBuf, process::Command};

/// Where the kernel makes and removes such devices. Source: the kernel's documentation, admin-guide/blockdev/zram.
const CONTROL: &str = "/sys/class/zram-control";

/// Swap that is there as long as this is. The whole machine has it, so whatever else runs must not mind.
#[derive(Debug)]
pub struct Swap {
    number: u32,
}

impl Swap {
    /// Adds so many MB.
    ///
    /// # Panics
    /// If the kernel has no zram, or takes no swap.
    #[must_use]
    pub fn of_mb(megabytes: u64) -> Self {
        let control = PathBuf::from(CONTROL);
        if !control.exists() {
            run(Command::new("modprobe").arg("zram"));
        }
        let made = fs::read_to_string(control.join("hot_add")).expect("a new zram device");
        let swap = Self { number: made.trim().parse().expect("its number") };
        let size = format!("/sys/block/zram{}/disksize", swap.number);
        fs::write(size, format!("{megabytes}M")).expect("set its size");
        run(Command::new("mkswap").arg(swap.device()));
        // Before any that the machine has.
        run(Command::new("swapon").args(["--priority", "32767"]).arg(swap.device()));
        swap
    }

    /// How many bytes of it are taken.
    ///
    /// # Panics
    /// If the kernel does not tell.
    #[must_use]
    pub fn used(&self) -> u64 {
        let swaps = fs::read_to_string("/proc/swaps").expect("what the machine swaps to");
        let device = self.device();
        let line = swaps.lines().find(|line| line.split_whitespace().next() == Some(&device));
        let kib = line.and_then(|line| line.split_whitespace().nth(3)).expect("the swap is there");
        kib.parse::<u64>().expect("a number of KiB") << 10
    }

    fn device(&self) -> String {
        format!("/dev/zram{}", self.number)
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        let ended = Command::new("swapoff").arg(self.device()).status();
        let removed = fs::write(format!("{CONTROL}/hot_remove"), self.number.to_string());
        if !ended.is_ok_and(|status| status.success()) || removed.is_err() {
            eprintln!("{} stays", self.device());
        }
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
