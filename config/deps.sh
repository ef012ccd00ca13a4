#!/bin/sh
# Installs what building, testing and trying muster needs, on Debian 12 or 13. Idempotent.
#
#   deps.sh [--stamp FILE]    with --stamp: nothing to do if FILE is newer than this script
#   deps.sh --bench           what the benchmarks compare muster with
#   NO_INSTALL=1              only say what is missing
set -eu

# package|why
packages='
gcc|compiles the C sources
libc6-dev|the C library headers
make|runs the build
pkg-config|finds the libraries
libevent-dev|event loop and the HTTP engine
libssl-dev|TLS
libjansson-dev|JSON of requests and job files
libnng-dev|remote control sockets and interoperability tests
libsqlite3-dev|the durable store
zlib1g-dev|gzip and deflate bodies
libbrotli-dev|br bodies
libzstd-dev|zstd bodies
libc-ares-dev|names resolved off the loop
libidn2-dev|international host names
libpsl-dev|public suffixes for cookies
liburiparser-dev|relative references of redirects
libsystemd-dev|readiness and watchdog of the service
check|unit tests
nginx-light|a real web server for the tests and make run
python3|scripted peers of the end-to-end tests
sqlite3|reads the store in the tests
curl|the reference in tests and benchmarks
nng-utils|nngcat, a foreign client in the tests
strace|failing system calls in the tests
faketime|a wall clock that jumps in the tests
tinyproxy-bin|a real proxy in the tests
ca-certificates|certificate authorities for TLS
'
bench_packages='
golang-go|peer: a net/http worker pool, channels
erlang-base|peer: actors on the BEAM
python3-httpx|peer: the usual Python client
python3-aiohttp|peer: the fast Python client
wrk|the least that fetching can cost
'
if [ "${1:-}" = --bench ]; then
	packages=$bench_packages
fi
stamp=
[ "${1:-}" = --stamp ] && stamp=$2
if [ -n "$stamp" ] && [ -e "$stamp" ] && [ "$stamp" -nt "$0" ]; then
	exit 0
fi

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "muster: this is not a Debian system: install the equivalents of these packages, then set NO_DEPS=1:" >&2
	printf '%s\n' "$packages" | sed -n 's/|.*//p' | tr '\n' ' ' >&2
	echo >&2
	[ -n "${NO_DEPS:-}" ] || exit 1
	exit 0
fi

missing=
while IFS='|' read -r name why; do
	[ -n "$name" ] || continue
	if ! dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed'; then
		missing="$missing $name"
		echo "muster: missing $name: $why" >&2
	fi
done <<LIST
$packages
LIST

if [ -n "$missing" ]; then
	if [ -n "${NO_INSTALL:-}" ]; then
		echo "muster: NO_INSTALL is set, so nothing was installed. As root: apt-get install$missing" >&2
		exit 1
	fi
	as=
	if [ "$(id -u)" != 0 ]; then
		if ! command -v sudo >/dev/null 2>&1; then
			echo "muster: packages are missing and there is no sudo. As root: apt-get install$missing" >&2
			exit 1
		fi
		as='sudo'
	fi
	echo "muster: installing:$missing" >&2
	# nginx is only ever started by hand here, so the package must not start a service.
	if ! { $as apt-get update -q >/dev/null &&
	       $as env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q \
	          --no-install-recommends $missing >/dev/null; }; then
		echo "muster: apt-get could not install:$missing (its own message is above; is the network or another apt-get in the way?)" >&2
		exit 1
	fi
fi
if [ -n "$stamp" ]; then
	mkdir -p "$(dirname "$stamp")"
	: >"$stamp"
fi
