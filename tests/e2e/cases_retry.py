"""`muster retry`: what failed in an ended job runs again, on real servers, over kill -9."""
import collections
import json
import os
import time

from harness import Daemon, RpcError, Web, case, muster, wait_until


class Mending:
    """Answers 404 to what is `broken` until it is mended."""

    def __init__(self, is_broken, delay=0.0):
        self.broken, self.is_broken, self.delay = True, is_broken, delay
        self.web = Web(self._answer)

    def _answer(self, hit):
        time.sleep(self.delay)
        status = 404 if self.broken and self.is_broken(hit["path"]) else 200
        return status, [], hit["path"].encode()

    def mend(self):
        self.broken = False
        with self.web.lock:
            self.web.hits.clear()


def run_detached(d, urls, *options):
    r = muster(d, "fetch", "--detach", *options, "-i", "-", stdin="".join(u + "\n" for u in urls))
    assert r.status == 0, r.err
    job = r.out.strip()
    muster(d, "wait", job)
    return job


@case
def retry_runs_the_failed_urls_of_a_detached_fetch_and_no_other():
    d, m = Daemon(), Mending(lambda path: path.endswith("7"))
    urls = [f"{m.web.url}/{i}" for i in range(500)]
    job = run_detached(d, urls)
    first = {x["url"]: x for x in muster(d, "results", job).lines}
    m.mend()
    r = muster(d, "retry", job)
    assert r.status == 0 and "50 tasks that failed" in r.out and "450" in r.out, (r.out, r.err)
    assert muster(d, "wait", job).status == 0
    assert sorted(m.web.paths()) == sorted(f"/{i}" for i in range(500) if i % 10 == 7)
    new = [x for x in muster(d, "results", job, "--after", "500").lines]
    assert len(new) == 50 and all(x["ok"] and x["body"] == x["url"][len(m.web.url):] for x in new), new[:2]
    assert all(x["supersedes"] == first[x["url"]]["seq"] for x in new)
    shown = json.loads(muster(d, "show", job, "--json").out)
    assert shown["state"] == "succeeded", shown
    assert shown["tasks"] == {"total": 500, "ok": 500, "failed": 0, "handled": 0, "cancelled": 0, "not_started": 0}
    r = muster(d, "retry", job)
    assert r.status != 0 and "no task of it failed" in r.err, (r.status, r.err)


@case
def retry_goes_on_over_kill_9_at_any_moment():
    d, m = Daemon(), Mending(lambda path: int(path[1:]) % 3 == 0, delay=0.002)
    urls = [f"{m.web.url}/{i}" for i in range(900)]
    job = run_detached(d, urls, "-c", "8")
    d.restart()
    m.mend()
    assert muster(d, "retry", job).status == 0
    for seen in (5, 60, 61, 150, 250):
        wait_until(f"{seen} requests", lambda: m.web.count() >= seen, 30)
        d.restart()
    assert muster(d, "wait", job, timeout=60).status == 0
    hits = collections.Counter(m.web.paths())
    assert set(hits) == {f"/{i}" for i in range(0, 900, 3)}, sorted(set(hits))[:5]
    assert sum(hits.values()) <= 300 + 5 * 8, sum(hits.values())
    lines = muster(d, "results", job).lines
    assert [x["seq"] for x in lines] == list(range(1, 1201))
    old = {x["seq"]: x for x in lines}
    new = lines[900:]
    assert all(x["ok"] and not old[x["supersedes"]]["ok"] and old[x["supersedes"]]["task"] == x["task"] for x in new)
    assert len({x["supersedes"] for x in new}) == 300
    shown = json.loads(muster(d, "show", job, "--json").out)
    assert (shown["state"], shown["tasks"]["total"], shown["tasks"]["ok"]) == ("succeeded", 900, 900), shown


@case
def retry_gives_back_the_whole_object_that_was_fed():
    d, m = Daemon(), Mending(lambda path: True)
    feed = json.dumps({"url": f"{m.web.url}/post", "method": "POST", "body": "x=1", "headers": {"X-Key": "k"}, "tag": {"n": 4}})
    job = run_detached(d, [feed] + [f"{m.web.url}/{i}" for i in range(3000)], "-c", "64", "--body", "none")
    m.mend()
    assert muster(d, "retry", job).status == 0
    assert muster(d, "wait", job, timeout=60).status == 0
    posts = [h for h in m.web.hits if h["path"] == "/post"]
    assert len(posts) == 1 and posts[0]["method"] == "POST" and posts[0]["body"] == b"x=1", posts
    assert ("X-Key", "k") in posts[0]["headers"]
    assert len(m.web.hits) == 3001
    lines = [x for x in muster(d, "results", job).lines if x["url"].endswith("/post")]
    assert [x["tag"] for x in lines] == [{"n": 4}, {"n": 4}] and lines[1]["supersedes"] == lines[0]["seq"], lines


@case
def the_same_order_twice_is_one_order():
    d, m = Daemon(), Mending(lambda path: path == "/b")
    job = run_detached(d, [m.web.url + "/a", m.web.url + "/b"])
    with d.rpc() as rpc:
        first = rpc.call("job.retry", {"job": job, "op_id": "again-1"})
        assert first["again"] == 1 and first["state"] == "queued", first
    assert muster(d, "wait", job).status == 1
    d.restart()
    with d.rpc() as rpc:
        assert rpc.call("job.retry", {"job": job, "op_id": "again-1"}) == first
        rpc.call("job.wait", {"job": job, "wait_ms": 5000})
    assert m.web.count("/b") == 2 and m.web.count("/a") == 1, m.web.paths()


@case
def retry_is_refused_while_a_job_runs_and_once_it_is_forgotten():
    d, w = Daemon(), Web(lambda hit: (404, [], b""))
    job = run_detached(d, [w.url + "/a"])
    assert muster(d, "forget", job).status == 0
    r = muster(d, "retry", job)
    assert r.status != 0 and "there is no job" in r.err, (r.status, r.err)
    with d.rpc() as rpc:
        attached = rpc.call("job.submit", {"spec": {"run": {"fetch": w.url + "/b"}}, "attached": True})["job"]
        rpc.call("job.wait", {"job": attached, "wait_ms": 5000})
        try:
            rpc.call("job.retry", {"job": attached})
            raise AssertionError("an attached job was taken")
        except RpcError as e:
            assert e.kind == "conflict" and "detached" in str(e), e
        rpc.call("job.results", {"job": attached, "after": 1, "ack": 1})
        try:
            rpc.call("job.retry", {"job": attached})
            raise AssertionError("a forgotten job was taken")
        except RpcError as e:
            assert e.kind == "not_found", e


@case
def retry_of_pages_asks_for_no_page_again():
    pages = {"/p1": ({"items": ["a", "broken1", "b"], "next": "/p2"}), "/p2": {"items": ["broken2", "c"]}}
    broken = [True]

    def answer(hit):
        if hit["path"] in pages:
            return 200, [("Content-Type", "application/json")], json.dumps(pages[hit["path"]]).encode()
        return (404 if broken[0] and "broken" in hit["path"] else 200), [], b"x"
    d, w = Daemon(), Web(answer)
    with open("j.json", "w", encoding="ascii") as f:
        json.dump({"run": {"each": {"in": {"pages": {"first": w.url + "/p1", "next": "/next", "items": "/items"}}, "as": "i",
                                    "do": {"fetch": w.url + "/i/${i}"}}}}, f)
    job = muster(d, "submit", "--detach", "j.json").out.strip()
    muster(d, "wait", job)
    broken[0] = False
    with w.lock:
        w.hits.clear()
    d.restart()
    assert muster(d, "retry", job).status == 0
    assert muster(d, "wait", job).status == 0
    assert sorted(w.paths()) == ["/i/broken1", "/i/broken2"], w.paths()
    shown = json.loads(muster(d, "show", job, "--json").out)
    assert shown["tasks"]["failed"] == 0 and shown["tasks"]["ok"] == shown["tasks"]["total"] == 7, shown


@case
def retry_runs_programs_and_groups_again():
    d, here = Daemon({"exec": {"programs": ["/bin/sh"]}}), os.getcwd()
    with open("j.json", "w", encoding="ascii") as f:
        json.dump({"run": {"group": [{"exec": {"argv": ["/bin/sh", "-c", f"test -e {here}/mended"]}},
                                     {"sequence": [{"exec": {"argv": ["/bin/sh", "-c", f"echo . >>{here}/ran"]}}, {"sleep": "1m"}]}]}}, f)
    job = muster(d, "submit", "--detach", "j.json").out.strip()
    assert muster(d, "wait", job).status == 1
    with open("mended", "w", encoding="ascii") as f:
        f.write("x")
    assert muster(d, "retry", job).status == 0
    assert muster(d, "cancel", job).status == 0
    muster(d, "wait", job)
    shown = json.loads(muster(d, "show", job, "--json").out)
    assert shown["state"] == "cancelled" and shown["tasks"]["failed"] == 0, shown
