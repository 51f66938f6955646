//! HAProxy in front of the nodes of a store, with the shipped configuration
//! (`deploy/haproxy.cfg`).

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Supervised, empty_log, find_program, free_port};

/// The shipped configuration, whose addresses are replaced.
const SHIPPED: &str = include_str!("../../../deploy/haproxy.cfg");

/// How long it may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running one.
pub struct HaProxy {
    server: Supervised,
    address: SocketAddr,
    /// Removed last.
    _folder: TempDir,
}

impl HaProxy {
    /// Starts one in front of as many nodes as the shipped configuration has,
    /// or says that it is not installed.
    ///
    /// # Panics
    /// It is installed and doesn't start, or there are more or fewer nodes.
    pub fn start(nodes: &[SocketAddr]) -> Option<Self> {
        let Some(program) = find_program("haproxy", &["/usr/sbin"]) else {
            eprintln!("skipped: HAProxy: it is not installed");
            return None;
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let replace = |text: String, shipped: &str, here: &SocketAddr| {
            assert!(text.contains(shipped), "deploy/haproxy.cfg has no {shipped:?}");
            text.replace(shipped, &here.to_string())
        };
        let mut text = replace(SHIPPED.to_owned(), ":8080", &address);
        for (number, node) in (1..).zip(nodes) {
            text = replace(text, &format!("10.0.0.{number}:5000"), node);
        }
        assert!(!text.contains("10.0.0."), "it has more nodes:\n{text}");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, text).expect("writes");
        let mut command = Command::new(program);
        command.arg("-db").arg("-f").arg(file);
        let server = Supervised::start(&command, &empty_log(folder.path(), "log"));
        server.wait_until_up(PATIENCE, || TcpStream::connect(address).is_ok());
        Some(Self { server, address, _folder: folder })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it had to say of late.
    pub fn log_tail(&self) -> String {
        self.server.log_tail()
    }
}
