"""Verbs, modifiers and sources of job files against a scripted server."""
import json
import os
import sqlite3

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


def paged(pages, link=False):
    """A server of pages by path: (items, reference to the next or None)."""
    def answer(hit):
        items, after = pages.get(hit["path"].split("#")[0], ([], None))
        headers = [("Link", f'</first>; rel="first", <{after}>; rel="last next"')] if link and after else []
        return 200, headers, json.dumps({"items": items} if link else {"items": items, "p": {"next": after}}).encode()
    return answer


def pages_job(first, following="/p/next", **more):
    return {"results": {"select": ["url", "value"]},
            "run": {"each": {"in": {"pages": {"first": first, "next": following, "items": "/items"}},
                             "do": {"emit": "${item}"}, **more}}}


@case
def pages_are_followed_by_link_and_by_pointer():
    pages = {"/d/1": ([1, 2], "2"), "/d/2": ([], "../e/3?a=b"), "/e/3?a=b": ([{"x": "y\nz"}, 4], "")}
    d = Daemon()
    for link in (False, True):
        w = Web(paged(pages, link))
        for durable in (True, False):
            r = submit(d, {**pages_job(w.url + "/d/1", "link" if link else "/p/next"), "durable": durable})
            assert r.status == 0, (r.status, r.err)
            assert [x["value"] for x in r.lines if "value" in x] == [1, 2, {"x": "y\nz"}, 4], r.lines
            assert [(x["task"], x["url"]) for x in r.lines if "url" in x] == [
                ("0.s.0", w.url + "/d/1"), ("0.s.1", w.url + "/d/2"), ("0.s.2", w.url + "/e/3?a=b")], r.lines


@case
def a_page_is_asked_for_when_its_items_are_wanted():
    d, w = Daemon(), Web(paged({f"/{i}": ([f"{i}.{k}" for k in range(3)], f"/{i + 1}") for i in range(1000)}))
    job = pages_job(w.url + "/0", concurrency=2, do={"sleep": "1h"})
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump(job, f)
    name = muster(d, "submit", "--detach", "job.json").out.strip()
    wait_until("the first page", lambda: w.count() == 1)
    show = wait_until("two items to sleep", lambda: "sleeps" in muster(d, "explain", name + "/0.1").out)
    assert show and w.count() == 1, w.paths()
    assert muster(d, "cancel", name).status == 0


@case
def pages_take_what_was_given_for_the_first_only_to_its_origin():
    other = Web(paged({"/far": ([3], None)}))
    d, w = Daemon(), Web(paged({"/1?q=a%20b": ([1], "/2"), "/2": ([2], other.url + "/far")}))
    first = {"url": w.url.replace("//", "//me:pw@") + "/1", "query": {"q": "a b"}, "method": "POST", "json": {"a": 1},
             "headers": {"X-Api-Key": "k", "Accept": "x/y"}}
    r = submit(d, pages_job(first))
    assert r.status == 0, (r.status, r.err)
    assert [(h["method"], h["path"]) for h in w.hits] == [("POST", "/1?q=a%20b"), ("GET", "/2")], w.hits
    for hit in w.hits:
        headers = dict(hit["headers"])
        assert headers["X-Api-Key"] == "k" and headers["Authorization"].startswith("Basic "), hit
    far = dict(other.hits[0]["headers"])
    assert "X-Api-Key" not in far and "Authorization" not in far, far
    assert far["Accept"] == "x/y", far


@case
def pages_that_go_wrong_fail_after_the_items_before():
    d = Daemon()
    for pages, ran, kind, why in (
            ({"/1": ([1], "/2"), "/2": ([2], "/1")}, 2, "protocol.malformed", "page 1: it leads back to a page that was seen: /1"),
            ({"/1": ([1], "/1")}, 1, "protocol.malformed", "page 0: it leads back"),
            ({"/1": ([1], 7)}, 1, "body.decode", 'page 0: what stands at "/p/next" is not the text of a URL'),
            ({"/1": ([1], "ftp://x/")}, 1, "url.invalid", "page 0: the URL of the next one"),
            ({"/1": ([1], "/2"), "/2": (7, None)}, 1, "body.decode", 'page 1: there is no list at "/items"'),
            ({"/1": ([1], "/2"), "/2": (["x" * 1000] * 5000, None)}, 1, "body.too_large", "page 1: its items are more than 4 MiB")):
        w = Web(paged(pages))
        r = submit(d, pages_job(w.url + "/1"), "--summary", "json")
        assert r.status == 1, (r.status, r.err)
        assert len([x for x in r.lines if "value" in x]) == ran, r.lines
        assert error_of(r)["kind"] == kind and why in error_of(r)["message"], error_of(r)
    w = Web(lambda hit: (404 if hit["path"] == "/2" else 200, [], b'{"items":[1],"p":{"next":"/2"}}'))
    r = submit(d, pages_job(w.url + "/1"), "--summary", "json")
    assert r.status == 1 and error_of(r)["kind"] == "status" and error_of(r)["task"] == "0.s.1", error_of(r)
    assert [x["value"] for x in r.lines if "value" in x] == [1], r.lines


@case
def kill_9_among_pages_asks_for_none_again():
    pages = {f"/{i}": ([f"/i?{i}.{k}" for k in range(20)], f"/{i + 1}" if i < 40 else None) for i in range(41)}
    d, w = Daemon(), Web(paged(pages))
    job = pages_job(w.url + "/0", do={"fetch": w.url + "${item}"}, concurrency=4)
    job["limits"] = {"rate": "300/s", "burst": 5}
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump(job, f)
    name = muster(d, "submit", "--detach", "job.json").out.strip()
    for n in (100, 300, 500):
        wait_until("some more items", lambda n=n: w.count() > n)
        d.restart()
    assert muster(d, "wait", name).status == 0
    r = muster(d, "results", name)
    assert len(r.lines) == 41 * 21 and len({x["url"] for x in r.lines}) == 41 * 21, len(r.lines)
    again = [p for p in pages if w.count(p) > 1]
    assert len(again) <= 3, again  # a page that was under way when the daemon died
    assert w.count() <= 41 * 21 + 3 * 5, w.count()


@case
def a_generator_stands_still_until_its_items_are_taken():
    d = Daemon()
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump({"run": {"each": {"in": {"emits": {"each": {"in": {"range": [0, 100000]}, "concurrency": 4,
                                                             "do": {"emit": "${item}"}}}},
                                    "concurrency": 3, "do": {"sleep": "1h"}}}}, f)
    name = muster(d, "submit", "--detach", "job.json").out.strip()
    wait_until("three items to sleep", lambda: "sleeps" in muster(d, "explain", name + "/0.2").out)
    wait_until("an emit to stand still", lambda: "until its item is taken" in muster(d, "explain", name + "/0.s.4").out)
    n = len(muster(d, "results", name).lines)
    assert 3 <= n <= 3 + 4, n
    d.restart()
    wait_until("three items to sleep", lambda: "sleeps" in muster(d, "explain", name + "/0.2").out)
    assert len(muster(d, "results", name).lines) <= 3 + 4 + 4
    assert muster(d, "cancel", name).status == 0


@case
def references_stand_for_numbers_kinds_marks_and_pointers():
    d, w = Daemon(), Web(lambda hit: (404 if hit["path"] == "/gone" else 200, [("X-A", "b")], b'{"l":[1,2]}'))
    plan = {"id": "v", "emit": {"one": 1, "two": "2", "kind": "status", "gone": 404, "mode": "group", "list": "/l",
                                "mark": "<a>", "word": "x", "open": "$${item}"}}

    def after(*tasks):
        r = submit(d, {"run": {"sequence": [plan, *tasks]}}, "--summary", "json")
        return r.status, [x.get("value") for x in r.lines[1:-1]], r.lines[-1].get("error", {}).get("message")

    def one(**each):
        return after({"each": {"in": [1], "do": {"emit": "${item}"}, **each}})
    assert one(concurrency="${v/one}") == (0, [1], None)
    assert one(concurrency="${v/two}", min_ok="${v/one}") == (0, [1], None)
    assert one(concurrency="${v/word}") == (1, [], "each: concurrency must be a whole number")
    assert one(concurrency="${v/gone}000") == (1, [], "each: concurrency must be 1 to 65536")
    assert one(concurrency="${v/none}") == (1, [], "each: ${v/none}: the value has no such member")
    assert one(mode="${v/word}") == (1, [], 'each: mode must be "gather" or "group"')
    assert one(mode="${v/mode}", do={"fail": "no"})[2] == "1 of 1 tasks failed"
    gone = {"fetch": w.url + "/gone"}
    assert after({"gather": [gone], "min_ok": "${v/one}"})[2] == "1 of 1 tasks failed"
    assert after({"gather": [gone], "min_ok": "${v/two}"})[2] == "gather: min_ok must be 0 to 1, the number of tasks"
    before = w.count()
    assert after({**gone, "retry": {"attempts": "${v/two}", "backoff": "${v/one}ms", "on": ["${v/kind}"]}})[0] == 1
    assert w.count() == before + 2
    assert after({**gone, "retry": {"attempts": "${v/word}"}}) == (1, [None], "retry: attempts must be a whole number")
    assert w.count() == before + 2
    assert after({**gone, "catch": [{"kinds": ["${v/kind}"], "do": {"emit": "caught"}}]}) == (0, [None, "caught"], None)
    assert after({**gone, "catch": [{"kinds": ["${v/word}"], "do": {"emit": 1}}]})[2].startswith('catch: "x" is no kind')
    asked = {"id": "f", "fetch": {"url": w.url + "/gone", "expect": "200-499"}}
    assert after(asked, {"when": {"of": "f", "status": "${v/gone}"}, "emit": "y"},
                 {"when": {"of": "f", "header": {"x-a": "${v/word}"}}, "emit": "n"},
                 {"when": {"any": [{"of": "f", "status": ["${v/gone}"]}]}, "emit": "z"})[1] == [None, "y", "z"]
    assert one(**{"in": {"between": ["${v/mark}", "</a>"], "of": {"emit": "<a>1</a>"}}})[1] == ["<a>1</a>", "1"]
    assert one(**{"in": {"between": ["${v/open}", "b"], "of": {"emit": "${v/open}1b"}}})[1] == ["${item}1b", "1"]
    assert one(**{"in": {"json": w.url, "items": "${v/list}"}})[1] == [None, 1, 2]
    assert one(**{"in": {"pages": {"first": w.url, "items": "${v/list}", "next": "${v/list}/7"}}})[1] == [None, 1, 2]
    r = submit(d, {"run": {"with": [{"enter": {"emit": "1"}, "as": "n"}],
                           "each": {"in": {"range": [0, 6]}, "concurrency": "${n}", "do": {"fetch": w.url + "/slow"}}}})
    assert r.status == 0 and w.most_running == 1, (r.err, w.most_running)


@case
def failed_items_pages_and_sources_run_again_by_retry():
    bad = set()

    def answer(hit):
        path = hit["path"]
        if path in bad:
            return 404, [], b"no"
        if path.startswith("/p"):
            n = int(path[2:])
            return 200, [], json.dumps({"items": [f"/i{2 * n}", f"/i{2 * n + 1}"], "next": f"/p{n + 1}" if n < 2 else None}).encode()
        return 200, [], b"".join(b"<l>/i%d</l>" % i for i in range(6))
    d, w = Daemon(), Web(answer)
    pages = {"pages": {"first": w.url + "/p0", "next": "/next", "items": "/items"}}
    emits = {"emits": {"each": {"in": {"range": [0, 6]}, "as": "k", "do": {"emit": "/i${k}"}}}}
    between = {"between": ["<l>", "</l>"], "of": w.url + "/map"}
    cases = [(source, mode, "/i2", None) for source in (pages, emits, between) for mode in ("gather", "group")]
    for source, mode, path, again in cases + [(pages, "gather", "/p1", None), (between, "gather", "/map", None)]:
        bad.add(path)
        with open("job.json", "w", encoding="utf-8") as f:
            json.dump({"run": {"each": {"in": source, "mode": mode, "concurrency": 1,
                                        "do": {"fetch": w.url + "${item}", "retry": {"attempts": 1}}}}}, f)
        name = muster(d, "submit", "--detach", "job.json").out.strip()
        muster(d, "wait", name)
        bad.clear()
        before = w.count()
        assert muster(d, "retry", name).status == 0
        assert muster(d, "wait", name).status == 0
        ok = [x["task"] for x in muster(d, "results", name).lines if x["ok"]]
        assert len(ok) == len(set(ok)) and {f"0.{i}" for i in range(6)} <= set(ok), (source, mode, path, ok)
        asked = w.paths()[before:]
        assert len(asked) == len(set(asked)) and path in asked, asked


@case
def values_are_what_tasks_gave():
    d, w = Daemon(), Web(lambda hit: (404 if hit["path"] == "/gone" else 200, [], json.dumps({"p": hit["path"]}).encode()))
    gone = w.url + "/gone"

    def last(*tasks):
        r = submit(d, {"run": {"sequence": list(tasks)}})
        assert r.lines, r.err
        return r.lines[-1].get("value", r.lines[-1].get("error"))
    assert last({"id": "g", "gather": [w.url + "/a", gone, {"emit": 3}]},
                {"emit": ["${g/0/json/p}", "${g/1/error/kind}", "${g/2}"]}) == ["/a", "status", 3]
    assert last({"id": "g", "each": {"in": [1, 2, 3], "where": {"": {"gt": 1}}, "do": {"emit": {"n": "${item}"}}}},
                {"emit": "${g}"}) == [None, {"n": 2}, {"n": 3}]
    assert last({"id": "s", "sequence": [{"emit": 1}, {"emit": 2}]}, {"id": "f", "fallback": [gone, {"emit": "f"}]},
                {"id": "a", "any": [gone, {"emit": "w"}]}, {"emit": "${s} ${f} ${a}"}) == "2 f w"
    assert last({"id": "c", "fetch": gone, "catch": [{"do": {"fetch": w.url + "/h"}}]}, {"emit": "${c/json/p}"}) == "/h"
    assert last({"id": "v", "emit": {"n": 5, "b": True, "l": [1], "z": None}},
                {"emit": ["${v/n}", "x${v/n}", "${v/b}", "${v/l}", "${v/z}", "y${v/l}${v/z}", "$${v}"]}
                ) == [5, "x5", True, [1], None, "y[1]null", "${v}"]
    assert last({"id": "v", "emit": "a b/c?d&\u00e9"}, {"id": "f", "fetch": w.url + "/x/${v}?q=${v}"},
                {"emit": "${f/json/p}"}) == "/x/a%20b%2Fc%3Fd%26%C3%A9?q=a%20b%2Fc%3Fd%26%C3%A9"
    for text in ("a\r\nb", "a\0b"):
        assert last({"id": "v", "emit": text}, {"fetch": {"url": w.url, "headers": {"X": "${v}"}}})["kind"] == "request.invalid"
        error = last({"id": "v", "emit": text}, {"fetch": {"url": "http://${v}/"}})
        assert error["kind"] in ("url.invalid", "request.invalid"), error
    assert last({"id": "a", "emit": 1}, {"emit": "${a/x}"})["message"] == "emit: ${a/x}: the value has no such member"
    assert last({"each": {"in": [1], "do": {"each": {"in": ["${item}0"], "do": {"emit": "${item}"}}}}}) == "10"


@case
def a_range_of_a_million_million_takes_no_memory():
    d = Daemon()
    for durable in (True, False):
        before = d.rss_kib()
        with open("job.json", "w", encoding="utf-8") as f:
            json.dump({"durable": durable, "run": {"each": {"in": {"range": [10**12, 0, -1]}, "concurrency": 4,
                                                           "do": {"sleep": "1h"}}}}, f)
        name = muster(d, "submit", "--detach", "job.json").out.strip()
        wait_until("four items to sleep", lambda name=name: "sleeps" in muster(d, "explain", name + "/0.3").out)
        assert d.rss_kib() - before < 4 << 10, (before, d.rss_kib())
        assert muster(d, "cancel", name).status == 0 and muster(d, "wait", name).status == 4


@case
def a_body_that_is_cut_stays_until_its_items_are_done_and_no_longer():
    lines = "\n".join(f"/i{i}" for i in range(12000)).encode()
    rows = json.dumps({"items": list(range(8)), "pad": "x" * 100000}).encode()
    d, w = Daemon(), Web(lambda hit: (200, [], {"/lines": lines, "/page": rows}.get(hit["path"], b"ok")))

    def kept():
        """Bodies that go with no result, because a task still needs them."""
        with sqlite3.connect(f"file:{d.state}/store.db?mode=ro", uri=True) as db:
            return db.execute("SELECT count(*) FROM body WHERE seq > 1000000").fetchone()[0]
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump({"results": {"body": "none"}, "run": {"sequence": [
            {"each": {"in": {"lines": w.url + "/lines"}, "where": {"": {"match": "/i*000"}}, "do": {"sequence": [{"sleep": "300ms"}, w.url + "${item}"]}}},
            {"each": {"in": {"pages": {"first": w.url + "/page", "next": "/none", "items": "/items"}}, "do": {"emit": "${item}"}}},
            {"sleep": "1h"}]}}, f)
    name = muster(d, "submit", "--detach", "job.json").out.strip()
    wait_until("the lines to be cut", lambda: kept() == 1)
    wait_until("the sleep", lambda: "sleeps" in muster(d, "explain", name + "/0.2").out)
    assert kept() == 0
    for path, _, names in os.walk(os.path.join(d.state, "bodies")):
        for body in names:
            os.unlink(os.path.join(path, body))
    n = w.count()
    d.restart()
    wait_until("the sleep", lambda: "sleeps" in muster(d, "explain", name + "/0.2").out)
    assert w.count() == n, w.paths()[n:]
    assert muster(d, "cancel", name).status == 0
