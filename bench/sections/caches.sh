# Larder's mem-cache server beside memcached and Redis.
. "$(dirname "$0")/../lib.sh"
start larder "$LARDER" cache --cache-listen 127.0.0.1:6110 --memcached-listen 127.0.0.1:6111 \
    --cache-capacity 512MB --threads 1
ready larder 6111
part_of larder
TARGETS=(larder=memcached:127.0.0.1:6111)
PATH=$PATH:/usr/sbin
if command -v "${MEMCACHED_BINARY:-memcached}" >/dev/null; then
    start memcached "${MEMCACHED_BINARY:-memcached}" -u root -l 127.0.0.1 -p 6112 -m 512 -t 1
    ready memcached 6112
    part_of memcached
    TARGETS+=(memcached=memcached:127.0.0.1:6112)
fi
if command -v redis-server >/dev/null; then
    start redis redis-server --bind 127.0.0.1 --port 6113 --save '' --dir "$WORK"
    ready redis 6113
    part_of redis
    TARGETS+=(redis=redis:127.0.0.1:6113)
fi
[ ${#TARGETS[@]} -gt 1 ] || skip "neither memcached nor Redis is installed"
for size in 100 10KB 100KB; do
    keys=10000
    [ $size = 100KB ] && keys=1000
    for depth in 1 16; do
        load "caches-$size-$depth" compare "${TARGETS[@]}" "${WATCHED[@]}" --ratio 90:10 --clients 16 \
            --size $size --keys $keys --skew zipf --depth $depth "${TIMES[@]}"
    done
done
