# The bookstore: info, search and purchases.
. "$(dirname "$0")/../lib.sh"
start bazar "$LARDER" bazar --listen 127.0.0.1:6140 --data "$WORK/bazar"
ready bazar 6140
load bazar bazar http://127.0.0.1:6140 --ratio 100:0,90:10 --pid ${STARTED[-1]} --clients 1,16 "${TIMES[@]}"
