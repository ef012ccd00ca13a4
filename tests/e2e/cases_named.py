"""Named objects: locks, semaphores, events and queues that jobs share."""
import json
import signal
import threading

from harness import Daemon, Web, case, muster, muster_start, wait_until


def submit(d, run, *args, **top):
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump(dict({"run": run}, **top), f)
    return muster(d, "submit", *args, "job.json")


def detach(d, run, **top):
    r = submit(d, run, "--detach", **top)
    assert r.status == 0, r.err
    return r.out.strip()


def ends(d, job):
    with d.rpc() as rpc:
        for _ in range(4):
            r = rpc.call("job.wait", {"job": job, "wait_ms": 10000})
            if r["state"] in ("succeeded", "failed", "cancelled", "expired"):
                return r["state"]
    raise AssertionError(f"{job} does not end: {r}")


class Gate:
    """A server that answers when it is told to."""

    def __init__(self):
        self.open = threading.Event()
        self.web = Web(self.answer)
        self.url = self.web.url

    def answer(self, hit):
        if hit["path"].startswith("/wait"):
            self.open.wait(30)
        return 200, [], b"ok"


@case
def a_lock_is_kept_over_kill_9_and_explained():
    d, g = Daemon(), Gate()
    # The first holds the lock; the second was submitted before it and asks first after the restart.
    second = detach(d, {"sequence": [{"sleep": "300ms"}, {"with": [{"lock": "L"}], "fetch": f"{g.url}/second"}]})
    first = detach(d, {"with": [{"lock": "L"}], "sequence": [f"{g.url}/one", f"{g.url}/wait", f"{g.url}/two"]})
    wait_until("the second to wait for the lock", lambda: "objects" in explain(d, second))
    waits = explain(d, second)["objects"][0]
    assert waits["lock"] == "L" and waits["task"] == "0.1.w0" and waits["position"] == 0, waits
    assert waits["holder"] == f"{first} 0.w0" and waits["held_ms"] >= 0 and waits["since_ms"] >= 0, waits
    d.restart()
    wait_until("the second to wait again", lambda: "objects" in explain(d, second))
    assert explain(d, second)["objects"][0]["holder"] == f"{first} 0.w0"
    assert "/second" not in g.web.paths()
    g.open.set()
    assert ends(d, first) == ends(d, second) == "succeeded"
    assert g.web.paths().index("/two") < g.web.paths().index("/second"), g.web.paths()


def explain(d, job):
    with d.rpc() as rpc:
        return rpc.call("job.explain", {"job": job})


@case
def a_lock_lost_with_a_volatile_job_is_told_to_the_next():
    d, g = Daemon(), Gate()
    detach(d, {"with": [{"lock": "/shared"}], "fetch": f"{g.url}/wait"}, durable=False)
    wait_until("the lock to be held", lambda: g.web.count() == 1)
    d.restart()
    r = submit(d, {"with": [{"lock": "/shared"}], "fetch": f"{g.url}/no"})
    assert r.status == 1 and r.lines[0]["error"]["kind"] == "owner_died", (r.out, r.err)
    assert "v1 0.w0" in r.lines[0]["error"]["message"], r.out
    r = submit(d, {"with": [{"lock": "/shared"}], "fetch": f"{g.url}/yes"})
    assert r.status == 0 and g.web.paths() == ["/wait", "/yes"], (r.out, g.web.paths())


@case
def waiting_for_a_lock_is_bounded_and_leaves_nothing_taken():
    d, g = Daemon(), Gate()
    holder = detach(d, {"with": [{"lock": "L"}], "fetch": f"{g.url}/wait"})
    wait_until("the lock to be held", lambda: g.web.count() == 1)
    r = submit(d, {"with": [{"lock": "L"}], "timeout": "200ms", "fetch": f"{g.url}/no",
                   "catch": [{"kinds": ["deadline"], "do": {"emit": "busy"}}]})
    assert r.status == 0 and r.lines[-1]["value"] == "busy", (r.out, r.err)
    r = submit(d, {"with": [{"lock": "L"}], "fetch": f"{g.url}/no"}, deadline="200ms")
    assert r.status == 5, (r.status, r.err)
    p = muster_start(d, "submit", "job.json")
    wait_until("it to wait", lambda: len(open_jobs(d)) == 2)
    p.send_signal(signal.SIGINT)
    p.wait(10)
    g.open.set()
    assert ends(d, holder) == "succeeded" and g.web.paths() == ["/wait"]


def open_jobs(d):
    with d.rpc() as rpc:
        return [j for j in rpc.call("job.list")["jobs"] if j["state"] in ("running", "cancelling")]


@case
def a_semaphore_is_shared_by_jobs_and_has_one_capacity():
    d, g = Daemon(), Gate()
    hold = {"with": [{"semaphore": "S", "capacity": 2}], "fetch": f"{g.url}/wait"}
    jobs = [detach(d, hold) for _ in range(3)]
    wait_until("two to be in", lambda: g.web.count() == 2)
    r = submit(d, {"with": [{"semaphore": "S", "capacity": 3}], "fetch": f"{g.url}/no"})
    error = r.lines[0]["error"]
    assert r.status == 1 and error["kind"] == "conflict", r.out
    assert "capacity of 2, not 3" in error["message"], error
    assert g.web.most_running == 2
    g.open.set()
    assert [ends(d, j) for j in jobs] == ["succeeded"] * 3
