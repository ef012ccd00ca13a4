"""The HTTP engine against peers that misbehave: verdicts, boundaries, time, memory."""
import gzip
import json
import shutil
import subprocess
import zlib

import replies
from cases_http import authority, certificate
from harness import (Daemon, Process, Web, case, cpu_seconds, muster, muster_start, proc_status, wait_until)
from wire import Kept, Replies, curl_is_the_reference, curl_verdicts, muster_verdicts, recorded

NAMES = [r[0] for r in replies.ROWS]
ALL = list(range(len(NAMES)))


def problems_of(found, way):
    """What muster made of the replies, held against curl's word and the exceptions."""
    said = recorded()
    refused = {name: kind for _, kind, names in replies.OTHERWISE for name in names}
    for i, made in found.items():
        name = NAMES[i]
        if name in refused:
            right = not made.ok and made.error.startswith(refused[name] + ":")
        elif name in replies.TAKEN:
            right = made.ok and made.body == replies.TAKEN[name]
        else:
            right = made.short() == said[name]
        if not right:
            yield f"{way}: {name}: {made} where curl says {said[name]}"


@case
def every_reply_gets_curls_verdict_however_it_arrives():
    authority()
    tls = certificate("server")
    d = Daemon()
    wrong = []
    for piece, certs in ((0, None), (20, None), (1, None), (0, tls), (1, tls)):
        # A head of megabytes is not for single bytes.
        some = [i for i in ALL if piece != 1 or len(replies.ROWS[i][1]) < 20000]
        found = muster_verdicts(d, Replies([r[1:] for r in replies.ROWS], piece, certs), some, seconds=10)
        wrong += problems_of(found, f"pieces of {piece or 'all'}{', TLS' if certs else ''}")
    assert not wrong, "\n".join(wrong)
    assert d.process.alive() and d.rss_kib() < 100000


@case
def the_record_of_curls_verdicts_is_true():
    if not curl_is_the_reference():
        print("the_record_of_curls_verdicts_is_true: this curl is not 7.88, nothing to compare")
        return
    said, found = recorded(), curl_verdicts(Replies([r[1:] for r in replies.ROWS]), ALL)
    wrong = [f"{NAMES[i]}: {v}, recorded {said[NAMES[i]]}" for i, v in found.items() if v.short() != said[NAMES[i]]]
    assert not wrong, "\n".join(wrong)
    assert sorted(said) == sorted(NAMES), "run tests/e2e/wire.py after a change of the table"


@case
def bodies_larger_than_the_commands_buffer_all_reach_a_file():
    d, web = Daemon(), Web(lambda hit: (200, [], b"x" * 300000))
    urls = "".join(f"{web.url}/{i}\n" for i in range(12))
    with open("out.ndjson", "wb") as out:
        p = muster_start(d, "fetch", "-i", "-", "--volatile", stdin=subprocess.PIPE, stdout=out)
        p.communicate(urls.encode(), timeout=30)
    with open("out.ndjson", encoding="utf-8") as f:
        lines = [json.loads(x) for x in f]
    assert p.returncode == 0 and len(lines) == 12
    assert all(r["body"] == "x" * 300000 for r in lines)


def next_answers(d, server, indexes):
    """What a second request to the same origins gets; each must be its own server's answer."""
    for i, made in muster_verdicts(d, server, indexes, seconds=10).items():
        if made.body != b"next:%d" % i:
            yield f"{NAMES[i]}: {made}"


@case
def no_byte_of_a_response_reaches_the_next_request():
    authority()
    tls = certificate("server")
    d = Daemon()
    wrong = []
    # What has no end is ended by its timeout; the connection must not be used again either.
    some = [i for i in ALL if len(replies.ROWS[i][1]) < 20000]
    for certs in (None, tls):
        server = Kept([r[1:] for r in replies.ROWS], tls=certs)
        muster_verdicts(d, server, some, ["-c", "300"], seconds=2)
        wrong += next_answers(d, server, some)
        server.push(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nPOISONED")
        wrong += next_answers(d, server, some)
    assert not wrong, "\n".join(wrong)


# Replies with an end of their own; the last has none but the connection's.
WHOLE = [
    replies.GET5, replies.OK + b"Content-Length: 0\r\n\r\n", replies.OK + replies.TE + b"\r\n" + replies.CHUNKS,
    replies.OK + replies.TE + b"\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n", replies.OK + replies.TE + b"\r\n0\r\n\r\n",
    b"HTTP/1.1 100 C\r\n\r\n" + replies.GET5, b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n" + replies.OK + replies.TE + b"\r\n" + replies.CHUNKS,
    b"HTTP/1.1 204 N\r\nFoo: bar\r\n\r\n", b"HTTP/1.1 304 N\r\nETag: x\r\n\r\n", b"HTTP/1.1 404 N\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    replies.OK + b"Foo: a\r\n b\r\n" + replies.CL5 + b"\r\nhello", replies.OK + replies.CL5 + replies.CL5 + b"\r\nhello",
    replies.OK + b"Content-Encoding: br\r\nContent-Length: 9\r\n\r\n" + replies.BROTLI_HELLO,
    replies.OK + b"Content-Encoding: zstd\r\n" + replies.TE + b"\r\n%x\r\n" % len(replies.zstd_frame(b"hello"))
    + replies.zstd_frame(b"hello") + b"\r\n0\r\n\r\n",
]


@case
def a_response_cut_anywhere_is_told_from_a_whole_one():
    rows, classes = [], []
    for whole in WHOLE:
        for at in range(len(whole) + 1):
            for then in ("close", "gone", "reset"):
                rows.append((whole[:at], then))
                classes.append(at == len(whole))
    until_close = replies.OK + b"\r\nhello"
    for at in range(len(replies.OK) + 2, len(until_close) + 1):
        rows += [(until_close[:at], "gone"), (until_close[:at], "reset")]
        classes += [True, False]
    d = Daemon()
    found = muster_verdicts(d, Replies(rows), list(range(len(rows))), ["-c", "60"], seconds=10)
    wrong = [f"{rows[i]}: {v}" for i, v in found.items()
             if v.ok != classes[i] or not (v.ok or v.error.startswith(("read.closed:", "body.decode:")))]
    assert not wrong, f"{len(wrong)} of {len(rows)}:\n" + "\n".join(wrong[:40])


# First addresses of what must not be reached, and a spelling or two of each.
FORBIDDEN_V4 = [
    "0.0.0.0", "0.0.0.1", "0.255.255.255", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.254", "127.0.0.1", "127.0.0.2",
    "127.255.255.254", "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.254", "192.0.0.1", "192.0.0.170", "192.0.2.1",
    "192.88.99.1", "192.168.0.1", "192.168.255.254", "198.18.0.1", "198.19.255.254", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.254", "255.255.255.255"]
FORBIDDEN_V6 = [
    "::", "::1", "0:0:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:0000:0001", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1",
    "::FFFF:a9fe:a9fe", "::ffff:10.0.0.1", "::ffff:0:0", "0:0:0:0:0:ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1", "64:ff9b:1::7f00:1", "100::1", "2001::1", "2001:0:7f00:1::1", "2001:db8::1", "2001:db8:ffff::1", "2001:10::1", "2001:2::1",
    "2002:7f00:1::", "2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:a00:1::", "2002:c0a8:1::1", "fc00::1", "fd00::1", "fdff:ffff::1", "fe80::1",
    "fe80::1%25lo", "fe80::1%251", "febf::1", "fec0::1", "ff02::1", "ff05::2", "ff00::", "ffff::1", "5f00::1", "3fff::1"]
LOOPBACK_SPELT = [
    "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0x7f.0x0.0x0.0x1", "0177.0.0.1", "0177.1", "017700000001", "0x7F000001",
    "127.0.0.01", "127.0.0.0x1", "127.000.000.001", "127.0.0.1.", "localhost", "LOCALHOST", "localhost.", "a.localhost", "x.y.localhost.",
    "0", "0x0", "00", "0.0", "0177.0.0.01", "0x7f.0.1", "127.256", "3232235777", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376",
    "169.254.43518", "%31%32%37.0.0.1", "127%2e0%2e0%2e1", "user@127.0.0.1", "user:pass@127.0.0.1", "example.com@127.0.0.1",
    "127.0.0.1\\@example.com", "example.com\\@127.0.0.1", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\u2460\u2461\u2466.0.0.1",
    "[::1]:80@127.0.0.1", "127.0.0.1:80:80", "127.0.0.1#@example.com", "127.0.0.1?@example.com", "[127.0.0.1]", "[::1", "::1", "[::1]x"]


class Connects:
    """What a process tries to connect to over IP while this is open, as strace tells it."""

    def __init__(self, pid):
        self.found = []
        self.strace = None
        if not shutil.which("strace"):
            print("strace is not here: that nothing is connected to is not checked")
            return
        self.strace = Process(["strace", "-f", "-e", "trace=connect,sendto", "-o", "trace", "-p", str(pid)], log="strace.log")
        wait_until("strace to attach", lambda: "attached" in open("strace.log", encoding="ascii").read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.strace:
            self.strace.terminate()
            with open("trace", encoding="ascii", errors="replace") as f:
                self.found = [line for line in f if "AF_INET" in line]


@case
def forbidden_addresses_are_refused_however_spelt_and_nothing_is_sent():
    urls = [f"http://{a}/" for a in FORBIDDEN_V4 + LOOPBACK_SPELT] + [f"http://[{a}]/" for a in FORBIDDEN_V6]
    urls += [f"http://[::ffff:{a}]/" for a in FORBIDDEN_V4] + [f"http://{a}:8080/x" for a in FORBIDDEN_V4[:10]]
    assert len(urls) >= 150, len(urls)
    d = Daemon({"network": {"deny": ["special"]}})
    with Connects(d.process.pid) as tried:
        r = muster(d, "fetch", "-i", "-", "-c", "64", "--retry", "0", stdin="\n".join(urls) + "\n")
    assert not tried.found, tried.found
    kinds = {x["url"]: x.get("error", {}).get("kind") for x in r.lines}
    wrong = [f"{u}: {k}" for u, k in kinds.items() if k not in ("policy.denied", "url.invalid")]
    assert len(r.lines) == len(urls) and not wrong, "\n".join(wrong)
    # These are addresses, not nonsense.
    for plain in FORBIDDEN_V4 + [f"[{a}]" for a in FORBIDDEN_V6 if "%" not in a]:
        assert kinds[f"http://{plain}/"] == "policy.denied", plain
    # The same eyes do see a connection that is allowed.
    d.stop()
    free, web = Daemon(name="free"), Web()
    with Connects(free.process.pid) as tried:
        assert muster(free, "fetch", web.url).status == 0
    assert tried.found or not tried.strace


@case
def a_bomb_costs_neither_memory_nor_time():
    """Ten megabytes that would be ten gigabytes, and codings within codings."""
    zeros = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = zeros.compress(bytes(1 << 20)) + zeros.flush(zlib.Z_FULL_FLUSH)
    one = head + (zeros.compress(bytes(1 << 20)) + zeros.flush(zlib.Z_FULL_FLUSH)) * 10000
    gz = gzip.compress(gzip.compress(bytes(64 << 20), 9), 9)
    wide = b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + b"\x01\x00\x00"  # a window of 2^31
    bodies = {"/gzip": ("gzip", one), "/twice": ("gzip, gzip", gz), "/thrice": ("gzip, gzip, gzip", gzip.compress(gz)), "/zstd": ("zstd", wide)}
    d = Daemon()
    web = Web(lambda hit: (200, [("Content-Encoding", bodies[hit["path"]][0])], bodies[hit["path"]][1]))
    muster(d, "fetch", web.url + "/zstd")
    before, spent = d.rss_kib(), cpu_seconds(d.process.pid)
    for limit in ("16M", "1G"):
        r = muster(d, "fetch", "--retry", "0", "--max-body", limit, *[web.url + p for p in bodies], "--body", "none")
        kinds = {x["url"][len(web.url):]: x["error"]["kind"] for x in r.lines}
        assert kinds.pop("/gzip") == kinds.pop("/twice") == "body.too_large", r.out
        assert set(kinds.values()) == {"body.decode"}, r.out
    assert proc_status(d.process.pid, "VmHWM") - before < 40000, (before, proc_status(d.process.pid, "VmHWM"))
    assert cpu_seconds(d.process.pid) - spent < 2.0
