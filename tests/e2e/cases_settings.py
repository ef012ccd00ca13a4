"""Every setting of the configuration takes effect: at the start, and after a reload where it says so."""
import json
import os
import signal
import socket
import subprocess
import threading
import time

from harness import (BUILD, Daemon, Raw, RpcError, Web, case, muster, read_head, sqlite,
                     wait_until)

NOBODY = 65534


def reload(d, config):
    """SIGHUP, and the new configuration is in force."""
    d.configure(config)
    lines = d.logged().count("reloaded")
    os.kill(d.process.pid, signal.SIGHUP)
    wait_until("the reload", lambda: d.logged().count("reloaded") > lines)


def header(hit, name):
    return [v for n, v in hit["headers"] if n.lower() == name.lower()]


def submit(d, run, **more):
    with d.rpc() as rpc:
        return rpc.call("job.submit", {"spec": dict({"run": run}, **more)})["job"]


def check(config):
    """What the reader of the configuration says of it."""
    with open("bad.json", "w", encoding="utf-8") as f:
        json.dump(config, f)
    return muster(None, "config", "check", os.path.abspath("bad.json"))


def refused(config, *says):
    r = check(config)
    assert r.status != 0, config
    for s in says:
        assert s in r.err + r.out, (s, r.err, r.out)


@case
def user_agent_is_the_configured_one_also_after_a_reload():
    d, w = Daemon({"http": {"user_agent": "first/1"}}), Web()
    assert muster(d, "fetch", w.url).status == 0
    reload(d, {"http": {"user_agent": "second/2"}})
    assert muster(d, "fetch", w.url).status == 0
    reload(d, {"http": {"user_agent": ""}})
    assert muster(d, "fetch", w.url).status == 0
    reload(d, {})
    assert muster(d, "fetch", w.url).status == 0
    agents = [header(h, "User-Agent") for h in w.hits]
    assert agents[:3] == [["first/1"], ["second/2"], []], agents
    assert agents[3][0].startswith("muster/"), agents


@case
def a_fetch_that_names_no_proxy_takes_the_configured_one():
    p, w = Web(lambda hit: (200, [], b"from the proxy")), Web()
    d = Daemon({"http": {"proxy": f"http://127.0.0.1:{p.port}"}})
    job = submit(d, w.url + "/x")
    with d.rpc() as rpc:
        rpc.call("job.wait", {"job": job, "wait_ms": 10000})
    assert p.paths() == [w.url + "/x"] and w.paths() == [], (p.paths(), w.paths())
    job = submit(d, {"fetch": {"url": w.url + "/own", "proxy": ""}})
    with d.rpc() as rpc:
        rpc.call("job.wait", {"job": job, "wait_ms": 10000})
    assert w.paths() == ["/own"], "a fetch that says there is none goes direct"
    reload(d, {})
    job = submit(d, w.url + "/direct")
    with d.rpc() as rpc:
        rpc.call("job.wait", {"job": job, "wait_ms": 10000})
    assert w.paths() == ["/own", "/direct"] and p.count() == 1


@case
def what_the_configuration_cannot_make_real_is_refused_by_name():
    refused({"shards": 2}, "shards", "one event loop")
    refused({"http": {"proxy": "https://p:1"}}, "http.proxy")
    refused({"http": {"user_agent": "a\nb"}}, "http.user_agent")
    refused({"metrics": {"port": 1}}, "port")
    refused({"http": {"connection": 1}}, "connection")
    assert check({"shards": 1}).status == 0


@case
def no_more_connections_are_open_than_configured():
    opened, asked, most, lock = [0], [0], [0, 0], threading.Lock()

    def count(what, n, by):
        with lock:
            what[0] += by
            most[n] = max(most[n], what[0])

    def serve(conn, _):
        count(opened, 0, 1)
        while read_head(conn):
            count(asked, 1, 1)
            time.sleep(0.02)
            count(asked, 1, -1)
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        count(opened, 0, -1)
    servers = [Raw(serve) for _ in range(4)]
    d = Daemon({"http": {"connections": 5}})
    urls = [f"{servers[i % 4].url}/{i}" for i in range(80)]
    r = muster(d, "fetch", "-c", "80", *urls)
    assert r.status == 0 and len(r.lines) == 80, r.err
    assert 4 <= most[1] <= 5, most
    assert most[0] <= 9, f"{most}: a thread of each server may still have to notice a close"


@case
def an_unused_connection_is_closed_after_idle_timeout():
    closed = []

    def serve(conn, _):
        try:
            while read_head(conn):
                at = time.monotonic()
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except OSError:
            pass
        closed.append(time.monotonic() - at)
    s = Raw(serve)
    d = Daemon({"http": {"idle_timeout": "1s"}})
    assert muster(d, "fetch", f"http://127.0.0.1:{s.port}/").status == 0
    wait_until("the connection to be closed", lambda: closed, 5)
    assert 0.9 <= closed[0] <= 3.5, closed


@case
def bounds_of_response_headers_are_the_configured_ones():
    w = Web(lambda hit: (200, [("X-%d" % i, "v" * 100) for i in range(100)], b"ok"))
    d = Daemon({"http": {"header_fields": 32}})
    r = muster(d, "fetch", w.url)
    assert r.lines[0]["error"]["kind"] == "headers.too_large", r.out
    reload(d, {"http": {"header_bytes": "4k"}})
    r = muster(d, "fetch", w.url)
    assert r.lines[0]["error"]["kind"] == "headers.too_large", r.out
    reload(d, {})
    assert muster(d, "fetch", w.url).status == 0


@case
def bound_of_expansion_is_the_configured_one():
    import gzip
    bomb = gzip.compress(b"\0" * (8 << 20))
    w = Web(lambda hit: (200, [("Content-Encoding", "gzip")], bomb))
    d = Daemon({"http": {"decoded_per_wire": 10}})
    r = muster(d, "fetch", "-o", "out", w.url)
    assert "body.too_large" in r.out + r.err, (r.out, r.err)
    reload(d, {"http": {"decoded_per_wire": 100000}})
    r = muster(d, "fetch", "-o", "out", w.url)
    assert r.status == 0 and os.path.getsize("out") == 8 << 20, (r.out, r.err)


@case
def log_level_counts_from_the_first_line_and_after_a_reload():
    d = Daemon({"log": {"level": "error"}})
    assert "exchange" not in d.logged() and "ready" not in d.logged(), d.logged()
    d.configure({"log": {"level": "info"}})
    os.kill(d.process.pid, signal.SIGHUP)
    wait_until("a line of level info", lambda: "reloaded" in d.logged())
    d.configure({"log": {"level": "error"}})
    with d.rpc() as rpc:
        rpc.call("daemon.reload")
        lines = d.logged()
        rpc.call("job.wait", {"job": submit(d, {"emit": 1}), "wait_ms": 10000})
    assert d.logged() == lines, "the states of jobs are of level info"


@case
def jobs_active_bounds_what_runs_and_a_reload_lets_more_run():
    d = Daemon({"jobs": {"active": 1}})
    jobs = [submit(d, {"sleep": "60s"}) for _ in range(3)]

    def states():
        with d.rpc() as rpc:
            return [rpc.call("job.get", {"job": j})["state"] for j in jobs]
    wait_until("one to run", lambda: states() == ["running", "queued", "queued"])
    reload(d, {"jobs": {"active": 2}})
    wait_until("two to run", lambda: states() == ["running", "running", "queued"])


@case
def jobs_queued_bounds_what_waits_and_a_reload_takes_more():
    d = Daemon({"jobs": {"active": 1, "queued": 2}})
    jobs = [submit(d, {"sleep": "60s"}) for _ in range(3)]
    try:
        submit(d, {"sleep": "60s"})
        raise AssertionError("a fourth was taken")
    except RpcError as e:
        assert e.kind == "busy" and "jobs.queued" in str(e), e
    with d.rpc() as rpc:
        rpc.call("job.cancel", {"job": jobs[2]})
        wait_until("room", lambda: rpc.call("job.get", {"job": jobs[2]})["state"] == "cancelled")
    submit(d, {"sleep": "60s"})
    reload(d, {"jobs": {"active": 1, "queued": 3}})
    submit(d, {"sleep": "60s"})


@case
def an_ended_job_is_kept_as_long_as_configured():
    d = Daemon({"jobs": {"keep": "1h"}})
    job = submit(d, {"emit": 1})
    with d.rpc() as rpc:
        rpc.call("job.wait", {"job": job, "wait_ms": 10000})
    time.sleep(1.2)
    assert sqlite(d, "select count(*) from job") == [["1"]]
    reload(d, {"jobs": {"keep": "1s"}})
    wait_until("it to be forgotten", lambda: sqlite(d, "select count(*) from job") == [["0"]])


@case
def the_store_takes_no_more_than_max_bytes_until_a_reload():
    w = Web(lambda hit: (200, [], os.urandom(40000).hex().encode()[:60000]))
    d = Daemon({"store": {"max_bytes": 1 << 20}})

    def keep_much():
        return submit(d, {"each": {"in": [f"{w.url}/{i}" for i in range(30)], "do": "${item}"}},
                      results={"body": "inline"})
    kinds = []
    for _ in range(4):
        try:
            job = keep_much()
        except RpcError as e:
            kinds.append(e.kind)
            break
        with d.rpc() as rpc:
            rpc.call("job.wait", {"job": job, "wait_ms": 20000})
    assert kinds == ["store.full"], kinds
    reload(d, {"store": {"max_bytes": "1G"}})
    wait_until("room", lambda: _is_taken(keep_much), 15)


def _is_taken(submit_one):
    try:
        return submit_one()
    except RpcError as e:
        assert e.kind == "store.full", e
        return None


@case
def the_ballast_has_its_size():
    d = Daemon({"store": {"ballast": "1M", "low_water": "1M"}})
    path = os.path.join(d.state, "ballast")
    wait_until("the ballast", lambda: os.path.exists(path) and os.path.getsize(path) == 1 << 20)


@case
def below_low_water_new_jobs_are_refused():
    d = Daemon({"store": {"low_water": 1 << 60}}, start=False)
    free = os.statvfs(d.state)
    if free.f_bavail * 4 > free.f_blocks:
        print("skipped: more than a quarter of the disk is free, low_water is at most that much")
        return
    d.start()
    try:
        submit(d, {"emit": 1})
        raise AssertionError("it was taken")
    except RpcError as e:
        assert e.kind == "store.full", e


def as_nobody(d, *args):
    """The command, run by a user who is nobody in particular."""
    for path in (os.getcwd(), os.path.dirname(d.socket_path)):
        os.chmod(path, 0o755)
    for name in ("control.sock", "events.sock"):
        os.chmod(os.path.join(os.path.dirname(d.socket_path), name), 0o666)
    done = subprocess.run([f"{BUILD}/muster", "--socket", d.address, *args], capture_output=True,
                          text=True, timeout=30, user=NOBODY, group=NOBODY, extra_groups=[],
                          env={"PATH": "/usr/bin:/bin", "HOME": "/"}, check=False)
    return done


def unix_web(path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    os.chmod(path, 0o666)
    s.listen(8)

    def run():
        while True:
            try:
                conn, _ = s.accept()
            except OSError:
                return
            if read_head(conn):
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            conn.close()
    threading.Thread(target=run, daemon=True).start()


@case
def unix_sockets_are_for_everybody_only_where_configured():
    if os.geteuid() != 0:
        print("skipped: only root can be somebody else")
        return
    open_path, shut_path = os.path.abspath("open.sock"), os.path.abspath("shut.sock")
    unix_web(open_path)
    unix_web(shut_path)
    d = Daemon({"network": {"unix_sockets": [os.path.abspath("op*.sock")]}})
    assert muster(d, "fetch", "--unix-socket", shut_path, "http://x/").status == 0, "root may"
    r = as_nobody(d, "fetch", "--unix-socket", open_path, "http://x/")
    assert r.returncode == 0, (r.stdout, r.stderr)
    r = as_nobody(d, "fetch", "--unix-socket", shut_path, "http://x/")
    assert "policy.denied" in r.stdout and "network.unix_sockets" in r.stdout, (r.stdout, r.stderr)
    reload(d, {"network": {"unix_sockets": [os.path.abspath("*.sock")]}})
    r = as_nobody(d, "fetch", "--unix-socket", shut_path, "http://x/")
    assert r.returncode == 0, (r.stdout, r.stderr)


@case
def admins_see_the_jobs_of_others():
    if os.geteuid() != 0:
        print("skipped: only root can be somebody else")
        return
    d = Daemon()
    job = submit(d, {"emit": 1})
    r = as_nobody(d, "show", job)
    assert r.returncode != 0, (r.stdout, r.stderr)
    reload(d, {"admins": [NOBODY]})
    r = as_nobody(d, "show", job)
    assert r.returncode == 0, (r.stdout, r.stderr)


@case
def network_policy_follows_a_reload():
    w = Web()
    d = Daemon({"network": {"deny": ["special"]}})
    r = muster(d, "fetch", w.url)
    assert r.lines[0]["error"]["kind"] == "policy.denied", r.out
    reload(d, {"network": {"deny": ["special"], "allow": ["127.0.0.0/8"]}})
    assert muster(d, "fetch", w.url).status == 0
