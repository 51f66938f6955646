//! HAProxy in front of the nodes of a store, with the shipped configuration
//! (`deploy/haproxy.cfg`).

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Supervised, empty_log, find_program, free_port};

/// The shipped configuration, whose addresses are replaced.
const SHIPPED: &str = include_str!("../../../deploy/haproxy.cfg");

/// That of research funding.
const SHIPPED_FOR_GRANTS: &str = include_str!("../../../deploy/haproxy-grants.cfg");

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
        let numbered = (1..).zip(nodes).map(|(n, node)| (format!("10.0.0.{n}:5000"), *node));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        Self::start_with(SHIPPED, address, &numbered.collect::<Vec<_>>(), ":8080")
    }

    /// Starts one in front of two replicas of a service of research funding,
    /// which the shipped configuration has on `port`; the others' doors lead
    /// nowhere.
    ///
    /// # Panics
    /// As [`HaProxy::start`].
    pub fn start_for_grants(port: u16, replicas: &[SocketAddr]) -> Option<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let nowhere = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut places = Vec::new();
        for of in 5000..5003 {
            if of != port {
                places.push((format!("bind :{of}"), nowhere()));
            }
            for number in 1..=2_usize {
                let is_there = of == port;
                let place = if is_there { replicas[number - 1] } else { nowhere() };
                places.push((format!("10.0.0.{number}:{of}"), place));
            }
        }
        Self::start_with(SHIPPED_FOR_GRANTS, address, &places, &format!("bind :{port}"))
    }

    /// Starts one with a shipped configuration, whose addresses are replaced;
    /// `door` is where it listens in that.
    fn start_with(
        shipped: &str,
        address: SocketAddr,
        places: &[(String, SocketAddr)],
        door: &str,
    ) -> Option<Self> {
        let Some(program) = find_program("haproxy", &["/usr/sbin"]) else {
            eprintln!("skipped: HAProxy: it is not installed");
            return None;
        };
        let mut text = shipped.to_owned();
        let door = (door.to_owned(), address);
        for (shipped, here) in std::iter::once(&door).chain(places) {
            assert!(text.contains(shipped), "the shipped configuration has no {shipped:?}");
            let bind = if shipped.starts_with("bind") { "bind " } else { "" };
            text = text.replace(shipped, &format!("{bind}{here}"));
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
