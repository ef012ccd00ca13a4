#!/usr/bin/env python3
"""What a connection costs in memory while its server is slow, plain and over TLS.

Every response has begun and none has ended: the server sends a head and one byte, and bytes to
some of them. environment: CONNECTIONS (10000), TLS_CONNECTIONS (1000)
"""
import contextlib
import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import harness  # noqa: E402
from cases_http import authority, certificate  # noqa: E402
from harness import BUILD, Daemon, wait_until  # noqa: E402
from peak import resident_kib  # noqa: E402
from table import Table  # noqa: E402

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000000\r\n\r\nx"


class Trickle:
    """A server in a process of its own; tells through a pipe how many responses have begun."""

    def __init__(self, tls=None):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(4096)
        self.port = self.sock.getsockname()[1]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls else None
        if tls:
            self.context.load_cert_chain(*tls)
        told, tell = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(told)
            self._serve(tell)
        os.close(tell)
        os.set_blocking(told, False)
        self.told, self.begun = told, 0

    def count(self):
        try:
            self.begun += len(os.read(self.told, 65536))
        except BlockingIOError:
            pass
        return self.begun

    def stop(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)

    def _one(self, conn, tell):
        if self.context and not isinstance(conn, ssl.SSLSocket):
            conn = self.context.wrap_socket(conn, server_side=True)
        if conn.recv(4096):
            conn.sendall(HEAD)
            os.write(tell, b".")
        return conn

    def _serve(self, tell):
        poll, held, answered = select.epoll(), {}, []
        poll.register(self.sock, select.EPOLLIN)
        while True:
            for fd, _ in poll.poll(1):
                if fd == self.sock.fileno():
                    conn, _ = self.sock.accept()
                    held[conn.fileno()] = conn
                    poll.register(conn, select.EPOLLIN)
                    continue
                poll.unregister(fd)
                answered.append(self._one(held.pop(fd), tell))
            answered = answered[64:] + answered[:64]
            for conn in answered[-64:]:
                with contextlib.suppress(OSError):
                    conn.send(b"x")


def run(name, n, tls=None, options=()):
    server = Trickle(tls)
    daemon = Daemon({"http": {"connections": n}, "limits": [{"match": {"host": "127.0.0.1"}, "concurrency": n}]},
                    state=f"s-{name}", name=name)
    scheme = "https" if tls else "http"
    with open("urls", "w", encoding="ascii") as f:
        f.writelines(f"{scheme}://127.0.0.1:{server.port}/{i}\n" for i in range(n))
    idle = resident_kib(daemon.process.pid, "VmRSS")
    with open("urls", "rb") as urls:
        p = subprocess.Popen([f"{BUILD}/muster", "--socket", daemon.address, "fetch", "--volatile", "-k", "-c", str(n), "-i", "-",
                              "--progress", "never", *options], stdin=urls, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(f"{n} responses to begin", lambda: server.count() == n, 120)
        begun = harness.cpu_seconds(daemon.process.pid)
        select.select([], [], [], 2)
        took = harness.cpu_seconds(daemon.process.pid) - begun
        held = resident_kib(daemon.process.pid, "VmRSS")
        p.terminate()
        p.wait(60)
    daemon.kill9()
    server.stop()
    return {"idle_mib": idle / 1024, "held_mib": held / 1024, "kib_each": (held - idle) / n, "cpu_percent": 50 * took}


def main():
    work = tempfile.mkdtemp(prefix="muster-bench-")
    os.chdir(work)
    authority()
    tls = certificate("server")
    n, n_tls = int(os.environ.get("CONNECTIONS", "10000")), int(os.environ.get("TLS_CONNECTIONS", "1000"))
    table = Table("connections")
    table.add(f"{n} plain", **run("plain", n))
    table.add(f"{n_tls} over TLS", **run("tls", n_tls, tls))
    table.finish()
    harness._cleanup.close()
    os.chdir("/")
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
