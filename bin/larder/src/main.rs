//! `larder`: reads flags, environment and `larder.toml`, and runs what they
//! name. Decides nothing else.

mod admin;
mod bazar;
mod cached;
mod configuration;
mod flags;
mod grants;
mod load;
mod local;
mod logging;
mod memory;
mod serve;

use std::process::ExitCode;

use clap::Parser;

use flags::{Command, Flags};

#[global_allocator]
static ALLOCATOR: memory::Mimalloc = memory::Mimalloc;

/// What is wrong with how the program was started: one sentence, exit code 2.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("larder: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    // Nobody but the owner reads what this process writes.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let arguments = configuration::with_file(std::env::args_os().collect()).map_err(Usage)?;
    let flags = match Flags::try_parse_from(&arguments) {
        Ok(flags) => flags,
        Err(error) if arguments.get(1).is_some_and(|command| command == "memcached") => {
            return Ok(cached::letters::wrong_usage(&error));
        }
        Err(error) => error.exit(),
    };
    if matches!(flags.command, Command::Cache(_) | Command::Memcached(_)) {
        memory::hold_little();
    }
    // Behind the program and the command.
    let given = arguments.get(2..).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (options, services) = match flags.command {
        Command::Serve(options) => (options, serve::Services::ALL),
        Command::Images(options) => (options, serve::Services::IMAGES),
        Command::Cache(options) => {
            return runtime.block_on(cached::run(*options)).map(|()| ExitCode::SUCCESS);
        }
        Command::Memcached(letters) => return runtime.block_on(cached::letters::run(*letters)),
        Command::Bazar(command) => {
            return runtime.block_on(bazar::run(*command)).map(|()| ExitCode::SUCCESS);
        }
        Command::Grants(command) => {
            return runtime.block_on(grants::run(*command)).map(|()| ExitCode::SUCCESS);
        }
        Command::Load(command) => return runtime.block_on(load::run(*command)),
        Command::Admin(command) => return runtime.block_on(admin::run(&command)),
    };
    runtime.block_on(serve::run(options, services, given)).map(|()| ExitCode::SUCCESS)
}
