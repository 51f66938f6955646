# What a node that joins costs, and how much faster more nodes are. It prints
# its own table; the written one is docs/benchmarks/cluster.md.
. "$(dirname "$0")/../lib.sh"
needs cargo
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || skip "PostgreSQL is not installed"
LARDER_BINARY=$LARDER table growth cluster/Cargo.toml -- growth
