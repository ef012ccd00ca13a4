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


@case
def an_event_is_set_and_waited_for_by_jobs_and_programs():
    d, g = Daemon(), Gate()
    job = detach(d, {"sequence": [{"wait": "ready"}, f"{g.url}/go"]})
    wait_until("it to wait", lambda: "objects" in explain(d, job))
    assert explain(d, job)["objects"][0]["event"] == "ready"
    assert muster(d, "event", "wait", "ready", "--wait", "100ms").status == 5
    assert muster(d, "event", "set", "ready").status == 0
    assert ends(d, job) == "succeeded"
    d.restart()
    shown = muster(d, "event", "show", "ready", "--json").lines[0]
    assert shown == {"set": True, "waiting": 0}, shown
    assert muster(d, "event", "wait", "ready", "--wait", "5s").status == 0
    assert submit(d, {"clear": "ready"}).status == 0
    assert muster(d, "event", "show", "ready", "--json").lines[0]["set"] is False
    assert muster(d, "event", "sit", "ready").status == 2


def queue(d, name="work"):
    return muster(d, "queue", "show", name, "--json").lines[0]


@case
def a_queue_outlives_kill_9_with_what_is_in_it_and_who_took_what():
    d, g = Daemon(), Gate()
    put = {"each": {"in": {"range": [0, 5]}, "concurrency": 1, "do": {"put": {"queue": "work", "value": "${item}"}}}}
    assert submit(d, put).status == 0
    assert muster(d, "queue", "put", "work", '{"page": 7}').status == 0
    assert muster(d, "queue", "put", "work", "-", stdin="a\nb\n").status == 0
    assert queue(d)["items"] == 8, queue(d)
    job = detach(d, {"sequence": [{"id": "x", "take": {"queue": "work"}}, g.url + "/wait?${x}"]})
    wait_until("the item to be at the server", lambda: g.web.count() == 1)
    d.restart()
    shown = queue(d)
    assert (shown["items"], shown["taken"], shown["closed"]) == (7, 1, False), shown
    assert muster(d, "queue", "join", "work", "--wait", "100ms").status == 5
    assert muster(d, "queue", "close", "work").status == 0
    r = submit(d, {"put": {"queue": "work", "value": 1}})
    assert r.status == 1 and r.lines[0]["error"]["kind"] == "closed", r.out
    g.open.set()
    assert ends(d, job) == "succeeded"
    r = submit(d, {"each": {"in": {"queue": "work"}, "concurrency": 3, "do": {"emit": "${item}"}}})
    assert r.status == 0, r.err
    assert [x["value"] for x in r.by_seq()] == [1, 2, 3, 4, {"page": 7}, "a", "b"], r.out
    assert queue(d)["items"] == queue(d)["taken"] == 0
    assert muster(d, "queue", "join", "work", "--wait", "1s").status == 0


@case
def a_consumer_killed_again_and_again_does_every_item_once():
    d = Daemon()
    w = Web()
    consumer = {"each": {"in": {"queue": "work"}, "concurrency": 4,
                         "do": {"sequence": [w.url + "/${item}", {"emit": "${item}"}]}}}
    job = detach(d, consumer)
    put = {"each": {"in": {"range": [0, 200]}, "concurrency": 4, "do": {"put": {"queue": "work", "value": "${item}"}}}}
    producer = detach(d, put)
    for some in (20, 60, 120):
        wait_until(f"{some} requests", lambda n=some: w.count() >= n)
        d.restart()
    assert ends(d, producer) == "succeeded"
    assert muster(d, "queue", "close", "work").status == 0
    assert ends(d, job) == "succeeded"
    values = [x["value"] for x in muster(d, "results", job).lines if "value" in x]
    assert sorted(values) == list(range(200)), (len(values), len(set(values)))
    assert len(w.paths()) <= 200 + 3 * 4, len(w.paths())


@case
def a_cancelled_consumer_gives_everything_back():
    d, g = Daemon(), Gate()
    assert muster(d, "queue", "put", "work", stdin="1\n2\n3\n").status == 0
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump({"run": {"each": {"in": {"queue": "work"}, "concurrency": 2, "do": g.url + "/wait?${item}"}}}, f)
    p = muster_start(d, "submit", "job.json")
    wait_until("two to be under way", lambda: g.web.count() == 2)
    assert (queue(d)["items"], queue(d)["taken"]) == (1, 2), queue(d)
    p.send_signal(signal.SIGINT)
    p.wait(20)
    wait_until("everything to be back", lambda: queue(d)["items"] == 3)
    r = submit(d, {"sequence": [{"take": {"queue": "work"}}, {"fail": "no"}]})
    assert r.status == 1 and r.by_seq()[0]["value"] == 1, r.out
    assert (queue(d)["items"], queue(d)["taken"]) == (3, 0), queue(d)
    other = muster(d, "queue", "show", "/work", "--json").lines[0]
    assert other["items"] == 0, "a shared name is another queue"


@case
def a_permit_takes_tokens_of_a_configured_limit():
    d = Daemon({"limits": [{"match": {"host": "api.example"}, "key": "api", "rate": "10/s", "concurrency": 1},
                           {"match": {"host": "quota.example"}, "key": "few", "quota": ["3/h"]}]})
    g = Gate()
    g.open.set()
    r = submit(d, {"each": {"in": {"range": [0, 6]}, "do": {
        "with": [{"permit": "api"}], "fetch": g.url + "/a?${item}"}}})
    assert r.status == 0 and g.web.most_running == 1, (r.out, r.err)
    at = sorted(h["at"] for h in g.web.hits)
    assert at[-1] - at[0] > 0.3, at
    r = submit(d, {"each": {"in": {"range": [0, 3]}, "concurrency": 1, "do": {
        "with": [{"permit": "api", "cost": 3}], "fetch": g.url + "/b?${item}"}}})
    at = sorted(h["at"] for h in g.web.hits if h["path"].startswith("/b"))
    assert r.status == 0 and at[-1] - at[0] > 0.4, at
    r = submit(d, {"with": [{"permit": "apj"}], "fetch": g.url + "/no"})
    error = r.lines[0]["error"]
    assert r.status == 1 and error["kind"] == "not_found" and '"apj"' in error["message"], error
    r = submit(d, {"with": [{"permit": "few", "cost": 4}], "fetch": g.url + "/no"})
    assert r.status == 1 and r.lines[0]["error"]["kind"] == "request.invalid", r.out
    r = submit(d, {"with": [{"permit": "few", "cost": 3}], "emit": 1})
    assert r.status == 0, r.err
    r = submit(d, {"with": [{"permit": "few"}], "timeout": "200ms", "fetch": g.url + "/no"})
    assert r.status == 1 and r.lines[0]["error"]["kind"] in ("deadline", "limit.wait"), r.out
    assert g.web.count("/no") == 0


@case
def a_retried_consumer_runs_what_failed_and_takes_nothing_new():
    d, gone = Daemon(), threading.Event()
    w = Web(lambda hit: (404 if hit["path"] == "/2" and not gone.is_set() else 200, [], b"x"))
    assert muster(d, "queue", "put", "work", stdin="1\n2\n3\n").status == 0
    assert muster(d, "queue", "close", "work").status == 0
    job = detach(d, {"each": {"in": {"queue": "work"}, "concurrency": 1, "do": w.url + "/${item}"}})
    assert ends(d, job) == "succeeded" and w.count("/2") == 5, w.paths()
    assert queue(d, "work.dead")["items"] == 1
    gone.set()
    assert muster(d, "queue", "put", "work", "4").status == 0
    assert muster(d, "retry", job).status == 0
    assert ends(d, job) == "succeeded"
    assert w.paths().count("/1") == w.paths().count("/3") == 1 and "/4" not in w.paths(), w.paths()
