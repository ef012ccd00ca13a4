#!/usr/bin/env python3
"""Durable submissions from 64 clients, and results read by one.

Submissions: small jobs that only sleep, each acknowledged after its commit; every client keeps one
request outstanding. Results: a finished durable job of RESULTS emitted lines, read by one client
with one request after the other.
environment: JOBS (20000), RESULTS (200000), ROUNDS (1)
"""
import json
import os
import select
import shutil
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import harness  # noqa: E402
from harness import Daemon, Rpc, cpu_seconds  # noqa: E402
from table import Table  # noqa: E402

JOBS = int(os.environ.get("JOBS", "20000"))
RESULTS = int(os.environ.get("RESULTS", "200000"))
ROUNDS = int(os.environ.get("ROUNDS", "1"))
CLIENTS = 64
SPEC = {"run": {"sleep": "1h"}}


class Client:
    """One connection with one submission outstanding; parses no more than the length."""

    def __init__(self, path):
        self.sock = Rpc(path).sock
        self.n = 0
        self.held = b""

    def submit(self):
        self.n += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self.n, "method": "job.submit", "params": {"spec": SPEC}}).encode()
        payload = struct.pack(">I", self.n | 0x80000000) + body
        self.sock.sendall(b"\x01" + struct.pack(">Q", len(payload)) + payload)

    def answered(self):
        """True once the whole answer is there; ends the run if it is a refusal."""
        self.held += self.sock.recv(65536)
        if len(self.held) < 9 or len(self.held) < 9 + struct.unpack(">Q", self.held[1:9])[0]:
            return False
        if b'"result"' not in self.held:
            raise SystemExit(f"refused: {self.held[13:]!r}")
        self.held = b""
        return True


def submit_all(daemon):
    """Submissions per second and the daemon's CPU µs for each."""
    clients = {c.sock.fileno(): c for c in (Client(daemon.socket_path) for _ in range(CLIENTS))}
    poll = select.epoll()
    for fd in clients:
        poll.register(fd, select.EPOLLIN)
    before, began, started, ended = cpu_seconds(daemon.process.pid), time.monotonic(), 0, 0
    for c in clients.values():
        c.submit()
        started += 1
    while ended < JOBS:
        for fd, _ in poll.poll(10):
            if not clients[fd].answered():
                continue
            ended += 1
            if started < JOBS:
                clients[fd].submit()
                started += 1
    seconds = time.monotonic() - began
    cpu = cpu_seconds(daemon.process.pid) - before
    for c in clients.values():
        c.sock.close()
    return {"submissions_per_s": JOBS / seconds, "cpu_us_per_submission": cpu / JOBS * 1e6}


def emitted(rpc):
    """A finished durable job with RESULTS lines."""
    spec = {"run": {"each": {"in": {"range": [0, RESULTS, 1]}, "as": "i", "concurrency": 256, "do": {"emit": "${i}"}}}}
    job = rpc.call("job.submit", {"spec": spec})["job"]
    while rpc.call("job.wait", {"job": job, "wait_ms": 25000})["state"] in ("queued", "running"):
        pass
    return job


def ask(rpc, job, after):
    return rpc.start("job.results", {"job": job, "after": after, "wait_ms": 1000})


def read_all(daemon):
    """Results per second and the daemon's CPU µs for each."""
    with Rpc(daemon.socket_path, timeout=120) as rpc:
        job = emitted(rpc)
        before, began, after, n = cpu_seconds(daemon.process.pid), time.monotonic(), 0, 0
        while n < RESULTS:
            answer = rpc.receive_raw(ask(rpc, job, after))
            lines = answer.count(b"\n") - 1
            if lines <= 0:
                raise SystemExit(f"no lines after {after}: {answer[:200]!r}")
            n += lines
            after += lines
        seconds = time.monotonic() - began
        cpu = cpu_seconds(daemon.process.pid) - before
    return {"results_per_s": n / seconds, "cpu_us_per_result": cpu / n * 1e6}


def main():
    work = tempfile.mkdtemp(prefix="muster-bench-")
    os.chdir(work)
    table = Table("submit")
    for i in range(ROUNDS):
        daemon = Daemon(state=f"state{i}", name=f"d{i}")
        table.add("muster", **read_all(daemon))
        table.add("muster", **submit_all(daemon))
        daemon.kill9()
    table.finish()
    harness._cleanup.close()
    os.chdir("/")
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
