//! The log: to standard error, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::Usage;
use crate::flags::{LogForm, LogOptions};

/// Starts logging.
///
/// # Errors
/// The filter can't be read.
pub(crate) fn start(options: &LogOptions) -> Result<(), Usage> {
    let level = &options.log_level;
    let filter = EnvFilter::try_new(level).map_err(|error| {
        Usage(format!("--log-level {level}: {error}; try error, warn, info, debug or trace"))
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match options.log {
        LogForm::Text => log.with_target(false).init(),
        LogForm::Json => log.json().init(),
    }
    Ok(())
}
