"""Verbs, modifiers and sources of job files against a scripted server."""
import json

from harness import Daemon, Web, case, muster


def submit(d, job):
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump(job, f)
    return muster(d, "submit", "job.json")


@case
def an_exit_runs_if_its_enter_succeeded():
    d, w = Daemon(), Web(lambda hit: (404 if hit["path"] == "/gone" else 200, [], b"{}"))
    r = submit(d, {"run": {"with": [{"enter": f"{w.url}/login", "exit": f"{w.url}/logout"}],
                           "fetch": f"{w.url}/gone"}})
    assert r.status == 1, (r.status, r.err)
    assert w.paths() == ["/login", "/gone", "/logout"], w.paths()


@case
def the_list_in_a_body_is_gone_through():
    d, w = Daemon(), Web(lambda hit: (200, [], json.dumps({"ids": [3, 4], "at": hit["path"]}).encode()))
    r = submit(d, {"results": {"select": ["status", "/at"]},
                   "run": {"each": {"in": {"json": f"{w.url}/list", "items": "/ids"}, "as": "n",
                                    "do": {"fetch": w.url + "/${n}"}}}})
    assert r.status == 0 and len(r.lines) == 3, (r.status, r.err)
    assert {x["/at"] for x in r.lines} == {"/list", "/3", "/4"}
    assert all("url" not in x for x in r.lines)
