# Hits: Larder beside nginx with static files, and Varnish. Each size has servers
# of its own: nginx and Varnish go on with what they had of a key.
if [ $# = 0 ]; then
    for size in 1KB 10KB 100KB 1MB; do bash "$0" $size || exit; done
    exit
fi
. "$(dirname "$0")/../lib.sh"
needs nginx

# Varnish has an nginx of its own behind it: both are filled by PUT.
mkdir -p "$WORK/www/images" "$WORK/behind/images" "$WORK/nginx"
cat >"$WORK/nginx.conf" <<CONF
user root;
daemon off;
worker_processes 1;
pid $WORK/nginx/pid;
error_log stderr;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    client_max_body_size 32m;
    client_body_temp_path $WORK/nginx/body;
    open_file_cache max=10000;
    server {
        listen 127.0.0.1:6101;
        root $WORK/www;
        location / { dav_methods PUT; }
    }
    server {
        listen 127.0.0.1:6104;
        root $WORK/behind;
        location / { dav_methods PUT; }
    }
}
CONF
start nginx nginx -p "$WORK/nginx" -c "$WORK/nginx.conf"
ready nginx 6101
part_of nginx
start larder "$LARDER" images --listen 127.0.0.1:6102 --data "$WORK/larder" --min-free 0
ready larder 6102
part_of larder
TARGETS=(larder=images-rest:http://127.0.0.1:6102 nginx=images-rest:http://127.0.0.1:6101)

if command -v varnishd >/dev/null; then
    cat >"$WORK/default.vcl" <<VCL
vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "6104"; }
sub vcl_recv { if (req.method == "PUT") { return (pass); } }
sub vcl_backend_response { set beresp.ttl = 1h; }
sub vcl_deliver {
    if (obj.hits > 0) { set resp.http.X-Cache = "hit"; } else { set resp.http.X-Cache = "miss"; }
}
VCL
    start varnish varnishd -F -j none -n "$WORK/varnish" -a 127.0.0.1:6103 \
        -f "$WORK/default.vcl" -s malloc,512m
    ready varnish 6103
    part_of varnish
    TARGETS+=(varnish=images-rest:http://127.0.0.1:6103)
else
    echo "varnish is not installed: left out" >&2
fi

load "static-$1" compare "${TARGETS[@]}" "${WATCHED[@]}" --ratio 100:0 --clients 16 --size "$1" "${TIMES[@]}"
