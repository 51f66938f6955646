# Whether the memories of one to eight nodes add up, and what a write costs in
# large clusters (simulated). It prints its own tables; the written ones are
# docs/benchmarks/cluster.md.
. "$(dirname "$0")/../lib.sh"
needs cargo
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || skip "PostgreSQL is not installed"
LARDER_BINARY=$LARDER table growth cluster/Cargo.toml -- pool growth
