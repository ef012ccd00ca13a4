"""Redirects: where they lead, with which method and body, and what stays behind."""
import base64
import socket
import ssl
import subprocess

from cases_http import authority, certificate
from harness import Daemon, Raw, Web, case, muster, read_head


def told(hit):
    names = {k.lower() for k, _ in hit["headers"]}
    return hit["method"], hit["path"], hit["body"], "content-type" in names, "content-length" in names or "transfer-encoding" in names


@case
def methods_and_bodies_change_as_with_curl():
    def answer(hit):
        status = hit["path"].split("/")[1]
        if status.isdigit() and hit["path"].endswith("/from"):
            return int(status), [("Location", "to?x=1")], b""
        return 200, [], b"end"
    d, w = Daemon(), Web(answer)
    with open("body", "w", encoding="ascii") as f:
        f.write("upload")
    ways = {"GET": ([], []), "HEAD": (["-X", "HEAD"], ["-I"]), "POST": (["-d", "a=b"], ["-d", "a=b"]),
            "PUT": (["-T", "body"], ["-T", "body", "-H", "Expect:"])}
    for status in (300, 301, 302, 303, 307, 308):
        for method, (ours, theirs) in ways.items():
            url = f"{w.url}/{status}/from"
            w.hits.clear()
            r = muster(d, "fetch", "--retry", "0", "--expect", "200-399", *ours, url)
            assert r.status == 0, (status, method, r.out)
            mine = [told(h) for h in w.hits]
            w.hits.clear()
            subprocess.run(["curl", "-sL", *theirs, "-o", "/dev/null", url], check=True, timeout=20)
            assert mine == [told(h) for h in w.hits], (status, method, mine, [told(h) for h in w.hits])


@case
def odd_locations_lead_where_curl_goes():
    odd = ["x", "./x", "../x", "../../../x", "/x", "?q", "x y", " /x", "/x#frag", "/a//b/../c", "/%7Euser/%zz", "//%HOST%/y", "/x?a=b&c=d#e",
           "/\u00e9", "http://%HOST%", "http://%HOST%?q", "HTTP://%HOST%/Upper", "/a/./b/%2e%2e/c", ";p", "x:y", "/x:y"]

    def answer(hit):
        if hit["path"].startswith("/d/e/from"):
            return 302, [("Location", odd[int(hit["path"][9:])].replace("%HOST%", f"127.0.0.1:{w.port}").encode().decode("latin-1"))], b""
        return 200, [], b"end"
    d, w = Daemon(), Web(answer)
    differs = {}
    for i, text in enumerate(odd):
        url = f"{w.url}/d/e/from{i}"
        w.hits.clear()
        r = muster(d, "fetch", "--retry", "0", url)
        mine = [h["path"] for h in w.hits][1:] or r.lines[0]["error"]["kind"]
        w.hits.clear()
        done = subprocess.run(["curl", "-sL", "-o", "/dev/null", url], check=False, timeout=20)
        theirs = [h["path"] for h in w.hits][1:] or done.returncode
        is_same = isinstance(mine, str) == isinstance(theirs, int) and (isinstance(mine, str) or mine == theirs)
        if not is_same:
            differs[text] = (mine, theirs)
    # Ours are normal forms (RFC 3986 6.2.2): encoded dots are dots, digits of %XX in upper case.
    assert set(differs) == {"/a/./b/%2e%2e/c", "/\u00e9"}, differs
    assert differs["/\u00e9"] == (["/%C3%A9"], ["/%c3%a9"])


@case
def only_statuses_that_are_redirects_are_followed():
    d = Daemon()  # curl follows any 3xx that bears a Location
    for status in (201, 304, 305, 306, 399, 404):
        w = Web(lambda hit, status=status: (status, [("Location", "/elsewhere")], b""))
        r = muster(d, "fetch", "--retry", "0", "--expect", "200-499", w.url)
        assert r.lines[0]["status"] == status and w.count() == 1, r.out


@case
def loops_are_bounded_and_count_as_one_attempt():
    d, w = Daemon(), Web(lambda hit: (302, [("Location", "/b" if hit["path"] == "/a" else "/a")], b""))
    r = muster(d, "fetch", w.url + "/a")
    assert r.lines[0]["error"]["kind"] == "redirect.too_many" and r.lines[0]["attempts"] == 1, r.out
    assert w.count() == 11 and "10" not in r.lines[0]["error"].get("phase", ""), w.count()
    r = muster(d, "fetch", "--max-redirs", "0", w.url + "/a")
    assert r.lines[0]["error"]["kind"] == "redirect.too_many" and w.count() == 12


@case
def other_schemes_are_never_followed():
    d = Daemon()
    for to in ("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "javascript:1", "data:,x", "unix:/x", "http:///x"):
        w = Web(lambda hit, to=to: (302, [("Location", to)], b""))
        r = muster(d, "fetch", w.url)
        error = r.lines[0]["error"]
        assert error["kind"] == "redirect.denied" and len(error["message"]) > 15, (to, error)
        assert r.lines[0]["status"] == 302 and w.count() == 1


def tls_server(reply):
    authority()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate("good"))

    def serve(conn, _):
        tls = context.wrap_socket(conn, server_side=True)
        head = tls.recv(65536).decode("latin-1")
        seen.append(head)
        tls.sendall(reply)
        tls.unwrap().shutdown(socket.SHUT_RDWR)
    seen = []
    s = Raw(serve)
    s.seen, s.url = seen, s.url.replace("http:", "https:")
    return s


@case
def from_https_to_http_only_when_asked():
    d, w = Daemon(), Web()
    s = tls_server(f"HTTP/1.1 301 Moved\r\nLocation: {w.url}/plain\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    r = muster(d, "fetch", "--cacert", "ca.pem", "--retry", "0", s.url)
    error = r.lines[0]["error"]
    assert error["kind"] == "redirect.denied" and "https to http" in error["message"] and w.count() == 0, r.out
    item = f'{{"url":"{s.url}","downgrade":true}}\n'
    r = muster(d, "fetch", "--cacert", "ca.pem", "-u", "me:pw", "-H", "Cookie: c=d", "-i", "-", stdin=item)
    assert r.status == 0 and w.count() == 1, r.out
    assert "Authorization" in s.seen[-1] and "Cookie" in s.seen[-1]
    names = {k.lower() for k, _ in w.hits[0]["headers"]}
    assert not names & {"authorization", "cookie"}, names
    assert muster(d, "fetch", "-k", s.url).status == 0


@case
def what_a_redirect_asks_for_is_vetted_again():
    w = Web(lambda hit: (302, [("Location", f"http://127.0.0.2:{inner.port}/x")], b""))
    inner = Raw(lambda conn, _: read_head(conn))
    d = Daemon({"network": {"deny": ["127.0.0.2/32"]}})
    r = muster(d, "fetch", "--retry", "0", w.url)
    assert r.lines[0]["error"]["kind"] in ("policy.denied", "redirect.denied") and inner.accepted == 0, r.out
    assert "127.0.0.2" in r.lines[0]["error"]["message"], r.out


@case
def names_and_passwords_in_urls_stay_with_their_host():
    other = Web()
    d, w = Daemon(), Web(lambda hit: (302, [("Location", f"http://x:secret@127.0.0.1:{other.port}/x")], b""))
    r = muster(d, "fetch", w.url.replace("http://", "http://me:pw@"))
    assert r.status == 0 and "secret" not in r.out and "pw" not in r.out, r.out
    assert dict(w.hits[0]["headers"])["Authorization"].startswith("Basic ")
    given = dict(other.hits[0]["headers"])["Authorization"]  # what the redirect itself gave, as curl does
    assert base64.b64decode(given.split()[1]) == b"x:secret", given
