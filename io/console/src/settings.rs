//! The settings of a cache that can be changed while it runs.

use larder_cache::Objective;
pub use larder_tier::Settings;

/// One MB of memory: 2^20 bytes, as memory is counted everywhere in Larder.
pub const MEGABYTE: u64 = 1 << 20;

/// What a cache may be there to spare. Nothing tells what loading a value
/// costs beyond its size, so that isn't among them.
pub const OBJECTIVES: [Objective; 2] = [Objective::Objects, Objective::Bytes];

/// A size as a number of MB, as a person would write it.
pub fn megabytes(bytes: u64) -> String {
    let text = format!("{:.3}", bytes as f64 / MEGABYTE as f64);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Why a capacity is refused. The message is for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCapacity {
    /// It is no number.
    #[error("The capacity must be a number of MB, such as 256 or 0.5.")]
    NotANumber,
    /// It is zero, less, or so small that it is no byte.
    #[error("The capacity must be more than 0 MB.")]
    NotPositive,
    /// It is more than the machine has.
    #[error("The capacity must be at most {0} MB, the memory of this machine.")]
    MoreThanMemory(u64),
}

/// Reads a capacity as a person writes it, a number of MB, into bytes.
///
/// # Errors
/// It is no number, not more than zero, or more than `memory_bytes`.
pub fn capacity_from_megabytes(text: &str, memory_bytes: u64) -> Result<u64, InvalidCapacity> {
    let megabytes: f64 = text.trim().parse().map_err(|_| InvalidCapacity::NotANumber)?;
    if megabytes.is_nan() {
        return Err(InvalidCapacity::NotANumber);
    }
    let bytes = megabytes * MEGABYTE as f64;
    if bytes < 1.0 {
        return Err(InvalidCapacity::NotPositive);
    }
    if bytes > memory_bytes as f64 {
        return Err(InvalidCapacity::MoreThanMemory(memory_bytes / MEGABYTE));
    }
    Ok(bytes as u64)
}

/// Why an objective is refused. The message is for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The objective must be objects or bytes.")]
pub struct InvalidObjective;

/// Reads an objective by its name, in any case.
///
/// # Errors
/// It is neither objects nor bytes.
pub fn objective_from_name(name: &str) -> Result<Objective, InvalidObjective> {
    let called = |objective: &Objective| objective.name().eq_ignore_ascii_case(name.trim());
    OBJECTIVES.into_iter().find(called).ok_or(InvalidObjective)
}

/// The memory of this machine, in bytes.
pub fn machine_memory_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    // Both are `unsigned long`, whose width differs between machines.
    #[allow(clippy::useless_conversion)]
    u64::from(info.totalram).saturating_mul(u64::from(info.mem_unit).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_is_a_number_of_megabytes_that_fits_the_machine() {
        let memory = 1000 * MEGABYTE;
        let read = |text| capacity_from_megabytes(text, memory);
        assert_eq!(read("256"), Ok(256 * MEGABYTE));
        assert_eq!(read(" 0.5 "), Ok(MEGABYTE / 2));
        assert_eq!(read("1000"), Ok(memory));
        for text in ["", "x", "1 GB", "1,5", "nan", "NaN"] {
            assert_eq!(read(text), Err(InvalidCapacity::NotANumber), "{text}");
        }
        for text in ["0", "-1", "-0", "0.0000001", "-inf"] {
            assert_eq!(read(text), Err(InvalidCapacity::NotPositive), "{text}");
        }
        for text in ["1000.001", "1e30", "inf"] {
            assert_eq!(read(text), Err(InvalidCapacity::MoreThanMemory(1000)), "{text}");
        }
    }

    #[test]
    fn a_capacity_reads_as_it_was_written() {
        for text in ["256", "0.5", "1.25"] {
            let capacity_bytes = capacity_from_megabytes(text, u64::MAX).expect("is one");
            assert_eq!(megabytes(capacity_bytes), text);
        }
    }

    #[test]
    fn an_objective_is_one_of_those_that_there_are() {
        for objective in OBJECTIVES {
            assert_eq!(objective_from_name(objective.name()), Ok(objective));
        }
        assert_eq!(objective_from_name(" Bytes "), Ok(Objective::Bytes));
        for name in ["cost", "", "speed"] {
            assert_eq!(objective_from_name(name), Err(InvalidObjective), "{name}");
        }
    }

    #[test]
    fn the_machine_has_memory() {
        assert!(machine_memory_bytes() > 64 * MEGABYTE);
    }
}
