//! A network of our own: a bridge on which the database and the clients have
//! an address each, and for each node a namespace with a cable to it, in which
//! packets can be dropped. Needs root, `ip` and `iptables`. Touches nothing of
//! the machine's own network, and is taken down when this process ends in
//! whatever way.

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Reads until the pipe from us closes, then removes cables, namespaces and the
/// bridge. A namespace alone would keep its cable for as long as the kernel
/// waits for the other ends of its connections.
const JANITOR: &str = r#"
bridge=$1
shift
while read -r _; do :; done
for namespace in "$@"; do
    ip link delete "$namespace"
    ip netns delete "$namespace"
done
ip link delete "$bridge"
"#;

/// Which packets between two sides are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// All.
    Both,
    /// Those that come to the node.
    In,
    /// Those that leave the node.
    Out,
}

/// The network; one for a process.
pub(crate) struct Network {
    /// The first three bytes of its addresses.
    prefix: [u8; 3],
    namespaces: Vec<String>,
    janitor: Child,
}

impl Network {
    /// Makes one with so many nodes, or says why that can't be done here.
    pub(crate) fn make(nodes: usize) -> Result<Self, String> {
        if !rustix::process::getuid().is_root() {
            return Err("only root can make network namespaces".into());
        }
        // Interfaces have names of at most 15 characters.
        let name = format!("lt{:x}", std::process::id());
        let bridge = format!("{name}b");
        let namespaces: Vec<String> = (0..nodes).map(|node| format!("{name}n{node}")).collect();
        let [.., high, low] = std::process::id().to_be_bytes();
        let janitor = Command::new("sh")
            .args(["-c", JANITOR, "sh", &bridge])
            .args(&namespaces)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C reaches everybody in our group; it has to outlive us.
            .process_group(0)
            .spawn()
            .expect("a shell starts");
        let network = Self { prefix: [10, 64 + high % 64, low], namespaces, janitor };
        network.set_up(&bridge)?;
        Ok(network)
    }

    fn set_up(&self, bridge: &str) -> Result<(), String> {
        ip(&format!("link add {bridge} type bridge"))?;
        for address in [self.database(), self.clients()] {
            ip(&format!("address add {address}/24 dev {bridge}"))?;
        }
        ip(&format!("link set {bridge} up"))?;
        for (node, name) in self.namespaces.iter().enumerate() {
            ip(&format!("netns add {name}"))?;
            ip(&format!("link add {name} type veth peer name eth0 netns {name}"))?;
            ip(&format!("link set {name} master {bridge} up"))?;
            ip(&format!("-n {name} address add {}/24 dev eth0", self.node(node)))?;
            ip(&format!("-n {name} link set eth0 up"))?;
            ip(&format!("-n {name} link set lo up"))?;
            run(self.within(node, "iptables").args(["-w", "-L", "-n"]))?;
        }
        Ok(())
    }

    fn address(&self, last: u8) -> IpAddr {
        let [a, b, c] = self.prefix;
        Ipv4Addr::new(a, b, c, last).into()
    }

    /// Where the database listens.
    pub(crate) fn database(&self) -> IpAddr {
        self.address(1)
    }

    /// Where clients come from: not from the database's address, or cutting
    /// off the one would cut off the others.
    pub(crate) fn clients(&self) -> IpAddr {
        self.address(254)
    }

    /// The address of a node.
    pub(crate) fn node(&self, node: usize) -> IpAddr {
        self.address(10 + node as u8)
    }

    /// A command that runs within a node's namespace.
    pub(crate) fn within(&self, node: usize, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespaces[node], program]);
        command
    }

    /// Drops packets between a node and these addresses.
    pub(crate) fn cut(&self, node: usize, from: &[IpAddr], way: Way) {
        for (chain, flag, other_way) in [("INPUT", "-s", Way::Out), ("OUTPUT", "-d", Way::In)] {
            if way != other_way {
                self.drop_packets(node, &[chain, flag, &list(from)]);
            }
        }
    }

    /// Loses packets by chance between a node and these addresses, so many of
    /// a hundred each way.
    pub(crate) fn lose(&self, node: usize, from: &[IpAddr], percent: u8) {
        let chance = format!("0.{percent:02}");
        let by_chance = ["-m", "statistic", "--mode", "random", "--probability", &chance];
        for (chain, flag) in [("INPUT", "-s"), ("OUTPUT", "-d")] {
            self.drop_packets(node, &[&[chain, flag, &list(from)], &by_chance[..]].concat());
        }
    }

    /// Lets everything pass again.
    pub(crate) fn heal(&self, node: usize) {
        expect_done(self.within(node, "iptables").args(["-w", "-F"]));
    }

    fn drop_packets(&self, node: usize, which: &[&str]) {
        expect_done(
            self.within(node, "iptables").args(["-w", "-A"]).args(which).args(["-j", "DROP"]),
        );
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
}

fn list(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(",")
}

fn ip(words: &str) -> Result<(), String> {
    run(Command::new("ip").args(words.split(' ')))
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = format!("{command:?}");
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Runs what worked when the network was made.
fn expect_done(command: &mut Command) {
    run(command).unwrap_or_else(|why| panic!("{why}"));
}
