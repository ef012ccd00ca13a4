"""Every way a request fails: its kind, its phase, and a sentence a person understands."""
import datetime
import json
import os
import socket
import time

from cases_http import authority, certificate, openssl
from harness import Daemon, Nginx, Raw, Web, case, muster, read_head


def failure(r):
    assert r.status == 1 and len(r.lines) == 1, (r.status, r.out, r.err)
    e = r.lines[0]["error"]
    assert len(e["message"]) >= 12 and e["message"][0] != " ", e
    return e["kind"], e.get("phase"), e["message"]


def fetch(d, *args):
    return failure(muster(d, "fetch", "--retry", "0", *args))


@case
def a_connection_that_does_not_come_about_says_how():
    d = Daemon()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    kind, phase, message = fetch(d, f"http://127.0.0.1:{port}/")
    assert (kind, phase) == ("connect.refused", "connect") and f"127.0.0.1:{port}" in message, message
    kind, phase, message = fetch(d, "--unix-socket", os.path.abspath("none.sock"), "http://h/")
    assert (kind, phase) == ("connect.failed", "connect") and "none.sock" in message, message
    with socket.socket() as full:  # its queue is full: nobody answers any more
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):
            c = socket.socket()
            c.setblocking(False)
            c.connect_ex(full.getsockname())
            waiting.append(c)
        began = time.monotonic()
        kind, phase, message = fetch(d, "--connect-timeout", "1s", f"http://127.0.0.1:{full.getsockname()[1]}/")
        assert (kind, phase) == ("connect.timeout", "connect") and "1000 ms" in message, (kind, phase, message)
        assert 0.9 < time.monotonic() - began < 5
        for c in waiting:
            c.close()


@case
def a_name_that_is_none_says_so():
    d = Daemon()
    kind, phase, message = fetch(d, "--connect-timeout", "8s", "http://no-such-host.invalid/")
    assert kind in ("dns.failed", "dns.timeout") and phase == "dns", (kind, phase, message)
    assert "no-such-host.invalid" in message or "no connection within" in message, message


@case
def silence_has_its_phase():
    def silent(conn, number):
        read_head(conn)
        if number == 2:
            conn.sendall(b"HTTP/1.1 200 OK\r\nX-Half:")
        if number == 3:
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        time.sleep(3)
    d, s = Daemon(), Raw(silent)
    times = ("--first-byte-timeout", "500ms", "--read-timeout", "500ms")
    assert fetch(d, *times, s.url)[:2] == ("read.timeout", "first_byte")
    assert fetch(d, *times, s.url)[:2] == ("read.timeout", "head")
    kind, phase, message = fetch(d, *times, s.url)
    assert (kind, phase) == ("read.timeout", "body") and "500 ms" in message, message


@case
def an_end_too_early_has_its_phase():
    def cut(conn, number):
        read_head(conn)
        conn.sendall([b"", b"HTTP/1.1 200 OK\r\nX-", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"][number - 1])
    d, s = Daemon(), Raw(cut)
    assert fetch(d, s.url)[0] == "read.closed"
    assert fetch(d, s.url)[:2] == ("read.closed", "head")
    kind, phase, message = fetch(d, s.url)
    assert (kind, phase) == ("read.closed", "body") and "4 of 10 bytes" in message, message


@case
def an_upload_nobody_takes_is_a_failed_sending():
    def stuck(conn, _):
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        read_head(conn)
        time.sleep(5)
    with open("big", "wb") as f:
        f.write(b"x" * 20_000_000)
    d, s = Daemon(), Raw(stuck)
    kind, phase, message = fetch(d, "--read-timeout", "1s", "-H", "Expect:", "-T", "big", s.url)
    assert (kind, phase) == ("send.failed", "send") and "1000 ms" in message, (kind, phase, message)


@case
def an_expired_certificate_names_host_and_date():
    authority()
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "old.key", "-out", "old.csr", "-subj", "/CN=old")
    with open("old.ext", "w", encoding="ascii") as f:
        f.write("subjectAltName=DNS:old.example\n")
    os.makedirs("db", exist_ok=True)
    for name, text in (("index.txt", ""), ("serial", "01\n")):
        with open(f"db/{name}", "w", encoding="ascii") as f:
            f.write(text)
    with open("ca.cnf", "w", encoding="ascii") as f:
        f.write("[ca]\ndefault_ca=a\n[a]\ndatabase=db/index.txt\nserial=db/serial\nnew_certs_dir=db\ndefault_md=sha256\n"
                "policy=p\n[p]\ncommonName=supplied\n")
    openssl("ca", "-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", "old.csr", "-out", "old.pem",
            "-extfile", "old.ext", "-startdate", "20230101000000Z", "-enddate", "20240101000000Z", "-notext")
    d, n = Daemon(), Nginx(tls=(os.path.abspath("old.pem"), os.path.abspath("old.key")))
    kind, phase, message = fetch(d, "--cacert", "ca.pem", "--resolve", f"old.example:{n.port}:127.0.0.1",
                                 f"https://old.example:{n.port}/")
    assert (kind, phase) == ("tls.verify", "tls"), (kind, phase, message)
    assert "old.example" in message and "expired on 2024-01-01" in message, message


@case
def a_certificate_for_others_names_them():
    authority()
    d = Daemon()
    n = Nginx(tls=certificate("other", alt="DNS:one.example,DNS:*.two.example"))
    kind, phase, message = fetch(d, "--cacert", "ca.pem", "--resolve", f"elsewhere.example:{n.port}:127.0.0.1",
                                 f"https://elsewhere.example:{n.port}/")
    assert (kind, phase) == ("tls.verify", "tls"), (kind, phase, message)
    for word in ("elsewhere.example", "one.example", "*.two.example"):
        assert word in message, (word, message)
    kind, phase, message = fetch(d, "--resolve", f"one.example:{n.port}:127.0.0.1", f"https://one.example:{n.port}/")
    assert kind == "tls.verify" and "unknown authority" in message and "one.example" in message, message


@case
def a_proxy_that_refuses_is_named_with_its_status():
    def no(conn, _):
        read_head(conn)
        conn.sendall(b"HTTP/1.1 403 Not Through Me\r\nContent-Length: 0\r\n\r\n")
    d, p = Daemon(), Raw(no)
    kind, phase, message = fetch(d, "--proxy", p.url, "https://example.org/")
    assert (kind, phase) == ("proxy.failed", "proxy") and "403" in message, (kind, phase, message)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    kind, phase, message = fetch(d, "--proxy", f"http://127.0.0.1:{port}", "http://example.org/")
    assert kind in ("proxy.failed", "connect.refused") and str(port) in message, (kind, phase, message)


@case
def an_address_the_policy_forbids_is_never_asked():
    d, w = Daemon({"network": {"deny": ["special"]}}), Web()
    kind, _, message = fetch(d, w.url)
    assert kind == "policy.denied" and "127.0.0.1" in message and w.count() == 0, message
    kind, _, message = fetch(d, "--resolve", f"public.example:{w.port}:127.0.0.1", f"http://public.example:{w.port}/")
    assert kind == "policy.denied" and w.count() == 0, message


@case
def answers_that_make_no_sense_say_why():
    d = Daemon()
    for reply, word in ((b"SSH-2.0-OpenSSH_9.2\r\n", ""), (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "length"),
                        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk")):
        def serve(conn, _, reply=reply):
            read_head(conn)
            conn.sendall(reply)
            conn.recv(1)
        kind, _, message = fetch(d, Raw(serve).url)
        assert kind == "protocol.malformed" and word.lower() in message.lower(), message


@case
def what_each_attempt_came_to_is_told():
    def serve(conn, number):
        read_head(conn)
        if number == 1:
            conn.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        elif number == 3:
            time.sleep(2)
        elif number == 4:
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    d, s = Daemon(), Raw(serve)
    r = muster(d, "fetch", "--retry", "5", "--backoff", "10ms", "--first-byte-timeout", "500ms", s.url)
    line = r.lines[0]
    assert r.status == 0 and line["attempts"] == 4, r.out
    assert [h.get("kind") for h in line["history"]] == ["status", "read.closed", "read.timeout", None], line["history"]
    assert [h.get("status") for h in line["history"]] == [503, None, None, 200], line["history"]
    assert 400 <= line["history"][2]["took_ms"] < 3000 and all("waited_ms" in h for h in line["history"])
    when = datetime.datetime.fromisoformat(line["at"].replace("Z", "+00:00"))
    assert abs((datetime.datetime.now(datetime.timezone.utc) - when).total_seconds()) < 30
    # the order of members is a promise
    keys = list(json.loads(r.out.splitlines()[0]))
    assert keys == [k for k in ("job", "seq", "task", "tag", "url", "ok", "status", "reason", "final_url", "headers", "size", "body",
                                "error", "history", "attempts", "at", "timing") if k in keys], keys
