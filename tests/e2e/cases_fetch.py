"""`muster fetch`: what a user of curl expects, and what the result lines promise."""
import base64
import gzip
import json
import os
import re
import signal
import subprocess
import threading
import time

from harness import (Daemon, Nginx, Raw, Web, case, muster, muster_start, proc_status, read_head,
                     wait_until)

KEYS = ["job", "seq", "task", "tag", "url", "ok", "status", "reason", "final_url", "headers", "size",
        "body", "body_base64", "file", "value", "error", "history", "attempts", "at", "timing"]


@case
def one_url_gives_one_complete_line():
    d, n = Daemon(), Nginx()
    url = n.file("hello.txt", "hello\n")
    r = muster(d, "fetch", url)
    assert r.status == 0, (r.status, r.err)
    assert len(r.lines) == 1, r.out
    line = r.lines[0]
    assert [k for k in line if k not in KEYS] == [], line
    assert [k for k in KEYS if k in line] == list(line), "keys are not in their documented order"
    assert line["url"] == url and line["ok"] is True and line["status"] == 200
    assert line["body"] == "hello\n" and line["size"] == 6 and line["seq"] == 1
    assert line["task"] == "0.0" and line["attempts"] == 1 and "error" not in line
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["at"]), line["at"]
    assert ["Content-Length", "6"] in line["headers"], line["headers"]
    assert {"wait_ms", "connect_ms", "first_byte_ms", "total_ms"} <= set(line["timing"]), line["timing"]


@case
def several_urls_each_get_one_line():
    d, n = Daemon(), Nginx()
    urls = [n.file(f"f{i}", f"number {i}") for i in range(50)]
    r = muster(d, "fetch", *urls)
    assert r.status == 0, r.err
    assert sorted(x["url"] for x in r.lines) == sorted(urls)
    assert sorted(x["seq"] for x in r.lines) == list(range(1, 51))
    assert {x["task"] for x in r.lines} == {f"0.{i}" for i in range(50)}


@case
def input_file_takes_urls_objects_and_comments():
    d, w = Daemon(), Web()
    with open("list", "w", encoding="ascii") as f:
        f.write(f"# a comment\n\n{w.url}/a\n"
                + json.dumps({"url": w.url + "/b", "method": "PUT", "body": "x", "tag": {"n": 7}}) + "\n"
                + f"  {w.url}/c  \n")
    r = muster(d, "fetch", "-i", "list", w.url + "/first")
    assert r.status == 0, r.err
    lines = {x["task"]: x for x in r.lines}
    assert lines["0.0"]["url"].endswith("/first")
    assert lines["0.2"]["tag"] == {"n": 7}
    assert sorted(w.paths()) == ["/a", "/b", "/c", "/first"]
    assert [h["method"] for h in w.hits if h["path"] == "/b"] == ["PUT"]


@case
def input_from_stdin_streams():
    d, w = Daemon(), Web()
    r = muster(d, "fetch", "-i", "-", stdin="".join(f"{w.url}/{i}\n" for i in range(300)))
    assert r.status == 0 and len(r.lines) == 300, (r.status, r.err)


@case
def results_flow_while_the_input_is_still_open():
    d, w = Daemon(), Web()
    p = muster_start(d, "fetch", "-i", "-", stdin=subprocess.PIPE)
    p.stdin.write(f"{w.url}/first\n".encode())
    p.stdin.flush()
    line = json.loads(p.stdout.readline())
    assert line["url"].endswith("/first")
    p.stdin.close()
    assert p.wait(20) == 0


@case
def failures_are_lines_and_exit_status_1():
    d, w = Daemon(), Web(lambda hit: (404, [("X-Why", "gone")], b"no such thing"))
    r = muster(d, "fetch", w.url + "/x")
    assert r.status == 1, r.status
    line = r.lines[0]
    assert line["ok"] is False and line["status"] == 404 and line["error"]["kind"] == "status"
    assert line["body"] == "no such thing", "a response that arrived is shown whatever ok says"
    assert "404" in line["error"]["message"]


@case
def expect_decides_what_a_success_is():
    d, w = Daemon(), Web(lambda hit: (404 if hit["path"] == "/a" else 200, [], b""))
    assert muster(d, "fetch", "--expect", "404", w.url + "/a").status == 0
    assert muster(d, "fetch", "--expect", "404", w.url + "/b").status == 1
    assert muster(d, "fetch", "--expect", "200-299,404", w.url + "/a", w.url + "/b").status == 0


@case
def transient_failures_are_retried_with_back_off():
    seen = []

    def answer(hit):
        seen.append(hit["at"])
        return (503, [], b"") if len(seen) < 3 else (200, [], b"at last")
    d, w = Daemon(), Web(answer)
    r = muster(d, "fetch", "--backoff", "50ms:200ms", w.url)
    assert r.status == 0, (r.status, r.out, r.err)
    line = r.lines[0]
    assert line["attempts"] == 3 and line["body"] == "at last"
    assert [h["status"] for h in line["history"]][:2] == [503, 503], line["history"]
    assert w.count() == 3


@case
def retry_0_means_one_attempt():
    d, w = Daemon(), Web(lambda hit: (503, [], b""))
    r = muster(d, "fetch", "--retry", "0", w.url)
    assert r.status == 1 and w.count() == 1 and r.lines[0]["attempts"] == 1


@case
def a_post_is_not_repeated_unless_nothing_was_sent_or_asked():
    d, w = Daemon(), Web(lambda hit: (503, [], b""))
    r = muster(d, "fetch", "-d", "a=1", "--backoff", "10ms", w.url)
    assert r.status == 1 and w.count() == 1, w.count()
    r = muster(d, "fetch", "-d", "a=1", "--backoff", "10ms", "-H", "Idempotency-Key: k1", w.url)
    assert r.status == 1 and w.count() == 4, w.count()


@case
def retry_on_names_kinds_and_statuses():
    d, w = Daemon(), Web(lambda hit: (418, [], b""))
    muster(d, "fetch", "--backoff", "10ms", w.url)
    assert w.count() == 1
    muster(d, "fetch", "--backoff", "10ms", "--retry-on", "418", w.url)
    assert w.count() == 4


@case
def a_refused_connection_has_its_kind():
    d = Daemon()
    r = muster(d, "fetch", "--retry", "0", "http://127.0.0.1:1/")
    assert r.status == 1
    assert r.lines[0]["error"]["kind"] == "connect.refused", r.lines[0]
    assert r.lines[0]["error"]["phase"] == "connect"


@case
def request_options_reach_the_wire():
    d, w = Daemon(), Web()
    r = muster(d, "fetch", "-X", "PATCH", "-H", "X-One: 1", "-H", "Accept:", "-A", "agent/1", "-u", "me:secret",
               "-d", "a=1", "-d", "b=2", w.url + "/p?q=1#frag")
    assert r.status == 0, r.err
    hit = w.hits[0]
    headers = {k.lower(): v for k, v in hit["headers"]}
    assert hit["method"] == "PATCH" and hit["path"] == "/p?q=1" and hit["body"] == b"a=1&b=2"
    assert headers["x-one"] == "1" and "accept" not in headers and headers["user-agent"] == "agent/1"
    assert headers["authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert "secret" not in r.out and "secret" not in d.logged()


@case
def json_bodies_are_sent_as_json():
    d, w = Daemon(), Web()
    with open("doc.json", "w", encoding="ascii") as f:
        f.write('{"from":"file"}')
    assert muster(d, "fetch", "--json", '{"a":[1,2]}', w.url).status == 0
    assert muster(d, "fetch", "--json", "@doc.json", w.url).status == 0
    assert muster(d, "fetch", "-d", "@-", w.url, stdin="raw input").status == 0
    assert [h["body"] for h in w.hits] == [b'{"a":[1,2]}', b'{"from":"file"}', b"raw input"]
    assert dict(w.hits[0]["headers"])["Content-Type"] == "application/json"
    assert w.hits[0]["method"] == "POST"


@case
def redirects_are_followed_and_bounded():
    def answer(hit):
        if hit["path"] == "/loop":
            return 302, [("Location", "/loop")], b""
        if hit["path"] == "/a":
            return 301, [("Location", "b?x=1")], b""
        return 200, [], b"arrived"
    d, w = Daemon(), Web(answer)
    r = muster(d, "fetch", w.url + "/a")
    assert r.status == 0 and r.lines[0]["final_url"] == w.url + "/b?x=1", r.out
    r = muster(d, "fetch", "--no-location", "--expect", "301", w.url + "/a")
    assert r.status == 0 and r.lines[0]["status"] == 301 and "final_url" not in r.lines[0]
    r = muster(d, "fetch", "--max-redirs", "3", w.url + "/loop")
    assert r.status == 1 and r.lines[0]["error"]["kind"] == "redirect.too_many", r.out
    assert w.count("/loop") == 4, w.count("/loop")


@case
def credentials_stay_with_their_origin():
    other = Web()
    d, w = Daemon(), Web(lambda hit: (302, [("Location", other.url + "/x")], b""))
    assert muster(d, "fetch", "-u", "me:pw", "-H", "Cookie: a=b", w.url).status == 0
    names = [k.lower() for k, _ in other.hits[0]["headers"]]
    assert "authorization" not in names and "cookie" not in names, names
    assert "authorization" in [k.lower() for k, _ in w.hits[0]["headers"]]


@case
def gzip_is_decoded_unless_raw_is_asked():
    packed = gzip.compress(b"plain words " * 100)
    d, w = Daemon(), Web(lambda hit: (200, [("Content-Encoding", "gzip")], packed))
    r = muster(d, "fetch", w.url)
    assert r.lines[0]["body"] == "plain words " * 100 and r.lines[0]["size"] == 1200, r.out[:300]
    r = muster(d, "fetch", "--raw", w.url)
    assert base64.b64decode(r.lines[0]["body_base64"]) == packed


@case
def binary_bodies_come_as_base64():
    d, n = Daemon(), Nginx()
    r = muster(d, "fetch", n.file("bin", b"\0\xff\x80"))
    assert base64.b64decode(r.lines[0]["body_base64"]) == b"\0\xff\x80" and "body" not in r.lines[0]


@case
def large_bodies_are_expanded_or_written_to_files():
    d, n = Daemon(), Nginx()
    content = os.urandom(300_000)
    url = n.file("big.bin", content)
    r = muster(d, "fetch", url)
    assert r.status == 0, r.err
    assert base64.b64decode(r.lines[0]["body_base64"]) == content
    r = muster(d, "fetch", "-o", "out/", url, n.file("we ird?.txt", "x").replace(" ", "%20").replace("?", "%3F"))
    assert r.status == 0, (r.status, r.err)
    files = {x["task"]: x["file"] for x in r.lines}
    assert open(files["0.0"], "rb").read() == content
    assert os.path.basename(files["0.0"]) == "0-big.bin", files
    assert re.fullmatch(r"1-[A-Za-z0-9._-]+", os.path.basename(files["0.1"])), files
    assert not [x for x in os.listdir("out") if x.endswith(".part")]
    r = muster(d, "fetch", "-o", "single.bin", url)
    assert r.status == 0 and open("single.bin", "rb").read() == content


@case
def body_none_leaves_bodies_out():
    d, n = Daemon(), Nginx()
    r = muster(d, "fetch", "--body", "none", n.file("a", "abc"))
    assert r.status == 0 and "body" not in r.lines[0] and r.lines[0]["size"] == 3


@case
def print_body_streams_in_input_order():
    def answer(hit):
        time.sleep(0.2 if hit["path"] == "/0" else 0)
        return 200, [], hit["path"].encode() + b"\n"
    d, w = Daemon(), Web(answer)
    r = muster(d, "fetch", "--print", "body", *[f"{w.url}/{i}" for i in range(6)])
    assert r.status == 0 and r.out == "".join(f"/{i}\n" for i in range(6)), r.out


@case
def ordered_lines_come_in_input_order():
    def answer(hit):
        time.sleep(0.2 if hit["path"].endswith("0") else 0)
        return 200, [], b""
    d, w = Daemon(), Web(answer)
    r = muster(d, "fetch", "--ordered", *[f"{w.url}/{i}" for i in range(25)])
    assert [x["task"] for x in r.lines] == [f"0.{i}" for i in range(25)]


@case
def max_body_cuts_what_is_too_large():
    d, n = Daemon(), Nginx()
    url = n.file("big", "x" * 5000)
    r = muster(d, "fetch", "--max-body", "1k", url)
    assert r.status == 1 and r.lines[0]["error"]["kind"] == "body.too_large", r.out
    assert muster(d, "fetch", "--max-body", "5000", url).status == 0


@case
def concurrency_is_never_exceeded():
    def answer(hit):
        time.sleep(0.02)
        return 200, [], b""
    d, w = Daemon({"limits": [{"match": {"host": "127.0.0.1"}, "concurrency": 100}]}), Web(answer)
    r = muster(d, "fetch", "-c", "7", "-i", "-", stdin="".join(f"{w.url}/{i}\n" for i in range(100)))
    assert r.status == 0, r.err
    assert 4 <= w.most_running <= 7, w.most_running


@case
def timeouts_have_their_kinds():
    def mute(conn, _):
        read_head(conn)
        conn.recv(1)

    def drip(conn, _):
        read_head(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
        conn.recv(1)
    d = Daemon()
    r = muster(d, "fetch", "--retry", "0", "--first-byte-timeout", "300ms", Raw(mute).url)
    assert r.status == 1 and r.lines[0]["error"]["kind"] == "read.timeout", r.out
    r = muster(d, "fetch", "--retry", "0", "--read-timeout", "300ms", Raw(drip).url)
    assert r.lines[0]["error"]["kind"] == "read.timeout" and r.lines[0]["status"] == 200, r.out
    r = muster(d, "fetch", "--retry", "0", "--timeout", "300ms", Raw(mute).url)
    assert r.lines[0]["error"]["kind"] == "attempt.timeout", r.out


@case
def a_deadline_ends_the_whole_job_with_status_5():
    def mute(conn, _):
        read_head(conn)
        conn.recv(1)
    d, raw = Daemon(), Raw(mute)
    began = time.monotonic()
    r = muster(d, "fetch", "--deadline", "500ms", "-c", "2", *[raw.url] * 4)
    assert r.status == 5, (r.status, r.out, r.err)
    assert 0.4 < time.monotonic() - began < 5
    kinds = {x["error"]["kind"] for x in r.lines}
    assert kinds == {"deadline"}, r.out


@case
def fail_fast_cancels_the_rest():
    def answer(hit):
        if hit["path"] == "/bad":
            return 404, [], b""
        time.sleep(5)
        return 200, [], b""
    d, w = Daemon(), Web(answer)
    began = time.monotonic()
    r = muster(d, "fetch", "--fail-fast", "-c", "3", w.url + "/slow1", w.url + "/slow2", w.url + "/bad",
               *[w.url + f"/never{i}" for i in range(20)])
    assert r.status == 1, (r.status, r.err)
    assert time.monotonic() - began < 4
    kinds = [x["error"]["kind"] for x in r.lines if not x["ok"]]
    assert kinds.count("status") == 1 and set(kinds) <= {"status", "cancelled"}, kinds


@case
def fallback_tries_the_next_base():
    good = Web(lambda hit: (200, [], hit["path"].encode()))
    d, bad = Daemon(), Web(lambda hit: (404, [], b""))
    r = muster(d, "fetch", "--fallback", good.url, bad.url + "/a/b?c=1")
    assert r.status == 0, (r.status, r.out, r.err)
    assert len(r.lines) == 1 and r.lines[0]["body"] == "/a/b?c=1"


@case
def an_invalid_url_on_the_command_line_submits_nothing():
    d, w = Daemon(), Web()
    for bad in ("not a url", "ftp://x/y", "http://", "http://a b/", "http://h/\r\nX: 1"):
        r = muster(d, "fetch", w.url, bad)
        assert r.status == 2, (bad, r.status, r.out, r.err)
        assert r.out == "" and r.err, bad
    assert w.count() == 0


@case
def an_invalid_url_in_a_feed_is_a_failed_line():
    d, w = Daemon(), Web()
    r = muster(d, "fetch", "-i", "-", stdin=f"{w.url}/a\nnonsense\nhttp://h h/\n{w.url}/b\n")
    assert r.status == 1, (r.status, r.err)
    kinds = {x["task"]: x.get("error", {}).get("kind") for x in r.lines}
    assert kinds == {"0.0": None, "0.1": "url.invalid", "0.2": "url.invalid", "0.3": None}, kinds


@case
def usage_errors_exit_2_and_say_what():
    d = Daemon()
    for args in (["--nonsense", "http://x/"], ["-c", "0", "http://x/"], ["-c", "many", "http://x/"],
                 ["--timeout", "5", "http://x/"], ["-i", "no-such-file"], ["-r", "fast", "http://x/"], []):
        r = muster(d, "fetch", *args)
        assert r.status == 2, (args, r.status, r.err)
        assert r.err.strip(), args
    assert muster(d, "frobnicate").status == 2


@case
def no_daemon_is_status_3_with_advice():
    r = muster(None, "--socket", "ipc:///nonexistent/muster.sock", "fetch", "http://127.0.0.1/")
    assert r.status == 3, (r.status, r.err)
    assert "/nonexistent/muster.sock" in r.err and "standalone" in r.err, r.err


@case
def sigint_cancels_and_dies_of_it():
    def answer(hit):
        time.sleep(3)
        return 200, [], b""
    d, w = Daemon(), Web(answer)
    p = muster_start(d, "fetch", w.url + "/a", w.url + "/b")
    wait_until("both requests to arrive", lambda: w.count() == 2)
    p.send_signal(signal.SIGINT)
    out, _ = p.communicate(timeout=10)
    assert p.returncode == -signal.SIGINT, p.returncode
    kinds = [json.loads(x)["error"]["kind"] for x in out.splitlines()]
    assert kinds == ["cancelled", "cancelled"], out


@case
def a_closed_stdout_cancels_and_dies_of_sigpipe():
    d, w = Daemon(), Web()
    p = muster_start(d, "fetch", "-i", "-", stdin=subprocess.PIPE)
    p.stdin.write("".join(f"{w.url}/{i}\n" for i in range(2000)).encode())
    p.stdin.flush()
    p.stdout.readline()
    p.stdout.close()
    assert p.wait(20) == -signal.SIGPIPE, p.returncode


@case
def a_vanished_command_cancels_its_job():
    def answer(hit):
        time.sleep(1)
        return 200, [], b""
    d, w = Daemon(), Web(answer)
    p = muster_start(d, "fetch", "-c", "2", *[f"{w.url}/{i}" for i in range(100)])
    wait_until("requests to arrive", lambda: w.count() >= 2)
    p.kill()
    p.wait(10)

    def over():
        with d.rpc() as rpc:
            jobs = rpc.call("job.list").get("jobs", [])
        return all(j["state"] not in ("running", "queued", "cancelling", "paused") for j in jobs)
    wait_until("the orphan to be cancelled", over, 10)
    assert w.count() < 20


@case
def summary_json_is_the_last_line():
    d, n = Daemon(), Nginx()
    r = muster(d, "fetch", "--summary", "json", n.file("a", "x"), n.url + "/missing")
    final = r.lines[-1]
    assert r.status == 1 and final["state"] in ("succeeded", "failed"), final
    assert final["tasks"]["total"] == 2 and final["tasks"]["ok"] == 1 and final["tasks"]["failed"] == 1, final


@case
def a_pipe_gets_silence_and_progress_can_be_asked():
    d, n = Daemon(), Nginx()
    url = n.file("a", "x")
    assert muster(d, "fetch", url).err == ""
    assert muster(d, "fetch", "--progress", "always", url).err != ""


@case
def the_exit_status_of_a_lost_volatile_job_is_3():
    def answer(hit):
        time.sleep(0.3)
        return 200, [], b""
    d, w = Daemon(), Web(answer)
    p = muster_start(d, "fetch", "--volatile", "-c", "1", *[f"{w.url}/{i}" for i in range(50)])
    wait_until("a request", lambda: w.count() >= 2)
    d.restart()
    assert p.wait(40) == 3, p.returncode


@case
def volatile_fetches_deliver_the_same_lines():
    d, n = Daemon(), Nginx()
    urls = [n.file(f"v{i}", f"v{i}") for i in range(100)]
    r = muster(d, "fetch", "--volatile", *urls)
    assert r.status == 0 and sorted(x["body"] for x in r.lines) == sorted(f"v{i}" for i in range(100)), r.err


@case
def a_rate_is_kept_on_the_wire():
    d, w = Daemon(), Web()
    r = muster(d, "fetch", "-r", "20/s", *[f"{w.url}/{i}" for i in range(21)])
    assert r.status == 0, r.err
    times = sorted(h["at"] for h in w.hits)
    assert times[-1] - times[0] >= 0.95, times[-1] - times[0]
    for i, begin in enumerate(times):
        inside = len([t for t in times[i:] if t - begin < 0.5])
        assert inside <= 1 + 10 + 1, inside


@case
def standalone_needs_no_daemon():
    n = Nginx()
    r = muster(None, "fetch", "--standalone", n.file("a", "alone"), env={"XDG_RUNTIME_DIR": os.getcwd()})
    assert r.status == 0 and r.lines[0]["body"] == "alone", (r.status, r.err)
    assert "shared" in r.err, r.err


@case
def a_million_lines_run_in_flat_memory():
    d, n = Daemon(), Nginx(extra_http="access_log off;")
    url = n.file("tiny", "x")
    count = int(os.environ.get("FLAT_LINES", "60000"))
    p = muster_start(d, "fetch", "--volatile", "--body", "none", "-c", "64", "-i", "-", stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE)
    warm = {}
    got = 0

    def feed():
        for _ in range(count // 1000):
            p.stdin.write(f"{url}\n".encode() * 1000)
        p.stdin.close()
    threading.Thread(target=feed, daemon=True).start()
    peak = {"daemon": 0, "command": 0}
    for _ in p.stdout:
        got += 1
        if got == count // 4:
            warm = {"daemon": d.rss_kib(), "command": proc_status(p.pid, "VmRSS")}
        if got > count // 4 and got % 5000 == 0:
            peak["daemon"] = max(peak["daemon"], d.rss_kib())
            if p.poll() is None:
                peak["command"] = max(peak["command"], proc_status(p.pid, "VmRSS"))
    assert p.wait(60) == 0 and got == count, (p.returncode, got)
    for who in ("daemon", "command"):
        assert peak[who] < warm[who] + 8 * 1024, (who, warm, peak)
