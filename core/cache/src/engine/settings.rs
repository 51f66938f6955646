//! Changes of the settings while the cache is in use. Nobody ever waits for
//! more than a step of one: a lock is let go after a few hundred entries.

use super::{Course, Engine, shard_seed};
use crate::budget::{Amount, Bounds};
use crate::growing::Growing;
use crate::policy::Policy;
use crate::{Objective, PolicyKind, Weigh};

/// Entries that move to the new policy under one lock: some ten microseconds.
/// One, where schedules are explored, so that something can come between.
const STEP: usize = if cfg!(shuttle) { 1 } else { 128 };

impl<V: Clone + Weigh> Engine<V> {
    pub(crate) fn reconfigure(&self, limit: Bounds, policy: PolicyKind) {
        // Declared before the gate, so that they are dropped after it: a
        // destructor may call `reconfigure` too.
        let mut victims = Vec::new();
        let gate = self.gate.lock();
        self.steer(|course| course.policy = policy);
        self.budget.limit(limit);
        // Credit given out under the old bounds isn't used under the new ones.
        for shard in &self.shards {
            self.release(&mut self.edit(shard), Amount::default());
        }
        while self.budget.is_over() {
            victims.extend(self.evict_elsewhere(None));
        }
        drop(gate);
    }

    pub(crate) fn switch(&self, policy: PolicyKind) {
        let _gate = self.gate.lock();
        self.steer(|course| course.policy = policy);
    }

    pub(crate) fn pursue(&self, objective: Objective) {
        let _gate = self.gate.lock();
        self.steer(|course| course.objective = objective);
    }

    /// Puts the policies on another course, shard by shard. The caller holds
    /// the gate.
    fn steer(&self, change: impl FnOnce(&mut Course)) {
        let before = *self.course.read();
        let mut course = before;
        change(&mut course);
        if course == before {
            return;
        }
        *self.course.write() = course;
        for (number, shard) in self.shards.iter().enumerate() {
            // Both are built before the lock: arrays for a million entries take
            // longer than anybody should wait.
            let mut policy = course.policy.build(shard_seed(self.seed, number));
            let mut moved = Growing::default();
            let slots = self.look(shard).slots;
            policy.reach(slots);
            moved.reach(slots);
            self.edit(shard).switch(policy, course.objective, moved);
            loop {
                let mut table = self.edit(shard);
                let former = table.move_on(STEP);
                table.unlock_fair();
                if former.is_break() {
                    break;
                }
            }
        }
    }
}
