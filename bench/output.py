#!/usr/bin/env python3
"""One large body into a file, from a local nginx: muster against curl in the same run, by turns.

Seconds by the wall, CPU seconds of everything the subject runs, and peak memory of its processes.
environment: SIZE in MiB (4096), ROUNDS (3)
"""
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import harness  # noqa: E402
from harness import BUILD, Daemon, Nginx, cpu_seconds, proc_status  # noqa: E402
from peak import Peak  # noqa: E402
from table import Table  # noqa: E402

MIB = int(os.environ.get("SIZE", "4096"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))


def timed(argv):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    p = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    peak = Peak(p.pid, os.path.basename(argv[0]))
    if p.wait() != 0:
        raise SystemExit(f"{argv} ended with {p.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"wall_s": time.monotonic() - began, "rss_mib": peak.stop() / 1024,
            "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def main():
    work = tempfile.mkdtemp(prefix="muster-bench-", dir=os.environ.get("BENCH_DIR"))
    os.chdir(work)
    daemon, web = Daemon(), Nginx()
    with open(os.path.join(web.root, "large"), "wb") as f:
        f.truncate(MIB << 20)
    url, table = web.url + "/large", Table("output")
    fetch = [f"{BUILD}/muster", "--socket", daemon.address, "fetch", url, "-o", "out", "--max-body", "1024G"]
    for _ in range(ROUNDS):
        for name, argv in (("muster", fetch), ("muster --volatile", fetch + ["--volatile"]),
                           ("curl", ["curl", "-s", url, "-o", "out"])):
            before = cpu_seconds(daemon.process.pid)
            got = timed(argv)
            if os.path.getsize("out") != MIB << 20:
                raise SystemExit(f"{name}: the file has {os.path.getsize('out')} bytes")
            os.unlink("out")
            os.sync()
            if name != "curl":
                got["cpu_s"] += cpu_seconds(daemon.process.pid) - before
                got["daemon_rss_mib"] = proc_status(daemon.process.pid, "VmHWM") / 1024
            table.add(name, **got)
    table.finish()
    harness._cleanup.close()
    os.chdir("/")
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
