# The core cache beside quick_cache, moka and foyer, in one process. It prints
# its own table; the written one is docs/benchmarks/cache.md.
. "$(dirname "$0")/../lib.sh"
needs cargo
mkdir -p "$OUT"
cargo run --release --manifest-path "$ROOT/benchmarks/Cargo.toml" --bin speed -- --quick \
    | tee "$OUT/core.txt"
