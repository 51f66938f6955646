//! Garage, a distributed S3 store, here of one node: the long tests' S3. Its
//! buckets are no folders, so tests that look into those leave it out.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Supervised, empty_log, find_program, free_port};

/// The name of the key that tests use.
pub(crate) const ACCESS_KEY: &str = "GK0123456789abcdef01234567";

/// The key.
pub(crate) const SECRET_KEY: &str =
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Whether the tests shall use it: `LARDER_TEST_S3=garage`.
pub(crate) fn is_chosen() -> bool {
    std::env::var("LARDER_TEST_S3").is_ok_and(|chosen| chosen == "garage")
}

pub(crate) fn find() -> Option<PathBuf> {
    let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/bin");
    find_program("garage", &[tools])
}

/// Starts it on `port` with its data in `folder`; the first time its one node
/// is given a place and the tests' key.
///
/// # Panics
/// It doesn't come up.
pub(crate) fn launch(program: &Path, folder: &Path, port: u16) -> Supervised {
    let config = folder.join("garage.toml");
    let is_new = !config.exists();
    if is_new {
        let rpc = free_port();
        let mut text = String::new();
        let _ = writeln!(
            text,
            "metadata_dir = {meta:?}\ndata_dir = {data:?}\ndb_engine = \"sqlite\"\n\
             metadata_fsync = true\ndata_fsync = true\nreplication_factor = 1\n\
             rpc_bind_addr = \"127.0.0.1:{rpc}\"\nrpc_public_addr = \"127.0.0.1:{rpc}\"\n\
             rpc_secret = \"{SECRET_KEY}\"\n[s3_api]\ns3_region = \"us-east-1\"\n\
             api_bind_addr = \"127.0.0.1:{port}\"\nroot_domain = \".s3.localhost\"",
            meta = folder.join("meta"),
            data = folder.join("data"),
        );
        std::fs::write(&config, text).expect("writes");
    }
    let mut command = Command::new(program);
    command.arg("-c").arg(&config).arg("server").env("RUST_LOG", "garage=warn");
    let process = Supervised::start(&command, &empty_log(folder, "garage.log"));
    process.wait_until_up(std::time::Duration::from_secs(30), || {
        run(program, folder, &["status"]).is_ok()
    });
    if is_new {
        let must = |arguments: &[&str]| {
            run(program, folder, arguments).unwrap_or_else(|why| panic!("{arguments:?}: {why}"))
        };
        let id = must(&["node", "id", "-q"]);
        let id = id.split('@').next().expect("an id stands before its address").trim();
        must(&["layout", "assign", "-z", "here", "-c", "1G", id]);
        must(&["layout", "apply", "--version", "1"]);
        must(&["key", "import", "--yes", "-n", "tests", ACCESS_KEY, SECRET_KEY]);
    }
    process
}

/// Makes a bucket that the tests' key may use.
///
/// # Panics
/// It is there already.
pub(crate) fn make_bucket(program: &Path, folder: &Path, name: &str) {
    for arguments in [
        &["bucket", "create", name][..],
        &["bucket", "allow", "--read", "--write", "--owner", name, "--key", ACCESS_KEY],
    ] {
        run(program, folder, arguments).unwrap_or_else(|why| panic!("{arguments:?}: {why}"));
    }
}

fn run(program: &Path, folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let config = folder.join("garage.toml");
    let ended = Command::new(program).arg("-c").arg(config).args(arguments).output();
    let ended = ended.map_err(|error| error.to_string())?;
    match ended.status.success() {
        true => Ok(String::from_utf8_lossy(&ended.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&ended.stderr).into_owned()),
    }
}
