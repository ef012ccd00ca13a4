"""Digest authentication against a server that checks everything, as curl does it."""
import hashlib
import json
import re
import subprocess

from harness import Daemon, Web, case, muster

HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256, "SHA-512-256": lambda x: hashlib.new("sha512_256", x)}


class Digest(Web):
    """Lets `user` with `password` in; says what it did not like."""

    def __init__(self, algorithm="MD5", qop="auth", user="me", password="pw", realm="a \\\"realm\\\"", uses=10**9, extra="",
                 status=401, next_nonce=False):
        self.alg, self.qop, self.user, self.password = algorithm, qop, user, password
        self.realm, self.uses, self.extra, self.status, self.next_nonce = realm, uses, extra, status, next_nonce
        self.serial, self.used, self.cnonces, self.complaints = 1, {}, set(), []
        super().__init__(self.answer_one)

    def h(self, text):
        return HASHES[self.alg.replace("-sess", "")](text.encode() if isinstance(text, str) else text).hexdigest()

    def challenge(self, stale=False):
        self.serial += 1
        text = f'Digest realm="{self.realm}", nonce="n{self.serial}=", algorithm={self.alg}'
        if self.qop:
            text += f', qop="{self.qop}"'
        if stale:
            text += ", stale=true"
        return self.status, [("WWW-Authenticate", text + self.extra)], b""

    def answer_one(self, hit):
        given = dict(hit["headers"]).get("Authorization", "")
        if not given.startswith("Digest "):
            return self.challenge()
        p = {k: v.strip('"') for k, v in re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|[^,\s]+)', given[7:])}
        nonce = p["nonce"]
        count = self.used[nonce] = self.used.get(nonce, 0) + 1
        if nonce != f"n{self.serial}=" or count > self.uses:
            return self.challenge(stale=True)
        wrong = self.wrong_with(hit, p, count)
        if wrong:
            self.complaints.append(wrong)
            return 403, [], wrong.encode()
        if not self.next_nonce:
            return 200, [], b"welcome " + hit["body"]
        self.serial += 1
        return 200, [("Authentication-Info", f'nextnonce="n{self.serial}="')], b"welcome"

    def wrong_with(self, hit, p, count):
        realm = self.realm.replace('\\"', '"')
        a1 = self.h(f"{self.user}:{realm}:{self.password}")
        name = self.h(f"{self.user}:{realm}") if "userhash" in self.extra else self.user
        if self.alg.endswith("-sess"):
            a1 = self.h(f"{a1}:{p['nonce']}:{p['cnonce']}")
        a2 = f"{hit['method']}:{hit['path']}"
        if p.get("qop") == "auth-int":
            a2 += ":" + self.h(hit["body"])
        parts = [a1, p["nonce"]]
        if self.qop:
            if p.get("qop") not in self.qop.replace(" ", "").split(","):
                return f"qop {p.get('qop')}"
            if p.get("nc") != f"{count:08x}":
                return f"nc {p.get('nc')} of use {count}"
            self.cnonces.add(p["cnonce"])
            parts += [p["nc"], p["cnonce"], p["qop"]]
        if p["username"] != name or p["uri"] != hit["path"]:
            return f"username {p['username']} uri {p['uri']}"
        return None if p["response"] == self.h(":".join(parts + [self.h(a2)])) else "response"


def submit(d, url, tasks=1, **fetch):
    one = {"fetch": {"url": url, "auth": {"digest": ["me", "pw"]}, **fetch}}
    spec = {"run": {"sequence": [one] * tasks} if tasks > 1 else one}
    return muster(d, "submit", "-", stdin=json.dumps(spec))


@case
def every_algorithm_and_protection_opens_the_door_as_for_curl():
    d = Daemon()
    for alg in ("MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"):
        for qop in ("auth", "auth,auth-int", "auth-int, auth", ""):
            if not qop and alg.endswith("-sess"):
                continue
            w = Digest(alg, qop)
            r = submit(d, w.url + "/x?q=1", method="POST", body="hello")
            assert r.status == 0 and r.lines[0]["body"] == "welcome hello", (alg, qop, w.complaints, r.out)
            if "512" in alg:
                continue  # this curl does not know it
            w = Digest(alg, qop)
            done = subprocess.run(["curl", "-s", "--digest", "-u", "me:pw", "-d", "hello", w.url + "/x?q=1"], capture_output=True,
                                  check=True, text=True)
            assert done.stdout == "welcome hello", ("curl", alg, qop, w.complaints)


@case
def a_body_is_protected_where_nothing_else_is_offered():
    d, w = Daemon(), Digest("SHA-256", "auth-int")
    r = submit(d, w.url + "/x", method="PUT", body="hello")
    assert r.status == 0 and r.lines[0]["body"] == "welcome hello", (w.complaints, r.out)
    r = submit(d, w.url + "/y")
    assert r.status == 0, (w.complaints, r.out)


@case
def user_names_may_be_hashed():
    d, w = Daemon(), Digest("SHA-256", extra=", userhash=true, charset=UTF-8")
    r = submit(d, w.url + "/x")
    assert r.status == 0, (w.complaints, r.out)
    assert "username=\"me\"" not in str(w.hits)


@case
def a_stale_nonce_is_replaced_and_a_wrong_password_is_final():
    d, w = Daemon(), Digest(uses=1)
    r = submit(d, w.url + "/x", tasks=3)
    assert r.status == 0 and len(r.lines) == 3, (w.complaints, r.out)
    w = Digest(password="other")
    w.answer = lambda hit: w.challenge()
    r = submit(d, w.url + "/x")
    assert r.lines[0]["status"] == 401 and w.count() == 2, (r.out, w.count())


@case
def redirects_are_answered_ahead_and_each_use_is_counted():
    d, w = Daemon(), Digest()
    right = w.answer

    def answer(hit):
        status, headers, body = right(hit)
        n = int(hit["path"][2:])
        return (302, [("Location", f"/x{n + 1}")], b"") if status == 200 and n < 4 else (status, headers, body)
    w.answer = answer
    r = submit(d, w.url + "/x0")
    assert r.status == 0 and w.count() == 6, (w.complaints, w.paths(), r.out)  # 401, then five, all answered ahead
    assert len(w.cnonces) == 1 and all(len(c) == 32 for c in w.cnonces)


@case
def the_nonce_that_comes_next_is_used():
    d, w = Daemon(), Digest(next_nonce=True)
    right = w.answer

    def answer(hit):
        status, headers, body = right(hit)
        n = int(hit["path"][2:])
        return (302, headers + [("Location", f"/x{n + 1}")], b"") if status == 200 and n < 3 else (status, headers, body)
    w.answer = answer
    r = submit(d, w.url + "/x0")
    assert r.status == 0 and w.count() == 5, (w.complaints, w.paths(), r.out)


@case
def an_unknown_algorithm_is_named():
    d = Daemon()
    for alg, word in (("SHA-3", "algorithm SHA-3"), ("MD5, qop=auth-conf", "protection auth-conf")):
        w = Web(lambda hit, alg=alg: (401, [("WWW-Authenticate", f'Digest realm="r", nonce="n", algorithm={alg}')], b""))
        r = submit(d, w.url + "/x")
        error = r.lines[0]["error"]
        assert r.lines[0]["status"] == 401 and error["kind"] == "status" and word in error["message"], error
        assert w.count() == 1


@case
def uploads_and_forms_are_sent_again_with_the_answer():
    d, w = Daemon(), Digest()
    with open("f", "wb") as f:
        f.write(b"x" * 300_000)
    one = {"url": w.url + "/x", "auth": {"digest": ["me", "pw"]}}
    r = muster(d, "fetch", "-T", "f", "-i", "-", stdin=json.dumps(one) + "\n")
    assert r.status == 0 and [len(h["body"]) for h in w.hits] == [300_000, 300_000], (r.out[:300], r.err, w.complaints)


@case
def passwords_and_answers_stay_secret():
    d, w = Daemon(), Digest(password="hush-hush-4711")
    r = submit(d, w.url + "/x", auth={"digest": ["me", "hush-hush-4711"]})
    assert r.status == 0, (w.complaints, r.out)
    assert "hush-hush" not in r.out + r.err + d.logged() and "response=" not in r.out + d.logged()
