# The mem-cache server beside memcached and Redis by processor time per request,
# and memory: of entries, and of idle connections. It prints its own tables; the
# written ones are docs/benchmarks/memcached.md.
. "$(dirname "$0")/../lib.sh"
needs cargo "${MEMCACHED_BINARY:-memcached}" redis-server
LARDER_BINARY=$LARDER table mem-cache memcached/Cargo.toml -- ${QUICK:+--quick}
