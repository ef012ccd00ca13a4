"""What people are told: the option, the file and line, or the job that is wrong, and what to do."""
import fcntl
import json
import os
import pty
import shutil
import socket
import struct
import subprocess
import termios

from harness import BUILD, Daemon, Process, Rpc, Web, case, free_port, muster, wait_until

REFUSED_OPTIONS = [
    # by the command itself
    (["-c", "0"], '--concurrency wants a whole number from 1 to 65536, not "0"'),
    (["-r", "5"], "--rate wants a rate such as 5/s"),
    (["--burst", "5"], "it needs --rate"),
    (["--backoff", "5s:1s"], "--backoff wants durations BASE[:MAX]"),
    (["--retry-on", "foo"], "--retry-on wants kinds and statuses"),
    (["--expect", "read.timeout"], '--expect wants statuses such as 200-299,404, not "read.timeout"'),
    (["--timeout", "5"], '--timeout wants a duration such as 250ms, 5s, 2m, 1h, 1d, not "5"'),
    (["--max-rate", "0"], '--max-rate wants a size such as 512, 64k, 16M, 1G, at least 1, not "0"'),
    (["-X", ""], '--request wants METHOD, not ""'),
    (["-T", ""], '--upload-file wants FILE|-, not ""'),
    (["-o", ""], '--output wants PATH, not ""'),
    (["--cookie-jar", ""], '--cookie-jar wants FILE, not ""'),
    (["-H", "nope"], "-H wants 'Name: value'"),
    (["--json", "{bad"], "--json: line 1, column 2"),
    (["--cacert", "/nowhere/x"], "cannot read /nowhere/x: No such file or directory"),
    (["-i", "/nowhere/x"], "cannot read /nowhere/x: No such file or directory"),
    (["-i", "/"], "cannot read /: Is a directory"),
    (["--no-such"], "unknown option --no-such"),
    (["--timeot", "5s"], "did you mean --timeout?"),
    # by the daemon, told as the option it was given by
    (["-X", "GE T"], "--request: method must be a word of letters (request.invalid)"),
    (["--fallback", "nope"], '--fallback: "nope" is no URL'),
    (["-H", "Bad Name: x"], '--header: "Bad Name" is no name of a header'),
    (["-H", "A: b\r\nX: y"], "--header: header A must not hold CR, LF"),
    (["--sha256", "zz"], "--sha256: sha256 must be 64 hexadecimal digits"),
    (["--proxy", "foo"], "--proxy: proxy must be an http://, socks5://"),
    (["--cacert", "/dev/null"], "--cacert: ca must be"),
    (["--unix-socket", "rel"], "--unix-socket: unix_socket must be an absolute path"),
    (["--resolve", "h:80:x"], '--resolve: the address of "h:80" must be IPv4 or IPv6'),
]


@case
def a_wrong_option_is_named_as_it_was_given():
    d = Daemon()
    for args, words in REFUSED_OPTIONS:
        r = muster(d, "fetch", "http://127.0.0.1:9/", *args, env={"SSL_CERT_FILE": ""})
        assert r.status == 2 and r.out == "", (args, r.status, r.out, r.err)
        assert words in r.err and "/defaults" not in r.err, (args, r.err)
    with d.rpc() as rpc:
        assert rpc.call("job.list")["jobs"] == []
    r = muster(d, "fetch", "http://127.0.0.1:9/", env={"SSL_CERT_FILE": "/dev/null"})
    assert r.status == 2 and "SSL_CERT_FILE of the environment: ca must be" in r.err, r.err
    r = muster(d, "fetch", "http://127.0.0.1:9/", env={"http_proxy": "ftp://x", "https_proxy": "ftp://x"})
    assert r.status == 2 and "of the environment: proxy must be" in r.err, r.err


@case
def a_refused_job_file_is_told_by_its_name_line_and_column():
    d = Daemon()
    for text, words in (
            ('{"run": {"fetch":\n  "http://h/", "fetc": 1}}', 'bad.json: line 2, column 16, at /run: unknown member "fetc"'),
            ('{"run": {"fetch": 7}', "bad.json: line 1, column 21: the text ends"),
            ("", "bad.json: line 1, column 1: the text ends where a value is expected"),
            ("[]", "bad.json: line 1, column 1: a job must be an object"),
            ('{"run":"http://${X}/"}', "bad.json: line 1, column 8, at /run: nothing is called ${X} here (request.invalid)")):
        with open("bad.json", "w", encoding="ascii") as f:
            f.write(text)
        r = muster(d, "submit", "bad.json")
        assert r.status == 2 and r.out == "" and words in r.err, (text, r.status, r.err)
    r = muster(d, "submit", "-", stdin="[]")
    assert r.status == 2 and "standard input: line 1, column 1: a job must be an object" in r.err, r.err


@case
def a_job_that_is_not_there_is_named():
    d = Daemon()
    for command in ("show", "results", "wait", "cancel", "pause", "resume", "retry", "forget", "explain", "watch"):
        for job in ("j999", "v3"):
            r = muster(d, command, job)
            assert r.status == 1 and r.out == "", (command, r.status, r.out, r.err)
            assert f"there is no job {job}; `muster jobs` lists yours (not_found)" in r.err, (command, r.err)
        r = muster(d, command, "foo")
        assert r.status == 1 and 'there is no job "foo"; jobs are named like j7' in r.err, (command, r.err)
    assert "there is no job j999" in muster(d, "body", "j999", "1").err


@case
def a_server_with_an_ipv6_address_is_told_in_brackets():
    if not socket.has_ipv6:
        return
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        return  # this machine has none
    d = Daemon()
    port = free_port()
    r = muster(d, "fetch", f"http://[::1]:{port}/", "--retry", "0")
    assert r.lines[0]["error"]["message"] == f"[::1]:{port} refused the connection", r.out
    r = muster(d, "fetch", f"http://127.0.0.1:{port}/", "--retry", "0")
    assert r.lines[0]["error"]["message"] == f"127.0.0.1:{port} refused the connection", r.out


@case
def a_daemon_that_is_not_reached_is_status_3_and_says_why():
    for address, status, words in (("foo", 3, "an address is ipc:///path"),
                                   ("ipc://relative", 3, "the path must be absolute"),
                                   ("ipc:///nowhere/s", 3, "start one with `systemctl start musterd`"),
                                   (f"tcp://127.0.0.1:{free_port()}", 3, "Connection refused")):
        r = muster(None, "--socket", address, "ping")
        assert r.status == status and words in r.err, (address, r.status, r.err)


@case
def the_total_of_a_job_that_is_fed_is_what_it_was_given():
    d = Daemon()
    with d.rpc() as rpc:
        url = f"http://127.0.0.1:{free_port()}/"
        job = rpc.call("job.submit", {"spec": {"run": {"each": {
            "in": {"feed": True}, "do": {"fetch": "${item}"}}}, "defaults": {"retry": {"attempts": 1}}}})["job"]
        for n in range(1, 40):
            rpc.call("job.feed", {"job": job, "offset": n - 1, "items": [url], "end": False})
            def total():
                t = rpc.call("job.get", {"job": job})["tasks"]
                assert t["total"] == n, (n, t)
                return t["failed"] == n
            wait_until("the item to fail", total)


@case
def a_daemon_of_a_user_without_a_home_says_where_it_wanted_to_be():
    if os.geteuid() != 0:
        return
    os.chmod(".", 0o755)
    env = {"PATH": os.environ["PATH"], "HOME": "/proc/nowhere"}
    shutil.copy(f"{BUILD}/musterd", "musterd")
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", os.path.abspath("musterd")],
                          env=env, capture_output=True, text=True, timeout=20, check=False, cwd="/")
    assert done.returncode == 1, done
    assert "/proc/nowhere: cannot make the directory" in done.stderr and "--state DIR names another" in done.stderr


@case
def info_names_the_configuration_and_paths_are_absolute():
    os.makedirs("rel")
    with open("rel/c.json", "w", encoding="ascii") as f:
        f.write("{}")
    p = Process([f"{BUILD}/musterd", "--config", "rel/c.json", "--state", "./rel/state", "--socket", "rel/s.sock"],
                log="musterd.log")
    path = os.path.abspath("rel/s.sock")

    def is_ready():
        assert p.alive(), open("musterd.log").read()
        return os.path.exists(path) and "ready" in open("musterd.log").read()
    wait_until("the daemon", is_ready)
    with Rpc(path) as rpc:
        info = rpc.call("daemon.info")
    assert info["config"] == os.path.abspath("rel/c.json"), info
    assert info["state_dir"] == os.path.abspath("rel/state") and info["socket"] == "ipc://" + path, info


@case
def progress_is_one_line_of_a_terminal_and_the_summary_follows_it():
    d, w = Daemon(), Web()
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    with open("lines", "wb") as out:
        p = subprocess.Popen([f"{BUILD}/muster", "--socket", d.address, "fetch", "-r", "10/s", *[f"{w.url}/{i}" for i in range(8)]],
                             stdin=subprocess.DEVNULL, stdout=out, stderr=secondary)
    os.close(secondary)
    told = b""
    try:
        while got := os.read(primary, 65536):
            told += got
    except OSError:
        pass  # its end
    assert p.wait(20) == 0
    drawn, _, rest = told.decode().rpartition("\r\x1b[K")
    assert drawn.count("\r\x1b[K") >= 2 and "\n" not in drawn, told
    assert all(len(x) <= 40 for x in drawn.split("\r\x1b[K")), told
    assert rest.startswith("8 of 8 done, 0 failed") and "muster: succeeded, 8 ok in" in rest, rest
    assert open("lines", encoding="utf-8").read().count("\n") == 8
