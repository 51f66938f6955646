# What a node that joins costs, and how much faster more nodes are. It prints
# its own table; the written one is docs/benchmarks/cluster.md.
. "$(dirname "$0")/../lib.sh"
needs cargo
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || skip "PostgreSQL is not installed"
mkdir -p "$OUT"
LARDER_BINARY=$LARDER cargo run --release --manifest-path "$ROOT/benchmarks/cluster/Cargo.toml" \
    -- growth | tee "$OUT/growth.txt"
