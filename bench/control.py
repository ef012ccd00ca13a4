#!/usr/bin/env python3
"""Round trips on the control socket with 1, 8 and 64 requests outstanding, against the limit (an
epoll echo that only frames) and against libnng's own REP server; also the server's CPU per round
trip, which holds better on a busy machine. environment: SECONDS (2), ROUNDS (3)
"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import harness  # noqa: E402
from harness import BUILD, Daemon, Process, cpu_seconds, wait_until  # noqa: E402
from table import Table  # noqa: E402

PROGRAM = f"{BUILD}/bench-bin/roundtrips"
SECONDS = os.environ.get("SECONDS", "2")
ROUNDS = int(os.environ.get("ROUNDS", "3"))


def greets(path):
    """Its path is there before it listens; libnng 1.5 is dead after a connection that says nothing."""
    with socket.socket(socket.AF_UNIX) as s:
        if s.connect_ex(path) != 0:
            return False
        s.sendall(b"\0SP\0\0\x30\0\0")
        return len(s.recv(8, socket.MSG_WAITALL)) == 8


def main():
    work = tempfile.mkdtemp(prefix="muster-bench-")
    os.chdir(work)
    daemon = Daemon()
    servers = {"muster": (daemon.socket_path, daemon.process.pid)}
    for kind in ("epoll", "nng"):
        path = os.path.join(work, kind)
        process = Process([PROGRAM, kind, path])
        wait_until(f"the {kind} server", lambda path=path: greets(path))
        servers["epoll echo (the limit)" if kind == "epoll" else "libnng REP"] = (path, process.pid)
    table = Table("control")
    for _ in range(ROUNDS):
        for name, (path, pid) in servers.items():
            for outstanding, conns in ((1, 1), (8, 1), (64, 1), (64, 64)):
                before = cpu_seconds(pid)
                done = subprocess.run([PROGRAM, "client", path, str(conns), str(outstanding), SECONDS],
                                      capture_output=True, text=True, check=True)
                rate = float(done.stdout)
                table.add(name, **{f"rt_per_s_{outstanding}_on_{conns}": rate})
                if outstanding == 64:
                    cpu = cpu_seconds(pid) - before
                    table.add(name, **{f"cpu_us_64_on_{conns}": cpu / (rate * float(SECONDS)) * 1e6})
    table.finish()
    harness._cleanup.close()
    os.chdir("/")
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
