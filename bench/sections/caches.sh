# Larder's mem-cache server beside memcached and Redis.
. "$(dirname "$0")/../lib.sh"
TARGETS=()
if "$LARDER" cache --help | grep -q memcached-listen; then
    start larder "$LARDER" cache --listen 127.0.0.1:6110 --memcached-listen 127.0.0.1:6111 \
        --cache-capacity 512MB
    ready larder 6111
    TARGETS+=(larder=memcached:127.0.0.1:6111)
fi
PATH=$PATH:/usr/sbin
if command -v memcached >/dev/null; then
    start memcached memcached -u root -l 127.0.0.1 -p 6112 -m 512 -t 1
    ready memcached 6112
    TARGETS+=(memcached=memcached:127.0.0.1:6112)
fi
if command -v redis-server >/dev/null; then
    start redis redis-server --bind 127.0.0.1 --port 6113 --save '' --dir "$WORK"
    ready redis 6113
    TARGETS+=(redis=redis:127.0.0.1:6113)
fi
[ ${#TARGETS[@]} -gt 1 ] || skip "fewer than two of Larder's memcached protocol, memcached, Redis"
for depth in 1 16; do
    load "caches-$depth" compare "${TARGETS[@]}" --ratio 90:10 --clients 16 --size 1KB \
        --keys 10000 --skew zipf --depth $depth "${TIMES[@]}"
done
