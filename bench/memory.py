#!/usr/bin/env python3
"""Memory over one long job: what daemon and command hold, idle, early, late and at most.

A job that keeps something per item grows with it; here the second half must not hold more than
the first. environment: LINES (1000000), ROUNDS (1)
"""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import harness  # noqa: E402
from harness import BUILD, Daemon, Nginx  # noqa: E402
from peak import resident_kib  # noqa: E402
from table import Table  # noqa: E402

LINES = int(os.environ.get("LINES", "1000000"))
ROUNDS = int(os.environ.get("ROUNDS", "1"))
STEPS = 10


def feed(url, to, watched):
    """Writes all URLs; the most that the watched processes held in each tenth of the way, KiB."""
    held = []
    for step in range(STEPS):
        most = 0
        for at in range(step * LINES // STEPS, (step + 1) * LINES // STEPS, 1000):
            to.write("".join(f"{url}?{i}\n" for i in range(at, min(at + 1000, (step + 1) * LINES // STEPS))).encode())
            most = max(most, sum(resident_kib(pid, "VmRSS") for pid in watched))
        held.append(most)
    to.close()
    return held


def run(url, name, *options):
    daemon = Daemon({"limits": [{"match": {"host": "127.0.0.1"}, "concurrency": 1000}]}, state=f"s-{name}", name=name)
    idle = resident_kib(daemon.process.pid, "VmRSS")
    with open("out", "wb") as out:
        p = subprocess.Popen([f"{BUILD}/muster", "--socket", daemon.address, "fetch", "-c", "64", "--body", "none",
                              *options, "-i", "-"], stdin=subprocess.PIPE, stdout=out)
        held = feed(url, p.stdin, (daemon.process.pid, p.pid))
        status = p.wait()
    with open("out", "rb") as f:
        n = sum(1 for _ in f)
    if status != 0 or n != LINES:
        raise SystemExit(f"status {status}, {n} lines instead of {LINES}")
    peak = max(*held, resident_kib(daemon.process.pid))
    daemon.kill9()
    return {"idle_mib": idle / 1024, "first_half_mib": max(held[: STEPS // 2]) / 1024,
            "second_half_mib": max(held[STEPS // 2:]) / 1024, "above_idle_mib": (peak - idle) / 1024}


def main():
    work = tempfile.mkdtemp(prefix="muster-bench-")
    os.chdir(work)
    web = Nginx(extra_http="access_log off; keepalive_timeout 600;")
    url = web.file("small", "x" * 100)
    table = Table("memory")
    for i in range(ROUNDS):
        table.add("muster", **run(url, f"v{i}", "--volatile"))
        table.add("muster durable", **run(url, f"d{i}"))
    table.finish()
    harness._cleanup.close()
    os.chdir("/")
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
