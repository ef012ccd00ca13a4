"""Rates at the server, fairness, and clients who misbehave at the control socket."""
import json
import random
import socket
import struct
import threading
import time

from harness import Daemon, Nginx, Rpc, RpcError, Web, case, muster, muster_start, wait_until
from histcheck import check_rate
from scale import FULL, scale


@case
def no_window_at_the_server_holds_more_than_the_rate_over_kills():
    rng = random.Random(21)
    rates = ((50, 1), (200, 10), (20, 5)) if not FULL else ((0.5, 1), (2, 3), (10, 1), (20, 5), (50, 1), (100, 30), (200, 10), (500, 50))
    webs = [Web() for _ in rates]
    rules = [{"match": {"host": "127.0.0.1", "port": w.port}, "key": f"k{w.port}", "rate": f"{int(rate * 10)}/10s", "burst": burst,
              "concurrency": 50} for w, (rate, burst) in zip(webs, rates)]
    d = Daemon({"limits": rules})
    jobs = [muster(d, "fetch", "--detach", "--body", "none", "-c", "50", "-i", "-",
                   stdin="\n".join(f"{w.url}/{i}" for i in range(5000)) + "\n").out.strip() for w in webs]
    for _ in range(scale(5, 50)):
        time.sleep(rng.uniform(0.2, 1.0))
        d.restart()
    for job in jobs:
        muster(d, "cancel", job)
    for w, (rate, burst) in zip(webs, rates):
        with w.lock:
            times = [h["at"] for h in w.hits]
        assert len(times) >= burst, (rate, len(times))
        check_rate(times, rate, burst)


@case
def one_great_job_does_not_starve_many_small_ones():
    n = Nginx()
    n.file("x", "x")
    d = Daemon({"limits": [{"match": {"host": "127.0.0.1"}, "key": "k", "rate": "400/s", "burst": 1, "concurrency": 8}]})
    great = muster(d, "fetch", "--detach", "--body", "none", "-c", "64", "-i", "-",
                   stdin="\n".join(f"{n.url}/x?{i}" for i in range(20_000)) + "\n").out.strip()
    wait_until("the great job to run", lambda: len(n.hits()) > 50)
    before = len(n.hits())
    with d.rpc() as rpc:
        small = [rpc.call("job.submit", {"spec": {"run": f"{n.url}/x?small{i}"}})["job"] for i in range(100)]
        for job in small:
            wait_until("a small job", lambda job=job: rpc.call("job.get", {"job": job})["state"] == "succeeded", 30)
    assert len(n.hits()) - before < 100 * 2 + 60, "the small ones had less than half of the turns"
    muster(d, "cancel", great)


def hostile(d, kind, stop):
    while not stop.is_set():
        try:
            if kind == "connects":
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(d.socket_path)
            elif kind == "garbage":
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(d.socket_path)
                    s.sendall(random.randbytes(4096))
            elif kind == "great":
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(d.socket_path)
                    s.sendall(Rpc.HELLO + b"\x01" + struct.pack(">Q", 1 << 30) + b"x" * 100_000)
            elif kind == "deaf":
                with d.rpc() as rpc:
                    for _ in range(200):
                        rpc.start("daemon.stats")
                    stop.wait(0.2)
            else:
                with d.rpc() as rpc:
                    rpc.send_raw(b"[" * 30_000 + b"\xff\xfe")
                    rpc.send_raw(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "x" * 50_000}).encode())
                    stop.wait(0.05)
        except (OSError, AssertionError):
            stop.wait(0.01)


@case
def hostile_clients_cost_little_and_hinder_nobody():
    d = Daemon()
    with d.rpc() as rpc:
        rpc.call("daemon.ping")
    idle = d.rss_kib()
    stop = threading.Event()
    crowd = [threading.Thread(target=hostile, args=(d, kind, stop), daemon=True)
             for kind in ("connects", "garbage", "great", "deaf", "deep")]
    for t in crowd:
        t.start()
    answered = 0
    end = time.monotonic() + scale(2, 20)
    while time.monotonic() < end:
        try:
            with d.rpc() as rpc:
                for _ in range(20):
                    rpc.call("daemon.ping")
                    answered += 1
        except ConnectionResetError:
            pass
    stop.set()
    for t in crowd:
        t.join(10)
    assert answered > 50, answered
    assert d.rss_kib() - idle < 64 << 10, (idle, d.rss_kib())
    assert d.process.alive()


@case
def text_of_strangers_stays_within_its_line():
    """Control bytes and line ends from a server and from a job: no second line in log or output."""
    evil = "a\x1b[31mb\x7f\x00c".encode()
    d, w = Daemon({"log": {"level": "debug"}}), Web(lambda hit: (200, [("X-Evil", "v\x1b]0;t\x07")], evil))
    r = muster(d, "fetch", f"{w.url}/x", f"{w.url}/" + "y" * 60_000)
    for line in r.out.splitlines():
        json.loads(line)
    assert len(r.out.splitlines()) == 2
    assert not any(ord(c) < 32 and c != "\n" or ord(c) == 127 for c in r.out), "control bytes in the output"
    bad = muster(d, "fetch", f"{w.url}/\x1b[31m\nsecond", "-H", "X: a\tb")
    log = d.logged()
    assert not any(ord(c) < 32 and c not in "\n" for c in log), "control bytes in the log"
    assert "\x1b" not in bad.err and "second" not in [x.strip() for x in bad.err.splitlines()], bad.err
    with d.rpc() as rpc:
        for header in ({"X-A": "a\r\nX-B: b"}, {"X\nA": "b"}, {"X-A": "a\x00b"}):
            try:
                rpc.call("job.submit", {"spec": {"run": {"fetch": {"url": w.url, "headers": header}}}})
                raise AssertionError(f"{header} was taken")
            except RpcError as e:
                assert e.kind == "request.invalid", e
