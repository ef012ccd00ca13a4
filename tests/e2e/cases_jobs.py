"""Jobs from files and by hand: submit, watch, cancel, look at them again."""
import json
import os
import time

from harness import Daemon, Nginx, RpcError, Web, case, muster, muster_start, wait_until


def job_file(name, job):
    with open(name, "w", encoding="utf-8") as f:
        f.write(job if isinstance(job, str) else json.dumps(job))
    return name


@case
def a_group_of_urls_succeeds_with_all():
    d, n = Daemon(), Nginx()
    r = muster(d, "submit", job_file("j.json", {"name": "pair", "run": {"group": [n.file("a", "1"), n.file("b", "2")]}}))
    assert r.status == 0, (r.status, r.err)
    assert {x["task"]: x["body"] for x in r.lines} == {"0.0": "1", "0.1": "2"}


@case
def a_group_cancels_siblings_at_the_first_failure():
    def answer(hit):
        if hit["path"] == "/bad":
            return 404, [], b""
        time.sleep(5)
        return 200, [], b""
    d, w = Daemon(), Web(answer)
    began = time.monotonic()
    r = muster(d, "submit", "--summary", "json",
               job_file("j.json", {"run": {"group": [w.url + "/slow", w.url + "/bad"]}}))
    assert r.status == 1 and time.monotonic() - began < 4
    final = r.lines[-1]
    assert final["state"] == "failed" and final["error"]["kind"] == "group", final
    assert final["tasks"]["failed"] == 1 and final["tasks"]["cancelled"] == 1, final
    assert final["error"]["errors"][0]["task"] == "0.1", final


@case
def gather_runs_all_and_succeeds_unless_too_few():
    d, w = Daemon(), Web(lambda hit: (404 if "bad" in hit["path"] else 200, [], b""))
    tree = {"gather": [w.url + "/bad", w.url + "/a", w.url + "/b"]}
    r = muster(d, "submit", "--summary", "json", job_file("j.json", {"run": tree}))
    assert r.lines[-1]["state"] == "succeeded" and r.status == 1, (r.status, r.lines[-1])
    r = muster(d, "submit", "--summary", "json", job_file("j.json", {"run": dict(tree, min_ok=3)}))
    assert r.lines[-1]["state"] == "failed" and r.status == 1, (r.status, r.lines[-1])


@case
def each_runs_over_an_array_and_a_range():
    d, w = Daemon(), Web()
    r = muster(d, "submit", job_file("j.json", {"run": {"each": {"in": ["x", "y z"], "do": {"fetch": w.url + "/${item}"}}}}))
    assert r.status == 0, (r.status, r.err)
    assert sorted(w.paths()) == ["/x", "/y%20z"], w.paths()
    r = muster(d, "submit", job_file("k.json", {"run": {"each": {"in": {"range": [1, 10, 3]}, "as": "n",
                                                               "do": {"fetch": w.url + "/page?n=${n}"}}}}))
    assert r.status == 0, (r.status, r.err)
    assert sorted(w.paths()[2:]) == ["/page?n=1", "/page?n=4", "/page?n=7"], w.paths()


@case
def each_over_a_feed_takes_the_input_file():
    d, w = Daemon(), Web()
    job = {"run": {"each": {"in": {"feed": True}, "concurrency": 3, "do": {"fetch": {"url": "${item}", "method": "HEAD"}}}}}
    r = muster(d, "submit", job_file("j.json", job), "-i", "-", stdin="".join(f"{w.url}/{i}\n" for i in range(20)))
    assert r.status == 0 and len(r.lines) == 20, (r.status, r.err)
    assert {h["method"] for h in w.hits} == {"HEAD"}


@case
def variables_fill_a_job_file():
    d, w = Daemon(), Web()
    path = job_file("j.json", {"run": {"fetch": w.url + "/${who}"}})
    assert muster(d, "submit", path, "--var", "who=me").status == 0
    assert w.paths() == ["/me"]
    r = muster(d, "submit", path)
    assert r.status == 2 and "who" in r.err, (r.status, r.err)


@case
def a_detached_job_goes_on_and_can_be_read_later():
    def answer(hit):
        time.sleep(0.05)
        return 200, [], hit["path"].encode()
    d, w = Daemon(), Web(answer)
    r = muster(d, "fetch", "--detach", "-c", "4", *[f"{w.url}/{i}" for i in range(40)])
    assert r.status == 0, r.err
    job = r.out.strip()
    assert job.startswith("j"), r.out
    assert muster(d, "wait", job).status == 0
    r = muster(d, "results", job)
    assert r.status == 0 and sorted(x["body"] for x in r.lines) == sorted(f"/{i}" for i in range(40)), r.out[:500]
    rest = muster(d, "results", job, "--after", "30")
    assert [x["seq"] for x in rest.lines] == list(range(31, 41))
    shown = json.loads(muster(d, "show", job, "--json").out)
    assert shown["state"] == "succeeded" and shown["tasks"]["ok"] == 40, shown
    assert job in muster(d, "jobs").out
    assert muster(d, "forget", job).status == 0
    assert muster(d, "show", job).status != 0


@case
def body_of_one_result_can_be_read():
    d, n = Daemon(), Nginx()
    big = os.urandom(200_000)
    r = muster(d, "fetch", "--detach", n.file("big", big), n.file("small", "s"))
    job = r.out.strip()
    assert muster(d, "wait", job).status == 0
    by_url = {x["url"]: x for x in muster(d, "results", job).lines}
    for url, content in ((n.url + "/big", big), (n.url + "/small", b"s")):
        got = muster(d, "body", job, by_url[url]["seq"], text=False)
        assert got.status == 0 and got.out == content, (got.status, len(got.out))


@case
def cancel_ends_a_detached_job_promptly():
    def answer(hit):
        time.sleep(10)
        return 200, [], b""
    d, w = Daemon(), Web(answer)
    job = muster(d, "fetch", "--detach", *[f"{w.url}/{i}" for i in range(10)]).out.strip()
    wait_until("requests", lambda: w.count() >= 3)
    began = time.monotonic()
    assert muster(d, "cancel", job).status == 0
    assert muster(d, "wait", job).status == 4
    assert time.monotonic() - began < 3
    assert json.loads(muster(d, "show", job, "--json").out)["state"] == "cancelled"


@case
def wait_expires_with_status_5():
    d, w = Daemon(), Web(lambda hit: (time.sleep(3), (200, [], b""))[1])
    job = muster(d, "fetch", "--detach", w.url).out.strip()
    assert muster(d, "wait", job, "--wait", "300ms").status == 5
    muster(d, "cancel", job)


@case
def the_same_idempotency_key_is_the_same_job():
    d, w = Daemon(), Web()
    job = {"idempotency_key": "once", "run": {"fetch": w.url}}
    first = muster(d, "submit", "--detach", job_file("j.json", job))
    again = muster(d, "submit", "--detach", job_file("j.json", job))
    assert first.status == again.status == 0 and first.out == again.out, (first.out, again.out, again.err)
    muster(d, "wait", first.out.strip())
    assert w.count() == 1
    other = muster(d, "submit", "--detach", job_file("j.json", dict(job, run={"fetch": w.url + "/else"})))
    assert other.status == 6 and "conflict" in other.err, (other.status, other.err)


@case
def a_job_file_error_names_line_column_and_path():
    d = Daemon()
    r = muster(d, "submit", job_file("j.json", '{\n  "run": {"fetch": {"url": "http://h/", "methd": "PUT"}}\n}'))
    assert r.status == 2, (r.status, r.err)
    assert "line 2" in r.err and "methd" in r.err and "method" in r.err, r.err
    r = muster(d, "submit", job_file("j.json", '{"run": '))
    assert r.status == 2 and "line 1" in r.err, r.err
    r = muster(d, "submit", "no-such-file.json")
    assert r.status == 2 and "no-such-file.json" in r.err, r.err


@case
def small_commands_answer():
    d = Daemon()
    assert muster(d, "ping").status == 0
    info = muster(d, "info", "--json")
    assert info.status == 0 and json.loads(info.out), info.err
    stats = muster(d, "stats", "--json")
    assert stats.status == 0 and json.loads(stats.out), stats.err
    actors = muster(d, "actors")
    assert actors.status == 0 and "limiter" in actors.out and "store" in actors.out, actors.out
    version = muster(d, "version")
    assert version.status == 0 and version.out.strip(), version.err
    for command in ("fetch", "submit", "jobs", "results", "wait", "cancel"):
        shown = muster(None, command, "--help")
        assert shown.status == 0 and "muster " + command in shown.out, command


@case
def drain_ends_the_daemon_cleanly():
    d, n = Daemon(), Nginx()
    assert muster(d, "fetch", n.file("a", "x")).status == 0
    assert muster(d, "drain").status == 0
    assert d.process.popen.wait(15) == 0


@case
def sigterm_drains_and_exits_0():
    def answer(hit):
        time.sleep(0.5)
        return 200, [], b""
    d, w = Daemon(), Web(answer)
    job = muster(d, "fetch", "--detach", "-c", "5", *[f"{w.url}/{i}" for i in range(20)]).out.strip()
    wait_until("requests", lambda: w.count() >= 5)
    began = time.monotonic()
    assert d.stop() == 0
    assert time.monotonic() - began < 10
    before = w.count()
    d.start()
    assert muster(d, "wait", job).status == 0
    assert w.count() == 20, (before, w.count())
    assert not os.path.exists("no") and len(muster(d, "results", job).lines) == 20


@case
def jobs_of_one_machine_share_one_budget():
    rule = {"match": {"host": "127.0.0.1"}, "key": "all", "rate": "20/s", "concurrency": 3}
    d, w = Daemon({"limits": [rule]}), Web()
    ps = [muster_start(d, "fetch", *[f"{w.url}/{k}/{i}" for i in range(12)]) for k in range(3)]
    for p in ps:
        p.communicate(timeout=30)
        assert p.returncode == 0
    times = sorted(h["at"] for h in w.hits)
    assert len(times) == 36 and times[-1] - times[0] >= 35 / 20 * 0.95, times[-1] - times[0]
    for i, begin in enumerate(times):
        assert len([t for t in times[i:] if t - begin < 1]) <= 22
    assert w.most_running <= 3


@case
def a_job_belongs_to_the_rpc_that_asked_by_name():
    d = Daemon()
    with d.rpc() as rpc:
        try:
            rpc.call("job.get", {"job": "j999"})
            raise AssertionError("an unknown job was shown")
        except RpcError as e:
            assert e.kind == "not_found", e.error
        try:
            rpc.call("job.fly")
            raise AssertionError("an unknown method was taken")
        except RpcError as e:
            assert e.code == -32601, e.error
