"""Nothing acknowledged is ever lost: kill -9, restart, exactly one result each."""
import collections
import contextlib
import json
import os
import random
import sqlite3
import time

from harness import Daemon, Nginx, Rpc, Web, case, muster, muster_start, sqlite, wait_until


def check_exactly_once(lines, urls):
    got = collections.Counter(x["url"] for x in lines)
    lost = [u for u in urls if got[u] == 0]
    twice = [u for u in urls if got[u] > 1]
    assert not lost and not twice, f"lost {len(lost)} {lost[:3]}, twice {len(twice)} {twice[:3]}"
    assert sorted(x["seq"] for x in lines) == list(range(1, len(urls) + 1)), "seq has gaps"


@case
def kill_9_in_the_middle_loses_and_repeats_nothing():
    random.seed(7)
    kills, concurrency, count = int(os.environ.get("KILLS", "20")), 32, 10_000
    d, n = Daemon({"limits": [{"match": {"host": "127.0.0.1"}, "concurrency": 1000}]}), Nginx()
    n.file("x", "x")
    urls = [f"{n.url}/x?{i}" for i in range(count)]
    r = muster(d, "fetch", "--detach", "--body", "none", "-c", concurrency, "-i", "-", stdin="\n".join(urls) + "\n")
    assert r.status == 0, r.err
    job = r.out.strip()
    done = 0
    for done in range(kills):
        pause = random.uniform(0.02, 0.12)
        end = time.monotonic() + pause
        while time.monotonic() < end:
            pass
        d.restart()
        with d.rpc() as rpc:
            if rpc.call("job.get", {"job": job})["state"] not in ("running", "queued"):
                break
    assert muster(d, "wait", job, timeout=120).status == 0
    check_exactly_once(muster(d, "results", job).lines, urls)
    extra = len(n.hits()) - count
    assert extra <= concurrency * (done + 1), f"{extra} extra requests after {done + 1} kills"


@case
def an_attached_command_survives_a_killed_daemon():
    def answer(hit):
        time.sleep(0.01)
        return 200, [], b""
    d, w = Daemon(), Web(answer)
    urls = [f"{w.url}/{i}" for i in range(400)]
    with open("list", "w", encoding="ascii") as f:
        f.write("\n".join(urls) + "\n")
    p = muster_start(d, "fetch", "--body", "none", "-c", "4", "-i", "list")
    wait_until("some requests", lambda: w.count() > 60)
    d.restart()
    wait_until("more requests", lambda: w.count() > 200)
    d.restart()
    out, err = p.communicate(timeout=60)
    assert p.returncode == 0, (p.returncode, err)
    check_exactly_once([json.loads(x) for x in out.splitlines()], urls)


@case
def results_are_picked_up_where_a_client_stopped():
    d, w = Daemon(), Web()
    job = muster(d, "fetch", "--detach", *[f"{w.url}/{i}" for i in range(100)]).out.strip()
    muster(d, "wait", job)
    with d.rpc() as rpc:
        first = rpc.call("job.results", {"job": job, "after": 0, "max": 40})
        assert len(first["results"]) == 40 and first["next"] == 40 and not first["done"], first["next"]
    d.restart()
    with d.rpc() as rpc:
        rest = rpc.call("job.results", {"job": job, "after": 40, "max": 1000})
        assert [x["seq"] for x in rest["results"]] == list(range(41, 101)) and rest["done"] is True


@case
def an_acknowledged_submission_survives_a_kill_at_once():
    d, w = Daemon(), Web()
    jobs = []
    for i in range(20):
        with d.rpc() as rpc:
            jobs.append(rpc.call("job.submit", {"spec": {"run": {"fetch": f"{w.url}/{i}"}}})["job"])
        d.restart()
    for i, job in enumerate(jobs):
        assert muster(d, "wait", job).status == 0, job
        assert [x["url"] for x in muster(d, "results", job).lines] == [f"{w.url}/{i}"]


@case
def a_cancelled_job_never_comes_back():
    def answer(hit):
        time.sleep(5)
        return 200, [], b""
    d, w = Daemon(), Web(answer)
    job = muster(d, "fetch", "--detach", *[f"{w.url}/{i}" for i in range(5)]).out.strip()
    wait_until("requests", lambda: w.count() >= 5)
    assert muster(d, "cancel", job).status == 0
    d.restart()
    assert muster(d, "wait", job).status == 4
    seen = w.count()
    assert json.loads(muster(d, "show", job, "--json").out)["state"] == "cancelled"
    d.restart()
    assert w.count() == seen


@case
def kill_9_never_refills_a_bucket():
    d = Daemon({"limits": [{"match": {"host": "127.0.0.1"}, "key": "k", "rate": "20/s", "burst": 1}]})
    w = Web()
    job = muster(d, "fetch", "--detach", "-c", "8", *[f"{w.url}/{i}" for i in range(80)]).out.strip()
    for goal in (8, 16, 24, 32, 40, 48):
        wait_until("progress", lambda goal=goal: w.count() >= goal, 20)
        d.restart()
    assert muster(d, "wait", job, timeout=60).status == 0
    times = sorted(h["at"] for h in w.hits)
    for window in (0.2, 0.5, 1.0, 2.0):
        for i, begin in enumerate(times):
            inside = len([t for t in times[i:] if t - begin < window])
            assert inside <= 1 + 20 * window + 1, (window, inside)


@case
def a_restart_with_a_deadline_keeps_the_deadline():
    def answer(hit):
        time.sleep(20)
        return 200, [], b""
    d, w = Daemon(), Web(answer)
    began = time.monotonic()
    job = muster(d, "fetch", "--detach", "--deadline", "3s", w.url).out.strip()
    wait_until("the request", lambda: w.count() == 1)
    d.restart()
    assert muster(d, "wait", job).status == 5
    assert 2.5 < time.monotonic() - began < 8


def killed_at(d, point, until):
    """Starts the daemon to be killed at the point, does what leads there; False: no such points in this build."""
    d.env["MUSTERD_FAULT"] = point
    d.start(wait=False)
    status = until(d)
    del d.env["MUSTERD_FAULT"]
    if status != -9:
        print(f"left out: this build has no fault points ({point}: {status})")
    return status == -9


def ended_or_up(d):
    """How the daemon ended; None: it serves."""
    wait_until("an end or an answer", lambda: not d.process.alive() or answers(d), 15)
    return d.process.popen.poll()


def answers(d):
    try:
        return d._ready()
    except AssertionError:
        return False


def check_all_there(d, jobs):
    with d.rpc() as rpc:
        for job in jobs:
            assert rpc.call("job.get", {"job": job})["state"] == "succeeded", job
            lines = rpc.call("job.results", {"job": job, "after": 0})["results"]
            assert [x["value"] for x in lines] == [0, 1, 2], lines
    assert sqlite(d, "PRAGMA integrity_check") == [["ok"]]


def run_emits(d):
    with Rpc(d.socket_path) as rpc:
        job = rpc.call("job.submit", {"spec": {"run": {"gather": [{"emit": i} for i in range(3)]},
                                               "results": {"ordered": True}}})["job"]
        wait_until("the job to end", lambda: rpc.call("job.get", {"job": job})["state"] == "succeeded")
    return job


@case
def killed_while_the_log_moves_into_the_database_it_has_all():
    d, jobs = Daemon(start=False), []

    def stopped(d):
        wait_until("musterd to answer a ping", d._ready, 15)
        jobs.append(run_emits(d))
        return d.process.terminate()
    for n in range(20):
        if not killed_at(d, "mid_checkpoint", stopped):
            return
        d.start()
        check_all_there(d, jobs[-3:] if n < 19 else jobs)
        d.kill9()


@case
def killed_in_the_middle_of_a_migration_it_has_all():
    d = Daemon()
    jobs = [run_emits(d) for _ in range(3)]
    assert d.stop() == 0
    now = sqlite(d, "PRAGMA user_version")
    # Views alone make a step of their own: without them this is the database of an older version.
    older = "".join(f"DROP {kind} {name};" for kind, name in sqlite(
        d, "SELECT type, name FROM sqlite_master WHERE type = 'view' OR (type = 'table' AND "
           "name IN ('named', 'validator'))"))
    for n in range(20):
        with contextlib.closing(sqlite3.connect(f"{d.state}/store.db", isolation_level=None)) as db:
            db.executescript(older + "PRAGMA user_version = 1;")
        if not killed_at(d, "mid_migration", ended_or_up):
            return
        assert sqlite(d, "PRAGMA user_version") == [["1"]]
        d.start()
        check_all_there(d, jobs)
        assert sqlite(d, "PRAGMA user_version") == now
        assert sqlite(d, "SELECT count(*) FROM jobs") == [["3"]]
        assert d.stop() == 0


@case
def a_conditional_request_is_still_conditional_after_a_kill():
    tags, asked = {"/a": '"v1"', "/b": None}, []

    def answer(hit):
        given = dict(hit["headers"])
        asked.append((hit["path"], given.get("If-None-Match"), given.get("If-Modified-Since")))
        if hit["path"] == "/b":
            date = "Sun, 06 Nov 1994 08:49:37 GMT"
            return (304, [], b"") if given.get("If-Modified-Since") == date else (200, [("Last-Modified", date)], b"b")
        return (304, [], b"") if given.get("If-None-Match") == tags["/a"] else (200, [("ETag", tags["/a"])], b"a")
    d, w = Daemon(), Web(answer)

    def fetch(path):
        return muster(d, "fetch", "--cache", "--expect", "200-299,304", w.url + path).lines[0]["status"]
    assert [fetch("/a"), fetch("/b")] == [200, 200]
    d.restart()  # by kill -9
    assert [fetch("/a"), fetch("/b")] == [304, 304], asked
    tags["/a"] = '"v2"'
    assert fetch("/a") == 200
    assert d.stop() == 0
    d.start()
    assert [fetch("/a"), fetch("/b")] == [304, 304], asked
    assert asked[-2][1] == '"v2"', asked
    assert sqlite(d, "SELECT count(*) FROM validator") == [["2"]]
