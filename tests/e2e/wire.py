"""Raw replies, told to muster and to curl alike, and what each made of them.

Every reply has an address of its own in 127.0.0.0/8, so that no two of them share a connection or
a limit. A reply is bytes and what follows them: "close" (the end of the stream, while the server still
reads), "gone" (it left altogether), "reset", or "hold" (nothing: the framing alone must end it).
"""
import base64
import concurrent.futures
import contextlib
import hashlib
import json
import os
import socket
import ssl
import struct
import subprocess
import threading

from harness import BUILD, _cleanup


def address_of(index):
    return f"127.1.{index // 250}.{index % 250 + 1}"


def has_head(conn):
    head = b""
    while b"\r\n\r\n" not in head:
        got = conn.recv(4096)
        if not got:
            return False
        head += got
    return True


class Replies:
    """Listens on one port of all loopback addresses; the address asked for names the reply."""

    def __init__(self, replies, piece=0, tls=None):
        self.replies, self.piece, self.context = replies, piece, None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls)
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("0.0.0.0", 0))
        self.sock.listen(1024)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        _cleanup.callback(self.sock.close)

    def url(self, index):
        return f"http{'s' if self.context else ''}://{address_of(index)}:{self.port}/{index}"

    def _accept(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(conn,), daemon=True).start()

    def _one(self, conn):
        a, b = (int(x) for x in conn.getsockname()[0].split(".")[2:])
        reply, then = self.replies[a * 250 + b - 1]
        with contextlib.suppress(OSError), conn:
            conn.settimeout(10)
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                conn = self.context.wrap_socket(conn, server_side=True)
            with conn:
                self.talk(conn, a * 250 + b - 1, reply, then)

    def talk(self, conn, _, reply, then):
        if not has_head(conn):
            return
        step = self.piece or max(len(reply), 1)
        for at in range(0, len(reply), step):
            conn.sendall(reply[at:at + step])
        if then == "reset":
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if then == "gone":
            return
        if then == "close":
            if self.context:
                conn.settimeout(1)
                conn.unwrap()
            else:
                conn.shutdown(socket.SHUT_WR)
        while conn.recv(65536):
            pass


class Kept(Replies):
    """Goes on after its reply: each further request on the connection is answered "next:INDEX"."""

    def __init__(self, replies, piece=0, tls=None):
        self.open, self.again = [], set()
        super().__init__(replies, piece, tls)

    def talk(self, conn, index, reply, then):
        first = index not in self.again
        self.again.add(index)
        self.open.append(conn)
        while has_head(conn):
            body = b"next:%d" % index
            conn.sendall(reply if first else OK_HEAD % len(body) + body)
            first = False

    def push(self, text):
        """Bytes that nobody asked for, on every connection that is still open."""
        for conn in list(self.open):
            with contextlib.suppress(OSError):
                conn.sendall(text)


OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


class Verdict:
    """Did it end well, with which status, body and header."""

    def __init__(self, ok, status, body, headers=None, error=""):
        self.ok, self.status, self.body, self.headers, self.error = ok, status, body, headers, error

    def short(self):
        """Status and a hash of the body, or "refused": what is compared."""
        return f"{self.status} {hashlib.sha256(self.body).hexdigest()[:12]}" if self.ok else "refused"

    def __repr__(self):
        if not self.ok:
            return f"refused ({self.error})"
        return f"{self.status} {self.body[:60]!r}{'…' if len(self.body) > 60 else ''}"


def curl_verdict(url, options=(), seconds=3):
    argv = ["curl", "-q", "-s", "-k", "--compressed", "--max-time", str(seconds), "-w",
            "%{stderr}%{http_code} %{exitcode} %{header_json}", *options, url]
    done = subprocess.run(argv, capture_output=True, check=False)
    status, code, headers = done.stderr.split(b" ", 2)
    return Verdict(code == b"0", int(status), done.stdout, headers, f"curl: {code.decode()}")


def curl_verdicts(server, indexes, options=(), seconds=3):
    """What curl makes of these replies, a process each: {index: Verdict}."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        each = pool.map(lambda i: curl_verdict(server.url(i), options, seconds), indexes)
        return dict(zip(indexes, each))


def muster_verdicts(daemon, server, indexes, options=(), seconds=3):
    """What muster makes of them, all in one fetch: {index: Verdict}."""
    urls = "".join(server.url(i) + "\n" for i in indexes)
    argv = [f"{BUILD}/muster", "--socket", daemon.address, "fetch", "-i", "-", "-c", "40", "-k", "--retry", "0",
            "--no-location", "--expect", "100-999", "--timeout", f"{seconds}s", "--volatile", "--summary", "never",
            "--progress", "never", *options]
    done = subprocess.run(argv, input=urls.encode(), capture_output=True, check=False)
    found = {}
    for line in done.stdout.splitlines():
        r = json.loads(line)
        i = int(r["url"].rsplit("/", 1)[1])
        body = base64.b64decode(r["body_base64"]) if "body_base64" in r else r.get("body", "").encode()
        error = r.get("error", {})
        found[i] = Verdict(r["ok"], r.get("status", 0), body, r.get("headers"),
                           f"{error.get('kind')}: {error.get('message')}")
    assert len(found) == len(indexes), (len(found), len(indexes), done.returncode, done.stderr[-2000:])
    return found


RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "replies.curl")


def recorded():
    """What curl 7.88 made of each reply: {name: Verdict.short()}."""
    with open(RECORD, encoding="utf-8") as f:
        return dict(line.rstrip("\n").split("\t") for line in f)


def curl_is_the_reference():
    said = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout
    return said.startswith("curl 7.88.")


if __name__ == "__main__":
    # Writes down what this curl says; the table changed.
    import replies
    assert curl_is_the_reference(), "the record is of curl 7.88"
    said = curl_verdicts(Replies([r[1:] for r in replies.ROWS]), list(range(len(replies.ROWS))))
    with open(RECORD, "w", encoding="utf-8") as out:
        for number, made in sorted(said.items()):
            out.write(f"{replies.ROWS[number][0]}\t{made.short()}\n")
