"""Killed at any moment, in start-up, on a torn or damaged store: nothing acknowledged is lost."""
import hashlib
import os
import random
import shutil
import threading
import time

from harness import Daemon, Nginx, RpcError, case, muster, sqlite, wait_until
from histcheck import History, check_repeats, check_results, lines_of
from scale import scale

WIDE = {"limits": [{"match": {"host": "127.0.0.1"}, "concurrency": 64}]}


class Submitter(threading.Thread):
    """A client that submits until told to stop, repeating an unanswered submission under its key."""

    def __init__(self, daemon, number, history, url, leaves=3):
        super().__init__(daemon=True)
        self.d, self.number, self.history, self.url, self.leaves = daemon, number, history, url, leaves
        self.stopped, self.count = threading.Event(), 0

    def run(self):
        rpc = None
        while not self.stopped.is_set():
            tag = f"{self.number}-{self.count}"
            spec = {"idempotency_key": tag, "limits": {"concurrency": 16}, "results": {"body": "none"},
                    "run": {"gather": [f"{self.url}?{tag}-{i}" for i in range(self.leaves)]}}
            try:
                rpc = rpc or self.d.rpc()
                self.history.ack(rpc.call("job.submit", {"spec": spec})["job"], self.leaves)
                self.count += 1
            except (OSError, ValueError, AssertionError):
                rpc = None
                self.stopped.wait(0.005)
            except RpcError as e:
                assert e.kind in ("busy", "closed"), e


def submitters(daemon, count, history, url):
    threads = [Submitter(daemon, i, history, url) for i in range(count)]
    for t in threads:
        t.start()
    return threads


def stop(threads):
    for t in threads:
        t.stopped.set()
    for t in threads:
        t.join(20)


def wait_for_the_end(rpc, history, seconds=120):
    for job in list(history.acked):
        wait_until(f"{job} to end", lambda job=job: rpc.call("job.get", {"job": job})["state"] in
                   ("succeeded", "failed"), seconds)


@case
def killed_at_random_moments_under_four_submitters():
    rng = random.Random(11)
    d, n, history = Daemon(WIDE), Nginx(), History()
    n.file("x", "x")
    kills = scale(8, 200)
    threads = submitters(d, 4, history, f"{n.url}/x")
    for _ in range(kills):
        time.sleep(rng.uniform(0.05, 0.4))
        d.kill9()
        before = time.monotonic()
        d.start()
        assert time.monotonic() - before < 5, "not up again within 5 s"
    stop(threads)
    with d.rpc() as rpc:
        wait_for_the_end(rpc, history)
        check_results(rpc, history)
    assert len(history.acked) > kills, len(history.acked)
    assert sqlite(d, "PRAGMA integrity_check") == [["ok"]]
    hits = n.hits()
    check_repeats(hits, len(set(hits)), kills, 64)


@case
def killed_while_it_starts_many_times_in_a_row():
    rng = random.Random(12)
    d, n, history = Daemon(WIDE), Nginx(), History()
    n.file("x", "x")
    job = muster(d, "fetch", "--detach", "--body", "none", "-c", "8", "-r", "100/s", "-i", "-",
                 stdin="\n".join(f"{n.url}/x?{i}" for i in range(400)) + "\n").out.strip()
    threads = submitters(d, 2, history, f"{n.url}/x")
    time.sleep(0.5)
    d.kill9()
    stop(threads)
    for _ in range(scale(12, 50)):
        d.start(wait=False)
        time.sleep(rng.uniform(0.0, 0.08))
        d.kill9()
    d.start()
    assert muster(d, "wait", job, timeout=60).status == 0
    lines = muster(d, "results", job).lines
    assert sorted(x["task"] for x in lines) == sorted(f"0.{i}" for i in range(400))
    with d.rpc() as rpc:
        wait_for_the_end(rpc, history)
        check_results(rpc, history)
    assert sqlite(d, "PRAGMA integrity_check") == [["ok"]]


def filled_state(with_body=False):
    """A killed daemon's state with finished jobs in its journal, and what each job yielded."""
    d, n = Daemon(WIDE), Nginx()
    n.file("x", "x" * 100)
    n.file("big", bytes(range(256)) * 1024)
    jobs = {}
    with d.rpc() as rpc:
        for i in range(40):
            target = "big" if with_body and i % 4 == 0 else "x"
            job = rpc.call("job.submit", {"spec": {"run": {"gather": [f"{n.url}/{target}?{i}.{k}" for k in range(2)]}}})["job"]
            wait_until("a job to end", lambda job=job: rpc.call("job.get", {"job": job})["state"] == "succeeded")
            jobs[job] = len(lines_of(rpc, job))
    d.kill9()
    return d, jobs


def copy_of(d, name):
    shutil.rmtree(name, ignore_errors=True)
    shutil.copytree(d.state, name)
    return Daemon(WIDE, state=name, name="copy", start=False)


@case
def a_journal_torn_anywhere_opens_with_whole_jobs_only():
    rng = random.Random(13)
    d, jobs = filled_state()
    wal = [f for f in os.listdir(d.state) if f.endswith("-wal")]
    assert wal, os.listdir(d.state)
    size = os.path.getsize(os.path.join(d.state, wal[0]))
    for _ in range(scale(6, 300)):
        c = copy_of(d, "torn")
        os.truncate(os.path.join(c.state, wal[0]), rng.randrange(size))
        c.start()
        with c.rpc() as rpc:
            kept = [j["job"] for j in rpc.call("job.list", {"max": 1000})["jobs"]]
            numbers = sorted(int(j[1:]) for j in kept)
            assert numbers == list(range(1, len(numbers) + 1)), f"a hole in {numbers}"
            for job in kept[:-1]:
                if rpc.call("job.get", {"job": job})["state"] == "succeeded":
                    assert len(lines_of(rpc, job)) == jobs[job], job
        assert sqlite(c, "PRAGMA integrity_check") == [["ok"]]
        c.kill9()


@case
def a_flipped_bit_never_delivers_a_wrong_body():
    rng = random.Random(14)
    d, jobs = filled_state(with_body=True)
    right = {hashlib.sha256(b"x" * 100).hexdigest(), hashlib.sha256(bytes(range(256)) * 1024).hexdigest()}
    files = [os.path.relpath(os.path.join(at, f), d.state) for at, _, fs in os.walk(d.state) for f in fs]
    files = [f for f in files if os.path.getsize(os.path.join(d.state, f)) > 0]
    seen = {"well": 0, "marked": 0, "refused": 0}
    for _ in range(scale(8, 200)):
        c = copy_of(d, "flipped")
        path = os.path.join(c.state, rng.choice(files))
        with open(path, "r+b") as f:
            at = rng.randrange(os.path.getsize(path))
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ (1 << rng.randrange(8))]))
        seen[flipped_outcome(c, jobs, right)] += 1
        c.kill9()
    assert seen["well"] > 0, seen


def flipped_outcome(c, jobs, right):
    try:
        c.start()
    except AssertionError:
        status = c.process.popen.poll()
        assert status is not None and status > 0, f"hangs, or died of a signal: {status}"
        return "refused"
    marked = False
    for job in list(jobs)[::4]:
        shutil.rmtree("out", ignore_errors=True)
        r = muster(c, "results", job, "-o", "out")
        if not c.process.alive():
            assert c.process.popen.returncode > 0, c.process.popen.returncode
            return "refused"
        if r.status != 0:
            marked = True
            continue
        for f in os.listdir("out") if os.path.isdir("out") else []:
            got = hashlib.sha256(open(os.path.join("out", f), "rb").read()).hexdigest()
            assert got in right, f"a wrong body of {job} was delivered"
    return "marked" if marked else "well"
