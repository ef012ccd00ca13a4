"""Remote control: mutual TLS through musterd-gateway, whose death never touches the daemon."""
import json
import os
import signal
import subprocess
import time

from harness import BUILD, Daemon, Process, Web, can_connect, case, free_port, muster, wait_until


def certificates():
    """ca, gateway, caller, and a caller of a foreign authority."""
    def run(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)
    for ca in ("ca", "foreign"):
        run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{ca}.key", "-out", f"{ca}.pem", "-days", "2",
            "-subj", f"/CN={ca}")
    for name, ca in (("gw", "ca"), ("me", "ca"), ("stranger", "foreign")):
        run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=localhost")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
            "-out", f"{name}.pem", "-days", "2")


class Gateway:
    def __init__(self, daemon, listen=None):
        self.port = free_port()
        self.address = listen or f"tls+tcp://localhost:{self.port}"
        self.argv = [f"{BUILD}/musterd-gateway", "--listen", self.address.replace("localhost", "127.0.0.1"),
                     "--socket", daemon.address, "--cacert", "ca.pem", "--cert", "gw.pem", "--key", "gw.key"]
        self.start()

    def start(self):
        self.process = Process(self.argv, log="gateway.log")
        wait_until("the gateway to listen", lambda: can_connect(self.port))


def remote(gateway, *args, name="me", ca="ca.pem", timeout=60, stdin=None):
    return muster(None, "--socket", gateway.address, "--cacert", ca, "--cert", f"{name}.pem", "--key", f"{name}.key",
                  *args, timeout=timeout, stdin=stdin)


@case
def a_caller_with_a_certificate_controls_the_daemon_remotely():
    certificates()
    d, w = Daemon(), Web()
    g = Gateway(d)
    r = remote(g, "ping")
    assert r.status == 0, (r.status, r.out, r.err)
    r = remote(g, "fetch", "--detach", *[f"{w.url}/{i}" for i in range(20)])
    assert r.status == 0, (r.status, r.err)
    job = r.out.strip()
    assert remote(g, "wait", job).status == 0
    assert len(remote(g, "results", job).lines) == 20


@case
def strangers_are_refused_by_the_gateway():
    certificates()
    d = Daemon()
    g = Gateway(d)
    assert remote(g, "ping", name="stranger").status == 3
    assert remote(g, "ping", ca="foreign.pem").status == 3
    plain = muster(None, "--socket", f"tcp://127.0.0.1:{g.port}", "ping")
    assert plain.status == 3, (plain.status, plain.err)
    assert remote(g, "ping").status == 0


@case
def attached_jobs_are_denied_through_a_gateway():
    certificates()
    d, w = Daemon(), Web()
    g = Gateway(d)
    r = remote(g, "fetch", w.url)
    assert r.status == 6 and "gateway" in r.err, (r.status, r.err)
    assert w.count() == 0


@case
def a_killed_gateway_never_touches_the_daemon():
    certificates()
    d, w = Daemon(), Web(lambda hit: (time.sleep(0.05), (200, [], b"x"))[1])
    g = Gateway(d)
    job = remote(g, "fetch", "--detach", "-c", "2", *[f"{w.url}/{i}" for i in range(40)]).out.strip()
    assert job.startswith("j"), job
    waiting = subprocess.Popen([f"{BUILD}/muster", "--socket", g.address, "--cacert", "ca.pem", "--cert", "me.pem",
                                "--key", "me.key", "wait", job], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until("progress", lambda: w.count() > 5)
    os.kill(g.process.pid, signal.SIGKILL)
    assert muster(d, "ping").status == 0
    g.start()
    assert muster(d, "wait", job).status == 0
    assert json.loads(muster(d, "show", job, "--json").out)["tasks"]["ok"] == 40
    waiting.wait(40)


@case
def plain_tcp_is_for_loopback_only():
    r = subprocess.run([f"{BUILD}/musterd-gateway", "--listen", "tcp://0.0.0.0:1"], capture_output=True, text=True,
                       timeout=10, check=False)
    assert r.returncode == 2 and "loopback" in r.stderr, (r.returncode, r.stderr)
    d = Daemon()
    g = Gateway.__new__(Gateway)
    g.port = free_port()
    g.address = f"tcp://127.0.0.1:{g.port}"
    g.argv = [f"{BUILD}/musterd-gateway", "--listen", g.address, "--socket", d.address]
    g.start()
    assert muster(None, "--socket", g.address, "ping").status == 0
