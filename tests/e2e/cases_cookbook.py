"""Every job of examples/jobs runs against a scripted server and ends as the cookbook says."""
import json
import os
import re
import time

from harness import ROOT, Daemon, Web, case, muster

JOBS = f"{ROOT}/examples/jobs"
# name: exit status, state, members of `tasks`, paths that were asked for (in any order)
ENDS = {
    "group": (0, "succeeded", {"ok": 3}, ["/one", "/two", "/three"]),
    "gather": (1, "succeeded", {"ok": 2, "failed": 1}, ["/one", "/missing", "/three"]),
    "min_ok": (1, "succeeded", {"ok": 2, "failed": 1}, ["/one", "/missing", "/three"]),
    "timeout": (0, "succeeded", {"ok": 1, "handled": 1}, ["/slow"]),
    "deadline": (5, "expired", {"ok": 1, "failed": 1}, ["/one", "/slow"]),
    "each_array": (0, "succeeded", {"ok": 3}, ["/one", "/two", "/three"]),
    "each_range": (0, "succeeded", {"ok": 5}, [f"/item?n={i}" for i in range(5)]),
    "each_feed": (0, "succeeded", {"ok": 6}, [f"/fed{i}" for i in range(6)]),
    "where": (0, "succeeded", {"ok": 2}, ["/item?n=2", "/item?n=4"]),
    "retry": (0, "succeeded", {"ok": 1}, ["/flaky"] * 3),
    "fallback": (0, "succeeded", {"ok": 1, "handled": 1}, ["/missing", "/two"]),
    "any": (0, "succeeded", {"ok": 1}, ["/slow", "/two"]),
    "catch": (0, "succeeded", {"ok": 3, "handled": 2}, ["/missing", "/one"]),
    "finally": (1, "failed", {"ok": 1, "failed": 1}, ["/missing", "/cleanup"]),
    "rate": (0, "succeeded", {"ok": 10}, [f"/item?n={i}" for i in range(10)]),
    "best_effort": (1, "succeeded", {"ok": 2, "failed": 1}, ["/one", "/missing", "/three"]),
    "sleep": (0, "succeeded", {"ok": 1}, ["/one"]),
    "lock": (0, "succeeded", {"ok": 6}, [f"/{p}?{i}" for i in "abc" for p in ("one", "two")]),
    "semaphore": (0, "succeeded", {"ok": 4}, [f"/item?n={i}" for i in range(4)]),
    "event": (0, "succeeded", {"ok": 3}, ["/two", "/one?a", "/one?b"]),
    "queue": (0, "succeeded", {"ok": 8}, [f"/item?n={i}" for i in range(4)]),
    "queue_drain": (0, "succeeded", {"ok": 3}, [f"/item?n={i}" for i in range(3)]),
    "sequence": (0, "succeeded", {"ok": 2}, ["/token", "/private"]),
    "post": (0, "succeeded", {"ok": 1}, ["/echo"]),
    "with": (0, "succeeded", {"ok": 3}, ["/token", "/private", "/logout"]),
    "timer": (0, "succeeded", {"ok": 1}, ["/one"]),
    "json": (0, "succeeded", {"ok": 1}, ["/token"]),
    "reuse": (0, "succeeded", {"ok": 3}, ["/one", "/two", "/three"]),
    "stream": (0, "succeeded", {"ok": 5}, ["/lines", "/cleanup"]),
    "blocking": (0, "succeeded", {"ok": 2}, ["/lines"]),
}


PROGRAMS = {"exec": {"programs": ["/usr/bin/wc"]}}


def scripted():
    """A server whose answers the examples ask for."""
    flaky = iter([503, 503, 200])

    def answer(hit):
        path = hit["path"]
        if path == "/missing":
            return 404, [], b"not here"
        if path == "/slow":
            time.sleep(2)
        if path == "/flaky":
            return next(flaky), [], b""
        if path == "/token":
            return 200, [("Content-Type", "application/json")], b'{"token":"s3cret"}'
        if path == "/lines":
            return 200, [], b"one\ntwo\nthree\n"
        if path == "/private" and dict(hit["headers"]).get("Authorization") != "Bearer s3cret":
            return 401, [], b""
        return 200, [], hit["body"] or path.encode()
    return Web(answer)


def run(d, w, name):
    """Lines and the final record of one example."""
    args = ["submit", f"{JOBS}/{name}.json", "--var", f"base={w.url}", "--summary", "json"]
    if name == "queue_drain":
        assert muster(d, "queue", "put", "pages", stdin="0\n1\n2\n").status == 0
        assert muster(d, "queue", "close", "pages").status == 0
    feed = "".join(f"{w.url}/fed{i}\n" for i in range(6))
    r = muster(d, *args, *(["-i", "-"] if name == "each_feed" else []), stdin=feed)
    assert r.lines, (name, r.status, r.err)
    return r.status, r.lines[:-1], r.lines[-1]


@case
def every_job_of_the_cookbook_ends_as_it_says():
    assert sorted(ENDS) == sorted(x[:-5] for x in os.listdir(JOBS))
    d = Daemon(PROGRAMS)
    wrong = []
    for name, (status, state, tasks, paths) in ENDS.items():
        w = scripted()
        got, _, final = run(d, w, name)
        counts = {k: v for k, v in final["tasks"].items() if v and k not in ("total", "cancelled", "not_started")}
        if (got, final["state"], counts, sorted(w.paths())) != (status, state, tasks, sorted(paths)):
            wrong.append((name, got, final, w.paths()))
    assert not wrong, "\n".join(json.dumps(x) for x in wrong)


@case
def cookbook_examples_give_the_values_they_promise():
    d, w = Daemon(PROGRAMS), scripted()
    _, lines, _ = run(d, w, "timeout")
    assert [x.get("value") for x in lines if x["ok"]] == ["Operation timed out"], lines
    _, lines, _ = run(d, w, "catch")
    values = [x["value"] for x in lines if "value" in x]
    assert {"statuses": {"status": 1}} in values and {"connections": {"connect.refused": 1}} in values, values
    _, lines, _ = run(d, w, "best_effort")
    assert sorted(x["body"] for x in lines) == ["/one", "/three"], lines
    began = time.monotonic()
    run(d, w, "rate")
    assert time.monotonic() - began >= 0.4 and w.most_running <= 2 + 1
    _, lines, _ = run(d, w, "any")
    assert [x["body"] for x in lines if x["ok"]] == ["/two"], lines
    _, lines, _ = run(d, w, "stream")
    assert [x["value"] for x in lines if "value" in x] == ["one", "two", "three"], lines
    _, lines, _ = run(d, w, "blocking")
    assert [x["value"]["stdout"] for x in lines if "value" in x] == ["3\n"], lines
    _, lines, _ = run(d, w, "json")
    assert lines[0]["/token"] == "s3cret" and "body" not in lines[0], lines
    _, _, final = run(d, w, "timer")
    took = {x["id"]: x["elapsed_ms"] for x in final["scopes"]}
    assert sorted(took) == ["both", "first", "nap"] and took["both"] >= took["nap"] >= 150, took


@case
def the_cookbook_shows_every_example_as_it_is():
    text = open(f"{ROOT}/docs/cookbook.md", encoding="utf-8").read()
    shown = [re.sub(r"\s+", "", x) for x in re.findall(r"```json\n(.*?)```", text, re.S)]
    for name in ENDS:
        job = open(f"{JOBS}/{name}.json", encoding="utf-8").read()
        assert re.sub(r"\s+", "", job) in shown, name
        assert f"examples/jobs/{name}.json" in text, name
