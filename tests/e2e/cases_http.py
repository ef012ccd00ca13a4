"""HTTP as a curl user knows it: TLS, proxies, sockets, codings, framing, names."""
import base64
import json
import os
import select
import socket
import socketserver
import ssl
import subprocess
import threading
import time
import zlib

from harness import (Daemon, Nginx, Raw, Web, _cleanup, case, muster, read_head, wait_until)


def kind_of(r):
    assert len(r.lines) == 1, (r.status, r.out, r.err)
    return r.lines[0].get("error", {}).get("kind")


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def authority(name="ca"):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days",
            "2", "-subj", f"/CN={name}")


def certificate(name, alt="IP:127.0.0.1,DNS:localhost", days="2", ca="ca"):
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
    with open(f"{name}.ext", "w", encoding="ascii") as f:
        f.write(f"subjectAltName={alt}\n")
    args = ["x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
            "-out", f"{name}.pem", "-extfile", f"{name}.ext"]
    openssl(*args, "-days", days)
    return os.path.abspath(f"{name}.pem"), os.path.abspath(f"{name}.key")


@case
def tls_is_verified_and_says_what_is_wrong():
    authority()
    d, n = Daemon(), Nginx(tls=certificate("good"))
    url = n.file("a", "secret page")
    r = muster(d, "fetch", "--retry", "0", url)
    assert r.status == 1 and kind_of(r) == "tls.verify", r.out
    assert r.lines[0]["error"]["phase"] == "tls", r.out
    r = muster(d, "fetch", "--cacert", "ca.pem", url)
    assert r.status == 0 and r.lines[0]["body"] == "secret page", (r.out, r.err)
    assert r.lines[0]["timing"]["tls_ms"] >= 0
    assert muster(d, "fetch", "-k", url).status == 0
    r = muster(d, "fetch", url, env={"SSL_CERT_FILE": os.path.abspath("ca.pem")})
    assert r.status == 0, (r.status, r.out, r.err)


@case
def a_certificate_for_another_name_is_refused():
    authority()
    d, n = Daemon(), Nginx(tls=certificate("other", alt="DNS:elsewhere.example"))
    url = n.file("a", "x")
    r = muster(d, "fetch", "--retry", "0", "--cacert", "ca.pem", url)
    assert kind_of(r) == "tls.verify" and "127.0.0.1" in r.lines[0]["error"]["message"], r.out
    r = muster(d, "fetch", "--cacert", "ca.pem", "--resolve", f"elsewhere.example:{n.port}:127.0.0.1",
               f"https://elsewhere.example:{n.port}/a")
    assert r.status == 0, r.out


@case
def client_certificates_are_shown_when_given():
    authority()
    me = certificate("me")
    d = Daemon()
    n = Nginx(tls=certificate("good"), extra_server=f"ssl_client_certificate {os.path.abspath('ca.pem')}; ssl_verify_client on;")
    url = n.file("a", "for members")
    r = muster(d, "fetch", "--cacert", "ca.pem", url)
    assert r.lines[0]["status"] == 400, r.out
    r = muster(d, "fetch", "--cacert", "ca.pem", "--cert", me[0], "--key", me[1], url)
    assert r.status == 0 and r.lines[0]["body"] == "for members", r.out
    assert "PRIVATE KEY" not in r.out + d.logged()


@case
def tls_sessions_are_resumed():
    authority()
    d, n = Daemon(), Nginx(tls=certificate("good"),
                           extra_server="ssl_session_cache shared:s:1m; ssl_session_timeout 5m; keepalive_timeout 0; "
                                        'location = /r { default_type text/plain; return 200 "$ssl_session_reused"; }')
    got = [muster(d, "fetch", "--cacert", "ca.pem", f"{n.url}/r").lines[0]["body"] for _ in range(4)]
    assert "r" in got[1:], got


@case
def plain_text_on_a_tls_port_is_a_tls_failure():
    d, w = Daemon(), Web()
    r = muster(d, "fetch", "--retry", "0", w.url.replace("http:", "https:"))
    assert kind_of(r) == "tls.failed", r.out


@case
def connections_are_kept_and_used_again():
    d, seen = Daemon(), Raw(lambda conn, _: keep_alive(conn))
    r = muster(d, "fetch", "-c", "1", *[f"{seen.url}/{i}" for i in range(20)])
    assert r.status == 0 and seen.accepted == 1, (r.status, seen.accepted)


def keep_alive(conn):
    while read_head(conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@case
def a_stale_connection_is_replaced_without_a_failure():
    def once(conn, _):
        read_head(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        read_head(conn)  # the second request finds the connection closing
    d, raw = Daemon(), Raw(once)
    r = muster(d, "fetch", "--retry", "0", "-c", "1", raw.url + "/1", raw.url + "/2", raw.url + "/3")
    assert r.status == 0, r.out
    assert raw.accepted == 3, raw.accepted


@case
def surplus_bytes_never_reach_the_next_request():
    def poison(conn, number):
        read_head(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                     b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nPOISONED")
        read_head(conn)
    d, raw = Daemon(), Raw(poison)
    r = muster(d, "fetch", "-c", "1", *[f"{raw.url}/{i}" for i in range(5)])
    assert r.status == 0 and {x["body"] for x in r.lines} == {"ok"}, r.out
    assert raw.accepted == 5


@case
def framing_that_could_be_read_in_two_ways_is_refused():
    cases = {
        "two cl": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "cl list": b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!",
        "cl sign": b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "cl hex": b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello",
        "te unknown": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "nul": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        "chunk size sign": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
        "chunk no crlf": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
    }
    d = Daemon()
    for name, reply in cases.items():
        def serve(conn, _, reply=reply):
            read_head(conn)
            conn.sendall(reply)
            conn.shutdown(socket.SHUT_WR)
            conn.recv(1)
        r = muster(d, "fetch", "--retry", "0", Raw(serve).url)
        assert kind_of(r) in ("protocol.malformed", "read.closed"), (name, r.out)


@case
def a_length_beside_chunks_ends_the_connection():
    def serve(conn, _):
        while read_head(conn):
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    d, raw = Daemon(), Raw(serve)
    r = muster(d, "fetch", "-c", "1", raw.url + "/1", raw.url + "/2")
    assert r.status == 0 and {x["body"] for x in r.lines} == {"ok"}, r.out
    assert raw.accepted == 2, "a connection with an ambiguous reply was used again"


@case
def what_curl_tolerates_is_tolerated():
    cases = {
        "lf only": (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "hello"),
        "no reason": (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "hello"),
        "same cl twice": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "hello"),
        "until close": (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\nhello", "hello"),
        "http/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhello", "hello"),
        "chunk extension": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n", "hello"),
        "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nSet-Cookie: a=b\r\n\r\n", "hello"),
        "103 first": (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"),
        "obs-fold": (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello", "hello"),
    }
    d = Daemon()
    for name, (reply, body) in cases.items():
        for step in (len(reply), 1):
            def serve(conn, _, reply=reply, step=step):
                read_head(conn)
                for at in range(0, len(reply), step):
                    conn.sendall(reply[at:at + step])
                conn.shutdown(socket.SHUT_WR)
                conn.recv(1)
            r = muster(d, "fetch", "--retry", "0", Raw(serve).url)
            assert r.status == 0 and r.lines[0]["body"] == body, (name, step, r.out)
            names = [k.lower() for k, _ in r.lines[0]["headers"]]
            assert "set-cookie" not in names and "link" not in names, (name, names)


@case
def truncated_bodies_are_failures_and_shown():
    def serve(conn, _):
        read_head(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
    d = Daemon()
    r = muster(d, "fetch", "--retry", "0", Raw(serve).url)
    assert kind_of(r) == "read.closed" and r.lines[0]["status"] == 200, r.out


@case
def heads_without_end_are_cut():
    def serve(conn, _):
        read_head(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\n")
        for i in range(200000):
            conn.sendall(b"X-%d: %s\r\n" % (i, b"y" * 100))
    d = Daemon()
    before = d.rss_kib()
    r = muster(d, "fetch", "--retry", "0", Raw(serve).url)
    assert kind_of(r) == "headers.too_large", r.out
    assert d.rss_kib() < before + 8192


@case
def bombs_are_cut_while_decoding():
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b"\0" * (1 << 20)) for _ in range(200)) + packer.flush()
    d, w = Daemon(), Web(lambda hit: (200, [("Content-Encoding", "gzip")], bomb))
    before = d.rss_kib()
    r = muster(d, "fetch", "--retry", "0", w.url)
    assert kind_of(r) in ("body.too_large", "body.decode"), r.out[:300]
    assert d.rss_kib() < before + 100 * 1024


@case
def every_coding_is_decoded():
    d = Daemon()
    plain = b"words and more words " * 500
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    encoded = {"deflate": zlib.compress(plain), "raw deflate": raw.compress(plain) + raw.flush()}
    for name, tool in (("br", "brotli"), ("zstd", "zstd")):
        if subprocess.run(["sh", "-c", f"command -v {tool}"], capture_output=True, check=False).returncode == 0:
            encoded[name] = subprocess.run([tool, "-c"], input=plain, capture_output=True, check=True).stdout
    for name, body in encoded.items():
        coding = name.split()[-1]
        w = Web(lambda hit, coding=coding, body=body: (200, [("Content-Encoding", coding)], body))
        r = muster(d, "fetch", w.url)
        assert r.status == 0 and r.lines[0]["body"] == plain.decode(), (name, r.out[:200])


@case
def a_damaged_coding_has_its_kind():
    d, w = Daemon(), Web(lambda hit: (200, [("Content-Encoding", "gzip")], b"this is no gzip"))
    assert kind_of(muster(d, "fetch", "--retry", "0", w.url)) == "body.decode"


@case
def unix_sockets_carry_http():
    path = os.path.abspath("web.sock")

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            head = b""
            while b"\r\n\r\n" not in head:
                head += self.connection.recv(4096)
            host = [x for x in head.split(b"\r\n") if x.lower().startswith(b"host:")][0]
            self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(host), host))
    server = Server(path, Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _cleanup.callback(server.shutdown)
    d = Daemon({"network": {"unix_sockets": [path]}})
    r = muster(d, "fetch", "--unix-socket", path, "http://inside.example/x")
    assert r.status == 0 and r.lines[0]["body"] == "Host: inside.example", r.out


class Proxy(Raw):
    """A forward proxy: absolute-form and CONNECT; records what it was asked."""

    def __init__(self, need=None):
        self.asked, self.need = [], need
        super().__init__(self.serve)

    def serve(self, conn, _):
        head = read_head(conn)
        first = head.split(b"\r\n")[0].decode()
        self.asked.append((first, head.decode("latin-1")))
        if self.need and self.need not in head.decode("latin-1"):
            conn.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        method, target = first.split()[:2]
        if method == "CONNECT":
            host, port = target.rsplit(":", 1)
            there = socket.create_connection((host, int(port)))
            conn.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            place, path = target[len("http://"):].split("/", 1)
            host, port = place.rsplit(":", 1)
            there = socket.create_connection((host, int(port)))
            there.sendall(b"\r\n".join(
                [x for x in head.replace(target.encode(), b"/" + path.encode(), 1).split(b"\r\n")
                 if not x.lower().startswith(b"proxy-authorization")][:-2] + [b"Connection: close", b"", b""]))
        pump(conn, there)


def pump(a, b):
    with b:
        while True:
            ready, _, _ = select.select([a, b], [], [], 20)
            if not ready:
                return
            for s in ready:
                data = s.recv(65536)
                if not data:
                    return
                (b if s is a else a).sendall(data)


@case
def http_proxies_get_absolute_form_and_connect():
    authority()
    d, w, proxy = Daemon(), Web(), Proxy()
    r = muster(d, "fetch", "--proxy", proxy.url, w.url + "/plain")
    assert r.status == 0 and proxy.asked[0][0] == f"GET {w.url}/plain HTTP/1.1", (r.out, proxy.asked)
    n = Nginx(tls=certificate("good"))
    url = n.file("a", "through the tunnel")
    r = muster(d, "fetch", "--cacert", "ca.pem", "--proxy", proxy.url, url)
    assert r.status == 0 and r.lines[0]["body"] == "through the tunnel", r.out
    assert proxy.asked[-1][0].startswith("CONNECT 127.0.0.1:"), proxy.asked
    r = muster(d, "fetch", w.url + "/env", env={"http_proxy": proxy.url})
    assert r.status == 0 and proxy.asked[-1][0] == f"GET {w.url}/env HTTP/1.1", proxy.asked
    count = len(proxy.asked)
    r = muster(d, "fetch", w.url + "/direct", env={"http_proxy": proxy.url, "no_proxy": "127.0.0.1"})
    assert r.status == 0 and len(proxy.asked) == count
    r = muster(d, "fetch", "--proxy", "", w.url + "/direct", env={"http_proxy": proxy.url})
    assert r.status == 0 and len(proxy.asked) == count


@case
def proxy_credentials_go_to_the_proxy_alone():
    d, w = Daemon(), Web()
    need = "Proxy-Authorization: Basic " + base64.b64encode(b"u:p").decode()
    proxy = Proxy(need)
    r = muster(d, "fetch", "--retry", "0", "--proxy", proxy.url, w.url)
    assert r.status == 1, r.out
    r = muster(d, "fetch", "--proxy", proxy.url.replace("http://", "http://u:p@"), w.url)
    assert r.status == 0, r.out
    assert "proxy-authorization" not in [k.lower() for k, _ in w.hits[-1]["headers"]]


@case
def socks5_is_given_the_name():
    asked = []

    def serve(conn, _):
        conn.recv(3)
        conn.sendall(b"\x05\x00")
        head = conn.recv(5)
        assert head[3] == 3 or head[3] == 1, head
        if head[3] == 3:
            name = conn.recv(head[4])
        else:
            name = socket.inet_ntoa(head[4:5] + conn.recv(3)).encode()
        port = int.from_bytes(conn.recv(2), "big")
        asked.append((name.decode(), port))
        there = socket.create_connection(("127.0.0.1", port))
        conn.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        pump(conn, there)
    d, w, socks = Daemon(), Web(), Raw(serve)
    r = muster(d, "fetch", "--proxy", socks.url.replace("http:", "socks5h:"), f"http://some.name.example:{w.port}/x")
    assert r.status == 0 and asked == [("some.name.example", w.port)], (r.out, asked)


@case
def denied_addresses_cost_no_connection():
    d = Daemon({"network": {"deny": ["special"]}})
    raw = Raw(lambda conn, _: None)
    port = raw.port
    for host in ("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]",
                 "[::ffff:7f00:1]", "0.0.0.0", "[::]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "169.254.169.254", "10.0.0.1",
                 "192.168.1.1", "100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "[fe80::1]", "[fc00::1]"):
        r = muster(d, "fetch", "--retry", "0", f"http://{host}:{port}/")
        assert r.status == 1 and kind_of(r) == "policy.denied", (host, r.status, r.out, r.err)
    r = muster(d, "fetch", "--retry", "0", "--resolve", f"good.example:{port}:127.0.0.1", f"http://good.example:{port}/")
    assert kind_of(r) == "policy.denied", r.out
    assert raw.accepted == 0
    d.configure({"network": {"deny": ["special"], "allow": ["127.0.0.1/32"]}})
    d.restart()
    w = Web()
    assert muster(d, "fetch", w.url).status == 0


@case
def early_answers_while_uploading_are_delivered():
    def serve(conn, _):
        read_head(conn)
        conn.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch")
        time.sleep(0.5)
    d = Daemon()
    with open("big", "wb") as f:
        f.write(b"x" * 3_000_000)
    r = muster(d, "fetch", "--retry", "0", "-d", "@big", Raw(serve).url)
    assert r.lines[0].get("status") == 413, r.out[:300]


@case
def uploads_are_streamed():
    d, w = Daemon(), Web(lambda hit: (200, [], str(len(hit["body"])).encode()))
    with open("big", "wb") as f:
        f.write(os.urandom(5_000_000))
    r = muster(d, "fetch", "-T", "big", w.url + "/put")
    assert r.status == 0 and r.lines[0]["body"] == "5000000", (r.out, r.err)
    assert w.hits[0]["method"] == "PUT" and w.hits[0]["body"] == open("big", "rb").read()
    r = muster(d, "fetch", "-T", "-", w.url + "/put", stdin="from a pipe")
    assert r.status == 0 and w.hits[-1]["body"] == b"from a pipe", (r.out, r.err)


@case
def forms_are_multipart():
    d, w = Daemon(), Web()
    with open("photo.bin", "wb") as f:
        f.write(b"\x89PNG\0data")
    r = muster(d, "fetch", "-F", "name=value", "-F", "file=@photo.bin", w.url)
    assert r.status == 0, (r.out, r.err)
    hit = w.hits[0]
    kind = dict(hit["headers"])["Content-Type"]
    assert hit["method"] == "POST" and kind.startswith("multipart/form-data; boundary="), kind
    boundary = kind.split("boundary=")[1].strip('"').encode()
    parts = hit["body"].split(b"--" + boundary)
    assert len(parts) == 4 and parts[3].strip() == b"--", parts
    assert b'name="name"' in parts[1] and parts[1].endswith(b"\r\n\r\nvalue\r\n")
    assert b'filename="photo.bin"' in parts[2] and b"\x89PNG\0data" in parts[2]


@case
def checksums_are_verified():
    import hashlib
    d, n = Daemon(), Nginx()
    url = n.file("a", "content")
    right = hashlib.sha256(b"content").hexdigest()
    assert muster(d, "fetch", "--sha256", right, url).status == 0
    r = muster(d, "fetch", "--retry", "0", "--sha256", "0" * 64, url)
    assert kind_of(r) == "body.checksum", r.out


@case
def cookies_live_within_a_job_when_asked():
    def answer(hit):
        if hit["path"] == "/login":
            return 302, [("Set-Cookie", "sid=42; Path=/"), ("Location", "/home")], b""
        return 200, [], dict(hit["headers"]).get("Cookie", "none").encode()
    d, w = Daemon(), Web(answer)
    assert muster(d, "fetch", w.url + "/login").lines[0]["body"] == "none"
    r = muster(d, "fetch", "--cookie-jar", "jar", w.url + "/login")
    assert r.lines[0].get("body") == "sid=42", (r.out, r.err)


@case
def validators_make_conditional_requests():
    def answer(hit):
        if dict(hit["headers"]).get("If-None-Match") == '"v1"':
            return 304, [("ETag", '"v1"')], b""
        return 200, [("ETag", '"v1"')], b"content"
    d, w = Daemon(), Web(answer)
    assert muster(d, "fetch", "--cache", w.url).lines[0]["status"] == 200
    r = muster(d, "fetch", "--cache", "--expect", "200-299,304", w.url)
    assert r.lines[0]["status"] == 304, r.out


@case
def bandwidth_is_bounded_when_asked():
    d, n = Daemon(), Nginx()
    url = n.file("a", b"x" * 300_000)
    began = time.monotonic()
    r = muster(d, "fetch", "--body", "none", "--max-rate", "100k", url)
    spent = time.monotonic() - began
    assert r.status == 0 and 1.5 < spent < 8, spent


@case
def digest_authentication_answers_the_challenge():
    import hashlib

    def answer(hit):
        given = dict(hit["headers"]).get("Authorization", "")
        if not given.startswith("Digest "):
            return 401, [("WWW-Authenticate", 'Digest realm="r", qop="auth", nonce="n1", algorithm=MD5')], b""
        parts = dict(x.strip().split("=", 1) for x in given[7:].split(","))
        parts = {k: v.strip('"') for k, v in parts.items()}
        h = lambda s: hashlib.md5(s.encode()).hexdigest()  # noqa: E731
        want = h(":".join([h("me:r:pw"), "n1", parts["nc"], parts["cnonce"], "auth", h(f"GET:{hit['path']}")]))
        return (200, [], b"welcome") if parts["response"] == want else (403, [], b"")
    d, w = Daemon(), Web(answer)
    with open("j.json", "w", encoding="ascii") as f:
        json.dump({"run": {"fetch": {"url": w.url + "/x", "auth": {"digest": ["me", "pw"]}}}}, f)
    r = muster(d, "submit", "j.json")
    assert r.status == 0 and r.lines[0]["body"] == "welcome", r.out


@case
def tls_truncation_is_noticed():
    authority()
    cert = certificate("good")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*cert)

    def serve(conn, _):
        tls = context.wrap_socket(conn, server_side=True)
        tls.recv(4096)
        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        tls.close()  # without the close_notify that would end TLS properly
    d, raw = Daemon(), Raw(serve)
    r = muster(d, "fetch", "--retry", "0", "--cacert", "ca.pem", raw.url.replace("http:", "https:"))
    assert kind_of(r) in ("read.closed", "tls.failed"), r.out


@case
def a_thousand_dripping_servers_do_not_slow_the_others():
    def drip(conn, _):
        read_head(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(40):
            conn.sendall(b"x")
            time.sleep(0.25)
    d = Daemon({"limits": [{"match": {"host": "127.0.0.1"}, "concurrency": 5000}]})
    slow, w = Raw(drip), Web()
    job = muster(d, "fetch", "--detach", "--retry", "0", "-c", "300", *[f"{slow.url}/{i}" for i in range(300)]).out.strip()
    wait_until("the slow ones to be under way", lambda: slow.accepted >= 250, 15)
    began = time.monotonic()
    r = muster(d, "fetch", *[f"{w.url}/{i}" for i in range(50)])
    assert r.status == 0 and time.monotonic() - began < 3
    assert d.rss_kib() < 150 * 1024
    assert muster(d, "cancel", job).status == 0
