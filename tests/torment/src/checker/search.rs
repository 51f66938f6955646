//! The slow judge: tries all orders of a few operations on one key (Wing and
//! Gong 1993). Only a measure for the quick one.

use crate::history::{NEVER, Operation, What};

/// What the register holds.
#[derive(Clone, Copy, Default)]
struct Register {
    version: u64,
    stamp: u64,
    is_present: bool,
}

/// Whether some order of the operations explains all answers.
pub(super) fn is_explained(operations: &[Operation]) -> bool {
    assert!(operations.len() < 32, "too many for a search");
    search(operations, 0, Register::default())
}

/// `done` has a bit for each operation that has had its turn.
fn search(operations: &[Operation], done: u32, register: Register) -> bool {
    let waiting = || operations.iter().enumerate().filter(move |(i, _)| done & 1 << i == 0);
    // Those without an answer may be left out.
    let Some(first_end) = waiting().map(|(_, o)| o.end).filter(|&end| end != NEVER).min() else {
        return true;
    };
    waiting().filter(|(_, operation)| operation.start <= first_end).any(|(index, operation)| {
        step(operation, register).is_some_and(|next| search(operations, done | 1 << index, next))
    })
}

/// What the register holds after an operation, if its answer fits.
fn step(operation: &Operation, mut register: Register) -> Option<Register> {
    let before = register.is_present.then_some(register.version);
    let fits = match operation.what {
        What::Put { stamp, told } => {
            register = Register { version: register.version + 1, stamp, is_present: true };
            told.is_none_or(|told| (told.version, told.replaced) == (register.version, before))
        }
        What::Delete { version, done } => {
            let hits = before == Some(version);
            register.is_present &= !hits;
            hits || !done
        }
        What::Found { version, stamp } => {
            before == Some(version) && stamp.is_none_or(|stamp| stamp == register.stamp)
        }
        What::Absent => before.is_none(),
    };
    fits.then_some(register)
}
