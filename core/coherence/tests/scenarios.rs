//! Single events of the protocol, one rule each, as short stories. What all
//! orders of events lead to is in `tests/model`.

use std::time::Duration;

use larder_coherence::{
    BlockId, Config, Database, Envelope, Epoch, Input, Instance, Message, Node, NodeId, Outcome,
    Output, Reply, Roster, Scope, Slot, Statement, Time, WriteId,
};

const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);
const SERVER: Instance = Instance(7);
const SLOT: Slot = Slot(3);
const WRITE: WriteId = WriteId(1);

fn at_ms(ms: u64) -> Time {
    Time(ms * 1_000)
}

/// Node A, joined at time zero, in a cluster with B.
struct Story {
    node: Node,
    roster: Roster,
    epoch: Epoch,
    peer: Epoch,
}

impl Story {
    fn new(config: Config) -> Self {
        let mut roster = Roster::new(SERVER);
        let peer = roster.join(B, SERVER);
        let epoch = roster.join(A, SERVER);
        let mut node = Node::new(config);
        assert!(performs(&node.step(at_ms(0), Input::Wake), &Statement::Join));
        node.step(at_ms(5), Input::Reply(Reply::Joined { epoch, roster: roster.clone() }));
        Self { node, roster, epoch, peer }
    }

    fn reply(&mut self, ms: u64, reply: Reply) -> Vec<Output> {
        self.node.step(at_ms(ms), Input::Reply(reply))
    }

    fn write(&mut self, ms: u64) -> (BlockId, Vec<Output>) {
        let scope = Scope::Slots(vec![SLOT]);
        let outputs = self.node.step(at_ms(ms), Input::Write { write: WRITE, scope });
        let block = outputs.iter().find_map(|output| match output {
            Output::Send(Envelope { message: Message::Block { block, .. }, .. }) => Some(*block),
            _ => None,
        });
        (block.expect("the peer is told of the block"), outputs)
    }

    fn hears(&mut self, ms: u64, message: Message) -> Vec<Output> {
        let floor = larder_coherence::Floor { epoch: self.peer, sequence: 1 };
        let envelope = Envelope { from: B, to: A, floor, message };
        self.node.step(at_ms(ms), Input::Message(envelope))
    }

    fn block_of_peer(&self) -> BlockId {
        BlockId { writer: B, epoch: self.peer, sequence: 1 }
    }

    fn peer_blocks(&mut self, ms: u64) -> Vec<Output> {
        let (block, scope) = (self.block_of_peer(), Scope::Slots(vec![SLOT]));
        self.hears(ms, Message::Block { block, scope, instance: SERVER })
    }

    fn renewed(&self, roster: Roster, clock: Option<Time>) -> Reply {
        Reply::Renewed { epoch: self.epoch, roster, server: SERVER, mail: Vec::new(), clock }
    }
}

fn performs(outputs: &[Output], statement: &Statement) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Perform(other) if other == statement))
}

fn commits(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Perform(Statement::Commit { .. })))
}

fn answer(outputs: &[Output]) -> Option<&Outcome> {
    outputs.iter().find_map(|output| match output {
        Output::Answer(_, outcome) => Some(outcome),
        _ => None,
    })
}

#[test]
fn a_lease_counts_from_before_it_was_asked_for() {
    let mut story = Story::new(Config::new(A));
    assert!(story.node.serves(story.epoch, at_ms(1_999)));
    assert!(!story.node.serves(story.epoch, at_ms(2_000)));
    story.node.step(at_ms(500), Input::Wake);
    let renewed = story.renewed(story.roster.clone(), None);
    story.reply(1_400, renewed);
    assert!(story.node.serves(story.epoch, at_ms(2_499)));
    assert!(!story.node.serves(story.epoch, at_ms(2_500)));
}

#[test]
fn a_node_that_was_evicted_stops_serving_and_joins_again() {
    let mut story = Story::new(Config::new(A));
    story.node.step(at_ms(500), Input::Wake);
    story.roster.begin_eviction(A, story.epoch);
    let renewed = story.renewed(story.roster.clone(), None);
    assert!(performs(&story.reply(510, renewed), &Statement::Join));
    assert!(!story.node.serves(story.epoch, at_ms(511)));
}

#[test]
fn a_clock_that_stood_still_makes_a_node_step_aside() {
    let mut story = Story::new(Config::new(A));
    story.node.step(at_ms(500), Input::Wake);
    let renewed = story.renewed(story.roster.clone(), Some(at_ms(90_000)));
    story.reply(501, renewed);
    story.node.step(at_ms(1_000), Input::Wake);
    let renewed = story.renewed(story.roster.clone(), Some(at_ms(90_800)));
    let outputs = story.reply(1_001, renewed);
    assert!(performs(&outputs, &Statement::StepAside { epoch: story.epoch }));
    assert!(!story.node.serves(story.epoch, at_ms(1_002)));
    let cleared = story.node.step(at_ms(1_003), Input::Clear);
    assert!(!performs(&cleared, &Statement::Join), "there is nothing to clear, and it stays");
    assert!(performs(&story.node.step(at_ms(31_001), Input::Wake), &Statement::Join));
}

#[test]
fn who_can_not_renew_joins_where_a_standby_may_have_taken_over() {
    for (database, joins) in [(Database::Replicated, true), (Database::Single, false)] {
        let mut story = Story::new(Config { database, ..Config::new(A) });
        let renew = Statement::Renew { epoch: story.epoch, replicated: joins };
        assert!(performs(&story.node.step(at_ms(500), Input::Wake), &renew));
        let early = story.reply(1_500, Reply::Failed(renew.clone()));
        assert!(!performs(&early, &Statement::Join), "the lease runs");
        assert!(performs(&story.node.step(at_ms(2_000), Input::Wake), &renew));
        let late = story.reply(2_001, Reply::Failed(renew));
        assert_eq!(performs(&late, &Statement::Join), joins, "{database:?}");
    }
}

#[test]
fn a_node_that_keeps_nothing_steps_aside_for_ever() {
    let config = Config { keeps_entries: false, ..Config::new(A) };
    let mut roster = Roster::new(SERVER);
    let epoch = roster.join(A, SERVER);
    let mut node = Node::new(config);
    node.step(at_ms(0), Input::Wake);
    let joined = node.step(at_ms(5), Input::Reply(Reply::Joined { epoch, roster }));
    assert!(performs(&joined, &Statement::StepAside { epoch }));
    assert!(!node.serves(epoch, at_ms(6)) && node.is_member());
    let year = 365 * 24 * 3_600_000;
    assert!(!performs(&node.step(at_ms(year), Input::Wake), &Statement::Join));
    assert!(!performs(&node.step(at_ms(year), Input::Clear), &Statement::Join));
}

#[test]
fn a_write_commits_when_the_peer_has_acknowledged_in_its_present_epoch() {
    let mut story = Story::new(Config::new(A));
    let (block, outputs) = story.write(10);
    assert!(!commits(&outputs));
    let old = Message::Acknowledge { block, epoch: Epoch(0) };
    assert!(!commits(&story.hears(11, old)));
    let epoch = story.peer;
    assert!(commits(&story.hears(12, Message::Acknowledge { block, epoch })));
    let outputs = story.reply(13, Reply::Committed(WRITE));
    let Some(Outcome::Written { installs, .. }) = answer(&outputs) else {
        panic!("the write is answered");
    };
    assert_eq!(installs.len(), 1);
}

#[test]
fn a_write_beside_another_one_is_not_written_through() {
    let mut story = Story::new(Config::new(A));
    story.peer_blocks(9);
    let (block, _) = story.write(10);
    let epoch = story.peer;
    story.hears(12, Message::Acknowledge { block, epoch });
    let over = story.block_of_peer();
    story.hears(13, Message::Release { block: over });
    let outputs = story.reply(14, Reply::Committed(WRITE));
    assert!(
        matches!(answer(&outputs), Some(Outcome::Written { installs, .. }) if installs.is_empty())
    );
}

#[test]
fn what_was_loaded_before_a_block_is_not_kept() {
    let mut story = Story::new(Config::new(A));
    let read = story.node.begin_read(SLOT);
    assert!(story.node.finish_read(&read, at_ms(8)).install.is_some());
    story.peer_blocks(9);
    let under_block = story.node.begin_read(SLOT);
    let over = story.block_of_peer();
    story.hears(10, Message::Release { block: over });
    for read in [read, under_block] {
        let verdict = story.node.finish_read(&read, at_ms(11));
        assert_eq!((verdict.install, verdict.share, verdict.answer), (None, false, true));
    }
}

#[test]
fn with_standbys_a_read_without_a_lease_is_no_answer() {
    let config = Config { database: Database::Replicated, ..Config::new(A) };
    let story = Story::new(config);
    let read = story.node.begin_read(SLOT);
    assert!(story.node.finish_read(&read, at_ms(1_999)).answer);
    assert!(!story.node.finish_read(&read, at_ms(2_000)).answer);
}

#[test]
fn a_silent_peer_gets_mail_and_then_is_evicted_and_waited_for() {
    let mut story = Story::new(Config { lease: Duration::from_secs(60), ..Config::new(A) });
    let (block, _) = story.write(10);
    let scope = Scope::Slots(vec![SLOT]);
    let outputs = story.node.step(at_ms(310), Input::Wake);
    assert!(performs(&outputs, &Statement::Mail { to: B, block, scope }));
    let (node, epoch) = (B, story.peer);
    let outputs = story.node.step(at_ms(910), Input::Wake);
    assert!(performs(&outputs, &Statement::BeginEviction { node, epoch }));
    story.roster.begin_eviction(B, epoch);
    let roster = story.roster.clone();
    story.reply(1_000, Reply::EvictionBegun { node, epoch, roster });
    let finish = Statement::FinishEviction { node, epoch };
    assert!(!performs(&story.node.step(at_ms(3_499), Input::Wake), &finish));
    assert!(performs(&story.node.step(at_ms(3_500), Input::Wake), &finish));
    story.roster.finish_eviction(B, epoch);
    let roster = story.roster.clone();
    assert!(commits(&story.reply(3_510, Reply::Roster { roster, answered: Vec::new() })));
}

#[test]
fn a_commit_of_unknown_outcome_is_looked_up_in_a_new_epoch() {
    let mut story = Story::new(Config::new(A));
    let (block, _) = story.write(10);
    let epoch = story.peer;
    let outputs = story.hears(12, Message::Acknowledge { block, epoch });
    let commit = outputs.into_iter().find_map(|output| match output {
        Output::Perform(commit @ Statement::Commit { .. }) => Some(commit),
        _ => None,
    });
    let outputs = story.reply(13, Reply::Failed(commit.expect("it commits")));
    assert!(performs(&outputs, &Statement::Join) && answer(&outputs).is_none());
    let epoch = story.roster.join(A, SERVER);
    let roster = story.roster.clone();
    let outputs = story.reply(14, Reply::Joined { epoch, roster });
    assert!(performs(&outputs, &Statement::LookUp { write: WRITE, block }));
    let outputs = story.reply(15, Reply::LookedUp { write: WRITE, committed: true });
    assert!(
        matches!(answer(&outputs), Some(Outcome::Written { block: done, .. }) if *done == block)
    );
}

#[test]
fn blocks_of_a_writer_end_with_its_epoch_and_not_before() {
    let mut story = Story::new(Config::new(A));
    story.peer_blocks(9);
    story.node.step(at_ms(500), Input::Wake);
    let renewed = story.renewed(story.roster.clone(), None);
    story.reply(510, renewed);
    assert!(story.node.finish_read(&story.node.begin_read(SLOT), at_ms(511)).install.is_none());
    story.node.step(at_ms(1_000), Input::Wake);
    story.roster.join(B, SERVER);
    let renewed = story.renewed(story.roster.clone(), None);
    story.reply(1_010, renewed);
    assert!(story.node.finish_read(&story.node.begin_read(SLOT), at_ms(1_011)).install.is_some());
}

#[test]
fn mail_of_writes_that_are_over_makes_nobody_step_aside() {
    let mut story = Story::new(Config::new(A));
    // All blocks of B below 2 are over.
    let floor = larder_coherence::Floor { epoch: story.peer, sequence: 2 };
    let message = Message::Release { block: story.block_of_peer() };
    let envelope = Envelope { from: B, to: A, floor, message };
    story.node.step(at_ms(1), Input::Message(envelope));
    for renewal in 1..=10 {
        story.node.step(at_ms(renewal * 500), Input::Wake);
        let mail = vec![(story.block_of_peer(), Scope::Slots(vec![SLOT]))];
        let (epoch, roster, server) = (story.epoch, story.roster.clone(), SERVER);
        let renewed = Reply::Renewed { epoch, roster, server, mail, clock: None };
        story.reply(renewal * 500 + 1, renewed);
        assert!(story.node.serves(story.epoch, at_ms(renewal * 500 + 2)));
    }
}
