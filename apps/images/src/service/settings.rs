//! The settings of the cache: what was chosen, what is in force, and what
//! others would do. Estimates nothing: the tier does.

use larder_cache::PolicyKind;
use larder_console::Insight;
use larder_tier::{End, Scope, Written};
use parking_lot::Mutex;

use super::{Images, Shared};
use crate::error::Result;
use crate::model::{InvalidCapacity, MEGABYTE, Settings, machine_memory_bytes};

/// The settings that were chosen last.
pub(super) struct Chosen {
    pub(super) settings: Mutex<Settings>,
    /// One change at a time, so that what is saved is what is in force.
    gate: tokio::sync::Mutex<()>,
}

impl Chosen {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings: Mutex::new(settings), gate: tokio::sync::Mutex::default() }
    }
}

impl Images {
    /// The settings of the cache in force, with the policy that the autopilot
    /// changed to last.
    pub fn settings(&self) -> Settings {
        let Shared { settings, tier, mem_cache, .. } = &*self.shared;
        let chosen = *settings.settings.lock();
        let Some(mem_cache) = mem_cache else {
            return Settings { policy: tier.cache_stats().policy, ..chosen };
        };
        // An operator may tune the service by itself, too.
        let Some(there) = mem_cache.status() else { return chosen };
        let policy = there.policy().unwrap_or(chosen.policy);
        Settings { capacity_bytes: there.capacity_bytes, policy, ..chosen }
    }

    /// The settings of the cache that it starts with when none are saved.
    pub fn default_settings(&self) -> Settings {
        self.shared.config.defaults
    }

    /// Changes the settings of the cache: saved first, then in force at once.
    /// What is in memory stays as far as it fits.
    ///
    /// # Errors
    /// The capacity is refused, or the store fails; nothing is changed then.
    pub async fn configure(&self, settings: Settings) -> Result<()> {
        self.adjust(|_| settings).await.map(drop)
    }

    /// Changes some of the settings of the cache, as [`Images::configure`]
    /// does; returns all of them as they are in force then.
    ///
    /// # Errors
    /// As [`Images::configure`].
    pub async fn adjust(&self, change: impl FnOnce(Settings) -> Settings) -> Result<Settings> {
        let _gate = self.shared.settings.gate.lock().await;
        let settings = change(self.settings());
        let memory = machine_memory_bytes();
        if settings.capacity_bytes == 0 {
            return Err(InvalidCapacity::NotPositive.into());
        }
        if settings.capacity_bytes > memory {
            return Err(InvalidCapacity::MoreThanMemory(memory / MEGABYTE).into());
        }
        self.put_in_force(Some(settings), settings).await?;
        Ok(settings)
    }

    /// Changes the policy and nothing else.
    ///
    /// # Errors
    /// The store fails; nothing is changed then.
    pub async fn change_policy(&self, policy: PolicyKind) -> Result<()> {
        self.adjust(|settings| Settings { policy, ..settings }).await.map(drop)
    }

    /// Goes back to the default settings of the cache.
    ///
    /// # Errors
    /// The store fails; nothing is changed then.
    pub async fn reset_settings(&self) -> Result<()> {
        let _gate = self.shared.settings.gate.lock().await;
        self.put_in_force(None, self.shared.config.defaults).await
    }

    /// The caller holds the gate.
    async fn put_in_force(&self, saved: Option<Settings>, settings: Settings) -> Result<()> {
        let saving = self.shared.store.save_settings(saved, self.shared.clock.now());
        saving.await.map_err(|error| self.noted(error))?;
        *self.shared.settings.settings.lock() = settings;
        match &self.shared.mem_cache {
            None => self.shared.tier.reconfigure(settings),
            Some(mem_cache) => mem_cache.configure(settings).await,
        }
        Ok(())
    }

    /// Puts the settings in force that were saved last, at another node
    /// perhaps.
    pub(super) async fn follow_settings(&self) -> Result<()> {
        let _gate = self.shared.settings.gate.lock().await;
        let saved = self.shared.store.settings().await?.unwrap_or(self.shared.config.defaults);
        let before = std::mem::replace(&mut *self.shared.settings.settings.lock(), saved);
        if saved != before {
            self.shared.tier.reconfigure(saved);
        }
        Ok(())
    }

    /// Empties the memory of all nodes; the images stay in the store.
    ///
    /// # Errors
    /// In a cluster: the other nodes weren't told in time.
    pub async fn clear_cache(&self) -> Result<()> {
        match self.cluster() {
            None => {
                self.shared.tier.clear();
                if let Some(mem_cache) = &self.shared.mem_cache {
                    mem_cache.clear().await;
                }
            }
            Some(_) => {
                let change = |_| async { Written { result: (), end: End::Committed } };
                self.shared.tier.write(Scope::All, change).await?;
            }
        }
        Ok(())
    }

    /// What the memory could do.
    pub fn insight(&self) -> Insight {
        let tier = &self.shared.tier;
        let seen = match self.shared.mem_cache {
            None => tier.insight(),
            // What other settings would do for descriptions nobody asks.
            Some(_) => larder_tier::Insight::default(),
        };
        Insight::of(seen, tier.cache_stats().requests)
    }

    /// How often the autopilot changed the policy since the start.
    pub fn autopilot_switches(&self) -> u64 {
        self.shared.tier.insight().switches
    }
}
