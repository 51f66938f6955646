//! The cluster's protocol: one write on two nodes, from the client's wish to
//! its answer and the release on the other node.

use std::collections::VecDeque;
use std::hint::black_box;

use larder_coherence::{
    Config, Input, Instance, Node, NodeId, Outcome, Output, Reply, Roster, Scope, Slot, Statement,
    Time, WriteId,
};

use crate::{Path, TIMES, Walk};

const SERVER: Instance = Instance(1);

/// Within every lease.
const NOW: Time = Time(10_000);

const NODES: [NodeId; 2] = [NodeId(0), NodeId(1)];

pub(crate) fn paths() -> Vec<Path> {
    vec![Path::new("coherence/write", Cluster::new)]
}

/// Two nodes whose messages arrive at once, and a database that commits.
struct Cluster {
    nodes: [Node; 2],
    todo: VecDeque<(usize, Output)>,
}

impl Cluster {
    fn new() -> Self {
        let mut roster = Roster::new(SERVER);
        let epochs = NODES.map(|node| roster.join(node, SERVER));
        let mut nodes = NODES.map(|node| Node::new(Config::new(node)));
        for (node, epoch) in nodes.iter_mut().zip(epochs) {
            node.step(Time(0), Input::Wake);
            node.step(Time(1_000), Input::Reply(Reply::Joined { epoch, roster: roster.clone() }));
        }
        let mut cluster = Self { nodes, todo: VecDeque::new() };
        assert!(cluster.write(0), "all have joined");
        cluster
    }

    fn tell(&mut self, node: usize, input: Input) {
        let outputs = self.nodes[node].step(NOW, input);
        self.todo.extend(outputs.into_iter().map(|output| (node, output)));
    }

    /// Whether the write was done.
    fn write(&mut self, number: u32) -> bool {
        let write = WriteId(number.into());
        let scope = Scope::Slots(vec![Slot(number)]);
        self.tell(0, Input::Write { write, scope });
        let mut written = false;
        while let Some((from, output)) = self.todo.pop_front() {
            match output {
                Output::Send(envelope) => {
                    self.tell(usize::from(envelope.to == NODES[1]), Input::Message(envelope));
                }
                Output::Perform(Statement::Commit { write, .. }) => {
                    self.tell(from, Input::Reply(Reply::Committed(write)));
                }
                Output::Answer(_, outcome) => {
                    written = matches!(outcome, Outcome::Written { .. });
                }
                other => drop(black_box(other)),
            }
        }
        written
    }
}

impl Walk for Cluster {
    fn walk(&mut self) {
        for number in 0..TIMES as u32 {
            assert!(self.write(number), "nothing is in the way");
        }
    }
}
