#!/bin/sh
# Runs the given test programs, two at a time, each within a time limit; prints what each prints,
# and fails if any failed. usage: run-programs.sh PROGRAM…
set -u
limit=${TEST_TIMEOUT:-300}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT INT TERM
# A machine that builds and fetches meanwhile is slow; a test that hangs still ends.
CK_DEFAULT_TIMEOUT=${CK_DEFAULT_TIMEOUT:-60}
export limit dir CK_DEFAULT_TIMEOUT
printf '%s\n' "$@" | xargs -P 2 -I{} sh -c '
	name=$(echo "$1" | tr / _)
	timeout -k 5 "$limit" "$1" >"$dir/$name.out" 2>&1
	status=$?
	{ flock 9; printf "%s\n" "== ${1##*/tests/}"; cat "$dir/$name.out"
	  if [ $status -ne 0 ]; then
		[ $status -eq 124 ] && echo "${1##*/tests/}: not finished after $limit s"
		echo "$1 ($status)" >>"$dir/failed"
	  fi; } 9>"$dir/lock"
' sh {}
if [ -e "$dir/failed" ]; then
	echo "FAILED:"
	cat "$dir/failed"
	exit 1
fi
