#!/usr/bin/env python3
"""Checks what the compiler does not: floors, sizes, forbidden calls, layout.

Every rule prints file:line and what to do; the exit status is 1 if any rule was broken.
"""
import re
import shutil
import subprocess
import sys

# An include may look only at these floors (docs/ARCHITECTURE.md, "Floors").
BELOW = {
    "base": {"base"},
    "proto": {"base", "proto"},
    "model": {"base", "proto", "model"},
    "run": {"base", "run"},
    "edge": {"base", "proto", "model", "run", "edge"},
    "job": {"base", "proto", "model", "run", "edge", "job"},
    "actor": {"base", "proto", "model", "run", "edge", "job", "actor", "world"},
    "daemon": {"base", "proto", "model", "run", "edge", "job", "actor", "world", "daemon"},
    "gateway": {"base", "proto", "gateway"},
    "runner": {"base", "proto", "runner"},
    "client": {"base", "proto", "client"},
}
FUNCTION_MAX_LINES = 60
FILE_MAX_LINES = 600
# Time, chance, names, threads and processes belong to the edge (and to what runs beside the daemon).
FORBIDDEN = re.compile(
    r"\b(time|clock_gettime|gettimeofday|rand|random|srand|getrandom|getaddrinfo|sleep|usleep|"
    r"nanosleep|pthread_create|pthread_mutex_lock|popen|system)\s*\(")
FREE_TO_CALL = ("edge", "gateway", "runner", "client", "main")
STATIC_STATE = re.compile(r"^static (?!inline|const|_Noreturn)(?!.*\bconst\b)[\w\s\*]+\b\w+(\[[^\]]*\])*\s*(=|;)")
BANNED_NAMES = re.compile(r"(^|/)(util|utils|common|misc|helpers?|types)\.[ch]$")

problems = []


def problem(path, line, text):
    problems.append(f"{path}:{line}: {text}")


def floor_of(path):
    parts = path.split("/")
    if parts[0] in ("proto", "client"):
        return parts[0]
    if parts[0] != "daemon":
        return None
    if len(parts) == 2:
        return "main" if parts[1] == "main.c" else ("world" if parts[1].startswith("world") else "daemon")
    return parts[1]


def included_floor(name):
    first = name.split("/")[0]
    if "/" not in name:
        return name.split(".")[0] if name in ("world.h", "daemon.h") else None
    return first


def check_includes(path, floor, lines):
    allowed = BELOW.get(floor)
    if allowed is None:
        return
    for number, text in enumerate(lines, 1):
        m = re.match(r'\s*#\s*include\s+"([^"]+)"', text)
        if not m:
            continue
        other = included_floor(m.group(1))
        if other is not None and other not in allowed:
            problem(path, number, f'floor {floor} may not include "{m.group(1)}" (floors look down only)')
        if floor == "actor" and other == "actor":
            continue


def check_one_engine(path, lines):
    """One foreign library, one place: evhttp is known to the engine's own files alone."""
    if re.match(r"daemon/edge/(exchange_)?evhttp", path):
        return
    for number, text in enumerate(lines, 1):
        if re.search(r"#\s*include\s+<event2/http", text):
            problem(path, number, "only the evhttp engine may include event2/http*.h")
        if re.search(r"#\s*include\s+<sqlite3.h>", text) and "edge/store_" not in path and not path.startswith("tests/kit/store"):
            problem(path, number, "only the SQLite store may include sqlite3.h")


def check_calls(path, floor, lines):
    if floor in FREE_TO_CALL or floor is None:
        return
    for number, text in enumerate(lines, 1):
        code = re.sub(r'"(\\.|[^"\\])*"', '""', text.split("//")[0])
        if re.match(r"\s*(/?\*)", code):
            continue
        m = FORBIDDEN.search(code)
        if m and not re.search(r"(->|\.)\s*" + m.group(1) + r"\s*\(", code):
            problem(path, number, f"{m.group(1)}() belongs to the edge: take time and chance as parameters")
        if STATIC_STATE.match(text) and floor in BELOW and floor not in ("client", "gateway", "runner"):
            problem(path, number, "mutable static: state hangs from its owner, two daemons fit one process")


def check_sizes(paths):
    for path in paths:
        n = sum(1 for _ in open(path, encoding="utf-8"))
        if n > FILE_MAX_LINES:
            problem(path, n, f"{n} lines; a file of one noun has at most {FILE_MAX_LINES}")
    if shutil.which("ctags") is None:
        return
    out = subprocess.run(["ctags", "--languages=C", "--kinds-C=f", "--fields=+ne", "-x",
                          "--_xformat=%{end} %{line} %N %F", "-L", "-"], input="\n".join(paths),
                         capture_output=True, text=True, check=False).stdout
    for row in out.splitlines():
        end, start, name, path = row.split(None, 3)
        if end.isdigit() and int(end) - int(start) + 1 > FUNCTION_MAX_LINES:
            problem(path, start, f"{name} has {int(end) - int(start) + 1} lines; at most {FUNCTION_MAX_LINES}")


def check_layout(paths):
    if shutil.which("clang-format") is None:
        print("lint: clang-format is not installed, so layout was not checked")
        return
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *paths], capture_output=True,
                          text=True, check=False)
    for row in done.stderr.splitlines():
        if "error:" in row:
            problems.append(row.split(" [")[0] + " (make fmt)")


def main():
    listed = subprocess.run(["git", "ls-files", "*.c", "*.h"], capture_output=True, text=True, check=True)
    paths = [p for p in listed.stdout.split() if not p.startswith("examples/foreign/")]
    for path in paths:
        lines = open(path, encoding="utf-8").read().splitlines()
        floor = floor_of(path)
        check_includes(path, floor, lines)
        check_one_engine(path, lines)
        check_calls(path, floor, lines)
        if BANNED_NAMES.search(path):
            problem(path, 1, "name a file after its noun")
        for number, text in enumerate(lines, 1):
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text):
                problem(path, number, "unfinished work does not stay in the tree")
    check_sizes(paths)
    check_layout(paths)
    for text in problems:
        print(text)
    print(f"lint: {len(paths)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
