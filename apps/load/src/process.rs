//! What the processes of a target take of this machine's processor: where the
//! client is the slower one, requests per second say nothing about the target.

use std::fs;

/// Processor time of processes and all that they started, in seconds; `None` if
/// one isn't there. What has ended counts for whoever waited for it.
pub(crate) fn cpu_seconds(roots: &[u32]) -> Option<f64> {
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let all: Vec<Process> = pids.filter_map(Process::read).collect();
    let mut ours: Vec<u32> = roots.to_vec();
    let mut ticks = 0;
    let mut next = 0;
    while let Some(&pid) = ours.get(next) {
        ticks += all.iter().find(|process| process.pid == pid)?.ticks;
        let children = all.iter().filter(|process| process.parent == pid);
        let new: Vec<u32> =
            children.map(|child| child.pid).filter(|pid| !ours.contains(pid)).collect();
        ours.extend(new);
        next += 1;
    }
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

struct Process {
    pid: u32,
    parent: u32,
    ticks: u64,
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Reads a line of `proc(5)`: number, name in parentheses, state, parent, …,
    /// then time in the program and in the kernel, and that of children that
    /// were waited for, in the 14th to 17th field.
    fn parse(pid: u32, stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let times = fields.get(11..15)?.iter().map(|ticks| ticks.parse::<u64>());
        let ticks = times.sum::<Result<u64, _>>().ok()?;
        Some(Self { pid, parent: fields.get(1)?.parse().ok()?, ticks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_and_its_children_are_counted() {
        let stat = "7 (a (b) c) S 3 7 7 0 -1 4 0 0 0 0 11 22 5 6 20 0 1 0 9 0 0\n";
        let process = Process::parse(7, stat).expect("a line of the kernel's");
        assert_eq!((process.parent, process.ticks), (3, 44));
        assert!(Process::parse(7, "7 (cut").is_none());

        let own = std::process::id();
        let before = cpu_seconds(&[own]).expect("this process is there");
        let mut sum = 0_u64;
        while cpu_seconds(&[own]).expect("it still is") <= before {
            sum = (0..100_000).fold(sum, |sum, number| std::hint::black_box(sum ^ number));
        }
        assert!(cpu_seconds(&[own, u32::MAX]).is_none(), "there is no such process");
    }
}
