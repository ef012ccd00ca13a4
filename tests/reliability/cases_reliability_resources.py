"""Too few descriptors, too little memory, system calls refused, load for long: refused, not lost."""
import collections
import json
import os
import random
import shutil
import socket
import subprocess
import threading
import time

from harness import (ROOT, Daemon, Nginx, Process, Raw, RpcError, Web, case, cpu_seconds, muster, muster_start,
                     proc_status, read_head, sqlite, wait_until)
from scale import scale


def under(daemon, *wrapper):
    """Starts the daemon below a program that limits or traces it, and which becomes it."""
    daemon.process = Process(list(wrapper) + daemon.argv(), log=daemon.log, env=daemon.env)
    wait_until("musterd to answer a ping", daemon._ready, 20)


def can_trace():
    ok = shutil.which("strace") and subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False).returncode == 0
    if not ok:
        print("left out: strace cannot trace here")
    return ok


@case
def with_few_descriptors_everything_still_gets_done():
    """64 descriptors, 200 slow requests, 100 clients at the socket: no spin, nothing lost, and it recovers."""
    def slow(conn, _):
        while read_head(conn):
            time.sleep(0.05)
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    d, w = Daemon({"limits": [{"match": {"host": "127.0.0.1"}, "concurrency": 200}]}, start=False), Raw(slow)
    under(d, "prlimit", "--nofile=64:64")
    crowd = []
    for _ in range(100):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(0.2)
        try:
            s.connect(d.socket_path)
        except OSError:
            pass
        crowd.append(s)
    before = cpu_seconds(d.process.pid)
    time.sleep(1)
    assert cpu_seconds(d.process.pid) - before < 0.3, "spins while it cannot accept"
    for s in crowd:
        s.close()
    r = muster(d, "fetch", "-c", "200", "--retry", "20", "--backoff", "20ms:200ms", "--retry-on", "local,connect,dns",
               *[f"{w.url}/{i}" for i in range(200)], timeout=90)
    assert r.status == 0, (r.status, r.err, collections.Counter(x.get("error", {}).get("kind") for x in r.lines))
    assert len(r.lines) == 200


@case
def a_refused_system_call_is_our_trouble_and_not_the_hosts():
    if not can_trace():
        return
    n = Nginx()
    n.file("x", "x")
    orders = (("socket", "ENOMEM"), ("socket", "EMFILE"), ("connect", "EADDRNOTAVAIL"), ("connect", "EAGAIN"))
    for i, (call, error) in enumerate(orders):
        d = Daemon(state=f"s{i}", name=f"d{i}", start=False)
        d.start()
        tracer = Process(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                          f"inject={call}:error={error}:when=1..2", "-p", str(d.process.pid)])
        wait_until("strace to hold the daemon", lambda d=d: proc_status(d.process.pid, "TracerPid") != 0)
        r = muster(d, "fetch", "--retry", "4", "--backoff", "10ms:50ms", n.url + "/x")
        line = r.lines[0]
        assert r.status == 0 and line["ok"], (call, error, r.out, r.err)
        kinds = [h["kind"] for h in line.get("history", []) if "kind" in h]
        assert kinds and all(k == "local.resource" for k in kinds), (call, error, line)
        tracer.terminate()
        d.stop()


@case
def with_little_memory_it_refuses_and_lives_or_is_started_again():
    """10 MB of address space above idle: whatever happens, what was acknowledged is there afterwards."""
    d = Daemon()
    n = Nginx()
    n.file("big", b"b" * 3_000_000)
    size = proc_status(d.process.pid, "VmSize") * 1024 + 10_000_000
    subprocess.run(["prlimit", f"--as={size}", "--pid", str(d.process.pid)], check=True)
    acked = []
    for i in range(scale(40, 200)):
        if not d.process.alive():
            assert d.process.popen.returncode > 0, f"died of signal {-d.process.popen.returncode}"
            d.start()
        try:
            with d.rpc() as rpc:
                acked.append(rpc.call("job.submit", {"spec": {"run": {"gather": [f"{n.url}/big?{i}.{k}" for k in range(4)]}}})["job"])
        except (OSError, RpcError):
            pass
    if not d.process.alive():
        assert d.process.popen.returncode > 0, f"died of signal {-d.process.popen.returncode}"
    d.restart()
    assert acked
    with d.rpc() as rpc:
        for job in acked:
            wait_until(f"{job} to end", lambda job=job: rpc.call("job.get", {"job": job})["state"] in ("succeeded", "failed"), 60)
    assert sqlite(d, "PRAGMA integrity_check") == [["ok"]]


@case
def any_allocation_may_fail():
    """The Nth allocation fails, for each N of a stretch: the job is done or refused by name, nothing hangs or crashes."""
    lib = os.path.abspath("failmalloc.so")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-w", "-o", lib, os.path.join(ROOT, "tests/reliability/failmalloc.c")],
                   check=True)
    w, arm = Web(), os.path.abspath("arm")
    env = {k: "" for k in ("SSL_CERT_FILE",)}
    for at in range(1, 400, scale(29, 1)):
        d = Daemon(state=f"state{at}", name="d", start=False)
        d.env.update({"LD_PRELOAD": lib, "FAILMALLOC_AT": str(at), "FAILMALLOC_FOR": "1", "FAILMALLOC_ARM": arm})
        d.start()
        with open(arm, "w", encoding="ascii"):
            pass
        p = muster_start(d, "fetch", "--summary", "never", f"{w.url}/a", f"{w.url}/b", env=env)
        wait_until(f"an end of the command or of the daemon after allocation {at}", lambda p=p, d=d: p.poll() is not None or not d.process.alive(), 20)
        os.unlink(arm)
        check_after_failed_allocation(d, p, at)
        p.kill()
        p.communicate()
        if d.process.alive():
            d.kill9()
        shutil.rmtree(f"state{at}")


def check_after_failed_allocation(d, p, at):
    if not d.process.alive():
        ended = d.process.popen.returncode
        assert ended > 0 and "memory" in d.logged(), (at, ended, d.logged()[-300:])
        return
    assert d._ready()
    out, err = (x.decode() for x in p.communicate(timeout=20))
    if p.returncode in (0, 3):  # 3: its connection was not taken, or given up
        return
    kinds = [x["error"]["kind"] for x in map(json.loads, out.splitlines()) if "error" in x]
    assert "memory" in err or kinds and all(k in ("memory", "local.resource") for k in kinds), (at, p.returncode, err, out)


def counts(d):
    return proc_status(d.process.pid, "VmRSS"), len(os.listdir(f"/proc/{d.process.pid}/fd"))


@case
def load_for_long_leaves_nothing_behind():
    """Rounds of jobs that are forgotten at their end: memory, descriptors and the store stay where they were."""
    d, n = Daemon({"limits": [{"match": {"host": "127.0.0.1"}, "concurrency": 64}]}), Nginx()
    n.file("x", "x")
    urls = "\n".join(f"{n.url}/x?{i}" for i in range(4000)) + "\n"

    def one_round():
        assert muster(d, "fetch", "-c", "64", "--body", "none", "-i", "-", stdin=urls).status == 0
    for _ in range(scale(3, 10)):
        one_round()
    (rss, fds), size = counts(d), os.path.getsize(os.path.join(d.state, "store.db"))
    for _ in range(scale(3, 50)):
        one_round()
    rss2, fds2 = counts(d)
    assert fds2 <= fds + 2, (fds, fds2)
    assert rss2 <= rss * 1.02 + 4096, (rss, rss2)
    store = {f: os.path.getsize(os.path.join(d.state, f)) for f in os.listdir(d.state) if f.startswith("store.db")}
    assert store["store.db"] <= max(size, 20 << 20) * 1.2, (size, store)
    assert store.get("store.db-wal", 0) < 64 << 20, store
