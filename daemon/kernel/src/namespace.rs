//! Into a container's namespaces and out again, without ever coming back out.
//!
//! A namespace belongs to a thread. A thread that entered one and could not return would do its next work there, so
//! none ever returns: each entry is a new thread that does its errand and ends.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    thread,
};

use nix::sched::{CloneFlags, setns, unshare};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    mount::{UnmountFlags, unmount},
    process::{Pid, PidfdFlags, pidfd_open},
};

use crate::{DetachedMount, KernelError};

/// The namespaces of a process, held open: they stay what they are when the process ends and its number is reused.
#[derive(Debug)]
pub struct ContainerNamespaces {
    pid: u32,
    process: OwnedFd,
    network: File,
    mounts: File,
}

impl ContainerNamespaces {
    /// Takes hold of the namespaces of `pid`. Whoever gave the number must check afterwards that the process is the one
    /// that was meant, and then that it [is alive](Self::is_alive) still.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn open(pid: u32) -> Result<Self, KernelError> {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(rustix::io::Errno::SRCH);
        let process = number
            .and_then(|number| pidfd_open(number, PidfdFlags::empty()))
            .map_err(KernelError::of("take hold of process", pid))?;
        let open = |name: &str| {
            let path = format!("/proc/{pid}/ns/{name}");
            File::open(&path).map_err(KernelError::of("open", path))
        };
        Ok(Self { pid, process, network: open("net")?, mounts: open("mnt")? })
    }

    /// Whether neither is a namespace of this daemon's: what shares one with it has no wall there.
    ///
    /// # Errors
    /// If the daemon's own can't be looked at.
    pub fn are_apart(&self) -> Result<bool, KernelError> {
        let is_own = |name: &str, theirs: &File| {
            let path = format!("/proc/self/ns/{name}");
            let own = fs::metadata(&path).and_then(|own| Ok((own, theirs.metadata()?)));
            let (own, theirs) = own.map_err(KernelError::of("look at", path))?;
            Ok((own.dev(), own.ino()) == (theirs.dev(), theirs.ino()))
        };
        Ok(!is_own("net", &self.network)? && !is_own("mnt", &self.mounts)?)
    }

    /// Whether the process still lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let mut ended = [PollFd::new(&self.process, PollFlags::IN)];
        // A pidfd becomes readable when its process ends.
        matches!(poll(&mut ended, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
    }

    /// Listens on an address inside the network namespace. The socket stays there; whoever holds it serves it from
    /// anywhere. It does not block.
    ///
    /// # Errors
    /// If the namespace can't be entered or the address is taken.
    pub fn listen(&self, address: SocketAddr) -> Result<TcpListener, KernelError> {
        inside(|| {
            setns(&self.network, CloneFlags::CLONE_NEWNET)
                .map_err(KernelError::of("enter the network namespace of process", self.pid))?;
            let listener =
                TcpListener::bind(address).map_err(KernelError::of("listen inside a sandbox on", address))?;
            listener.set_nonblocking(true).map_err(KernelError::of("make non-blocking", address))?;
            Ok(listener)
        })
    }

    /// Moves mounts to their places inside the mount namespace. Each place must be there.
    ///
    /// # Errors
    /// If the namespace can't be entered or a place isn't there; mounts before it have been moved then.
    pub fn mount_all(&self, mounts: Vec<(DetachedMount, PathBuf)>) -> Result<(), KernelError> {
        self.inside_mounts(|| mounts.into_iter().try_for_each(|(mount, target)| mount.move_to(&target)))
    }

    /// Takes a mount away from its place inside the mount namespace. Who has files of it open keeps them.
    ///
    /// # Errors
    /// If the namespace can't be entered or nothing is mounted there.
    pub fn unmount(&self, target: &Path) -> Result<(), KernelError> {
        self.inside_mounts(|| {
            unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
                .map_err(KernelError::of("unmount inside a sandbox", target.display()))
        })
    }

    fn inside_mounts<T: Send>(
        &self,
        errand: impl FnOnce() -> Result<T, KernelError> + Send,
    ) -> Result<T, KernelError> {
        inside(|| {
            // A thread shares its root and working directory with its process, and the kernel lets only one that has
            // its own into another mount namespace. Source: setns(2).
            unshare(CloneFlags::CLONE_FS)
                .map_err(KernelError::of("part from the directories of", "thawd"))?;
            setns(&self.mounts, CloneFlags::CLONE_NEWNS)
                .map_err(KernelError::of("enter the mount namespace of process", self.pid))?;
            errand()
        })
    }
}

/// Does an errand on a thread of its own.
fn inside<T: Send>(errand: impl FnOnce() -> Result<T, KernelError> + Send) -> Result<T, KernelError> {
    thread::scope(|scope| {
        thread::Builder::new()
            .name("thaw-inside".to_owned())
            .spawn_scoped(scope, errand)
            .map_err(KernelError::of("start a thread of", "thawd"))?
            .join()
            .unwrap_or(Err(KernelError::Panicked))
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A process with a network and a mount namespace of its own, that ends when it is dropped.
    struct Container(Child);

    impl Container {
        fn start() -> Self {
            Self::with(&["--net", "--mount"])
        }

        fn with(namespaces: &[&str]) -> Self {
            let child = Command::new("unshare")
                .args(namespaces)
                .args(["sh", "-c", "ip link set lo up 2>/dev/null; echo ready; exec sleep 1000"])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut container = Self(child);
            let mut ready = [0; 6];
            std::io::Read::read_exact(&mut container.0.stdout.take().unwrap(), &mut ready).unwrap();
            container
        }

        fn namespaces(&self) -> ContainerNamespaces {
            ContainerNamespaces::open(self.0.id()).unwrap()
        }

        fn sh(&self, script: &str) -> bool {
            let pid = self.0.id().to_string();
            Command::new("nsenter")
                .args(["-t", &pid, "-m", "-n", "sh", "-c", script])
                .status()
                .unwrap()
                .success()
        }
    }

    impl Drop for Container {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    #[test]
    fn a_listener_is_inside_and_the_thread_that_made_it_is_not() {
        let container = Container::start();
        let before = fs::read_link("/proc/thread-self/ns/net").unwrap();
        let listener = container.namespaces().listen(SocketAddr::from(([127, 0, 0, 1], 9001))).unwrap();
        assert_eq!(fs::read_link("/proc/thread-self/ns/net").unwrap(), before);
        assert!(container.sh("grep -q 0100007F:2329 /proc/net/tcp"));
        // Two sandboxes have the same address each.
        let other = Container::start();
        other.namespaces().listen(listener.local_addr().unwrap()).unwrap();
    }

    #[test]
    fn a_package_can_be_read_inside_and_never_written() {
        let container = Container::start();
        let host = tempfile::tempdir().unwrap();
        let (package, target) = (host.path().join("package"), host.path().join("task"));
        fs::create_dir(&package).unwrap();
        fs::create_dir(&target).unwrap();
        fs::write(package.join("app.py"), "original").unwrap();
        let mount = DetachedMount::read_only(&package).unwrap();
        container.namespaces().mount_all(vec![(mount, target.clone())]).unwrap();
        let inside = target.display();
        assert!(container.sh(&format!("grep -q original {inside}/app.py")));
        // Even root inside can't, by any of these.
        assert!(!container.sh(&format!("echo changed > {inside}/app.py")));
        assert!(!container.sh(&format!("touch {inside}/new")));
        assert!(!container.sh(&format!("rm {inside}/app.py")));
        // The host's side stays writable, and its mount table unchanged.
        fs::write(package.join("app.py"), "by the host").unwrap();
        assert!(container.sh(&format!("grep -q 'by the host' {inside}/app.py")));
        assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&inside.to_string()));
    }

    #[test]
    fn several_directories_are_one_inside_and_the_last_is_on_top() {
        let container = Container::start();
        let host = tempfile::tempdir().unwrap();
        let target = host.path().join("opt");
        fs::create_dir(&target).unwrap();
        // Names with what an overlay's own syntax would stumble over, and longer together than it takes.
        let layers: Vec<_> =
            (0..5).map(|number| host.path().join(format!("{number}:,\\{}", "x".repeat(100)))).collect();
        for (number, layer) in layers.iter().enumerate() {
            fs::create_dir(layer).unwrap();
            fs::write(layer.join("same"), number.to_string()).unwrap();
            fs::write(layer.join(format!("own{number}")), "").unwrap();
        }
        let mount = DetachedMount::layered(&layers).unwrap();
        container.namespaces().mount_all(vec![(mount, target.clone())]).unwrap();
        let inside = target.display();
        assert!(
            container
                .sh(&format!("grep -q 4 {inside}/same && test -e {inside}/own0 && test -e {inside}/own4"))
        );
        assert!(!container.sh(&format!("touch {inside}/new")));
        assert!(!container.sh(&format!("rm {inside}/same")));
        assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&inside.to_string()));
        assert!(DetachedMount::layered(&[host.path().join("no"), host.path().join("none")]).is_err());
    }

    #[test]
    fn what_is_unmounted_inside_is_gone_there() {
        let container = Container::start();
        let host = tempfile::tempdir().unwrap();
        let (package, target) = (host.path().join("package"), host.path().join("task"));
        fs::create_dir(&package).unwrap();
        fs::create_dir(&target).unwrap();
        fs::write(package.join("app.py"), "original").unwrap();
        let namespaces = container.namespaces();
        assert!(namespaces.unmount(&target).is_err(), "nothing is mounted there");
        namespaces.mount_all(vec![(DetachedMount::read_only(&package).unwrap(), target.clone())]).unwrap();
        assert!(container.sh(&format!("test -e {}/app.py", target.display())));
        namespaces.unmount(&target).unwrap();
        assert!(!container.sh(&format!("test -e {}/app.py", target.display())));
    }

    #[test]
    fn who_shares_a_namespace_with_the_daemon_is_not_apart() {
        assert!(Container::start().namespaces().are_apart().unwrap());
        assert!(!ContainerNamespaces::open(std::process::id()).unwrap().are_apart().unwrap());
        for one in ["--net", "--mount"] {
            assert!(!Container::with(&[one]).namespaces().are_apart().unwrap(), "{one} is not enough");
        }
    }

    #[test]
    fn the_end_of_a_process_is_seen() {
        let container = Container::start();
        let namespaces = container.namespaces();
        assert!(namespaces.is_alive());
        drop(container);
        assert!(!namespaces.is_alive());
    }
}
