//! A PostgreSQL for tests that aren't written in Rust: prints the URL of an
//! empty database, and ends it when the standard input does.

use std::io::{Read, Write};

use larder_servers::Postgres;

fn main() -> std::io::Result<()> {
    let Some(server) = Postgres::start() else { return Ok(()) };
    writeln!(std::io::stdout(), "{}", server.make_database("tests"))?;
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
