//! The servers: started on a free port, their threads on the first cores, ended
//! when they are dropped.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::dialect;
use crate::dialect::Dialect;

/// A server that answers.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) dialect: Dialect,
    child: Child,
}

/// All that are there; memcached first, to which the others are compared.
pub(crate) fn all() -> Result<Vec<Server>> {
    let mut servers = with_threads(1)?;
    if Command::new("redis-server").arg("--version").output().is_ok() {
        let flags = "--save  --appendonly no --maxmemory 1gb --maxclients 12000 --bind 127.0.0.1";
        let flags: Vec<String> = flags.split(' ').map(str::to_owned).collect();
        servers.push(start("Redis", "redis-server", &flags, 1)?);
    }
    Ok(servers)
}

/// The one that does nothing but move bytes.
pub(crate) fn floor() -> Result<Server> {
    let own = std::env::current_exe()?;
    start("the kernel alone", own.to_str().context("a path in UTF-8")?, &["floor".to_owned()], 1)
}

/// memcached and Larder with so many threads, each on a core of its own.
pub(crate) fn with_threads(threads: usize) -> Result<Vec<Server>> {
    let memcached = std::env::var("MEMCACHED_BINARY").unwrap_or_else(|_| "memcached".into());
    let larder = std::env::var("LARDER_BINARY").unwrap_or_else(|_| "larder".into());
    let flags = |first: &str| {
        let rest = format!("{first} -m 1024 -t {threads} -c 12000 -l 127.0.0.1 -U 0");
        rest.split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    Ok(vec![
        start(&version(&memcached, "-V")?, &memcached, &flags("-u root"), threads)?,
        start("Larder", &larder, &flags("memcached"), threads)?,
    ])
}

fn version(program: &str, flag: &str) -> Result<String> {
    let told = Command::new(program).arg(flag).output().with_context(|| program.to_owned())?;
    Ok(String::from_utf8_lossy(&told.stdout).trim().to_owned())
}

fn start(name: &str, program: &str, flags: &[String], cores: usize) -> Result<Server> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let dialect = crate::dialect(name);
    let port = address.port().to_string();
    let port = [if dialect == dialect::Dialect::Redis { "--port" } else { "-p" }, &port];
    let mut command = Command::new("taskset");
    let cores = format!("0-{}", cores - 1);
    command.args(["-c", &cores, program]).args(flags).args(port);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let server = Server { name: name.to_owned(), address, dialect, child };
    let since = Instant::now();
    while TcpStream::connect(address).is_err() {
        if since.elapsed() > Duration::from_secs(10) {
            bail!("{name} doesn't answer");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(server)
}

impl Server {
    /// The processor time that it has used, in seconds.
    pub(crate) fn processor_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit(')').next().context("no name")?.split_whitespace();
        let ticks: Vec<f64> = fields.skip(11).take(2).map_while(|word| word.parse().ok()).collect();
        Ok(ticks.iter().sum::<f64>() / 100.0)
    }

    /// Its resident memory.
    pub(crate) fn memory_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes: u64 =
            line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).context("RSS")?;
        Ok(kilobytes * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
