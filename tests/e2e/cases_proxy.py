"""Proxies that others wrote: tinyproxy and Dante, where they are installed."""
import os
import shutil
import subprocess

from harness import Daemon, Nginx, Process, can_connect, case, free_port, muster, wait_until


def find(name):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        print(f"skipped: {name} is not installed")
    return path


def tinyproxy(extra=""):
    binary, port = find("tinyproxy"), free_port()
    if binary is None:
        return None
    with open("tinyproxy.conf", "w", encoding="ascii") as f:
        f.write(f"Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\n"
                f"LogFile \"{os.path.abspath('tinyproxy.log')}\"\nLogLevel Connect\n{extra}")
    Process([binary, "-d", "-c", "tinyproxy.conf"], log="tinyproxy.out")
    wait_until("tinyproxy to listen", lambda: can_connect(port))
    return port


def dante():
    binary, port = find("danted"), free_port()
    if binary is None:
        return None
    with open("danted.conf", "w", encoding="ascii") as f:
        f.write(f"logoutput: {os.path.abspath('danted.log')}\n"
                f"internal: 127.0.0.1 port = {port}\nexternal: lo\n"
                "socksmethod: none\nclientmethod: none\nuser.privileged: root\nuser.unprivileged: nobody\n"
                "client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }\n"
                "socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }\n")
    Process([binary, "-f", "danted.conf"], log="danted.out")
    wait_until("danted to listen", lambda: can_connect(port))
    return port


def certificate():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem",
                    "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return os.path.abspath("cert.pem"), os.path.abspath("key.pem")


def fetch_through(proxy, tls=None, n=20):
    d, web = Daemon(), Nginx(tls=tls)
    urls = [web.file(f"f{i}", f"number {i}") for i in range(n)]
    more = ["--cacert", tls[0]] if tls else []
    r = muster(d, "fetch", "--proxy", proxy, *more, *urls)
    assert r.status == 0, (r.out, r.err)
    assert sorted(x["body"] for x in r.lines) == sorted(f"number {i}" for i in range(n))
    return r


@case
def tinyproxy_forwards_plain_requests():
    port = tinyproxy()
    if port is not None:
        fetch_through(f"http://127.0.0.1:{port}")
        assert "GET" in open("tinyproxy.log", encoding="utf-8").read()


@case
def tinyproxy_tunnels_tls():
    port = tinyproxy()
    if port is not None:
        fetch_through(f"http://127.0.0.1:{port}", tls=certificate())
        assert "CONNECT" in open("tinyproxy.log", encoding="utf-8").read()


@case
def tinyproxy_that_wants_a_login_gets_it_or_refuses():
    port = tinyproxy("BasicAuth ada secret\n")
    if port is None:
        return
    fetch_through(f"http://ada:secret@127.0.0.1:{port}", n=3)
    r = muster(Daemon(name="e", state="e-state"), "fetch", "--retry", "0", "--proxy",
               f"http://127.0.0.1:{port}", "https://127.0.0.1:9/")
    assert r.lines[0]["error"]["kind"] == "proxy.failed", r.out


@case
def dante_connects_over_socks5():
    port = dante()
    if port is not None:
        fetch_through(f"socks5://127.0.0.1:{port}")


@case
def dante_tunnels_tls_over_socks5():
    port = dante()
    if port is not None:
        fetch_through(f"socks5://127.0.0.1:{port}", tls=certificate())
