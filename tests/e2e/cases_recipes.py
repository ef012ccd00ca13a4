"""The recipes of the cookbook do what they are for, with real daemons, servers and kills."""
import collections
import hashlib
import json
import os
import re
import time

from harness import ROOT, Daemon, Nginx, Web, case, muster, muster_start, wait_until

RECIPES = f"{ROOT}/examples/recipes"
MIRRORED = int(os.environ.get("MIRRORED", "3000"))


def run(d, name, w=None, *options, stdin=None, **variables):
    args = ["submit", f"{RECIPES}/{name}.json", *options]
    for key, value in dict(variables, **({"base": w.url} if w else {})).items():
        args += ["--var", f"{key}={value}"]
    return muster(d, *args, *(["-i", "-"] if stdin is not None else []), stdin=stdin)


def values(r):
    return [x["value"] for x in r.lines if "value" in x]


@case
def recipe_mirror_goes_on_over_kills_and_leaves_every_file_whole():
    d, n = Daemon(), Nginx()
    urls = [n.file(f"d{i % 7}/f{i}", f"file {i}\n" * (i % 50 + 1)) for i in range(MIRRORED)]
    r = run(d, "mirror", None, "--detach", stdin="".join(u + "\n" for u in urls))
    assert r.status == 0, r.err
    job = r.out.strip()
    kills = 3
    for i in range(kills):
        wait_until("some files", lambda: len(n.hits()) > (i + 1) * MIRRORED // 5)
        d.restart()
    # Reading stops in the middle and goes on at the line it came to.
    p = muster_start(d, "results", job, "--follow", "-o", "mirror/")
    wait_until("some files here", lambda: os.path.isdir("mirror") and len(os.listdir("mirror")) > 100)
    p.terminate()
    out, _ = p.communicate(timeout=20)
    seen = [json.loads(x) for x in out.decode().split("\n")[:-1]]  # the last one may have been cut
    r = muster(d, "results", job, "--follow", "-o", "mirror/", "--after", seen[-1]["seq"] if seen else 0)
    lines = seen + r.lines
    assert collections.Counter(x["url"] for x in lines) == collections.Counter(urls)
    for line in lines:
        i = int(line["url"].rsplit("/f", 1)[1])
        assert open(line["file"], encoding="ascii").read() == f"file {i}\n" * (i % 50 + 1), line
    assert len(n.hits()) <= MIRRORED + kills * 32, len(n.hits())


@case
def recipe_poll_pages_takes_all_items_of_all_pages():
    pages = {"0": (["a", "b"], "/api/orders?limit=2&from=2"), "2": (["c", "d"], "/api/orders?limit=2&from=4"), "4": (["e"], None)}

    def answer(hit):
        ids, following = pages[(re.findall(r"from=(\d)", hit["path"]) or ["0"])[0]]
        body = {"orders": [{"id": x, "total": ord(x)} for x in ids]}
        if following:
            body["next"] = following
        return 200, [("Content-Type", "application/json")], json.dumps(body).encode()
    d, w = Daemon(), Web(answer)
    r = run(d, "poll_pages", w)
    assert r.status == 0, (r.status, r.err)
    assert sorted(v["id"] for v in values(r)) == list("abcde") and w.count() == 3, (r.out, w.paths())
    assert {v["id"]: v["total"] for v in values(r)}["e"] == ord("e")


@case
def recipe_sitemap_becomes_files():
    d, n = Daemon(), Nginx()
    urls = [n.file(f"p{i}.html", f"page {i}") for i in range(30)]
    n.file("sitemap.xml", "<urlset>" + "".join(f"<url><loc>{u}</loc></url>" for u in urls) + "</urlset>")
    r = muster(d, "submit", f"{RECIPES}/sitemap.json", "--var", f"base={n.url}", "-o", "site/")
    assert r.status == 0, (r.status, r.err)
    pages = {x["url"]: open(x["file"], encoding="ascii").read() for x in r.lines if x["url"] in urls}
    assert pages == {u: f"page {i}" for i, u in enumerate(urls)}, len(pages)


@case
def recipe_webhooks_are_tried_again_and_the_dead_are_told():
    tries = collections.Counter()

    def answer(hit):
        tries[hit["path"]] += 1
        if hit["path"] == "/dead" or (hit["path"] == "/busy" and tries["/busy"] < 3):
            return 503, [], b""
        return (410 if hit["path"] == "/gone" else 204), [], b""
    d, w = Daemon(), Web(answer)
    hooks = [{"id": f"e{i}", "url": f"{w.url}/{p}", "event": {"n": i}} for i, p in enumerate(["fine", "busy", "dead", "gone"])]
    r = run(d, "webhooks", None, stdin="".join(json.dumps(h) + "\n" for h in hooks))
    assert r.status == 0, (r.status, r.err, r.out)
    assert tries == {"/fine": 1, "/busy": 3, "/dead": 4, "/gone": 1}, tries
    assert sorted((v["dead"], str(v["why"])) for v in values(r)) == [("e2", "{'status': 1}"), ("e3", "{'status': 1}")], values(r)
    keys = {dict(h["headers"])["Idempotency-Key"] for h in w.hits if h["path"] == "/busy"}
    assert keys == {"e1"} and json.loads(w.hits[0]["body"])["n"] in range(4)


@case
def recipe_health_checks_fail_over():
    def answer(hit):
        if hit["path"] == "/primary/mail":
            time.sleep(2)
        return 200, [], b"up"
    d, w = Daemon(), Web(answer)
    r = run(d, "health", w)
    assert r.status == 0 and values(r) == [{"failed_over": "mail"}], (r.status, r.out)
    r = run(d, "health", Web(lambda hit: (500, [], b"")))
    assert r.status == 0 and sorted(v["down"] for v in values(r)) == ["mail", "shop"], r.out


@case
def recipe_best_mirror_wins_and_is_checked():
    body = os.urandom(5000)

    def answer(hit):
        if hit["path"].startswith("/slow"):
            time.sleep(3)
        return (404 if hit["path"].startswith("/gone") else 200), [], body
    d, w = Daemon(), Web(answer)
    began = time.monotonic()
    r = run(d, "best_mirror", w, sum=hashlib.sha256(body).hexdigest())
    assert r.status == 0 and time.monotonic() - began < 2, (r.status, r.err)
    assert [x["url"] for x in r.lines if x["ok"]] == [w.url + "/near/file.iso"], r.lines
    wrong = run(d, "best_mirror", w, sum="0" * 64)
    assert [x["url"] for x in wrong.lines if x["ok"]] == [w.url + "/slow/file.iso"], wrong.lines
    assert "body.checksum" in {x["error"]["kind"] for x in wrong.lines if "error" in x}, wrong.lines


@case
def recipe_quorum_needs_three_of_five():
    def nodes(good):
        def answer(hit):
            n = int(hit["path"][-1])
            if n == 5:
                time.sleep(0.3)
            return (200 if n in good else 500), [], b""
        return Web(answer)
    d = Daemon()
    r = run(d, "quorum", nodes({1, 4, 5}))
    assert values(r) == [{"quorum": True}] and r.status == 1, (r.status, r.out)
    r = run(d, "quorum", nodes({1, 4}), "--summary", "json")
    assert not [v for v in values(r) if v] and r.lines[-1]["state"] == "failed", r.lines[-1]


@case
def recipe_links_tells_only_the_broken_ones():
    def answer(hit):
        if hit["path"] == "/no-head" and hit["method"] == "HEAD":
            return 405, [], b""
        return (404 if "broken" in hit["path"] else 200), [], b"x"
    d, w = Daemon(), Web(answer)
    links = [f"{w.url}/{p}" for p in ["a", "b", "no-head", "broken1", "c", "broken2"]] + ["http://127.0.0.1:1/refused"]
    r = run(d, "links", None, stdin="".join(x + "\n" for x in links))
    told = {x["tag"]: x.get("status") for x in r.lines if "tag" in x}
    assert told == {f"{w.url}/broken1": 404, f"{w.url}/broken2": 404, "http://127.0.0.1:1/refused": None}, r.lines
    assert r.status == 1, r.status


@case
def recipe_feeds_asks_only_for_what_is_new():
    version = {"/feed/a.xml": 1, "/feed/b.xml": 1}

    def answer(hit):
        tag = f'"v{version[hit["path"]]}"'
        if dict(hit["headers"]).get("If-None-Match") == tag:
            return 304, [("ETag", tag)], b""
        return 200, [("ETag", tag)], f"items of {tag}".encode()
    d, w = Daemon(), Web(answer)
    assert len(run(d, "feeds", w).lines) == 2
    assert run(d, "feeds", w).lines == []
    version["/feed/b.xml"] = 2
    r = run(d, "feeds", w)
    assert [(x["url"], x["body"]) for x in r.lines] == [(w.url + "/feed/b.xml", 'items of "v2"')], r.lines
    assert r.status == 0 and w.count() == 6


@case
def recipe_upload_does_not_take_the_whole_line():
    d, w = Daemon(), Web(lambda hit: (201, [], hashlib.sha256(hit["body"]).hexdigest().encode()))
    backup = os.urandom(300_000)
    with open("backup.tar", "wb") as f:
        f.write(backup)
    command = re.search(r"muster (fetch -T backup\.tar .*?) https", open(f"{ROOT}/docs/cookbook.md", encoding="utf-8").read())
    began = time.monotonic()
    r = muster(d, *command.group(1).replace("1M", "200k").split(), w.url + "/backup.tar")
    took = time.monotonic() - began
    assert r.status == 0 and r.lines[0]["body"] == hashlib.sha256(backup).hexdigest(), (r.status, r.err)
    assert w.hits[0]["method"] == "PUT" and 1.0 < took < 10, took


@case
def the_cookbook_shows_every_recipe_as_it_is():
    text = open(f"{ROOT}/docs/cookbook.md", encoding="utf-8").read()
    shown = [re.sub(r"\s+", "", x) for x in re.findall(r"```json\n(.*?)```", text, re.S)]
    for name in os.listdir(RECIPES):
        job = open(f"{RECIPES}/{name}", encoding="utf-8").read()
        assert re.sub(r"\s+", "", job) in shown and f"examples/recipes/{name}" in text, name
