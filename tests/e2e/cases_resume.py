"""Bodies that are cut and gone on with: what goes over the wire, and what is in the end there."""
import base64
import gzip
import hashlib
import json
import os
import random
import re
import threading

from harness import Daemon, Raw, case, muster, read_head, wait_until

BODY = random.Random(7).randbytes(400_000)
DATE = "Sat, 22 Nov 2025 13:00:05 GMT"


class Cutter(Raw):
    """Serves `body` with ranges; the n-th connection is cut after cuts[n] bytes of its part."""

    def __init__(self, body=BODY, cuts=(), fields=(("ETag", '"v1"'),), framing="length"):
        self.body, self.cuts, self.fields, self.framing = body, list(cuts), list(fields), framing
        self.heads, self.lock = [], threading.Lock()
        super().__init__(self.serve)

    def ranges(self):
        return [field(h, "Range") for h in self.heads]

    def part(self, head):
        asked = re.fullmatch(r"bytes=(\d+)-", field(head, "Range") or "")
        validators = [v for n, v in self.fields if n in ("ETag", "Last-Modified")]
        if asked is None or field(head, "If-Range") not in validators:
            return 200, 0
        at = int(asked.group(1))
        return (206, at) if at < len(self.body) else (416, len(self.body))

    def head_of(self, status, at):
        lines = [f"HTTP/1.1 {status} Some", *[f"{n}: {v}" for n, v in self.fields], "Connection: close"]
        if status == 206:
            lines.append(f"Content-Range: bytes {at}-{len(self.body) - 1}/{len(self.body)}")
        if status == 416:
            lines.append(f"Content-Range: bytes */{len(self.body)}")
        if self.framing == "length":
            lines.append(f"Content-Length: {len(self.body) - at}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def serve(self, conn, _):
        head = read_head(conn).decode("latin-1")
        with self.lock:
            self.heads.append(head)
            cut = self.cuts.pop(0) if self.cuts else None
        status, at = self.part(head)
        part = self.body[at:]
        conn.sendall(self.head_of(status, at) + part[:cut])


def field(head, name):
    for line in head.split("\r\n")[1:]:
        if line.lower().startswith(name.lower() + ":"):
            return line.split(":", 1)[1].strip()
    return None


def job(url, attempts=6, results=None, **fetch):
    return {"results": results or {}, "run": {"fetch": {"url": url, "resume": True, **fetch},
                                              "retry": {"attempts": attempts, "backoff": "1ms"}}}


def submit(d, spec, *args, **kw):
    return muster(d, "submit", "-", *args, stdin=json.dumps(spec), **kw)


def whole(line):
    if "body_base64" in line:
        return base64.b64decode(line["body_base64"])
    return line["body"].encode()


@case
def a_cut_body_is_gone_on_with_from_every_byte():
    d = Daemon()
    for cuts in ([0, 1], [1], [100, 1, 70_000, 0], [65_535], [65_536], [65_537, 131_072], [399_999], [200_000, 199_999]):
        s = Cutter(cuts=cuts)
        r = submit(d, job(s.url, sha256=hashlib.sha256(BODY).hexdigest()))
        assert r.status == 0, (cuts, r.out[:400], r.err)
        line = r.lines[0]
        assert whole(line) == BODY and line["size"] == len(BODY), cuts
        assert line["attempts"] == len(cuts) + 1, (cuts, line["attempts"])
        at, want = 0, []
        for cut in cuts:
            want.append(f"bytes={at}-" if at else None)
            at += cut
        want.append(f"bytes={at}-" if at else None)
        assert s.ranges() == want, (cuts, s.ranges(), want)
        assert all(field(h, "Accept-Encoding") == "identity" for h in s.heads)
        assert all(field(h, "If-Range") == '"v1"' for h in s.heads if field(h, "Range"))


@case
def without_resume_a_retry_begins_anew():
    d, s = Daemon(), Cutter(cuts=[1000])
    spec = job(s.url)
    del spec["run"]["fetch"]["resume"]
    r = submit(d, spec)
    assert r.status == 0 and whole(r.lines[0]) == BODY and s.ranges() == [None, None], s.ranges()


@case
def a_strong_date_stands_in_for_a_tag():
    d = Daemon()
    fields = [("Last-Modified", "Fri, 21 Nov 2025 13:00:00 GMT"), ("Date", DATE), ("ETag", 'W/"weak"')]
    s = Cutter(cuts=[100_000], fields=fields)
    r = submit(d, job(s.url))
    assert r.status == 0 and whole(r.lines[0]) == BODY
    assert s.ranges() == [None, "bytes=100000-"]
    assert field(s.heads[1], "If-Range") == "Fri, 21 Nov 2025 13:00:00 GMT"


@case
def without_a_strong_validator_the_body_begins_anew():
    d = Daemon()
    for fields in ([], [("ETag", 'W/"weak"')], [("Last-Modified", DATE), ("Date", DATE)],
                   [("ETag", '"v1"'), ("Accept-Ranges", "none")]):
        s = Cutter(cuts=[100_000], fields=fields)
        r = submit(d, job(s.url))
        assert r.status == 0 and whole(r.lines[0]) == BODY, fields
        assert s.ranges() == [None, None], (fields, s.ranges())


@case
def a_body_that_has_changed_meanwhile_begins_anew():
    d, s = Daemon(), Cutter(cuts=[150_000])
    other = bytes(reversed(BODY))
    first = s.serve

    def serve(conn, n):
        first(conn, n)
        s.body, s.fields = other, [("ETag", '"v2"')]
    s.handler = serve
    r = submit(d, job(s.url))
    assert r.status == 0 and whole(r.lines[0]) == other, r.out[:300]
    assert s.ranges() == [None, "bytes=150000-"]
    assert r.lines[0]["status"] == 200


@case
def a_range_that_does_not_fit_is_not_taken():
    d = Daemon()
    for lie in ("bytes 0-399999/400000", "bytes 100001-399999/400000", "bytes 100000-400000/400001", "items 1-2/3", ""):
        s = Cutter(cuts=[100_000])
        right = s.head_of

        def head_of(status, at, lie=lie, right=right):
            return re.sub(rb"Content-Range: [^\r]*", f"Content-Range: {lie}".encode(), right(status, at))
        s.head_of = head_of
        r = submit(d, job(s.url))
        assert r.status == 0 and whole(r.lines[0]) == BODY, (lie, r.out[:300])
        assert s.ranges() == [None, "bytes=100000-", None], (lie, s.ranges())
        assert r.lines[0]["attempts"] == 2, "asking for the whole belongs to the same attempt"


@case
def a_range_that_is_only_a_part_is_gone_on_with():
    d, s = Daemon(), Cutter(cuts=[100_000])
    right = s.serve

    def serve(conn, n):
        if n != 2:
            return right(conn, n)
        s.heads.append(read_head(conn).decode())
        conn.sendall(b'HTTP/1.1 206 Part\r\nETag: "v1"\r\nContent-Range: bytes 100000-199999/400000\r\n'
                     b"Content-Length: 100000\r\n\r\n" + BODY[100_000:200_000])
    s.handler = serve
    r = submit(d, job(s.url))
    assert r.status == 0 and whole(r.lines[0]) == BODY, r.out[:300]
    assert s.ranges() == [None, "bytes=100000-", "bytes=200000-"], s.ranges()


@case
def a_416_means_all_of_it_is_there_already():
    d, s = Daemon(), Cutter(cuts=[len(BODY)], framing="chunked")
    right = s.head_of

    def head_of(status, at):
        head = right(status, at)
        if status == 200:  # chunks whose end never comes
            head = head[:-2] + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BODY)
        return head
    s.head_of = head_of
    r = submit(d, job(s.url, sha256=hashlib.sha256(BODY).hexdigest()))
    assert r.status == 0 and whole(r.lines[0]) == BODY, (r.out[:400], r.err)
    assert r.lines[0]["status"] == 416 and s.ranges() == [None, "bytes=400000-"]


@case
def a_416_that_says_another_size_begins_anew():
    d, s = Daemon(), Cutter(cuts=[100_000])
    right = s.part

    def part(head):
        return (416, len(BODY)) if field(head, "Range") else right(head)
    s.part = part
    r = submit(d, job(s.url))
    assert r.status == 0 and whole(r.lines[0]) == BODY, r.out[:300]
    assert s.ranges() == [None, "bytes=100000-", None]


@case
def other_answers_between_lose_nothing():
    d, s = Daemon(), Cutter(cuts=[100_000])
    right = s.serve

    def serve(conn, n):
        if n != 2:
            return right(conn, n)
        s.heads.append(read_head(conn).decode())
        conn.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy")
    s.handler = serve
    r = submit(d, job(s.url))
    assert r.status == 0 and whole(r.lines[0]) == BODY
    assert s.ranges() == [None, "bytes=100000-", "bytes=100000-"]


@case
def a_timeout_of_the_attempt_keeps_what_came():
    d, s = Daemon(), Cutter()
    right, gate = s.serve, threading.Event()

    def serve(conn, n):
        if n > 1:
            return right(conn, n)
        s.heads.append(read_head(conn).decode())
        conn.sendall(s.head_of(200, 0) + BODY[:300_000])
        gate.wait(20)
    s.handler = serve
    r = submit(d, job(s.url, timeout="700ms"))
    gate.set()
    assert r.status == 0 and whole(r.lines[0]) == BODY, r.out[:300]
    assert r.lines[0]["history"][0]["kind"] == "attempt.timeout"
    at = int(re.fullmatch(r"bytes=(\d+)-", s.ranges()[1]).group(1))
    assert 200_000 <= at <= 300_000, at


@case
def a_coded_body_is_never_gone_on_with():
    d = Daemon()
    packed = gzip.compress(BODY)
    s = Cutter(body=packed, cuts=[100_000], fields=[("ETag", '"v1"'), ("Content-Encoding", "gzip")])
    r = submit(d, job(s.url))
    assert r.status == 0 and whole(r.lines[0]) == BODY, r.out[:300]
    assert s.ranges() == [None, None]


@case
def max_body_counts_the_whole():
    d, s = Daemon(), Cutter(cuts=[100_000], fields=[("ETag", '"v1"')], framing="close")
    right = s.head_of

    def head_of(status, at):
        head = right(status, at)
        return head if status == 206 else head[:-2] + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % 200_000
    s.head_of = head_of
    r = submit(d, job(s.url, max_body="150k"))
    assert r.status == 1 and r.lines[0]["error"]["kind"] == "body.too_large", r.out[:300]
    assert "153600" in r.lines[0]["error"]["message"], r.lines[0]["error"]
    assert s.ranges() == [None, "bytes=100000-"]


@case
def a_body_that_is_only_hashed_is_gone_on_with_too():
    d, s = Daemon(), Cutter(cuts=[123_456])
    r = submit(d, job(s.url, results={"body": "none"}, sha256=hashlib.sha256(BODY).hexdigest()))
    assert r.status == 0 and r.lines[0]["size"] == len(BODY), r.out
    assert s.ranges() == [None, "bytes=123456-"]


@case
def what_the_last_attempt_got_is_shown():
    d, s = Daemon(), Cutter(cuts=[100_000, 50_000])
    r = submit(d, job(s.url, attempts=2))
    assert r.status == 1 and r.lines[0]["error"]["kind"] == "read.closed", r.out[:300]
    assert whole(r.lines[0]) == BODY[:150_000] and r.lines[0]["size"] == 150_000


@case
def a_range_of_ones_own_is_left_alone():
    d, s = Daemon(), Cutter(cuts=[100_000])
    r = submit(d, job(s.url, headers={"Range": "bytes=5-"}))
    assert r.status == 0 and s.ranges() == ["bytes=5-", "bytes=5-"], (r.out[:300], s.ranges())


@case
def fetch_objects_may_resume():
    d, s = Daemon(), Cutter(cuts=[100_000])
    r = muster(d, "fetch", "--backoff", "1ms", "-i", "-", stdin=json.dumps({"url": s.url, "resume": True}) + "\n")
    assert r.status == 0 and whole(r.lines[0]) == BODY and s.ranges() == [None, "bytes=100000-"]


@case
def a_killed_daemon_goes_on_with_what_is_on_the_disk():
    d, s = Daemon(), Cutter()
    right, gate = s.serve, threading.Event()

    def serve(conn, n):
        if n > 1:
            return right(conn, n)
        s.heads.append(read_head(conn).decode())
        conn.sendall(s.head_of(200, 0) + BODY[:300_000])
        gate.wait(30)
    s.handler = serve
    kept = os.path.join(d.state, "bodies", "kept")
    with open("job.json", "w", encoding="ascii") as f:
        json.dump(job(s.url, sha256=hashlib.sha256(BODY).hexdigest()), f)
    name = muster(d, "submit", "--detach", "job.json").out.strip()

    def size():
        return sum(os.path.getsize(os.path.join(kept, x)) for x in os.listdir(kept) if not x.endswith(".about"))
    wait_until("most of it to be on the disk", lambda: size() > 200_000)
    at = size()
    d.restart()
    gate.set()
    assert muster(d, "wait", name, "--wait", "20s").status == 0
    got = int(re.fullmatch(r"bytes=(\d+)-", s.ranges()[1]).group(1))
    assert at <= got <= 300_000, (at, got)
    r = muster(d, "results", name)
    assert r.lines[0]["size"] == len(BODY) and whole(r.lines[0]) == BODY, r.out[:300]
    assert os.listdir(kept) == [], os.listdir(kept)


@case
def a_drained_daemon_goes_on_with_what_is_on_the_disk():
    d, s = Daemon(), Cutter()
    right, gate = s.serve, threading.Event()

    def serve(conn, n):
        if n > 1:
            return right(conn, n)
        s.heads.append(read_head(conn).decode())
        conn.sendall(s.head_of(200, 0) + BODY[:300_000])
        gate.wait(40)
    s.handler = serve
    kept = os.path.join(d.state, "bodies", "kept")
    with open("job.json", "w", encoding="ascii") as f:
        json.dump(job(s.url), f)
    name = muster(d, "submit", "--detach", "job.json").out.strip()
    wait_until("some of it to be on the disk", lambda: len(os.listdir(kept)) == 2)
    assert d.stop() == 0
    assert len(os.listdir(kept)) == 2, os.listdir(kept)
    d.start()
    gate.set()
    assert muster(d, "wait", name, "--wait", "20s").status == 0
    assert s.ranges()[1] is not None, s.ranges()
    assert whole(muster(d, "results", name).lines[0]) == BODY


@case
def what_a_cancelled_task_has_begun_goes_from_the_disk():
    d, s, gate = Daemon(), Cutter(), threading.Event()

    def serve(conn, _):
        s.heads.append(read_head(conn).decode())
        conn.sendall(s.head_of(200, 0) + BODY[:300_000])
        gate.wait(30)
    s.handler = serve
    kept = os.path.join(d.state, "bodies", "kept")
    for restarts in (False, True):
        with open("job.json", "w", encoding="ascii") as f:
            json.dump(job(s.url), f)
        name = muster(d, "submit", "--detach", "job.json").out.strip()
        wait_until("some of it to be on the disk", lambda: len(os.listdir(kept)) == 2)
        if restarts:
            d.restart()
        assert muster(d, "cancel", name).status == 0
        wait_until("nothing to be left of it", lambda: os.listdir(kept) == [])
    gate.set()
