"""What the command shows to people: lists, live views, files of an installation."""
import json
import time

from harness import Daemon, Web, case, cpu_seconds, muster


@case
def jobs_lists_more_than_a_page_with_volatile_ones_among_them():
    d, w = Daemon(), Web()
    want = []
    with d.rpc() as rpc:
        for i in range(230):
            spec = {"durable": i % 3 != 0, "name": f"n{i}", "run": {"sleep": "0"}}
            want.append(rpc.call("job.submit", {"spec": spec})["job"])
        page = rpc.call("job.list")
        assert len(page["jobs"]) == 100 and page["next"] == 100, page["next"]
        for size in (1, 7, 1000):
            seen, after = [], 0
            while after is not None:
                page = rpc.call("job.list", {"after": after, "max": size})
                assert len(page["jobs"]) <= size
                seen += [j["job"] for j in page["jobs"]]
                after = page.get("next")
            assert seen == want, (size, len(seen))
    r = muster(d, "jobs", "--json")
    assert [j["job"] for j in r.lines] == want
    lines = muster(d, "jobs").out.splitlines()
    assert len(lines) == 231 and lines[0].split()[:6] == ["job", "state", "name", "ok", "failed", "cancelled"], lines[0]
    assert w.count() == 0


@case
def a_slow_rate_goes_on_at_its_pace_without_work():
    d, w = Daemon(), Web()
    began, used = time.monotonic(), cpu_seconds(d.process.pid)
    r = muster(d, "fetch", "-r", "2/s", *[f"{w.url}/{i}" for i in range(4)], timeout=20)
    assert r.status == 0 and len(r.lines) == 4, (r.status, r.err)
    assert 1.4 < time.monotonic() - began < 4, time.monotonic() - began
    assert cpu_seconds(d.process.pid) - used < 1
