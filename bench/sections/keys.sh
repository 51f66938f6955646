# Larder from ten images to a million: 1 KB each, read by Zipf's law, memory for
# a hundred thousand of them. Filling the store takes most of the time.
. "$(dirname "$0")/../lib.sh"
ALL=(10 1000 100000 1000000)
[ -n "${QUICK:-}" ] && ALL=(10 1000)
start larder "$LARDER" images --listen 127.0.0.1:6170 --data "$WORK/larder" --capacity 256MB \
    --min-free 0
ready larder 6170
for keys in "${ALL[@]}"; do
    load "keys-$keys" images http://127.0.0.1:6170 --api rest --ratio 100:0 --pid ${STARTED[-1]} --clients 16 \
        --size 1KB --keys $keys --skew zipf "${TIMES[@]}"
done
