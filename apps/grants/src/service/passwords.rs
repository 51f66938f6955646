//! Passwords: hashed with argon2id, on threads that may be busy, and not more
//! of them at one time than there are processors.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::config::Hashing;
use crate::error::{Error, Result};
use crate::model::{NewPassword, Person};

/// Passwords that are hashed or wait for it, at one time: some seconds' worth.
const LONGEST_QUEUE: usize = 256;

/// What adding somebody took.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Who was added.
    pub person: Person,
    /// The time for hashing the password.
    pub hashing: Duration,
    /// The time until the row was on disk.
    pub storing: Duration,
}

/// Hashes and compares.
pub(super) struct Passwords {
    argon2: Argon2<'static>,
    room: Arc<Semaphore>,
    /// For those who wait for room too.
    queue: Semaphore,
    /// The hash of a password that nobody has: comparing with it takes as long
    /// as with a real one.
    nobody: tokio::sync::OnceCell<String>,
}

impl Passwords {
    pub(super) fn new(cost: Hashing) -> Self {
        let params = Params::new(cost.memory_kib.max(8), cost.passes.max(1), 1, None);
        let params = params.unwrap_or_default();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            room: Arc::new(Semaphore::new(processors)),
            queue: Semaphore::new(LONGEST_QUEUE),
            nobody: tokio::sync::OnceCell::new(),
        }
    }

    /// The hash of a password, with its salt and what it cost.
    pub(super) async fn hash(&self, password: &NewPassword) -> Result<String> {
        self.hash_text(password.secret().to_owned()).await
    }

    async fn hash_text(&self, password: String) -> Result<String> {
        let argon2 = self.argon2.clone();
        self.work(move || argon2.hash_password(password.as_bytes()).map(|hash| hash.to_string()))
            .await?
            .map_err(|error| Error::Damaged(format!("a password can't be hashed: {error}")))
    }

    /// Whether a password is the one of `hash`; `None` is nobody's, which takes
    /// as long.
    pub(super) async fn is_right(&self, password: String, hash: Option<String>) -> Result<bool> {
        let is_somebody = hash.is_some();
        let hash = match hash {
            Some(hash) => hash,
            None => {
                let nobody = || self.hash_text("a password that nobody has".into());
                self.nobody.get_or_try_init(nobody).await?.clone()
            }
        };
        let argon2 = self.argon2.clone();
        let is_right = self.work(move || match PasswordHash::new(&hash) {
            Ok(hash) => argon2.verify_password(password.as_bytes(), &hash).is_ok(),
            Err(_) => false,
        });
        Ok(is_right.await? && is_somebody)
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let _place = self.queue.try_acquire().map_err(|_| Error::Busy)?;
        let room = self.room.clone().acquire_owned().await;
        let room = room.map_err(|error| Error::Damaged(error.to_string()))?;
        let task = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(room);
            done
        });
        task.await.map_err(|error| Error::Damaged(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_knows_its_password_only() {
        let passwords = Passwords::new(Hashing { memory_kib: 64, passes: 1 });
        let password: NewPassword = "correct horse".parse().expect("is one");
        let hash = passwords.hash(&password).await.expect("is hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash(&password).await.expect("is hashed"), "salts differ");
        let is_right = |text: &str, hash: Option<&str>| {
            passwords.is_right(text.to_owned(), hash.map(str::to_owned))
        };
        assert_eq!(is_right("correct horse", Some(&hash)).await.ok(), Some(true));
        assert_eq!(is_right("correct horsf", Some(&hash)).await.ok(), Some(false));
        assert_eq!(is_right("a password that nobody has", None).await.ok(), Some(false));
        assert_eq!(is_right("x", Some("no hash")).await.ok(), Some(false));
    }
}
