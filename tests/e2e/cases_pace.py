"""Rates hold at the server even where connections come late."""
import contextlib
import socket
import struct
import threading
import time

from harness import Daemon, Nginx, Raw, Web, case, muster, read_head


def _relay(a, b):
    with contextlib.suppress(OSError):
        while True:
            data = a.recv(65536)
            if not data:
                break
            b.sendall(data)
    for s in (a, b):
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_RDWR)


def _recv(conn, n):
    out = b""
    while len(out) < n:
        got = conn.recv(n - len(out))
        if not got:
            raise OSError("closed")
        out += got
    return out


class GatedSocks(Raw):
    """A SOCKS5 proxy that lets nobody through before its gate opens, and then all at once."""

    def __init__(self, shut_for):
        self.opens_at = time.monotonic() + shut_for
        super().__init__(self._through)

    def _through(self, conn, _):
        _recv(conn, _recv(conn, 2)[1])
        conn.sendall(b"\x05\x00")
        kind = _recv(conn, 4)[3]
        host = _recv(conn, _recv(conn, 1)[0]).decode() if kind == 3 else socket.inet_ntoa(_recv(conn, 4))
        port = struct.unpack(">H", _recv(conn, 2))[0]
        time.sleep(max(0, self.opens_at - time.monotonic()))
        with socket.create_connection((host, port)) as out:
            conn.sendall(b"\x05\x00\x00\x01\0\0\0\0\0\0")
            threading.Thread(target=_relay, args=(out, conn), daemon=True).start()
            _relay(conn, out)


def exceeds(times, rate, burst):
    """The first window in which more came than burst + rate x window + 1."""
    times = sorted(times)
    for i, a in enumerate(times):
        for k in range(i, len(times)):
            if k - i + 1 > burst + rate * (times[k] - a) + 1:
                return i, k, times[k] - a
    return None


@case
def connections_that_come_all_at_once_do_not_exceed_the_rate():
    d, w = Daemon(), Web()
    proxy = GatedSocks(2.0)
    urls = [f"{w.url}/{i}" for i in range(14)]
    r = muster(d, "fetch", "--rate", "5/s", "-c", "14", "--proxy", f"socks5://127.0.0.1:{proxy.port}",
               *urls)
    assert r.status == 0 and len(r.lines) == 14, (r.err, r.out)
    assert w.count() == 14, w.paths()
    assert proxy.accepted >= 5, "the gate held nobody back: this case would prove nothing"
    bad = exceeds([h["at"] for h in w.hits], 5, 1)
    assert bad is None, bad
    assert all(x["attempts"] == 1 for x in r.lines), "a lapsed token is no attempt"


@case
def a_request_repeated_on_a_new_connection_takes_a_token_too():
    times = []

    def once(conn, _):
        if read_head(conn):
            times.append(time.monotonic())
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        if read_head(conn):  # and closes, as if it had been closing already
            times.append(time.monotonic())
    d, s = Daemon(), Raw(once)
    r = muster(d, "fetch", "--retry", "0", "--rate", "5/s", "-c", "1", *[f"{s.url}/{i}" for i in range(6)])
    assert r.status == 0 and all(x["attempts"] == 1 for x in r.lines), r.out
    assert len(times) == 11, times  # each but the first finds the connection of the one before
    assert exceeds(times, 5, 1) is None, times
    assert min(b - a for a, b in zip(times, times[1:])) > 0.15, times


@case
def a_fast_rate_is_reached_although_tokens_lapse():
    d, n = Daemon(), Nginx()
    n.file("x", "x")
    began = time.monotonic()
    r = muster(d, "fetch", "--rate", "1000/s", "-c", "32", "-i", "-",
               stdin="".join(f"{n.url}/x?{i}\n" for i in range(3000)))
    took = time.monotonic() - began
    assert r.status == 0 and len(r.lines) == 3000, r.err
    assert took < 12, f"3000 requests at 1000/s took {took:.1f} s"


@case
def a_body_slower_than_min_rate_ends_the_attempt():
    def trickle(conn, _):
        while read_head(conn):
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            for _ in range(60):
                conn.sendall(b"x" * 100)
                time.sleep(0.2)
    d, s = Daemon(), Raw(trickle)
    began = time.monotonic()
    r = muster(d, "fetch", "--min-rate", "10k", "--retry", "0", s.url)
    assert r.lines[0]["error"]["kind"] == "read.timeout", r.out
    assert 4.5 < time.monotonic() - began < 9
