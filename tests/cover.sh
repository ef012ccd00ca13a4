#!/bin/sh
# Sums up gcov's line counts per directory. usage: cover.sh BUILD (built with V=cover, tests run)
set -eu
find "$1/obj" -name '*.gcda' | grep -v /tests/ | while read -r data; do
	gcov -n "$data" 2>/dev/null
done | awk '
	/^File/ { gsub(/\x27/, "", $2); file = $2 }
	/^Lines executed/ && file ~ /^(daemon|proto|client)\// && file ~ /\.c$/ {
		split($0, half, ":"); split(half[2], part, "% of ")
		dir = file; sub(/\/[^\/]*$/, "", dir)
		lines[dir] += part[2]; run[dir] += part[1] * part[2] / 100; file = ""
	}
	END {
		for (d in lines) { printf "  %-16s %6.1f %% of %d lines\n", d, 100 * run[d] / lines[d], lines[d]; l += lines[d]; r += run[d] }
		if (l > 0) printf "  %-16s %6.1f %% of %d lines\n", "all", 100 * r / l, l
	}' | sort
