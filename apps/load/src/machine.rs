//! What the numbers were measured on. It reads what Linux tells everybody and
//! leaves out what it doesn't know.

use std::fs::read_to_string;

use serde::{Deserialize, Serialize};

/// A machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// The kernel's name and release.
    pub system: String,
    /// The load average of the last minute, when the run began: what others
    /// took.
    pub load: f64,
}

impl Machine {
    /// This one, now.
    #[must_use]
    pub fn this() -> Self {
        let memory = rustix::system::sysinfo();
        let system = rustix::system::uname();
        let system = [system.sysname(), system.release(), system.machine()];
        let load = read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            processor: processor(&read_to_string("/proc/cpuinfo").unwrap_or_default()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory.totalram.saturating_mul(memory.mem_unit.into()),
            system: system.map(|part| part.to_string_lossy().into_owned()).join(" "),
            load: load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default(),
        }
    }

    /// In one line.
    #[must_use]
    pub fn in_words(&self) -> String {
        let gibibytes = self.memory_bytes as f64 / f64::from(1 << 30);
        let cores = if self.cores == 1 { "1 core" } else { &format!("{} cores", self.cores) };
        format!(
            "{}, {cores}, {gibibytes:.0} GiB, {}, load {:.2} before",
            self.processor, self.system, self.load
        )
    }
}

fn processor(cpuinfo: &str) -> String {
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_core_and_memory() {
        let machine = Machine::this();
        assert!(machine.cores > 0 && machine.memory_bytes > 1 << 20, "{machine:?}");
        assert_eq!(processor("processor: 0\nmodel name\t: Some CPU @ 2GHz\n"), "Some CPU @ 2GHz");
    }
}
