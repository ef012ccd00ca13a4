#!/usr/bin/env python3
"""Where the CPU of one small fetch goes: each line is the difference of two runs.

A run adds one part to the run before it, from the exchange alone to a durable job that is fed and
whose lines are written out. A difference is as good as the machine is quiet; the runs of a round
follow each other, and the medians of all rounds are compared.
environment: URLS (50000), ROUNDS (3)
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import harness  # noqa: E402
from harness import BUILD, Daemon, Nginx, cpu_seconds  # noqa: E402
from table import Table  # noqa: E402

URLS = int(os.environ.get("URLS", "50000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
AT_ONCE = 64
# The runs, each with what it adds to which other one.
PARTS = [
    ("exchange alone", None, "connections, sockets, head, body, timers"),
    ("range, no lines", "exchange alone", "tasks, URL, limiter, host, verdict"),
    ("range", "range, no lines", "line, commit in memory, poll, output"),
    ("fed", "range", "feed"),
    ("fed, body inline", "fed", "a body of 100 bytes in the line"),
    ("fed, durable", "fed", "store, its threads, its syncs"),
]


def cpu_of(argv):
    with open("out", "wb") as out:
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out)
        _, status, usage = os.wait4(p.pid, 0)
    if status != 0:
        raise SystemExit(f"{argv[0]} ended with {status}")
    return usage.ru_utime + usage.ru_stime


def muster(daemon, n_lines, *words):
    """CPU µs per fetch of daemon and command together, and of the command."""
    before = cpu_seconds(daemon.process.pid)
    command = cpu_of([f"{BUILD}/muster", "--socket", daemon.address, *words])
    with open("out", "rb") as f:
        n = sum(1 for _ in f)
    if n != n_lines:
        raise SystemExit(f"{n} lines instead of {n_lines}: muster {' '.join(words)}")
    both = cpu_seconds(daemon.process.pid) - before + command
    return both / URLS * 1e6, command / URLS * 1e6


def range_job(name, url, results):
    job = {"durable": False, "results": results,
           "run": {"each": {"in": {"range": [0, URLS, 1]}, "as": "item", "concurrency": AT_ONCE,
                            "do": {"fetch": url + "?${item}"}}}}
    with open(name, "w", encoding="ascii") as f:
        json.dump(job, f)


def runs(daemon, port):
    """Every run of PARTS once: CPU of all and of the command."""
    fetch = ("fetch", "-c", str(AT_ONCE), "-i", "urls")
    yield "exchange alone", (cpu_of([f"{BUILD}/bench-bin/exchange_only", str(port), str(URLS),
                                     str(AT_ONCE)]) / URLS * 1e6, None)
    yield "range, no lines", muster(daemon, 0, "submit", "silent.json")
    yield "range", muster(daemon, URLS, "submit", "range.json")
    yield "fed", muster(daemon, URLS, *fetch, "--volatile")
    yield "fed, body inline", muster(daemon, URLS, *fetch, "--volatile", "--body", "inline")
    yield "fed, durable", muster(daemon, URLS, *fetch)


def show(table):
    print(f"\n  {'µs per fetch':26}{'all':>8}{'of that':>10}   adds")
    for run, before, words in PARTS:
        whole = table.value(run, "cpu_us_per_fetch")
        part = whole - (table.value(before, "cpu_us_per_fetch") if before else 0)
        print(f"  {run:26}{whole:8.2f}{part:+10.2f}   {words}")
    print(f"  {'the command, fed':26}{table.value('fed', 'command_us_per_fetch'):8.2f}")


def main():
    work = tempfile.mkdtemp(prefix="muster-bench-")
    os.chdir(work)
    web = Nginx(extra_http="access_log off; keepalive_timeout 600;")
    url = web.file("small", "x" * 100)
    with open("urls", "w", encoding="ascii") as f:
        f.write("".join(f"{url}?{i}\n" for i in range(URLS)))
    range_job("range.json", url, {})
    range_job("silent.json", url, {"where": {"kind": ["cancelled"]}})
    daemon = Daemon({"limits": [{"match": {"host": "127.0.0.1"}, "concurrency": 1000}]})
    table = Table("budget", base="fed")
    for _ in range(ROUNDS):
        for run, (cpu, command) in runs(daemon, web.port):
            table.add(run, cpu_us_per_fetch=cpu)
            if command is not None:
                table.add(run, command_us_per_fetch=command)
    table.finish()
    show(table)
    harness._cleanup.close()
    os.chdir("/")
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
