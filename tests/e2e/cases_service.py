"""musterd as a service: what it tells its manager, sockets it is handed, how it stops."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from harness import BUILD, Daemon, Process, ROOT, Rpc, RpcError, Web, case, muster, wait_until


class Manager:
    """Stands for the service manager: hears what is said to NOTIFY_SOCKET."""

    def __init__(self):
        self.path = os.path.abspath("notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.heard = []
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self):
        while True:
            self.heard.append(self.socket.recv(65536).decode())

    def env(self, **more):
        return {"NOTIFY_SOCKET": self.path, **more}

    def count(self, words):
        return sum(words in m.split("\n") for m in self.heard)


@case
def the_manager_hears_ready_reloading_stopping_and_a_live_watchdog():
    m = Manager()
    d = Daemon(env=m.env(WATCHDOG_USEC="600000"))
    assert m.heard[m.heard[0] == "WATCHDOG=1"] == "READY=1\nSTATUS=serving", m.heard
    wait_until("three signs of life", lambda: m.count("WATCHDOG=1") >= 3, 5)
    d.process.popen.send_signal(signal.SIGHUP)
    wait_until("READY after the reload", lambda: m.count("READY=1") == 2)
    reloading = next(i for i, x in enumerate(m.heard) if x.startswith("RELOADING=1"))
    said = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", m.heard[reloading])
    assert said and abs(int(said[1]) / 1e6 - time.monotonic()) < 60, m.heard[reloading]
    assert max(i for i, x in enumerate(m.heard) if x.startswith("READY=1")) > reloading
    assert m.count("STOPPING=1") == 0
    assert d.stop() == 0
    wait_until("STOPPING", lambda: m.count("STOPPING=1") == 1)


@case
def a_broken_configuration_is_told_and_the_old_one_stays():
    m = Manager()
    d = Daemon({"log": {"level": "warn"}}, env=m.env())
    for text, why in (('{"log": {"level": "debug"}, "lmits": []}', 'unknown member "lmits"; did you mean "limits"?'),
                      ('{"log": ', "the text ends where a value is expected")):
        before = m.count("READY=1")
        with open(d.config_path, "w", encoding="ascii") as f:
            f.write(text)
        d.process.popen.send_signal(signal.SIGHUP)
        wait_until("READY", lambda: m.count("READY=1") == before + 1)
        status = m.heard[-1].split("STATUS=")[1]
        assert d.config_path in status and why in status, status
        assert why in d.logged().replace('\\"', '"'), d.logged()
        r = muster(d, "reload")
        assert r.status == 2 and why in r.err, (r.status, r.err)
    assert "debug" not in d.logged()
    d.configure({})
    assert muster(d, "reload").status == 0
    wait_until("a good status", lambda: m.heard[-1].endswith("STATUS=serving"))


@case
def sockets_of_the_manager_are_taken_and_left_in_place():
    program = shutil.which("systemd-socket-activate")
    if not program:
        print("left out: no systemd-socket-activate")
        return
    os.makedirs("run")
    control, events = os.path.abspath("run/control.sock"), os.path.abspath("run/events.sock")
    p = Process([program, "-l", control, "-l", events, f"{BUILD}/musterd", "--state", os.path.abspath("state"),
                 "--socket", control], log="musterd.log")
    wait_until("the sockets", lambda: os.path.exists(events))
    with Rpc(control) as rpc, socket.socket(socket.AF_UNIX) as sub:
        assert rpc.call("daemon.ping")["pong"] is True
        sub.connect(events)
        sub.sendall(b"\0SP\0\0\x21\0\0")
        assert sub.recv(8, socket.MSG_WAITALL) == b"\0SP\0\0\x20\0\0"
        pid = rpc.call("daemon.info")["pid"]
        assert pid == p.pid  # it replaced the activator
        rpc.call("job.submit", {"spec": {"run": {"emit": 1}}})
        assert sub.recv(1) == b"\1"
    p.popen.terminate()
    assert p.popen.wait(15) == 0
    assert os.path.exists(control) and os.path.exists(events)


@case
def sigterm_lets_five_hundred_attempts_end():
    gate = threading.Event()

    def answer(hit):
        gate.wait(30)
        return 200, [], b"done"
    w, d = Web(answer), Daemon({"limits": [{"match": {}, "key": "all", "concurrency": 600}]})
    with open("urls", "w", encoding="ascii") as f:
        f.writelines(f"{w.url}/{i}\n" for i in range(500))
    job = muster(d, "fetch", "--detach", "-c", "600", "-i", "urls").out.strip()
    wait_until("five hundred requests", lambda: w.count() >= 500, 30)
    began = time.monotonic()
    d.process.popen.terminate()
    wait_until("the socket to go", lambda: not os.path.exists(d.socket_path))
    assert d.process.alive()
    gate.set()
    assert d.process.popen.wait(15) == 0
    assert time.monotonic() - began < 10
    d.start()
    assert muster(d, "wait", job).status == 0
    lines = muster(d, "results", job).lines
    assert len(lines) == 500 and all(x["ok"] for x in lines)
    assert w.count() == 500, "attempts in flight were made again"


@case
def sigterm_under_load_answers_what_is_parked_and_removes_the_sockets():
    for _ in range(5):
        d = Daemon()
        with d.rpc() as rpc, d.rpc() as busy:
            job = rpc.call("job.submit", {"spec": {"run": {"sleep": "1h"}}})["job"]
            parked = [rpc.start("job.wait", {"job": job, "wait_ms": 25000}) for _ in range(20)]
            for _ in range(60):
                busy.start("daemon.ping")
            began = time.monotonic()
            d.process.popen.terminate()
            for rid in parked:
                try:
                    rpc.finish(rid)
                except RpcError as e:
                    assert e.kind == "closed", e.error
            assert d.process.popen.wait(15) == 0
            assert time.monotonic() - began < 2
        assert not os.path.exists(d.socket_path) and not os.path.exists(os.path.join(os.path.dirname(d.socket_path), "events.sock"))


@case
def parked_requests_leave_room_for_a_ping_and_too_many_are_busy():
    d = Daemon()
    with d.rpc() as rpc:
        job = rpc.call("job.submit", {"spec": {"run": {"sleep": "1h"}}})["job"]
        parked = [rpc.start("job.wait", {"job": job, "wait_ms": 25000}) for _ in range(48)]
        assert rpc.call("daemon.ping")["pong"] is True
        try:
            rpc.call("job.wait", {"job": job, "wait_ms": 25000})
            raise AssertionError("more than 48 may wait")
        except RpcError as e:
            assert e.kind == "busy", e.error
        with d.rpc() as other:
            assert other.call("job.wait", {"job": job, "wait_ms": 0})["state"] == "running"
            other.call("job.cancel", {"job": job})
        for rid in parked:
            assert rpc.finish(rid)["state"] == "cancelled"


@case
def clients_that_come_and_go_or_are_killed_leave_no_descriptors():
    d = Daemon()
    with d.rpc() as rpc:
        job = rpc.call("job.submit", {"spec": {"run": {"sleep": "1h"}}})["job"]
        rpc.call("daemon.ping")

        def descriptors():
            return len(os.listdir(f"/proc/{d.process.pid}/fd"))
        before = descriptors()
        for i in range(400):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(d.socket_path)
                if i % 4 > 0:
                    s.sendall(Rpc.HELLO)
            if i % 4 == 3:  # gone with requests that wait
                gone = d.rpc()
                for _ in range(5):
                    gone.start("job.wait", {"job": job, "wait_ms": 25000})
                gone.close()
        wait_until("descriptors to be given back", lambda: descriptors() <= before)
        wait_until("what they had asked to be given up",
                   lambda: "job.wait" not in json.dumps(rpc.call("actor.list", {"max": 1000})), 40)
        assert rpc.call("daemon.ping")["pong"] is True


@case
def the_units_are_confined():
    if not shutil.which("systemd-analyze"):
        print("left out: no systemd-analyze")
        return
    for unit in ("musterd", "musterd-gateway", "musterd-runner"):
        path = os.path.join(ROOT, "systemd", unit + ".service")
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", path], capture_output=True, text=True,
                              timeout=60, check=False)
        level = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        if not level:
            print("left out: this systemd-analyze cannot look at a file:", done.stderr.strip())
            return
        assert float(level[1]) <= 2.0, (unit, level[0])
