//! Bytes to operations: every sequence of bytes means something, and a byte
//! that changes changes little, so that a fuzzer can find its way.

use larder_cache::{Config, Objective, PolicyKind};

use crate::model::{KEYS, Key, Model, Step};

/// What is left of the bytes; once none are, zeros.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn number(&mut self) -> u64 {
        u64::from(u16::from_le_bytes([self.next(), self.next()]))
    }

    fn key(&mut self) -> Key {
        self.next() % KEYS
    }

    /// More than are looked up together, twice the same, and none.
    fn keys(&mut self) -> Vec<Key> {
        let count = self.next() % 40;
        (0..count).map(|_| self.key()).collect()
    }

    /// Half of the blobs weigh little, some more than most capacities.
    fn weight(&mut self) -> u64 {
        let most = [50, 50, 1000, 8000][usize::from(self.next() % 4)];
        self.number() % most
    }

    fn capacity(&mut self) -> u64 {
        self.number() % 8000
    }

    fn items(&mut self) -> Option<u64> {
        let items = self.next();
        items.is_multiple_of(4).then_some(u64::from(items / 4 % 12))
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.next()) % choices.len()]
    }

    fn config(&mut self) -> Config {
        Config {
            capacity_bytes: self.capacity(),
            max_items: self.items(),
            policy: self.one_of(PolicyKind::ALL),
            objective: self.one_of(Objective::ALL),
            shards: self.one_of(&[1, 2, 8, 64]),
            seed: self.next().into(),
        }
    }

    fn step(&mut self) -> Step {
        match self.next() % 32 {
            0..5 => Step::Get(self.key()),
            5 => Step::Peek(self.key()),
            6 => Step::GetMany(self.keys()),
            7 => Step::ReadMany(self.keys()),
            8..14 => Step::Insert(self.key(), self.weight()),
            14..16 => Step::Invalidate(self.key()),
            16 => Step::Clear,
            17 => {
                let policy = self.one_of(PolicyKind::ALL);
                Step::Reconfigure(self.capacity(), self.items(), policy)
            }
            18 => Step::Pursue(self.one_of(Objective::ALL)),
            19..26 => Step::Lookup(self.key()),
            26..30 => Step::Fill(self.next().into(), self.weight()),
            30 => Step::Share(self.next().into()),
            _ => Step::Drop(self.next().into()),
        }
    }
}

/// Plays what the bytes say, with a recount after every step; the answer is
/// how many steps that were.
pub fn play(bytes: &[u8]) -> usize {
    let mut bytes = Bytes(bytes);
    let mut model = Model::new(bytes.config());
    let mut steps = 0;
    while !bytes.0.is_empty() {
        model.play(&bytes.step());
        steps += 1;
    }
    steps
}
