# What the sections share: starting servers on one core, the load tool on
# another, and ending by process id whatever was started.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$HERE")
cd "$ROOT" || exit 1
OUT=${LARDER_BENCH_OUT:-bench/out}
LARDER=${LARDER_BINARY:-$ROOT/target/release/larder}
WORK=$(mktemp -d)
STARTED=() WATCHED=()

# A core each, where there are two.
if [ "$(nproc)" -gt 1 ]; then
    SERVER=(taskset -c 0) CLIENT=(taskset -c 1)
else
    SERVER=() CLIENT=()
fi

if [ -n "${QUICK:-}" ]; then
    TIMES=(--duration 1s --warm-up 1s --rounds 2)
else
    TIMES=(--duration 4s --warm-up 1s --rounds 3)
fi

end_all() {
    for pid in "${STARTED[@]}"; do kill "$pid" 2>/dev/null; done
    for pid in "${STARTED[@]}"; do wait "$pid" 2>/dev/null; done
    rm -rf "$WORK"
}
trap end_all EXIT

# Ends the section; 77 says that it was skipped.
skip() {
    echo "skipped: $*" >&2
    exit 77
}

needs() {
    for program in "$@"; do
        PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || skip "$program is not installed"
    done
    PATH=$PATH:/usr/sbin
}

start() { # LOG COMMAND…
    local log=$WORK/$1.log
    shift
    "${SERVER[@]}" "$@" >"$log" 2>&1 &
    STARTED+=($!)
}

# The server that was started last takes part in a target's answers: its
# processor time counts for that one.
part_of() { # TARGET
    WATCHED+=(--pid "$1=${STARTED[-1]}")
}

# Waits until something listens; says what the server said if it doesn't.
ready() { # LOG PORT
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return
        sleep 0.1
    done
    echo "$1 does not listen on $2:" >&2
    cat "$WORK/$1.log" >&2
    exit 1
}

# Measures into $OUT/NAME. Wrong answers of a peer are a result, not an end.
load() { # NAME ARGUMENTS…
    local name=$1
    shift
    "${CLIENT[@]}" "$LARDER" load "$@" --out "$OUT/$name"
    local code=$?
    [ $code -le 1 ] && [ -f "$OUT/$name/results.json" ] || exit $code
}

# Runs a program of benchmarks/ that prints its own table, and keeps that.
table() { # NAME MANIFEST ARGUMENTS…
    local name=$1 manifest=$ROOT/benchmarks/$2
    shift 2
    mkdir -p "$OUT"
    {
        echo "$(date -u +%FT%TZ), $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs)," \
            "$(nproc) cores, Linux $(uname -r), load $(cut -d' ' -f1 /proc/loadavg) before."
        echo
        echo '```sh'
        echo "cargo run --release --manifest-path ${manifest#"$ROOT"/} $*"
        echo '```'
        echo
    } >"$OUT/$name.md"
    cargo run --release --quiet --manifest-path "$manifest" "$@" | tee -a "$OUT/$name.md"
    return "${PIPESTATUS[0]}"
}
