//! The way to the database and back. A question may get lost, or be performed
//! after its sender was told that it failed, or after the sender's death; an
//! answer may get lost after the deed. Each question is answered once.

use larder_coherence::{BlockId, Input, Instance, Reply, Statement, WriteId};

use super::{Cluster, TROUBLE, id};
use crate::clock::{Clock, MS};
use crate::keeper::only_reads;
use crate::plan::Habit;
use crate::queue::{Event, Happening, Question};
use crate::server::Server;
use crate::tally::Seen;

impl Cluster {
    /// Sends a question to the database.
    pub(super) fn ask(&mut self, from: usize, question: Question) {
        let life = self.hosts[from].life;
        let cut_until = self.cut_asking[from].end.min(TROUBLE.end);
        let is_cut = self.cut_asking[from].contains(&self.now);
        if is_cut && self.dice.chance(500) {
            // Sent again and again, and through at last.
            let at = cut_until + self.way();
            return self.queue.push(at, Event::Arrive { from, life, question, mute: false });
        }
        if !is_cut && !self.dice.chance(self.plan.statements_lost) {
            let after = self.way();
            let event = Event::Arrive { from, life, question, mute: false };
            return self.queue.push(self.now + after, event);
        }
        if self.dice.chance(500) {
            let late = self.now + self.dice.below(4_000 * MS);
            let question = question.clone();
            self.queue.push(late, Event::Arrive { from, life, question, mute: true });
        }
        self.fail(from, life, question);
    }

    /// How long one way takes.
    fn way(&mut self) -> u64 {
        let late = self.dice.chance(self.plan.statements_late);
        200 + self.dice.below(if late { 1_500 * MS } else { 2 * MS })
    }

    /// Whoever asked is told, in the end, that nobody knows.
    fn fail(&mut self, from: usize, life: u64, question: Question) {
        let after = self.dice.between(10, 1_000) * MS;
        self.reply(after, from, life, question, None);
    }

    fn reply(
        &mut self,
        after: u64,
        from: usize,
        life: u64,
        question: Question,
        said: Option<Said>,
    ) {
        let what = match (question, said) {
            (Question::Load { key, flight, .. }, said) => {
                let version = match said {
                    Some(Said::Version(version)) => version,
                    _ => None,
                };
                Happening::Loaded { key, flight, version }
            }
            (_, Some(Said::Reply(reply))) => Happening::Input(Input::Reply(reply)),
            (Question::Statement(statement), _) => {
                Happening::Input(Input::Reply(Reply::Failed(statement)))
            }
        };
        self.push_on(after, from, Some(life), what);
    }

    /// A question reaches the database.
    pub(super) fn arrive(&mut self, from: usize, life: u64, question: Question, mute: bool) {
        let said = match &question {
            Question::Load { key, instance, .. } => {
                Some(Said::Version(self.load(from, *key, *instance)))
            }
            Question::Statement(statement) => {
                if mute {
                    self.tally.count(Seen::PerformedLate);
                }
                if life != self.hosts[from].life {
                    self.tally.count(Seen::PerformedForTheDead);
                }
                match self.do_statement(from, statement) {
                    None => return,
                    Some(reply) => Some(Said::Reply(reply)),
                }
            }
        };
        if mute {
            return;
        }
        let cut_until = self.cut_answers[from].end.min(TROUBLE.end);
        let is_cut = self.cut_answers[from].contains(&self.now);
        if is_cut && self.dice.chance(500) {
            let after = cut_until - self.now + self.way();
            return self.reply(after, from, life, question, said);
        }
        if is_cut || self.dice.chance(self.plan.statements_lost) {
            return self.fail(from, life, question);
        }
        let after = self.way();
        self.reply(after, from, life, question, said);
    }

    /// The server that a node talks to, this time.
    fn server(&mut self, from: usize) -> usize {
        let host = &self.hosts[from];
        if self.now < host.behind_until && self.dice.chance(host.behind_share) {
            host.behind
        } else {
            self.servers.len() - 1
        }
    }

    fn load(&mut self, from: usize, key: usize, instance: Instance) -> Option<usize> {
        let at = self.server(from);
        let server = &self.servers[at];
        let newer = server.instance() > instance && !self.plan.breaks(Habit::NoNewerServer);
        let older = server.instance() < instance && !self.plan.breaks(Habit::NoOlderServer);
        let another = self.plan.is_replicated() && (newer || older);
        if self.now < server.down_until || another {
            return None;
        }
        if server.is_deposed() {
            self.tally.count(Seen::AnsweredByDeposed);
        }
        let version = server.version(key);
        self.tell(|| format!("  server {at} shows {from} key {key} version {version}"));
        Some(version)
    }

    fn do_statement(&mut self, from: usize, statement: &Statement) -> Option<Reply> {
        let at = self.server(from);
        let server = &self.servers[at];
        let older = server.instance() < self.hosts[from].instance
            && !self.plan.breaks(Habit::NoOlderServer);
        // The tier holds all but joins to the server that answered the last
        // one. Safety doesn't hang on that, so here only renewals are.
        let newer = server.instance() > self.hosts[from].instance
            && matches!(statement, Statement::Renew { replicated: true, .. });
        if self.now < server.down_until || older || newer {
            return Some(Reply::Failed(statement.clone()));
        }
        // A change that is not a commit meets the failover less often, as it
        // tells less.
        let changes = matches!(statement, Statement::Commit { .. })
            || !only_reads(statement) && self.dice.chance(200);
        if self.fails_over_by.is_some() && !server.is_deposed() && changes {
            self.fail_over_inside(from, statement);
            return Some(Reply::Failed(statement.clone()));
        }
        self.perform_on(at, from, statement)
    }

    fn perform_on(&mut self, at: usize, from: usize, statement: &Statement) -> Option<Reply> {
        if self.servers[at].is_deposed() {
            self.tally.count(Seen::AnsweredByDeposed);
        }
        let reply = match statement {
            Statement::Commit { write, requirements } if !self.servers[at].is_deposed() => {
                if self.dice.chance(self.plan.changes_failed) {
                    return Some(Reply::Aborted(*write));
                }
                let keys = self.history.keys(*write).to_vec();
                let reply = self.servers[at].commit(*write, requirements, &keys);
                self.note_commit(*write, requirements.block, &reply);
                Some(reply)
            }
            _ => {
                let now = self.servers[at].clock.at(self.now);
                self.servers[at].perform(id(from), statement.clone(), now)
            }
        };
        self.note(statement, reply.as_ref());
        self.tell(|| format!("  server {at} does {statement:?} for {from}: {reply:?}"));
        reply
    }

    fn note_commit(&mut self, write: WriteId, block: BlockId, reply: &Reply) {
        match reply {
            Reply::Committed(_) => {
                self.history.committed(write, block);
                self.tally.count(Seen::Committed);
            }
            _ => self.tally.count(Seen::Refused),
        }
    }

    fn note(&mut self, statement: &Statement, reply: Option<&Reply>) {
        if matches!(reply, Some(Reply::Failed(_))) {
            return;
        }
        let seen = match statement {
            Statement::Join => Seen::Joined,
            Statement::BeginEviction { .. } => Seen::EvictionBegun,
            Statement::FinishEviction { .. } => Seen::EvictionFinished,
            Statement::Mail { .. } => Seen::Mailed,
            Statement::StepAside { .. } => Seen::SteppedAside,
            _ => return,
        };
        self.tally.count(seen);
    }

    /// The primary is deposed, and a standby that has all of it takes over.
    pub(super) fn fail_over(&mut self) {
        self.fails_over_by = None;
        let mut successor = self.primary().clone();
        successor.clock = Clock::new(&mut self.dice);
        self.succeed(successor);
    }

    /// The same while a change is on the standby alone: nobody sees it on the
    /// deposed primary, and who sent it doesn't hear.
    fn fail_over_inside(&mut self, from: usize, statement: &Statement) {
        self.fails_over_by = None;
        let before = self.primary().clone();
        self.perform_on(self.servers.len() - 1, from, statement);
        let mut successor = std::mem::replace(self.primary(), before);
        successor.clock = Clock::new(&mut self.dice);
        self.succeed(successor);
        self.tally.count(Seen::FailoverInChange);
    }

    fn succeed(&mut self, mut successor: Server) {
        let deposed = self.servers.len() - 1;
        self.primary().depose();
        successor.begin_instance(Instance(successor.instance().0 + 1));
        successor.down_until = self.now + self.dice.below(500 * MS);
        self.servers.push(successor);
        for at in 0..self.plan.nodes {
            if self.now >= self.hosts[at].behind_until && self.dice.chance(700) {
                self.leave_behind(at, deposed);
            }
        }
        self.tally.count(Seen::Failover);
        self.tell(|| format!("  server {deposed} is deposed"));
    }

    /// A node goes on talking to a deposed primary; often it is on that side
    /// of a cut, and doesn't hear of the other nodes either.
    fn leave_behind(&mut self, at: usize, deposed: usize) {
        let until = self.now + self.dice.below(8_000 * MS);
        let host = &mut self.hosts[at];
        host.behind = deposed;
        host.behind_until = until;
        host.behind_share = if self.dice.chance(500) { 1_000 } else { 500 };
        if self.dice.chance(500) {
            self.isolate(at, until);
        }
    }
}

/// What the database says.
enum Said {
    Reply(Reply),
    Version(Option<usize>),
}
