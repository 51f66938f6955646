//! The targets by name, and what each can be told beside the rest.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use larder_load::Form;
use larder_load::target::images::{Api, Images};

use larder_load::target::{Contents, Target, bazar::Bazar, grants, memcached, redis};

use super::options::Built;
use crate::serve::read_secret;

#[derive(Args)]
pub(crate) struct ImagesOptions {
    /// How it is spoken to: classic (POST /api/upload and /api/key/KEY) or rest
    /// (PUT and GET /images/KEY, which web servers speak too)
    #[arg(long, value_name = "API", default_value = "classic", help_heading = "Target")]
    pub(crate) api: ApiName,

    /// A file with the token that changes need
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    pub(crate) token_file: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ApiName {
    /// Forms, and JSON with base64.
    Classic,
    /// Bytes by PUT and GET.
    Rest,
}

impl ImagesOptions {
    pub(crate) fn target(&self, url: &str, built: &Built) -> anyhow::Result<Arc<dyn Target>> {
        let token = self.token_file.as_deref();
        let token = token.map(|file| read_secret("--token-file", file, "token", 1)).transpose()?;
        let api = match self.api {
            ApiName::Classic => Api::Classic,
            ApiName::Rest => Api::Rest,
        };
        let contents = Contents::store(&built.plan.workload, built.values(Form::Png)?);
        Ok(Arc::new(Images::new(url, api, contents, token.as_deref())?))
    }
}

#[derive(Args)]
pub(crate) struct CacheOptions {
    /// Requests that a client sends before it reads their answers
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Target")]
    depth: u16,

    /// Put what wasn't there, as an application in front of a store does
    #[arg(long, help_heading = "Target")]
    set_after_miss: bool,

    /// Begin with whatever is there, instead of setting every key first
    #[arg(long, help_heading = "Target")]
    no_fill: bool,
}

impl CacheOptions {
    pub(crate) fn depth(&self) -> usize {
        self.depth.into()
    }

    pub(crate) fn memcached(&self, at: &str, built: &Built) -> anyhow::Result<Arc<dyn Target>> {
        Ok(memcached::target(at, self.contents(built)?, !self.no_fill)?)
    }

    pub(crate) fn redis(&self, at: &str, built: &Built) -> anyhow::Result<Arc<dyn Target>> {
        Ok(redis::target(at, self.contents(built)?, !self.no_fill)?)
    }

    fn contents(&self, built: &Built) -> anyhow::Result<Arc<Contents>> {
        let values = built.values(Form::Plain)?;
        Ok(Contents::cache(&built.plan.workload, values, self.set_after_miss))
    }
}

pub(crate) fn bazar(url: &str) -> anyhow::Result<Arc<dyn Target>> {
    Ok(Arc::new(Bazar::new(url)?))
}

#[derive(Args)]
pub(crate) struct GrantsOptions {
    /// What is measured: accounts (people who join), withdrawals, or live (how
    /// soon another page hears of a withdrawal)
    #[arg(long, value_name = "WORK", default_value = "accounts", help_heading = "Target")]
    work: Work,

    /// Research accounts that withdrawals are spread over; the budget of a new
    /// service is enough for five. Live updates take one for each client
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Target")]
    accounts: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// People who join.
    Accounts,
    /// Withdrawals from research accounts.
    Withdrawals,
    /// Live updates of other pages.
    Live,
}

impl GrantsOptions {
    pub(crate) fn work(&self) -> Work {
        self.work
    }

    pub(crate) fn target(&self, url: &str) -> anyhow::Result<Arc<dyn Target>> {
        Ok(match self.work {
            Work::Accounts => Arc::new(grants::Accounts::new(url)?),
            Work::Withdrawals => Arc::new(grants::Withdrawals::new(url, self.accounts)?),
            Work::Live => Arc::new(grants::Live::new(url)?),
        })
    }
}
