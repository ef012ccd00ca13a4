"""Verbs, modifiers and sources of job files against a scripted server."""
import json

from harness import Daemon, Web, case, muster, wait_until


def submit(d, job, *options):
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump(job, f)
    return muster(d, "submit", *options, "job.json")


def error_of(r):
    """The error of the final record, which `--summary json` makes the last line."""
    return r.lines[-1]["error"]


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


def urls(r):
    return sorted(x["url"] for x in r.lines if x["task"] != "0.s")


def sitemap(w, n, pad=0):
    return ("<urlset>" + "".join(f"<url><loc>\n {w}/p?n={i}&amp;x=1 </loc>{' ' * pad}</url>" for i in range(n))
            + "</urlset>").encode()


@case
def texts_between_marks_are_decoded_and_gone_through():
    d, w = Daemon(), Web(lambda hit: (200, [], page(hit)))

    def page(hit):
        return (f"<loc>{w.url}/a?x=1&amp;y=%22</loc><loc></loc><loc><![CDATA[{w.url}/b?x=1&y=2]]></loc>"
                f"<loc>{w.url}/&#x63;</loc><loc>never ended").encode()
    for body in ("inline", "none"):
        for durable in (True, False):
            r = submit(d, {"results": {"body": body}, "durable": durable,
                           "run": {"each": {"in": {"between": ["<loc>", "</loc>"], "of": f"{w.url}/map"},
                                            "do": {"fetch": "${item}"}}}})
            assert r.status == 0, (r.status, r.err)
            assert urls(r) == [f"{w.url}/a?x=1&y=%22", f"{w.url}/b?x=1&y=2", f"{w.url}/c"], r.lines
            assert [x["task"] for x in r.lines if "map" in x["url"]] == ["0.s"], r.lines
            assert all(("body" in x) == (body == "inline") for x in r.lines), r.lines


@case
def a_large_sitemap_is_cut_in_bounded_memory():
    d, w = Daemon(), Web(lambda hit: (200, [], big if hit["path"] == "/map" else b"x"))
    big = sitemap(w.url, 250000, 40)
    assert len(big) > 20 << 20
    before = d.rss_kib()
    for durable in (True, False):
        r = submit(d, {"results": {"body": "none", "select": ["url"]}, "durable": durable,
                       "run": {"each": {"in": {"between": ["<loc>", "</loc>"], "of": f"{w.url}/map"},
                                        "where": {"": {"match": "*n=*00000&x=1"}}, "do": {"fetch": "${item}"}}}})
        assert r.status == 0, (r.status, r.err)
        assert len(r.lines) == 3, r.lines
        assert d.rss_kib() - before < 16 << 10, (before, d.rss_kib())


@case
def a_body_in_a_file_is_cut_into_lines_and_lists():
    rows = [{"n": i, "pad": "x" * 50} for i in range(4000)]
    bodies = {"/lines": "\n".join(f"/p{i}" for i in range(20000)).encode(),
              "/list": json.dumps({"a": [1], "items": rows, "z": 2}).encode()}
    d, w = Daemon(), Web(lambda hit: (200, [], bodies.get(hit["path"], b"x")))
    for body in ("inline", "none"):
        for durable in (True, False):
            r = submit(d, {"results": {"body": body, "select": ["value", "url", "body"]}, "durable": durable, "run": {"each": {
                "in": {"lines": {"sequence": [{"sleep": "1ms"}, f"{w.url}/lines"]}},
                "where": {"": {"match": "/p*000"}}, "do": {"emit": "${item}"}}}})
            assert r.status == 0, (r.status, r.err)
            assert [x["value"] for x in r.lines[1:]] == [f"/p{i}000" if i else "/p0" for i in range(20)][1:], r.lines
            assert ("body" in r.lines[0]) == (body == "inline"), r.lines[0].keys()
            if body == "inline":
                assert r.lines[0]["body"].encode() == bodies["/lines"]
            r = submit(d, {"results": {"body": body, "select": ["value"]}, "durable": durable, "run": {"each": {
                "in": {"json": f"{w.url}/list", "items": "/items"},
                "where": {"/n": {"gt": 3996}}, "do": {"emit": "${item/n}"}}}})
            assert r.status == 0, (r.status, r.err)
            assert [x["value"] for x in r.lines[1:]] == [3997, 3998, 3999], r.lines


@case
def a_body_in_a_file_is_a_value_up_to_a_mebibyte():
    big = json.dumps({"n": 7, "pad": "x" * 900000}).encode()
    d, w = Daemon(), Web(lambda hit: (200, [], big))
    for body in ("inline", "none"):
        r = submit(d, {"results": {"body": body, "select": ["value", "/n"]}, "run": {"sequence": [
            {"id": "a", "fetch": w.url}, {"emit": "${a/json/n}"}, {"when": {"of": "a", "/n": 7}, "emit": "seen"}]}})
        assert r.status == 0, (r.status, r.err)
        assert [x.get("value") for x in r.lines] == [None, 7, "seen"], r.lines
        assert r.lines[0]["/n"] == 7, r.lines[0].keys()


@case
def kill_9_while_a_large_body_is_cut_repeats_and_loses_no_item():
    d, w = Daemon(), Web(lambda hit: (200, [], sitemap(w.url, 3000) if hit["path"] == "/map" else b"x"))
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump({"results": {"body": "none", "select": ["url"]}, "limits": {"rate": "600/s", "burst": 10},
                   "run": {"each": {"in": {"between": ["<loc>", "</loc>"], "of": f"{w.url}/map"},
                                    "concurrency": 4, "do": {"fetch": "${item}"}}}}, f)
    job = muster(d, "submit", "--detach", "job.json").out.strip()
    for n in (300, 900, 1500):
        wait_until("some more items", lambda n=n: len(w.paths()) > n)
        d.restart()
    assert muster(d, "wait", job).status == 0
    r = muster(d, "results", job)
    assert len(r.lines) == 3001 and len(set(urls(r))) == 3000, len(r.lines)
    assert w.paths().count("/map") == 1
    assert len(w.paths()) <= 3001 + 3 * 4, len(w.paths())


@case
def a_source_that_cannot_be_cut_says_where_and_why():
    d, w = Daemon(), Web(lambda hit: (200, [], bodies[hit["path"]]))
    bodies = {"/short": b'{"items":[1,2,', "/none": b'{"things":[1]}', "/map": b'{"items":{"a":1}}', "/html": b"<html>"}
    for path, ran, why in (("/short", 2, "the end comes too early at byte 14 of the JSON, after 2 items"),
                           ("/none", 0, 'there is no list at "/items" of the JSON: nothing stands there'),
                           ("/map", 0, 'there is no list at "/items" of the JSON: what stands there is not a list'),
                           ("/html", 0, "a value is missing at byte 0 of the JSON")):
        r = submit(d, {"run": {"each": {"in": {"json": w.url + path, "items": "/items"}, "do": {"emit": "${item}"}}}}, "--summary", "json")
        assert r.status == 1, (path, r.status)
        assert len(r.lines) == 2 + ran, r.lines
        assert why in error_of(r)["message"], (why, error_of(r))
