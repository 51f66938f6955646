//! The textbook policies once more, by other code than Larder's: one list over
//! numbered objects. They are there to be compared with, not to be fast.

use larder_workload::trace::Request;

use crate::play::Online;

/// Whose rules a [`Plain`] cache follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Fifo,
    Lru,
    /// A use buys one more round, up to so many.
    Clock(u8),
    Sieve,
}

/// A cache of numbered objects. The list is a ring through the first place,
/// which belongs to nobody; object `n` has place `n + 1`.
pub struct Plain {
    rule: Rule,
    older: Vec<u32>,
    newer: Vec<u32>,
    uses: Vec<u8>,
    sizes: Vec<Option<u32>>,
    hand: u32,
    used_bytes: u64,
    capacity_bytes: u64,
}

const HEAD: u32 = 0;

impl Plain {
    pub fn new(rule: Rule, capacity_bytes: u64, objects: u32) -> Self {
        let places = objects as usize + 1;
        Self {
            rule,
            older: vec![HEAD; places],
            newer: vec![HEAD; places],
            uses: vec![0; places],
            sizes: vec![None; places],
            hand: HEAD,
            used_bytes: 0,
            capacity_bytes,
        }
    }

    fn oldest(&self) -> u32 {
        self.newer[HEAD as usize]
    }

    fn link(&mut self, place: u32) {
        let newest = self.older[HEAD as usize];
        self.older[place as usize] = newest;
        self.newer[place as usize] = HEAD;
        self.newer[newest as usize] = place;
        self.older[HEAD as usize] = place;
    }

    fn unlink(&mut self, place: u32) {
        let (older, newer) = (self.older[place as usize], self.newer[place as usize]);
        self.newer[older as usize] = newer;
        self.older[newer as usize] = older;
    }

    fn evict(&mut self) {
        let victim = match self.rule {
            Rule::Fifo | Rule::Lru => self.oldest(),
            Rule::Clock(_) => {
                while self.uses[self.oldest() as usize] > 0 {
                    let place = self.oldest();
                    self.uses[place as usize] -= 1;
                    self.unlink(place);
                    self.link(place);
                }
                self.oldest()
            }
            Rule::Sieve => loop {
                if self.hand == HEAD {
                    self.hand = self.oldest();
                }
                let place = self.hand;
                self.hand = self.newer[place as usize];
                if self.uses[place as usize] == 0 {
                    break place;
                }
                self.uses[place as usize] = 0;
            },
        };
        self.unlink(victim);
        let size = self.sizes[victim as usize].take();
        self.used_bytes -= u64::from(size.expect("only who is in is in the list"));
    }

    fn hit(&mut self, place: u32) {
        let uses = &mut self.uses[place as usize];
        match self.rule {
            Rule::Fifo => {}
            Rule::Lru => {
                self.unlink(place);
                self.link(place);
            }
            Rule::Clock(most) => *uses = most.min(*uses + 1),
            Rule::Sieve => *uses = 1,
        }
    }
}

impl Online for Plain {
    /// Objects keep the size they came with.
    fn request(&mut self, Request { key, size }: Request) -> bool {
        let place = key + 1;
        if self.sizes[place as usize].is_some() {
            self.hit(place);
            return true;
        }
        if u64::from(size) <= self.capacity_bytes {
            while self.used_bytes + u64::from(size) > self.capacity_bytes {
                self.evict();
            }
            self.used_bytes += u64::from(size);
            self.sizes[place as usize] = Some(size);
            self.uses[place as usize] = 0;
            self.link(place);
        }
        false
    }
}
