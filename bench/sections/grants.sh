# Research funding: people who join as the classic student system was measured
# (published: 0.876 s for 500, 0.564 s when answered before the insert is done),
# withdrawals, and live updates.
. "$(dirname "$0")/../lib.sh"
start grants "$LARDER" grants --listen 127.0.0.1:6150 --data "$WORK/grants"
ready grants 6152
URL=http://127.0.0.1:6152
if [ -n "${QUICK:-}" ]; then JOIN=(--requests 100 --rounds 2); else JOIN=(--requests 500 --rounds 10); fi
load grants-accounts grants $URL --pid ${STARTED[-1]} --work accounts --clients 1,16 "${JOIN[@]}"
load grants-withdrawals grants $URL --pid ${STARTED[-1]} --work withdrawals --clients 1,16 --requests 3000
load grants-live grants $URL --pid ${STARTED[-1]} --work live --requests 500
