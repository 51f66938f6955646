# The core cache beside quick_cache, moka and foyer, in one process. It prints
# its own table; the written one is docs/benchmarks/cache.md.
. "$(dirname "$0")/../lib.sh"
needs cargo
table core Cargo.toml --bin speed -- --quick
