"""Cookies as curl keeps them: what comes back to whom, and what stands in the file."""
import json
import os
import subprocess

from harness import Daemon, Web, case, muster

JAR = """# Netscape HTTP Cookie File
# a comment

127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\ts
#HttpOnly_127.0.0.1\tFALSE\t/a\tFALSE\t4102444800\thttponly\th
127.0.0.1\tFALSE\t/\tTRUE\t4102444800\tsecure\tx
127.0.0.1\tFALSE\t/\tFALSE\t1\texpired\te
.a.example\tTRUE\t/\tFALSE\t4102444800\twide\tw
b.example\tFALSE\t/\tFALSE\t4102444800\tnarrow\tn
127.0.0.1\tFALSE\t/\tFALSE\t4102444800\tempty
no cookie at all
127.0.0.1\tFALSE\t/\tFALSE\tsoon\tbad\tb
127.0.0.1\tFALSE\t/\tFALSE\t0\tdollar\t${x} $$
"""

SETS = [
    "plain=1", "path=1; Path=/a", "deep=1; Path=/a/b/c", "nopath=1; Path=", "odd=1; Path=a",
    "age=1; Max-Age=1000000", "gone=1; Max-Age=0", "negative=1; Max-Age=-1", "both=1; Max-Age=1000000; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    "date=1; Expires=Fri, 31 Dec 2027 23:59:59 GMT", "date2=1; Expires=Friday, 31-Dec-27 23:59:59 GMT", "date3=1; Expires=Fri Dec 31 23:59:59 2027",
    "past=1; Expires=Thu, 01 Jan 1970 00:00:01 GMT", "noday=1; Expires=31 Dec 2027 23:59:59 GMT", "baddate=1; Expires=whenever",
    "sec=1; Secure", "http=1; HttpOnly", "quoted=\"a b\"", "eq=a=b=c", "spaces =  v  ", "empty=", "novalue", "=noname",
    "other=1; Domain=example.org", "self=1; Domain=127.0.0.1", "dot=1; Domain=.127.0.0.1", "__Secure-a=1", "__Secure-b=1; Secure",
    "__Host-a=1; Secure", "__Host-b=1; Secure; Path=/", "__Host-c=1; Secure; Path=/; Domain=127.0.0.1", "same=1; SameSite=Strict",
    "unknown=1; What=Ever; Path=/", "twice=1; Path=/x; Path=/a", "case=1; PATH=/a; SECURE; httponly",
    "long=" + "x" * 4000, "toolong=" + "x" * 5000, "semi=1;;;Path=/",
]


def lines(path):
    """Cookies of a file, their expiry (in seconds from now it may differ by some) rounded."""
    out = {}
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if line.startswith("#") and not line.startswith("#HttpOnly_") or not line:
            continue
        col = line.split("\t")
        # the default path of RFC 6265 ends before its slash, curl's behind it
        out[(col[0], col[2].rstrip("/") or "/", col[5])] = (col[1], col[3], round(int(col[4]), -3), col[6])
    return out


def curl(*args):
    return subprocess.run(["curl", "-s", *args], check=True, capture_output=True, text=True, timeout=30).stdout


def answer(hit):
    name = hit["path"].rsplit("/", 1)[-1]
    if name.startswith("set"):
        return 200, [("Set-Cookie", SETS[int(name[3:])])], b""
    return 200, [], dict(hit["headers"]).get("Cookie", "none").encode()


@case
def a_cookie_file_is_read_and_written_as_by_curl():
    d, w = Daemon(), Web(answer)
    for name in ("ours", "theirs"):
        with open(name, "w", encoding="utf-8") as f:
            f.write(JAR)
    for path in ("/", "/a", "/a/b", "/ab"):
        r = muster(d, "fetch", "--cookie-jar", "ours", w.url + path)
        assert r.status == 0, (r.out, r.err)
        sent = curl("-b", "theirs", "-c", "theirs", w.url + path)
        assert sorted(r.lines[0]["body"].split("; ")) == sorted(sent.split("; ")), (path, r.lines[0]["body"], sent)
        assert lines("ours") == lines("theirs"), (lines("ours"), lines("theirs"))
    assert "dollar=${x} $$" in r.lines[0]["body"]


@case
def every_set_cookie_ends_as_with_curl():
    d, w = Daemon(), Web(answer)
    differs = set()
    for i, field in enumerate(SETS):
        for name in ("ours", "theirs"):
            if os.path.exists(name):
                os.unlink(name)
        url = f"{w.url}/a/b/set{i}"
        r = muster(d, "fetch", "--cookie-jar", "ours", url)
        assert r.status == 0, (r.out, r.err)
        curl("-c", "theirs", url)
        if lines("ours") != lines("theirs"):
            differs.add(field)
    # Where RFC 6265 and its revision say otherwise than curl: a path that is none is the default
    # path (curl: all paths), and a __Host- cookie never has a domain (curl: an address passes).
    assert differs == {"nopath=1; Path=", "odd=1; Path=a", "__Host-c=1; Secure; Path=/; Domain=127.0.0.1"}, differs


@case
def a_cookie_file_that_is_not_there_is_made_for_its_owner_alone():
    d, w = Daemon(), Web(answer)
    r = muster(d, "fetch", "--cookie-jar", "new", w.url + "/set0", w.url + "/x")
    assert r.status == 0, r.err
    assert os.stat("new").st_mode & 0o777 == 0o600
    r = muster(d, "fetch", "--cookie-jar", "new", w.url + "/x")
    assert r.lines[0]["body"] == "plain=1", r.out
    assert [x for x in os.listdir(".") if x.startswith("new.")] == []


@case
def a_cookie_file_is_kept_when_a_task_fails_and_named_when_it_cannot_be_written():
    d, w = Daemon(), Web(answer)
    r = muster(d, "fetch", "--retry", "0", "--cookie-jar", "jar", w.url + "/set0", "http://127.0.0.1:1/")
    assert r.status == 1 and "plain" in open("jar", encoding="utf-8").read()
    r = muster(d, "fetch", "--cookie-jar", "no/such/place", w.url + "/set0")
    assert r.status == 1 and "no/such/place" in r.err, r.err
    r = muster(d, "fetch", "--cookie-jar", ".", w.url + "/set0")
    assert r.status == 2 and "cannot read the cookies" in r.err, r.err
    r = muster(d, "fetch", "--cookie-jar", "jar", "--detach", w.url + "/set0")
    assert r.status == 2 and "--cookie-jar" in r.err, r.err


@case
def cookies_of_the_file_are_secrets():
    d, w = Daemon(), Web(answer)
    with open("jar", "w", encoding="utf-8") as f:
        f.write("127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\thush-hush-4711\n")
    job = muster(d, "fetch", "--cookie-jar", "jar", "--summary", "json", w.url + "/")
    assert job.lines[0]["body"] == "sid=hush-hush-4711"
    spec = {"cookies": ["127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\thush-hush-4711"], "results": {"body": "none"},
            "defaults": {"fetch": {"cookies": True}}, "run": w.url + "/"}
    name = muster(d, "submit", "--detach", "-", stdin=json.dumps(spec)).out.strip()
    assert muster(d, "wait", name).status == 0
    seen = "".join(muster(d, *args).out for args in (("show", name, "--json"), ("results", name), ("explain", name), ("jobs", "--json")))
    assert "hush-hush" not in seen + d.logged() and "hush-hush" in str(w.hits[-1])


@case
def a_line_that_is_none_is_refused_with_its_place():
    d = Daemon()
    r = muster(d, "submit", "-", stdin='{"cookies":["nonsense"],\n"run":"http://127.0.0.1:1/"}')
    assert r.status == 2 and "/cookies/0" in r.err and "cookie file" in r.err, r.err


@case
def cookies_cross_redirects_but_not_origins():
    other = Web(answer)

    def here(hit):
        if hit["path"] == "/go":
            return 302, [("Set-Cookie", "a=1; Path=/"), ("Location", "/there")], b""
        if hit["path"] == "/there":
            return 302, [("Set-Cookie", "b=2; Path=/there"), ("Location", f"http://localhost:{other.port}/x")], b""
        return answer(hit)
    d, w = Daemon(), Web(here)
    r = muster(d, "fetch", "--cookie-jar", "jar", w.url + "/go")
    assert r.status == 0 and r.lines[0]["body"] == "none", r.out
    assert dict(w.hits[1]["headers"]).get("Cookie") == "a=1", w.hits
    assert {k[2] for k in lines("jar")} == {"a", "b"}
