# Larder from small images to large ones: 90 % reads, 10 % writes.
. "$(dirname "$0")/../lib.sh"
start larder "$LARDER" images --listen 127.0.0.1:6160 --data "$WORK/larder" --capacity 1GB \
    --min-free 0
ready larder 6160
for size in 1KB 10KB 100KB 1MB 8MB; do
    load "sizes-$size" images http://127.0.0.1:6160 --api rest --ratio 90:10 --pid ${STARTED[-1]} --clients 16 \
        --size $size --keys 50 "${TIMES[@]}"
done
