//! Who may use the server: users and their passwords from a file, said by a
//! `set` whose value is `USER PASSWORD`. Nothing else is carried out before.

use std::path::Path;

use larder_wire::{Block, Step, Verb, block, step};

/// The longest user and password.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

pub(super) const WRONG: &str = "CLIENT_ERROR authentication failure";

/// Users and their passwords.
pub(crate) struct Users(Vec<Vec<u8>>);

impl Users {
    /// Reads a file of lines `USER:PASSWORD`.
    ///
    /// # Errors
    /// One sentence: what is wrong with it.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read(file).map_err(|error| error.to_string())?;
        let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let lines: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
        match lines.iter().all(|line| line.iter().position(|&byte| byte == b':') > Some(0)) {
            true if !lines.is_empty() => Ok(Self(lines)),
            _ => Err("it must have lines USER:PASSWORD".into()),
        }
    }

    /// All lines are looked at in full, so that the time says little.
    fn has(&self, user: &[u8], password: &[u8]) -> bool {
        let said = [user, b":", password].concat();
        self.0.iter().fold(false, |found, line| found | is_same(line, &said))
    }
}

fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |sum, (one, other)| sum | (one ^ other));
    differences == 0 && one.len() == other.len()
}

/// What somebody said who it is.
pub(super) enum Login {
    More,
    Known,
    Refused(&'static str),
    Close,
}

/// Reads a line, and the block behind it; how many bytes they took.
pub(super) fn login(users: &Users, input: &[u8]) -> (Login, usize) {
    match step(input) {
        Step::More => (Login::More, 0),
        Step::Close => (Login::Close, 0),
        Step::Store { store, used } if store.verb == Verb::Set && store.meta.is_none() => {
            if store.len > MAX_TOKEN_BYTES {
                return (Login::Refused("CLIENT_ERROR auth token too long"), used);
            }
            let all = used + store.len + 2;
            match block(&input[used..], store.len) {
                Block::More(_) => (Login::More, 0),
                Block::Bad => (Login::Refused("CLIENT_ERROR bad command line termination"), all),
                Block::Value(token) => (check(users, token), all),
            }
        }
        Step::Command { used, .. } | Step::Store { used, .. } | Step::Bad { used, .. } => {
            (Login::Refused("CLIENT_ERROR unauthenticated"), used)
        }
    }
}

fn check(users: &Users, token: &[u8]) -> Login {
    let Some(blank) = token.iter().position(|&byte| byte == b' ') else {
        return Login::Refused("CLIENT_ERROR bad authentication token format");
    };
    match users.has(&token[..blank], &token[blank + 1..]) {
        true => Login::Known,
        false => Login::Refused(WRONG),
    }
}
