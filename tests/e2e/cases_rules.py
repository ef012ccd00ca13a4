"""Every member of a limit, seen from the server."""
import threading
import time

from harness import Daemon, Raw, Web, case, muster, read_head


def limits(**rule):
    return Daemon({"limits": [{"match": {"host": "127.0.0.1"}, "key": "k", **rule}]})


def kinds(r):
    return [x.get("error", {}).get("kind") for x in r.by_seq()]


def urls(w, n, path=""):
    return [f"{w.url}/{path}{i}" for i in range(n)]


@case
def an_open_circuit_asks_no_more_until_a_probe_succeeds():
    state = {"ok": False}
    w = Web(lambda hit: (200, [], b"ok") if state["ok"] else (500, [], b"broken"))
    d = limits(circuit={"failures": 3, "open": "1s"})
    r = muster(d, "fetch", "-c", "1", "--retry", "0", *urls(w, 10))
    opened = time.monotonic()
    assert kinds(r) == ["status"] * 3 + ["circuit.open"] * 7, kinds(r)
    assert w.count() == 3, w.paths()
    assert "k" in r.by_seq()[5]["error"]["message"], r.by_seq()[5]
    time.sleep(max(0, opened + 1.1 - time.monotonic()))
    r = muster(d, "fetch", "-c", "1", "--retry", "0", *urls(w, 5))  # the probe fails: it opens anew
    assert w.count() == 4 and kinds(r).count("circuit.open") == 4, (w.count(), kinds(r))
    state["ok"] = True
    time.sleep(1.2)
    r = muster(d, "fetch", "-c", "5", "--retry", "0", *urls(w, 5))
    assert r.status == 0 and w.count() == 9, (r.out, w.count())


@case
def a_half_open_circuit_lets_one_probe_through():
    gate, state = threading.Event(), {"ok": False}

    def answer(_):
        if not state["ok"]:
            return 500, [], b""
        gate.wait(10)
        return 200, [], b"ok"
    w = Web(answer)
    d = limits(circuit={"failures": 2, "open": "500ms"}, concurrency=8)
    muster(d, "fetch", "-c", "1", "--retry", "0", *urls(w, 2))
    state["ok"] = True
    time.sleep(0.7)
    job = muster(d, "fetch", "--detach", "-c", "8", *urls(w, 8)).out.strip()
    time.sleep(0.7)
    assert w.count() == 3, f"{w.count() - 2} requests while the probe was under way"
    gate.set()
    assert muster(d, "wait", job, "--wait", "20s").status == 0 and w.count() == 10


@case
def retries_are_paid_from_a_budget():
    w = Web(lambda hit: (503, [], b"busy"))
    d = limits(retry_budget=0.2)
    r = muster(d, "fetch", "-c", "4", "--retry", "5", "--backoff", "1ms", *urls(w, 50))
    assert r.status == 1 and kinds(r) == ["status"] * 50, kinds(r)
    retries = w.count() - 50
    assert 10 <= retries <= 10 + 0.2 * 50 + 1, retries  # ten are there at the beginning
    last = r.by_seq()[-1]
    assert last["status"] == 503 and "retries" in last["error"]["message"], last
    assert sum(x["attempts"] for x in r.lines) == w.count(), "an attempt without a request was counted"


@case
def an_adaptive_concurrency_shrinks_when_the_server_is_overloaded():
    lock, seen = threading.Lock(), {"n": 0, "running": 0, "late": 0}

    def answer(_):
        with lock:
            seen["n"] += 1
            n = seen["n"]
            seen["running"] += 1
            if n > 12:
                seen["late"] = max(seen["late"], seen["running"])
        time.sleep(0.1)
        with lock:
            seen["running"] -= 1
        return (503, [], b"") if n <= 8 else (200, [], b"ok")
    w = Web(answer)
    d = limits(concurrency=8, adaptive=True)
    muster(d, "fetch", "-c", "64", "--retry", "0", *urls(w, 30))
    assert w.most_running == 8 and seen["late"] <= 6, (w.most_running, seen)


@case
def bandwidth_of_a_key_is_shared_by_its_responses():
    w = Web(lambda hit: (200, [], b"x" * 150_000))
    d = limits(concurrency=3, bandwidth="200k")
    began = time.monotonic()
    r = muster(d, "fetch", "-c", "3", "--body", "none", *urls(w, 3))
    took = time.monotonic() - began
    assert r.status == 0 and 1.6 < took < 8, took  # 450 kB at 205 kB/s


@case
def a_request_may_cost_several_tokens():
    w = Web()
    d = limits(rate="10/s", cost=5)
    r = muster(d, "fetch", "-c", "8", *urls(w, 5))
    at = sorted(h["at"] for h in w.hits)
    assert r.status == 0 and at[-1] - at[0] > 1.9, at
    assert all(b - a > 0.3 for a, b in zip(at, at[1:])), at


@case
def who_may_not_wait_that_long_fails_at_once():
    w = Web(lambda hit: (429, [("Retry-After", "30")], b"") if hit["path"] == "/first0" else (200, [], b"ok"))
    d = limits(max_wait="2s")
    r = muster(d, "fetch", "--retry", "0", *urls(w, 1, "first"))
    assert r.lines[0]["status"] == 429, r.out
    began = time.monotonic()
    r = muster(d, "fetch", w.url + "/second")
    assert kinds(r) == ["limit.wait"] and time.monotonic() - began < 2, r.out
    assert w.count() == 1
    d2 = Daemon(name="e", state="state2")
    muster(d2, "fetch", "--retry", "0", *urls(w, 1, "first"))
    began = time.monotonic()
    r = muster(d2, "fetch", "--deadline", "5s", w.url + "/second")
    assert kinds(r) == ["limit.wait"] and time.monotonic() - began < 2, r.out


@case
def an_absurd_retry_after_is_cut_and_then_probed():
    state = {"blocked": True}
    w = Web(lambda hit: (429, [("Retry-After", "86400")], b"") if state["blocked"] else (200, [], b"ok"))
    d = limits(max_retry_after="1s", concurrency=4)
    job = muster(d, "fetch", "--detach", "-c", "4", *urls(w, 8)).out.strip()
    time.sleep(2.6)
    hits = sorted(h["at"] for h in w.hits)
    later = [t for t in hits if t > hits[0] + 0.5]
    assert 1 <= len(later) <= 3, [t - hits[0] for t in hits]  # one for each second, not four
    assert len(hits) <= 4 + len(later)
    state["blocked"] = False
    assert muster(d, "wait", job, "--wait", "20s").status == 0


@case
def every_redirect_hop_takes_a_token_of_its_own_host():
    times = []

    def answer(hit):
        times.append(hit["at"])
        return (302, [("Location", hit["path"] + "x")], b"") if len(hit["path"]) < 5 else (200, [], b"end")
    w = Web(answer)
    other = Web(lambda hit: (302, [("Location", f"{w.url}/a")], b""))
    d = Daemon({"limits": [{"match": {"host": "127.0.0.1", "port": w.port}, "key": "slow", "rate": "4/s"}]})
    r = muster(d, "fetch", other.url + "/go")
    assert r.status == 0 and r.lines[0]["body"] == "end" and len(times) == 4, r.out
    assert all(b - a > 0.2 for a, b in zip(times, times[1:])), times
    assert other.count() == 1


@case
def a_refused_connection_counts_as_a_failure_of_its_key():
    d = limits(circuit={"failures": 2, "open": "30s"})
    s = Raw(lambda conn, _: read_head(conn))
    s.sock.close()
    r = muster(d, "fetch", "-c", "1", "--retry", "0", s.url + "/1", s.url + "/2", s.url + "/3")
    assert kinds(r)[:2] != ["circuit.open"] * 2 and kinds(r)[2] == "circuit.open", kinds(r)
