//! The walls that init puts up itself, inside those that Docker has put up around the sandbox.
//!
//! Docker's default filter refuses most of these calls as well, but what it refuses depends on its version, on the
//! kernel's and on the host's configuration. A filter of one's own is the same everywhere; of two filters the stricter
//! answer counts.

use std::{collections::BTreeMap, env::consts::ARCH};

use nix::{
    libc::{self, c_int, c_long},
    sys::prctl,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use crate::error::InitError;

/// Calls that no function has any business with.
const REFUSED: &[c_long] = &[
    // Reaching into other processes. Init and the runtime's client run as the same user as the function.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Changing what is mounted: the read-only mount of the code is shared with every sandbox of the function.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    // New namespaces: in a user namespace of its own a process has privileges over parts of the kernel that were not
    // made to withstand an enemy. `clone` can make them too: see below.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Programs and events inside the kernel: a large surface, and a view of other processes.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    // Makes races inside the kernel easy to win.
    libc::SYS_userfaultfd,
    // Does the work of other calls where no filter sees it.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Keys belong to a user id, which every sandbox has the same of.
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    // The machine's kernel and power.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
];

/// What `clone` must not be asked for.
const NEW_NAMESPACES: [c_int; 7] = [
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

/// Shuts `/proc/1` to the function and keeps it from tracing init, though both run as the same user.
pub(crate) fn hide() -> Result<(), InitError> {
    prctl::set_dumpable(false).map_err(InitError::kernel("hide from other processes"))
}

/// Puts up the filter, for init and everything that it starts. It can't be taken down again.
pub(crate) fn put_up() -> Result<(), InitError> {
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let with_namespaces = NEW_NAMESPACES
        .iter()
        .map(|flag| {
            let flag = u64::from(flag.cast_unsigned());
            let condition =
                SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag)?;
            SeccompRule::new(vec![condition])
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(seccompiler::Error::from)?;
    refused.insert(libc::SYS_clone, with_namespaces);
    apply(refused, libc::EPERM)?;
    // Its flags are in memory, where no filter can look. Told that there is no such call, every C library uses `clone`.
    apply(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)
}

/// Has the kernel answer `errno` to these calls, and end a process that calls in another architecture's way.
fn apply(calls: BTreeMap<i64, Vec<SeccompRule>>, errno: c_int) -> Result<(), InitError> {
    let answer = SeccompAction::Errno(errno.cast_unsigned());
    let filter = ARCH
        .try_into()
        .and_then(|arch| SeccompFilter::new(calls, SeccompAction::Allow, answer, arch))
        .map_err(seccompiler::Error::from)?;
    let program: BpfProgram = filter.try_into().map_err(seccompiler::Error::from)?;
    Ok(seccompiler::apply_filter(&program)?)
}
