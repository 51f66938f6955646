# The six classic graphs, of Larder.
. "$(dirname "$0")/../lib.sh"
start larder "$LARDER" images --listen 127.0.0.1:6130 --data "$WORK/larder" --min-free 0
ready larder 6130
load six-graphs images http://127.0.0.1:6130 --pid ${STARTED[-1]} --clients 1,4,16
