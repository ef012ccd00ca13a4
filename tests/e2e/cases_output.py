"""What becomes of bodies: files that are whole or not there, and lines that say which."""
import json
import os
import shutil
import socket
import struct

from cases_contract import as_uid, open_to_all
from harness import Daemon, Nginx, case, muster, muster_start, wait_until


def body_files(d):
    return [os.path.join(at, f) for at, _, files in os.walk(os.path.join(d.state, "bodies")) for f in files]


def only(ran):
    assert len(ran.lines) == 1, ran.out + ran.err
    return ran.lines[0]


@case
def a_body_that_cannot_be_written_is_a_failed_line_that_says_where():
    d, w = Daemon(), Nginx()
    small, large = w.file("small", b"s" * 100), w.file("large", b"l" * 300000)
    os.makedirs("taken/0-small")
    for url, path, reason in ((small, "/proc/none/x", "No such file or directory"),
                              (large, "/proc/none/x", "No such file or directory"),
                              (large, "missing/x", "No such file or directory"),
                              (small, "taken/", "Is a directory")):
        r = muster(d, "fetch", url, "-o", path)
        line = only(r)
        where = path if not path.endswith("/") else path + "0-small"
        assert r.status == 1 and line["ok"] is False and line["status"] == 200, r.out + r.err
        assert line["error"] == {"kind": "local.resource", "phase": "deliver",
                                 "message": f"cannot write {where}: {reason}"}, line
        assert not {"body", "body_base64", "file"} & set(line), line
        assert list(line).index("error") == list(line).index("size") + 1, list(line)
        assert f"cannot write {where}: {reason}" in r.err, r.err
        assert not os.path.exists("taken/0-small.part")


@case
def a_failed_result_keeps_its_own_error_when_its_body_cannot_be_written():
    d, w = Daemon(), Nginx(extra_server="error_page 404 /gone; location = /gone { }")
    w.file("gone", b"it was here")
    r = muster(d, "fetch", w.url + "/nothing", "--retry", "0", "-o", "/proc/none/x")
    line = only(r)
    assert r.status == 1 and line["error"]["kind"] == "status" and "body" not in line, line


@case
def a_large_body_reaches_its_file_without_passing_through_the_command():
    d, w = Daemon(), Nginx()
    want = os.urandom(1 << 20) * 64
    url = w.file("large", want)
    r = muster(d, "fetch", url, "-o", "out")
    line = only(r)
    assert r.status == 0 and line["file"] == "out" and line["size"] == len(want), r.out + r.err
    with open("out", "rb") as f:
        assert f.read() == want
    mask = os.umask(0)
    os.umask(mask)
    assert os.stat("out").st_mode & 0o777 == 0o666 & ~mask, oct(os.stat("out").st_mode)
    wait_until("the daemon to drop its file", lambda: not body_files(d))
    assert os.stat("out").st_nlink == 1
    r = muster(d, "fetch", url, "-o", "again")
    assert r.status == 0 and only(r)["file"] == "again"


@case
def results_of_a_job_that_stays_are_copies():
    d, w = Daemon(), Nginx()
    want = os.urandom(300000)
    job = muster(d, "fetch", w.file("x", want), "--detach").out.strip()
    muster(d, "wait", job)
    r = muster(d, "results", job, "-o", "out")
    assert r.status == 0, r.err
    path = only(r)["file"]
    assert open(path, "rb").read() == want
    stored = body_files(d)
    assert len(stored) == 1 and os.stat(stored[0]).st_ino != os.stat(path).st_ino
    with open(path, "r+b") as f:
        f.write(b"mine")
    assert muster(d, "body", job, "1", text=False).out == want
    muster(d, "body", job, "1", "-o", "one")
    assert open("one", "rb").read() == want


@case
def a_damaged_body_is_told_and_leaves_no_file():
    d, w = Daemon(), Nginx()
    job = muster(d, "fetch", w.file("x", os.urandom(300000)), "--detach").out.strip()
    muster(d, "wait", job)
    with open(body_files(d)[0], "r+b") as f:
        f.seek(150000)
        f.write(b"damage")
    for args in (("results", job, "-o", "out"), ("results", job), ("results", job, "-o", "file/")):
        r = muster(d, *args)
        line = only(r)
        assert r.status == 1 and line["ok"] is False, r.out + r.err
        assert line["error"]["kind"] == "store.corrupt" and "damaged" in line["error"]["message"], line
        assert "damaged" in r.err, r.err
    assert os.listdir("out") == [] and os.listdir("file") == [], os.listdir("out")
    r = muster(d, "body", job, "1", text=False)
    assert r.status == 1 and r.out == b"" and b"damaged" in r.err, r.err


@case
def whoever_does_not_know_of_open_files_is_served_all_the_same():
    d, w = Daemon(), Nginx()
    want = os.urandom(300000)
    job = muster(d, "fetch", w.file("x", want), "--detach").out.strip()
    muster(d, "wait", job)
    with d.rpc() as rpc:
        rpc.call("job.body", {"job": job, "seq": 1, "file": True})
        fds = len(os.listdir(f"/proc/{d.process.pid}/fd"))
        for _ in range(300):
            assert rpc.call("job.body", {"job": job, "seq": 1, "file": True}) == {"size": 300000, "file": True}
        rids = [rpc.start("job.body", {"job": job, "seq": 1, "file": True}) for _ in range(20)]
        for rid in rids:
            rpc.finish(rid)
        assert len(os.listdir(f"/proc/{d.process.pid}/fd")) <= fds, "descriptors stay open"
        rid = rpc.start("job.body", {"job": job, "seq": 1, "file": True})
        data, fds, _, _ = socket.recv_fds(rpc.sock, 65536, 4)
        assert len(fds) == 1 and struct.unpack(">I", data[9:13])[0] & 0x7FFFFFFF == rid
        with os.fdopen(fds[0], "rb") as f:
            assert f.read() == want
            try:
                os.write(f.fileno(), b"x")
                raise AssertionError("the daemon's file can be written to")
            except OSError:
                pass


@case
def a_signal_leaves_no_part_of_a_file():
    d, w = Daemon(), Nginx(extra_server="limit_rate 200k;")
    url = w.file("slow", os.urandom(3 << 20))
    p = muster_start(d, "fetch", url, "-o", "out")
    wait_until("the job to run", lambda: muster(d, "jobs").out.count("running") == 1)
    p.send_signal(2)
    assert p.wait(10) == -2
    assert not os.path.exists("out") and not os.path.exists("out.part")


@case
def another_user_gets_copies_of_their_own():
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        print("left out: needs root and setpriv")
        return
    d, w = Daemon(), Nginx()
    want = os.urandom(3 << 20)
    url = w.file("x", want)
    open_to_all(d)
    os.mkdir("theirs")
    os.chown("theirs", 4141, 4141)
    r = as_uid(4141, os.path.abspath("muster"), "--socket", d.address, "fetch", url, "-o", os.path.abspath("theirs/x"))
    assert r.returncode == 0, r.stderr
    st = os.stat("theirs/x")
    assert (st.st_uid, st.st_nlink, st.st_size) == (4141, 1, len(want)), st
    with open("theirs/x", "rb") as f:
        assert f.read() == want


@case
def through_a_gateway_bodies_come_in_pieces():
    d, w = Daemon(), Nginx()
    want = os.urandom(300000)
    job = muster(d, "fetch", w.file("x", want), "--detach").out.strip()
    muster(d, "wait", job)
    with d.rpc() as rpc:
        words = struct.pack(">II", 7, rpc.next_id | 0x80000000)
        body = {"jsonrpc": "2.0", "id": 1, "method": "job.body", "params": {"job": job, "seq": 1, "file": True, "length": 1000}}
        payload = words + json.dumps(body).encode()
        rpc.sock.sendall(b"\x01" + struct.pack(">Q", len(payload)) + payload)
        data, fds, _, _ = socket.recv_fds(rpc.sock, 65536, 4)
        assert not fds
        result = json.loads(data[9 + len(words):])["result"]
        assert set(result) == {"size", "base64"} and len(result["base64"]) == 1336, result
