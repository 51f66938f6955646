//! `larder admin`: looks after the image store, mostly beside its running
//! server. Calls what does it and tells people how it went.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use larder_blobs::BlobsUrl;
use larder_images::admin::{self, Failure, Finding, Moved, Place, Target};
use larder_sql::DatabaseUrl;
use larder_tier::Overview;
use larder_web::Shutdown;

use crate::flags::{LogOptions, StoreOptions};
use crate::serve::{announce, end_on_signals, explain};
use crate::{Usage, logging};

/// What to do with the image store.
#[derive(Subcommand)]
pub(crate) enum AdminCommand {
    /// Look whether each image's bytes are there and right, beside a running
    /// server
    Verify {
        /// Repair what can be repaired without losing anything
        #[arg(long)]
        repair: bool,

        #[command(flatten)]
        store: StoreOptions,

        #[command(flatten)]
        log: LogOptions,
    },
    /// Back up the store into a folder, beside a running server; what is
    /// there already is not copied again
    Backup {
        /// The folder for this store's backups
        folder: PathBuf,

        /// Delete older backups, so that this many are left
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        keep: Option<u32>,

        #[command(flatten)]
        store: StoreOptions,

        #[command(flatten)]
        log: LogOptions,
    },
    /// Restore a backup into an empty store, whose server doesn't run
    Restore {
        /// The folder with the backups
        folder: PathBuf,

        /// The row file in that folder [default: the newest]
        #[arg(long, value_name = "NAME")]
        from: Option<String>,

        #[command(flatten)]
        store: StoreOptions,

        #[command(flatten)]
        log: LogOptions,
    },
    /// Copy the store to another database while its server runs, and freeze it
    Copy {
        /// The new, empty database
        #[arg(long, value_name = "URL")]
        to_database: DatabaseUrl,

        /// The new place of the blobs [default: they stay where they are]
        #[arg(long, value_name = "URL")]
        to_blobs: Option<BlobsUrl>,

        #[command(flatten)]
        store: StoreOptions,

        #[command(flatten)]
        log: LogOptions,
    },
    /// Copy the blobs to another place while the server runs, and freeze the
    /// store
    MigrateBlobs {
        /// The new place of the blobs
        #[arg(long, value_name = "URL")]
        to: BlobsUrl,

        #[command(flatten)]
        store: StoreOptions,

        #[command(flatten)]
        log: LogOptions,
    },
    /// Show the members of a cluster: what they hold and do
    Cluster {
        #[command(flatten)]
        store: StoreOptions,

        #[command(flatten)]
        log: LogOptions,
    },
    /// Let a frozen store take changes again
    Thaw {
        #[command(flatten)]
        store: StoreOptions,

        #[command(flatten)]
        log: LogOptions,
    },
}

impl AdminCommand {
    /// The flags that all of these commands share with the services, so that
    /// `larder.toml` may set them.
    pub(crate) const FLAGS_OF_FILE: [&str; 5] = ["data", "database", "blobs", "log", "log-level"];

    /// Whether a flag, as the file gives it, is one of those.
    pub(crate) fn has(flag: &OsString) -> bool {
        let flag = flag.to_string_lossy();
        let name = flag.trim_start_matches('-').split('=').next().unwrap_or_default();
        Self::FLAGS_OF_FILE.contains(&name)
    }

    fn options(&self) -> (&StoreOptions, &LogOptions) {
        match self {
            Self::Verify { store, log, .. }
            | Self::Backup { store, log, .. }
            | Self::Restore { store, log, .. }
            | Self::Copy { store, log, .. }
            | Self::MigrateBlobs { store, log, .. }
            | Self::Cluster { store, log }
            | Self::Thaw { store, log } => (store, log),
        }
    }
}

/// Does it. The code is 0 if all is well and 1 if something is wrong.
pub(crate) async fn run(command: &AdminCommand) -> anyhow::Result<ExitCode> {
    let (store, log) = command.options();
    logging::start(log)?;
    let stop = Shutdown::default();
    end_on_signals(stop.clone())?;
    let place = Place {
        data: store.data.clone(),
        database: store.database.clone(),
        blobs: store.blobs.clone(),
    };
    match perform(command, &place, &stop).await {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        Err(Failure::Refused(why)) => Err(Usage(why).into()),
        Err(Failure::Store(error)) => Err(explain(error, store)),
        Err(error) => Err(error.into()),
    }
}

/// Does it; says whether all is well.
async fn perform(command: &AdminCommand, place: &Place, stop: &Shutdown) -> admin::Result<bool> {
    match command {
        AdminCommand::Verify { repair, .. } => verify(place, *repair, stop).await,
        AdminCommand::Backup { folder, keep, .. } => {
            let made = admin::backup(place, folder, keep.map(|keep| keep as usize), stop).await?;
            for (key, blob) in &made.damaged {
                announce(&format!("image {key:?}: its blob {blob} is damaged or missing"));
            }
            announce(&format!(
                "{}: {} images; {} blobs copied ({} bytes), those of {} images were there",
                made.file.display(),
                made.images,
                made.copied,
                made.copied_bytes,
                made.present
            ));
            if keep.is_some() {
                announce(&format!(
                    "deleted: {} older backups, {} blobs that only they had",
                    made.files_deleted, made.blobs_deleted
                ));
            }
            Ok(made.damaged.is_empty())
        }
        AdminCommand::Restore { folder, from, .. } => {
            let restored = admin::restore(place, folder, from.as_deref(), stop).await?;
            for (key, blob) in &restored.left_out {
                announce(&format!("image {key:?}: the backup has no good blob {blob}; left out"));
            }
            announce(&format!(
                "restored from {}: {} images with {} bytes; {} blobs copied\n\
                 next: start the server on this store",
                restored.file.display(),
                restored.images,
                restored.bytes,
                restored.copied
            ));
            Ok(restored.left_out.is_empty())
        }
        AdminCommand::Copy { to_database, to_blobs, .. } => {
            let target = Target { database: Some(to_database.clone()), blobs: to_blobs.clone() };
            announce_moved(&admin::move_store(place, &target, stop).await?);
            let blobs = to_blobs.as_ref().or(place.blobs.as_ref());
            let blobs = blobs.map(|url| format!(" --blobs '{url}'")).unwrap_or_default();
            announce(&format!(
                "next: stop the servers, and start them with --database '{to_database}'{blobs}\n\
                 (a password is not shown here)\n\
                 The old store stays as it is and takes no changes, so that none is lost. To go on \
                 with the old one instead: larder admin thaw"
            ));
            Ok(true)
        }
        AdminCommand::MigrateBlobs { to, .. } => {
            let target = Target { database: None, blobs: Some(to.clone()) };
            announce_moved(&admin::move_store(place, &target, stop).await?);
            announce(&format!(
                "next: stop the servers, start them with --blobs '{to}', and only then let them \
                 take changes again: larder admin thaw"
            ));
            Ok(true)
        }
        AdminCommand::Cluster { .. } => {
            let overview = admin::cluster(place).await?;
            announce(&overview.as_ref().map_or_else(
                || "no cluster has ever used this database".to_owned(),
                cluster_table,
            ));
            Ok(overview.is_some())
        }
        AdminCommand::Thaw { .. } => {
            announce(match admin::thaw(place).await? {
                true => "the store takes changes again",
                false => "the store was not frozen",
            });
            Ok(true)
        }
    }
}

async fn verify(place: &Place, repair: bool, stop: &Shutdown) -> admin::Result<bool> {
    let tell = |finding: &Finding| announce(&finding.to_string());
    let verified = admin::verify(place, repair, stop, tell).await?;
    let mut report = format!(
        "verified: {} images in {} blobs with {} bytes; wrong: {}",
        verified.images, verified.blobs, verified.bytes, verified.wrong
    );
    if repair {
        report.push_str(&format!(", repaired: {}", verified.repaired));
    } else if verified.wrong > 0 {
        report.push_str("; --repair repairs what can be repaired");
    }
    announce(&report);
    Ok(verified.is_sound())
}

/// The members as a table, one line each.
fn cluster_table(overview: &Overview) -> String {
    let mut lines = vec![format!(
        "{:>4}  {:11}  {:21}  {:21}  {:>6}  {:>8}  {:>9}  {:>7}  {:>9}  {:>9}  {:>8}",
        "node",
        "standing",
        "clients at",
        "peers at",
        "epoch",
        "items",
        "bytes",
        "hits",
        "requests",
        "forwards",
        "barrier"
    )];
    for member in &overview.members {
        let load = &member.load;
        let standing = if member.is_active { member.standing } else { "spare" };
        let hits = match load.requests {
            0 => "-".to_owned(),
            requests => format!("{:.1} %", 100.0 * load.hits as f64 / requests as f64),
        };
        lines.push(format!(
            "{:>4}  {:11}  {:21}  {:21}  {:>6}  {:>8}  {:>9}  {:>7}  {:>9}  {:>9}  {:>5} us",
            member.node,
            standing,
            load.listens,
            member.address,
            member.epoch,
            load.items,
            load.size_bytes,
            hits,
            load.requests,
            load.forwards,
            load.barrier_us_p50
        ));
    }
    let owners = overview.members.iter().filter(|member| member.is_active).count();
    let members = overview.members.len();
    lines.push(format!("roster {}: {members} members, {owners} own keys", overview.version));
    lines.join("\n")
}

fn announce_moved(moved: &Moved) {
    announce(&format!(
        "copied and compared: {} images with {} bytes; {} rows and {} blobs copied in {} passes; \
         frozen for {:.1} s so far",
        moved.images,
        moved.bytes,
        moved.rows_copied,
        moved.blobs_copied,
        moved.passes,
        moved.frozen_for.as_secs_f64()
    ));
}
