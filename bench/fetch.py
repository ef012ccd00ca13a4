#!/usr/bin/env python3
"""Many small URLs from a local nginx, 64 at once: muster against its peers, in one go.

The figure that holds on a noisy machine is CPU per fetch: user and system time of everything that
the subject runs (for muster: daemon and command added up), over the number of fetches.
environment: URLS (100000), PEER_URLS for the slow peers (10000), ROUNDS (3), TLS=1 for https.
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

HERE = os.path.dirname(os.path.abspath(__file__))
URLS = int(os.environ.get("URLS", "100000"))
PEER_URLS = int(os.environ.get("PEER_URLS", "10000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
TLS = bool(os.environ.get("TLS"))
AT_ONCE = 64


def certificate():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out",
                    "cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    return os.path.abspath("cert.pem"), os.path.abspath("key.pem")


def timed(argv, n, stdin=None, env=None):
    """Runs a program to its end: CPU µs per fetch, seconds, peak MiB."""
    began = time.monotonic()
    with open(stdin or os.devnull, "rb") as source, open("out", "wb") as out:
        p = subprocess.Popen(argv, stdin=source, stdout=out, stderr=subprocess.DEVNULL,
                             env=dict(os.environ, **(env or {})))
        peak = Peak(p.pid, os.path.basename(argv[0]))
        _, status, usage = os.wait4(p.pid, 0)
    wall = time.monotonic() - began
    if status != 0:
        raise SystemExit(f"{argv[0]} ended with {status}")
    cpu = usage.ru_utime + usage.ru_stime
    return {"cpu_us_per_fetch": cpu / n * 1e6, "wall_s_per_100k": wall / n * 1e5, "rss_mib": peak.stop() / 1024}


def lines_of(path):
    with open(path, "rb") as f:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: f.read(1 << 20), b""))


def muster(daemon, n, listed, *options):
    before = cpu_seconds(daemon.process.pid)
    got = timed([f"{BUILD}/muster", "--socket", daemon.address, "fetch", "-c", str(AT_ONCE), "--body", "none",
                 *(["-k"] if TLS else []), *options, "-i", listed], n)
    if lines_of("out") != n:
        raise SystemExit(f"muster gave {lines_of('out')} lines for {n} URLs")
    daemon_cpu = cpu_seconds(daemon.process.pid) - before
    got["cpu_us_per_fetch"] += daemon_cpu / n * 1e6
    got["rss_mib"] += proc_status(daemon.process.pid, "VmHWM") / 1024
    return got


def main():
    work = tempfile.mkdtemp(prefix="muster-bench-")
    os.chdir(work)
    tls = certificate() if TLS else None
    web = Nginx(extra_http="access_log off; keepalive_timeout 600;", tls=tls)
    url = web.file("small", "x" * 100)
    with open("urls", "w", encoding="ascii") as f:
        f.write("".join(f"{url}?{i}\n" for i in range(URLS)))
    with open("few", "w", encoding="ascii") as f:
        f.write("".join(f"{url}?{i}\n" for i in range(PEER_URLS)))
    with open("curl.cfg", "w", encoding="ascii") as f:
        f.write("".join(f'url = "{url}?{i}"\noutput = "/dev/null"\n' for i in range(PEER_URLS)))
    limits = {"limits": [{"match": {"host": "127.0.0.1"}, "concurrency": 1000}]}
    daemon, volatile = Daemon(limits, state="s1", name="d1"), Daemon(limits, state="s2", name="d2")
    go = shutil.which("go")
    if go:
        subprocess.run([go, "build", "-o", os.path.join(work, "gofetch"), os.path.join(HERE, "peers/fetch.go")],
                       check=True, env=dict(os.environ, GO111MODULE="off", GOFLAGS=""))
    table = Table("fetch-tls" if TLS else "fetch")
    for _ in range(ROUNDS):
        table.add("muster", **muster(volatile, URLS, "urls", "--volatile"))
        table.add("muster durable", **muster(daemon, URLS, "urls"))
        if go:
            table.add("go", **timed(["./gofetch", str(AT_ONCE)], URLS, "urls", {"INSECURE": "1"}))
        table.add("curl --parallel", **timed(["curl", "-sk", "--parallel", "--parallel-max", str(AT_ONCE), "-K",
                                              "curl.cfg"], PEER_URLS))
        if not TLS:
            for name in ("httpx", "aiohttp"):
                if subprocess.run(["/usr/bin/python3", "-c", f"import {name}"], capture_output=True, check=False).returncode == 0:
                    table.add(name, **timed(["/usr/bin/python3", f"{HERE}/peers/fetch_{name}.py", str(AT_ONCE)],
                                            PEER_URLS, "few"))
        if shutil.which("wrk"):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            out = subprocess.run(["wrk", "-t1", f"-c{AT_ONCE}", "-d3s", url], capture_output=True, text=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = next(int(x.split()[0]) for x in out.stdout.splitlines() if "requests in" in x)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            table.add("wrk (the limit)", cpu_us_per_fetch=cpu / done * 1e6, wall_s_per_100k=3.0 / done * 1e5)
    table.finish()
    harness._cleanup.close()
    os.chdir("/")
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
