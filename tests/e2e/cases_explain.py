"""`muster explain`: why a job or a task is where it is."""
import json
import time

from harness import Daemon, Web, case, muster, wait_until


def submit(d, job):
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump(job, f)
    r = muster(d, "submit", "--detach", "job.json")
    assert r.status == 0, r.err
    return r.out.strip()


def explain(d, where):
    r = muster(d, "explain", where, "--json")
    assert r.status == 0, (where, r.err)
    return r.lines[0]


def holding(paths):
    def answer(hit):
        if hit["path"] == "/flaky":
            return 503, [], b""
        time.sleep(20 if hit["path"] in paths else 0)
        return 200, [], b""
    return answer


@case
def explain_says_of_every_task_what_it_does_or_waits_for():
    d, w = Daemon(), Web(holding({"/slow"}))
    job = submit(d, {"run": {"gather": [
        {"id": "row", "timeout": "1h", "sequence": [w.url + "/a", w.url + "/slow", w.url + "/b"]},
        {"sleep": "1m"},
        {"fetch": w.url + "/flaky", "retry": {"attempts": 9, "backoff": "1h", "max": "1h"}},
        {"each": {"in": {"range": [0, 900]}, "concurrency": 2, "do": {"fetch": w.url + "/slow"}}},
        {"fallback": [w.url + "/slow", w.url + "/b"]}]}})
    wait_until("all of it to hang", lambda: w.count("/slow") == 4 and w.count("/flaky") == 1)
    wait_until("the back-off", lambda: "next attempt" in explain(d, job + "/0.2")["task"]["state"])
    whole = explain(d, job)
    states = {(s["verb"], s["state"]): s for s in whole["summary"]}
    assert whole["state"] == "running" and states["sleep", "sleeps"]["longest"] == "0.1", whole["summary"]
    assert states["fetch", "waits for the response"]["n"] == 4, whole["summary"]
    assert states["fetch", "waits for a limit"]["n"] == 254, whole["summary"]
    key = whole["limits"][0]
    assert key["why"] == "concurrency" and key["waiting"] == 254 and key["held"] == 2, key

    row = explain(d, job + "/0.0")["task"]
    assert row["verb"] == "sequence" and row["id"] == "row" and row["state"] == "waits for its tasks", row
    assert 3_500_000 < row["timeout_in_ms"] <= 3_600_000, row
    assert row["below"] == {"ok": 1, "failed": 0, "cancelled": 0, "running": 1, "waiting": 0, "not_started": 1}, row
    sleep = explain(d, job + "/0.1")["task"]
    assert 40_000 < sleep["in_ms"] <= 60_000 and sleep["since_ms"] < 20_000, sleep
    flaky = explain(d, job + "/0.2")["task"]
    assert flaky["attempt"] == 1 and flaky["history"][0]["status"] == 503, flaky
    assert flaky["history"][0]["kind"] == "status" and flaky["in_ms"] > 0, flaky
    each = explain(d, job + "/0.3")["task"]
    assert each["below"]["running"] == 2 and each["below"]["waiting"] == 254 and each["below"]["not_started"] == 644, each
    item = explain(d, job + "/0.3.200")
    assert item["task"]["state"] == "waits for a limit" and item["limits"][0]["waiting"] == 1, item
    assert item["limits"][0]["position"] > 0 and item["limits"][0]["why"] == "concurrency", item

    whys = {"/0.0.2": "it comes after 0.0.1, which has not ended", "/0.4.1": "it runs only if 0.4.0 fails",
            "/0.3.899": "its each has 256 items under way, as many as may be at once"}
    for path, why in whys.items():
        task = explain(d, job + path)["task"]
        assert task["state"] == "has not begun" and task["why"] == why, task
    ended = explain(d, job + "/0.0.0")
    assert ended["task"]["state"] == "has ended" and ended["results"][0]["status"] == 200, ended
    assert "body" not in ended["results"][0] and "headers" not in ended["results"][0], ended
    for path in ("/0.9", "/1", "/0.0.0.0", "/0.0.f", "/x"):
        r = muster(d, "explain", job + path)
        assert r.status != 0 and "no task" in r.err, (path, r.out, r.err)
    text = muster(d, "explain", job + "/0.2").out
    assert "waits before the next attempt" in text and "503" in text and "more" in text, text
    text = muster(d, "explain", job).out
    assert f"{job} is running" in text and "254" in text and "concurrency" in text, text


@case
def explain_of_what_has_ended_tells_its_attempts():
    seen = []

    def answer(hit):
        seen.append(hit)
        return 503 if len(seen) <= 2 else 200, [], b""
    d, w = Daemon(), Web(answer)
    job = submit(d, {"run": {"gather": [{"fetch": w.url + "/x", "retry": {"attempts": 3, "backoff": "20ms"}},
                                        {"sequence": [{"fail": "no"}, w.url + "/never"]}]}})
    muster(d, "wait", job)
    got = explain(d, job + "/0.0")
    assert [h.get("status") for h in got["results"][0]["history"]] == [503, 503, 200], got
    assert got["results"][0]["attempts"] == 3 and got["results"][0]["timing"]["wait_ms"] >= 0, got
    assert explain(d, job + "/0.1.0")["results"][0]["error"] == {"kind": "fail", "message": "no"}, got
    below = explain(d, job + "/0.1")["task"]
    assert below["state"] == "has ended" and below["lines_below"] == {"ok": 0, "failed": 1}, below
    assert "the job ended before" in explain(d, job + "/0.1.1")["task"]["why"]
    d.restart()
    text = muster(d, "explain", job + "/0.0").out
    assert "3 attempts" in text and text.count("503") == 2 and "200" in text, text
    assert explain(d, job)["state"] == "succeeded"


@case
def explain_of_a_queued_job_says_behind_how_many():
    d, w = Daemon({"jobs": {"active": 1}}), Web(holding({"/slow"}))
    first = submit(d, {"run": w.url + "/slow"})
    jobs = [submit(d, {"priority": p, "run": w.url + "/a"}) for p in (5, 5, 9, 1)]
    ahead = [explain(d, j)["queue"]["ahead"] for j in jobs]
    assert ahead == [1, 2, 0, 3], ahead
    assert f"{jobs[1]} is queued behind 2 jobs, 1 running" in muster(d, "explain", jobs[1]).out
    assert "queue" not in explain(d, first)
    assert muster(d, "cancel", first).status == 0
    muster(d, "wait", first)
    for j in jobs:
        assert muster(d, "wait", j).status == 0


@case
def explain_names_pause_and_programs_and_with():
    d = Daemon({"exec": {"programs": ["/bin/sh"]}})
    job = submit(d, {"run": {"gather": [{"exec": {"argv": ["/bin/sh", "-c", "sleep 30"]}, "finally": {"emit": 1}},
                                        {"sequence": [{"sleep": "300ms"}, {"fetch": "http://127.0.0.1:1/"}]}]}})
    wait_until("the program", lambda: any(t["verb"] == "exec" and t["state"] == "runs" for t in explain(d, job)["tasks"]))
    assert muster(d, "pause", job).status == 0
    wait_until("the pause", lambda: explain(d, job + "/0.1.1")["task"]["state"] == "waits for the job to be resumed")
    assert explain(d, job)["state"] == "paused"
    assert explain(d, job + "/0.0.f")["task"]["why"] == "it runs when 0.0 has ended"
    assert explain(d, job + "/0.0")["task"]["attempt"] == 1
    assert muster(d, "cancel", job).status == 0


@case
def a_request_cancelled_while_it_waits_says_how_long_it_waited():
    d, w = Daemon(), Web(holding({"/slow"}))
    job = submit(d, {"limits": {"concurrency": 1}, "run": {"gather": [w.url + "/slow", w.url + "/b"]}})
    wait_until("it to wait", lambda: explain(d, job + "/0.1")["task"].get("since_ms", 0) > 300)
    muster(d, "cancel", job)
    muster(d, "wait", job)
    assert explain(d, job + "/0.1")["results"][0]["timing"]["wait_ms"] >= 300
