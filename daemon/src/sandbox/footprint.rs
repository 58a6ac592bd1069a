//! What a frozen sandbox costs this machine: its own memory, and that of the process that Docker keeps beside it.

use std::{fs, path::PathBuf, sync::Arc};

use super::pool::{Member, Phase, Pool};

/// How many sandboxes are looked at. Each look takes the kernel a fraction of a millisecond; among a thousand frozen ones
/// these are enough for a mean.
const SAMPLES: usize = 32;

/// What frozen sandboxes cost, each, at the mean of those that were looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrozenCost {
    /// How many were looked at; none may be frozen.
    pub sampled: u32,
    /// Bytes charged to the sandbox's cgroup: its processes, and the page cache that it brought in.
    pub sandbox: u64,
    /// Bytes of the engine's process beside it (containerd's shim), shared pages divided among those that share them.
    pub engine: u64,
}

impl FrozenCost {
    /// Looks at some of the sandboxes that stand still.
    pub async fn of(pool: &Pool) -> Self {
        let frozen: Vec<_> = pool
            .list()
            .into_iter()
            .filter(|info| matches!(info.phase, Phase::Idle | Phase::Ready))
            .map(|info| info.member)
            .collect();
        let step = frozen.len().div_ceil(SAMPLES).max(1);
        let samples: Vec<_> = frozen.into_iter().step_by(step).collect();
        // It panics nowhere; and a status without this is better than none.
        tokio::task::spawn_blocking(move || mean(&samples)).await.unwrap_or_default()
    }
}

fn mean(members: &[Arc<Member>]) -> FrozenCost {
    // One that goes meanwhile is not counted.
    let costs: Vec<(u64, u64)> = members.iter().filter_map(|member| cost(member)).collect();
    let count = costs.len() as u64;
    if count == 0 {
        return FrozenCost::default();
    }
    FrozenCost {
        // At most SAMPLES.
        sampled: u32::try_from(count).unwrap_or(u32::MAX),
        sandbox: costs.iter().map(|(sandbox, _)| sandbox).sum::<u64>() / count,
        engine: costs.iter().map(|(_, engine)| engine).sum::<u64>() / count,
    }
}

fn cost(member: &Member) -> Option<(u64, u64)> {
    let cgroup = member.cgroup.get()?;
    let sandbox = cgroup.memory_used().ok()?;
    // A container's first process is the shim's child, and has the lowest id of all in there.
    let first = cgroup.processes().ok()?.into_iter().min()?;
    let status = fs::read_to_string(format!("/proc/{first}/status")).ok()?;
    let parent: u32 = entry(&status, "PPid:")?.parse().ok()?;
    let rollup = fs::read_to_string(PathBuf::from(format!("/proc/{parent}/smaps_rollup"))).ok()?;
    let kib: u64 = entry(&rollup, "Pss:")?.parse().ok()?;
    Some((sandbox, kib << 10))
}

/// The first word behind a name, as files below /proc have them.
fn entry<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_their_whole_name() {
        let text = "00400000-7ff [rollup]\nRss:  8120 kB\nPss_Anon:  12 kB\nPss:  4060 kB\n";
        assert_eq!(entry(text, "Pss:"), Some("4060"));
        assert_eq!(entry(text, "Swap:"), None);
    }
}
