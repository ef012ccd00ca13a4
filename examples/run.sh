#!/bin/sh
# What `make run` does: a private daemon and a web server on loopback, several hundred real files of
# this machine fetched through it under a rate limit, a summary, and everything stopped again.
#
#   examples/run.sh [FILE]    fetches the URLs in FILE instead (one a line)
# environment: MUSTER_BUILD (where the binaries are), FILES (400), RATE (200/s)
set -eu

build=${MUSTER_BUILD:-$(pwd)/build}
urls=${1:-}
files=${FILES:-400}
rate=${RATE:-200/s}
work=$(mktemp -d "${TMPDIR:-/tmp}/muster-run.XXXXXX")
results=$build/run
daemon_pid=
nginx_pid=

stop() {
	status=$?
	trap - EXIT INT TERM
	[ -z "$daemon_pid" ] || kill "$daemon_pid" 2>/dev/null || :
	[ -z "$nginx_pid" ] || kill "$nginx_pid" 2>/dev/null || :
	wait 2>/dev/null || :
	if [ $status -ne 0 ] && [ -s "$work/musterd.log" ]; then
		echo "make run: the daemon's last words:" >&2
		tail -n 5 "$work/musterd.log" >&2
	fi
	rm -rf "$work"
	exit $status
}
trap stop EXIT INT TERM

wait_for() { # wait_for WHAT COMMAND…: tries for ten seconds
	what=$1
	shift
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		if [ $tries -ge 200 ]; then
			echo "make run: $what did not come up" >&2
			exit 1
		fi
		sleep 0.05
	done
}

if [ -z "$urls" ]; then
	mkdir -p "$work/tmp"
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	user=
	[ "$(id -u)" != 0 ] || user='user root;'
	cat >"$work/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/nginx.log; $user
events { worker_connections 512; }
http {
	access_log off; default_type application/octet-stream;
	client_body_temp_path $work/tmp/b; proxy_temp_path $work/tmp/p; fastcgi_temp_path $work/tmp/f;
	uwsgi_temp_path $work/tmp/u; scgi_temp_path $work/tmp/s;
	server { listen 127.0.0.1:$port; location /usr/ { root /; } }
}
CONF
	nginx=$(command -v nginx || echo /usr/sbin/nginx)
	"$nginx" -p "$work" -e "$work/nginx.log" -c "$work/nginx.conf" &
	nginx_pid=$!
	wait_for nginx curl -s -o /dev/null "http://127.0.0.1:$port/"
	# Real files of this machine that anyone may read, with names that need no escaping.
	find /usr/share/doc /usr/include /usr/share/common-licenses -type f -readable -size -256k 2>/dev/null |
		grep -E '^[A-Za-z0-9._/+-]+$' | head -n "$files" |
		sed "s#^#http://127.0.0.1:$port#" >"$work/urls"
	urls=$work/urls
	echo "make run: nginx serves files of this machine on 127.0.0.1:$port"
fi
total=$(grep -cv '^[[:space:]]*\(#\|$\)' "$urls")

socket=ipc://$work/control.sock
"$build/musterd" --state "$work/state" --socket "$socket" --foreground 2>"$work/musterd.log" &
daemon_pid=$!
wait_for musterd "$build/muster" --socket "$socket" ping

rm -rf "$results"
mkdir -p "$results"
echo "make run: fetching $total URLs, at most 16 at once and $rate, bodies into $results/bodies"
set +e
"$build/muster" --socket "$socket" fetch -i "$urls" -r "$rate" -c 16 -o "$results/bodies/" \
	--progress auto --summary text >"$results/results.ndjson"
status=$?
set -e
python3 - "$results/results.ndjson" <<'PY'
import collections, json, sys
lines = [json.loads(x) for x in open(sys.argv[1], encoding="utf-8")]
good = [x for x in lines if x["ok"]]
size = sum(x.get("size", 0) for x in good)
print(f"make run: {len(good)} of {len(lines)} fetched, {size / 2**20:.1f} MiB")
for kind, n in collections.Counter(x["error"]["kind"] for x in lines if not x["ok"]).most_common():
    print(f"          {n} failed with {kind}")
PY
cat <<END
make run: one JSON line per URL is in $results/results.ndjson
Try next:
  $build/musterd --foreground &                       a daemon of your own
  $build/muster fetch https://example.org/            one URL, one line of JSON
  $build/muster fetch --help                          rates, retries, deadlines, files
  make run URLS=my-urls.txt                           your own list
END
exit $status
