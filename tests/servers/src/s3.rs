//! An S3 server on a free port: `s3s-fs`, whose buckets are folders, or in the
//! long tests Garage. Never touches anything outside its own temporary folder.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::garage;
use crate::process::{Supervised, empty_log, free_port};

/// How long it may take to come up on a busy machine.
const COMES_UP_WITHIN: Duration = Duration::from_secs(20);

/// A running S3 server, gone when this is dropped.
pub struct S3Server {
    program: PathBuf,
    port: u16,
    process: Supervised,
    folder: TempDir,
}

impl S3Server {
    /// The name of the key that the server knows.
    pub const ACCESS_KEY: &str = "larder-tests";

    /// The key that the server knows.
    pub const SECRET_KEY: &str = "not-a-secret/at+all=";

    /// Starts a server. `None`, and a line that says so, if there is no
    /// `s3s-fs`: where `LARDER_S3S_FS` says, on the path, or among this
    /// workspace's tools.
    ///
    /// # Panics
    /// It doesn't come up.
    pub fn start() -> Option<Self> {
        let (found, name) = match garage::is_chosen() {
            true => (garage::find(), "garage"),
            false => (find(), "s3s-fs"),
        };
        let Some(program) = found else {
            eprintln!("skipped: S3: {name} is not installed");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("buckets")).expect("makes a folder");
        let port = free_port();
        let process = launch(&program, folder.path(), port);
        Some(Self { program, port, process, folder })
    }

    /// Where the server listens: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The bucket's address, as larder's `--blobs` takes it.
    pub fn url(&self, bucket: &str) -> String {
        format!("s3://{bucket}?endpoint={}", self.endpoint())
    }

    /// The variables that hold the key, for whoever asks for them by name.
    pub fn environment(name: &str) -> Option<String> {
        let (id, secret) = match garage::is_chosen() {
            true => (garage::ACCESS_KEY, garage::SECRET_KEY),
            false => (Self::ACCESS_KEY, Self::SECRET_KEY),
        };
        match name {
            "AWS_ACCESS_KEY_ID" => Some(id.into()),
            "AWS_SECRET_ACCESS_KEY" => Some(secret.into()),
            _ => None,
        }
    }

    /// Makes a bucket.
    ///
    /// # Panics
    /// It is there already.
    pub fn make_bucket(&self, name: &str) {
        if garage::is_chosen() {
            return garage::make_bucket(&self.program, self.folder.path(), name);
        }
        std::fs::create_dir(self.root().join(name)).expect("makes a bucket");
    }

    /// The folder whose folders are the buckets.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("buckets")
    }

    /// The server's process, for signals.
    pub fn process(&self) -> &Supervised {
        &self.process
    }

    /// Ends the server as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the server again after [`S3Server::kill`], on the same port and
    /// with the same buckets.
    ///
    /// # Panics
    /// It doesn't come up.
    pub fn restart(&mut self) {
        self.process.stop();
        self.process = launch(&self.program, self.folder.path(), self.port);
    }
}

/// Starts the program and waits until it takes connections.
fn launch(program: &Path, folder: &Path, port: u16) -> Supervised {
    if garage::is_chosen() {
        return garage::launch(program, folder, port);
    }
    let mut command = Command::new(program);
    command
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .args(["--access-key", S3Server::ACCESS_KEY, "--secret-key", S3Server::SECRET_KEY])
        .arg(folder.join("buckets"))
        .env("RUST_LOG", "warn");
    let process = Supervised::start(&command, &empty_log(folder, "s3s-fs.log"));
    process.wait_until_up(COMES_UP_WITHIN, || TcpStream::connect(("127.0.0.1", port)).is_ok());
    process
}

/// Where the program is.
fn find() -> Option<PathBuf> {
    let named = std::env::var_os("LARDER_S3S_FS").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&paths).map(|folder| folder.join("s3s-fs"));
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    named
        .into_iter()
        .chain(on_path)
        .chain([workspace.join("target/tools/bin/s3s-fs")])
        .find(|path| path.is_file())
}
