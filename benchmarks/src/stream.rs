//! Traces on disk: which files there are, and one of them in memory.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use larder_workload::trace::{Request, Trace};
use lzma_rust2::XzReader;

/// A request that no other one to its object follows.
pub const NEVER: u32 = u32::MAX;

/// A trace, its name, and when each request's object is wanted next.
pub struct Stream {
    pub name: String,
    pub trace: Trace,
    /// The number of the next request to the same object, or [`NEVER`].
    pub next: Vec<u32>,
}

impl Stream {
    /// Reads one trace; what ends in `.xz` is unpacked.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let say = || format!("could not read {}", path.display());
        let file = BufReader::new(File::open(path).with_context(say)?);
        let trace = if path.extension().is_some_and(|extension| extension == "xz") {
            Trace::read(BufReader::with_capacity(1 << 16, XzReader::new(file, true)))
        } else {
            Trace::read(file)
        };
        Self::new(name(path), trace.with_context(say)?).with_context(say)
    }

    pub fn new(name: String, trace: Trace) -> anyhow::Result<Self> {
        ensure!(!trace.requests().is_empty(), "the trace has no requests");
        ensure!(trace.requests().len() < NEVER as usize, "the trace has 2^32 requests or more");
        let next = next_uses(trace.requests(), trace.objects());
        Ok(Self { name, trace, next })
    }

    /// Whether bytes tell more than objects do.
    pub fn is_mixed(&self) -> bool {
        self.trace.equal_size().is_none()
    }

    /// What so many percent of the footprint are.
    pub fn room(&self, percent: f64) -> Room {
        let share = |whole: u64| ((whole as f64 * percent / 100.0 + 1e-6) as u64).max(1);
        let objects = u64::from(self.trace.objects());
        match self.trace.equal_size() {
            Some(size) => Room { bytes: share(objects) * u64::from(size), items: share(objects) },
            None => Room { bytes: share(self.trace.footprint_bytes()), items: share(objects) },
        }
    }
}

/// How much a cache may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The capacity.
    pub bytes: u64,
    /// About how many objects that is.
    pub items: u64,
}

fn next_uses(requests: &[Request], objects: u32) -> Vec<u32> {
    let mut latest = vec![NEVER; objects as usize];
    let mut next = vec![NEVER; requests.len()];
    for (number, request) in requests.iter().enumerate().rev() {
        let latest = &mut latest[request.key as usize];
        next[number] = std::mem::replace(latest, number as u32);
    }
    next
}

/// The file's name without what says how it is written.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let name = name.strip_suffix(".xz").unwrap_or(&name);
    name.strip_suffix(".txt").unwrap_or(name).to_owned()
}

/// The files named, and all traces in the folders named, by name.
pub fn find(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let say = || format!("could not read {}", path.display());
        if !fs::metadata(path).with_context(say)?.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        for entry in fs::read_dir(path).with_context(say)? {
            let file = entry.with_context(say)?.path();
            let extension = file.extension().and_then(|extension| extension.to_str());
            if matches!(extension, Some("xz" | "txt")) {
                files.push(file);
            }
        }
        ensure!(files.len() > before, "there are no .xz or .txt files in {}", path.display());
        files[before..].sort();
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_knows_its_next() {
        let trace = Trace::read("a\nb\na\na\nc\nb\n".as_bytes()).unwrap();
        let stream = Stream::new("abc".into(), trace).unwrap();
        assert_eq!(stream.next, [2, 5, 3, NEVER, NEVER, NEVER]);
        assert_eq!(stream.room(50.0), Room { bytes: 1, items: 1 });
        assert_eq!(stream.room(100.0), Room { bytes: 3, items: 3 });
        assert_eq!(stream.room(0.1), Room { bytes: 1, items: 1 });
    }

    #[test]
    fn a_trace_is_called_by_its_file() {
        assert_eq!(name(Path::new("traces/arc-p3.txt.xz")), "arc-p3");
        assert_eq!(name(Path::new("today.log")), "today.log");
    }
}
