# The classic API: Larder beside the classic design in Flask, gunicorn, MariaDB.
. "$(dirname "$0")/../lib.sh"
needs mariadbd mariadb-install-db mariadb python3
VENV=${LARDER_BENCH_VENV:-$OUT/venv}
if [ ! -x "$VENV/bin/gunicorn" ]; then
    python3 -m venv "$VENV" && "$VENV/bin/pip" -q install -r "$HERE/baseline-flask/requirements.txt" \
        || skip "Flask and gunicorn can't be installed"
fi

mariadb-install-db --no-defaults --user=root --auth-root-authentication-method=normal \
    --datadir="$WORK/db" >"$WORK/install.log" 2>&1 || skip "MariaDB can't make a database"
start mariadb mariadbd --no-defaults --user=root --datadir="$WORK/db" --socket="$WORK/db.sock" \
    --bind-address=127.0.0.1 --port=6120
ready mariadb 6120
part_of flask
part_of larder+mariadb
mariadb --no-defaults -S "$WORK/db.sock" -u root -e "
    CREATE DATABASE flask; CREATE DATABASE larder;
    CREATE TABLE flask.images (\`key\` VARBINARY(255) PRIMARY KEY, location VARCHAR(255) NOT NULL);
    CREATE USER larder@'127.0.0.1' IDENTIFIED BY 'larder'; GRANT ALL ON larder.* TO larder@'127.0.0.1';"

mkdir -p "$WORK/images"
export IMAGE_FOLDER=$WORK/images CACHE_URL=http://127.0.0.1:6122 DATABASE_SOCKET=$WORK/db.sock
gunicorn() { # NAME PORT WORKERS APP
    start "$1" "$VENV/bin/gunicorn" --chdir "$HERE/baseline-flask" -b "127.0.0.1:$2" -w "$3" \
        -k gthread --threads 8 --log-level warning "$4:app"
    ready "$1" "$2"
    part_of flask
}
gunicorn memcache 6122 1 memcache
gunicorn front 6121 2 front
start larder "$LARDER" images --listen 127.0.0.1:6123 --data "$WORK/larder" --min-free 0
ready larder 6123
part_of larder
start larder-mariadb "$LARDER" images --listen 127.0.0.1:6124 --data "$WORK/larder-mariadb" \
    --database mariadb://larder:larder@127.0.0.1:6120/larder --min-free 0
ready larder-mariadb 6124
part_of larder+mariadb

load classic compare flask=images:http://127.0.0.1:6121 larder=images:http://127.0.0.1:6123 \
    larder+mariadb=images:http://127.0.0.1:6124 \
    "${WATCHED[@]}" --ratio 20:80,50:50,80:20 --clients 16 --size 100KB "${TIMES[@]}"
