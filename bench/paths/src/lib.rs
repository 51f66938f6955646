//! The core's hot paths, each as something to be done many times over. The
//! benches time them and count their instructions; this list is theirs. It
//! measures nothing itself, and does the same in every run.

use std::fmt;

mod cache;
mod coherence;
mod wire;

/// How often a path is gone in one walk.
pub const TIMES: usize = 1024;

/// A path, set up.
pub trait Walk {
    /// Puts in place what the next walk uses up. Not measured.
    fn prepare(&mut self) {}

    /// Goes the path [`TIMES`] times.
    fn walk(&mut self);
}

/// A path that isn't set up yet.
pub struct Path {
    name: String,
    set_up: Box<dyn Fn() -> Box<dyn Walk> + Send + Sync>,
}

impl Path {
    fn new<W: Walk + 'static>(
        name: impl Into<String>,
        set_up: impl Fn() -> W + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), set_up: Box::new(move || Box::new(set_up())) }
    }

    /// Its name, which no other one has.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sets it up for the first walk.
    #[must_use]
    pub fn ready(&self) -> Box<dyn Walk> {
        let mut walk = (self.set_up)();
        walk.prepare();
        walk
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

/// All of them, always in the same order.
#[must_use]
pub fn all() -> Vec<Path> {
    let mut paths = cache::paths();
    paths.extend(wire::paths());
    paths.extend(coherence::paths());
    paths
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_path_has_a_name_of_its_own() {
        let paths = all();
        let names: BTreeSet<_> = paths.iter().map(Path::name).collect();
        assert_eq!(names.len(), paths.len());
    }

    #[test]
    fn every_path_can_be_walked_again_and_again() {
        for path in all() {
            let mut walk = path.ready();
            walk.walk();
            walk.prepare();
            walk.walk();
        }
    }
}
