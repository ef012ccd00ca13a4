"""What the command shows to people: lists, live views, files of an installation."""
import contextlib
import fcntl
import gzip
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from harness import BUILD, ROOT, Daemon, Web, case, cpu_seconds, muster, wait_until


@case
def jobs_lists_more_than_a_page_with_volatile_ones_among_them():
    d, w = Daemon(), Web()
    want = []
    with d.rpc() as rpc:
        for i in range(230):
            spec = {"durable": i % 3 != 0, "name": f"n{i}", "run": {"sleep": "0"}}
            want.append(rpc.call("job.submit", {"spec": spec})["job"])
        page = rpc.call("job.list")
        assert len(page["jobs"]) == 100 and page["next"] == 100, page["next"]
        for size in (1, 7, 1000):
            seen, after = [], 0
            while after is not None:
                page = rpc.call("job.list", {"after": after, "max": size})
                assert len(page["jobs"]) <= size
                seen += [j["job"] for j in page["jobs"]]
                after = page.get("next")
            assert seen == want, (size, len(seen))
    r = muster(d, "jobs", "--json")
    assert [j["job"] for j in r.lines] == want
    lines = muster(d, "jobs").out.splitlines()
    assert len(lines) == 231 and lines[0].split()[:6] == ["job", "state", "name", "ok", "failed", "cancelled"], lines[0]
    assert w.count() == 0


@case
def a_slow_rate_goes_on_at_its_pace_without_work():
    d, w = Daemon(), Web()
    began, used = time.monotonic(), cpu_seconds(d.process.pid)
    r = muster(d, "fetch", "-r", "2/s", *[f"{w.url}/{i}" for i in range(4)], timeout=20)
    assert r.status == 0 and len(r.lines) == 4, (r.status, r.err)
    assert 1.4 < time.monotonic() - began < 4, time.monotonic() - began
    assert cpu_seconds(d.process.pid) - used < 1


def installed(stage):
    quiet = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    for _ in range(2):
        done = subprocess.run(["make", "-s", "-C", ROOT, f"BUILD={BUILD}", f"V={os.environ.get('V', '')}", "install",
                               f"DESTDIR={stage}", "PREFIX=/usr"], env=quiet, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        with open(f"{stage}/etc/musterd/musterd.json", "a", encoding="ascii") as f:
            f.write("\n")
    return {os.path.relpath(os.path.join(d, f), stage) for d, _, files in os.walk(stage) for f in files}


@case
def what_is_installed_works_and_keeps_a_configuration():
    stage = os.path.abspath("stage")
    files = installed(stage)
    for name in ("bin/musterd", "bin/muster", "bin/musterd-gateway", "lib/libmuster.a", "include/muster.h",
                 "lib/pkgconfig/muster.pc", "lib/systemd/system/musterd.service", "lib/systemd/system/musterd.socket",
                 "lib/systemd/system/musterd-gateway.service", "lib/sysusers.d/musterd.conf",
                 "share/man/man1/muster.1.gz", "share/man/man8/musterd.8.gz", "share/man/man8/musterd-gateway.8.gz",
                 "share/bash-completion/completions/muster", "share/zsh/site-functions/_muster",
                 "share/fish/vendor_completions.d/muster.fish"):
        assert f"usr/{name}" in files, (name, sorted(files))
    # The second installation left what was written behind the first.
    assert open(f"{stage}/etc/musterd/musterd.json", encoding="ascii").read().endswith("}\n\n\n")
    for unit in ("musterd", "musterd-gateway"):
        text = open(f"{stage}/usr/lib/systemd/system/{unit}.service", encoding="ascii").read()
        assert f"ExecStart=/usr/bin/{unit} " in text, text
    w, d = Web(lambda hit: (200, [], hit["path"].encode())), Daemon(start=False)
    d.argv = lambda: [f"{stage}/usr/bin/musterd", "--config", d.config_path, "--state", d.state, "--socket", d.address]
    d.start()
    run = subprocess.run([f"{stage}/usr/bin/muster", "--socket", d.address, "fetch", w.url + "/a"], capture_output=True,
                         text=True, timeout=20)
    assert run.returncode == 0 and json.loads(run.stdout)["body"] == "/a", run.stderr
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "muster"], capture_output=True, text=True, check=True,
                           env=dict(os.environ, PKG_CONFIG_PATH=f"{stage}/usr/lib/pkgconfig",
                                    PKG_CONFIG_SYSROOT_DIR=stage)).stdout.split()
    sanitize = {"asan": ["-fsanitize=address,undefined"], "tsan": ["-fsanitize=thread"],
                "ubsan": ["-fsanitize=undefined"]}.get(os.environ.get("V", ""), [])
    subprocess.run(["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", "fetch",
                    f"{ROOT}/examples/libmuster/fetch.c", *flags, *sanitize], check=True)
    run = subprocess.run(["./fetch", w.url + "/b", w.url + "/c"], capture_output=True, text=True, timeout=20,
                         env=dict(os.environ, MUSTER_SOCKET=d.address))
    assert run.returncode == 0, run.stderr
    assert {json.loads(x)["body"] for x in run.stdout.splitlines()} == {"/b", "/c"}, run.stdout


def commands_and_options():
    """Names in the tables, read from the tables."""
    read = lambda name: open(f"{ROOT}/proto/{name}.def", encoding="utf-8").read()
    commands = re.findall(r'^COMMAND\(\w+, "([\w-]+)"', read("commands"), re.M)
    options = re.findall(r"^OPTION\(\w+, (?:0|'(\w)'), \"([\w-]+)\"", read("options"), re.M)
    assert len(commands) > 20 and len(options) > 50
    return commands, options


@case
def man_page_and_completions_name_every_command_and_option():
    out = os.path.abspath("out")
    subprocess.run(["make", "-s", "-C", ROOT, f"BUILD={out}", f"{out}/man/muster.1.gz", f"{out}/completions/muster.bash",
                    f"{out}/completions/_muster", f"{out}/completions/muster.fish"], check=True, capture_output=True,
                   env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "V")})
    page = gzip.open(f"{out}/man/muster.1.gz", "rt").read().replace("\\-", "-")
    shells = {n: open(f"{out}/completions/{n}", encoding="utf-8").read() for n in ("muster.bash", "_muster", "muster.fish")}
    commands, options = commands_and_options()
    for c in commands:
        assert f'.SS "muster {c}' in page, c
        assert f"\t{c}) words=" in shells["muster.bash"] and f"'{c}:" in shells["_muster"], c
        assert f"-f -a {c} " in shells["muster.fish"], c
    for letter, name in options:
        assert f"--{name}\\fR" in page and f"--{name} " in shells["muster.bash"], name
        assert f"--{name}" in shells["_muster"] and f"-l {name} " in shells["muster.fish"], name
        assert not letter or f"-s {letter} " in shells["muster.fish"], name
    done = subprocess.run(["bash", "-c", f". {out}/completions/muster.bash; COMP_WORDS=(muster fetch --summ); COMP_CWORD=2; "
                           "_muster; echo ${COMPREPLY[@]}"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "--summary", done.stdout


class Terminal:
    """A command on a terminal of its own, its picture as text."""

    def __init__(self, d, *args, columns=80, rows=24):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", LANG="C.UTF-8")
            self.fd = 1
            self.resize(columns, rows)
            os.execv(f"{BUILD}/muster", [f"{BUILD}/muster", "--socket", d.address, *args])
        self.seen = b""

    def resize(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, *words, seconds=10):
        """Reads until all words have been seen since the last call; gives what was read."""
        end = time.monotonic() + seconds
        while not all(w.encode() in self.seen for w in words):
            assert time.monotonic() < end, (words, self.seen[-2000:])
            if select.select([self.fd], [], [], 0.2)[0]:
                self.seen += os.read(self.fd, 65536)
        text, self.seen = self.seen.decode(), b""
        return text

    def press(self, keys):
        os.write(self.fd, keys)

    def end(self):
        """The exit status (negative: signal), and that the terminal is as it was."""
        with contextlib.suppress(OSError):
            while data := os.read(self.fd, 65536):
                self.seen += data
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert self.seen.endswith(b"\x1b[?25h\x1b[?1049l"), self.seen[-200:]
        return status


def widest(text):
    """Columns of the longest line of a picture."""
    return max(len(re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", x).rstrip("\r")) for x in text.split("\n"))


@case
def watch_redraws_resizes_and_gives_the_terminal_back():
    d, w = Daemon({"limits": [{"match": {"host": "127.0.0.1"}, "key": "slowly", "rate": "5/s"}]}), Web()
    job = muster(d, "fetch", "--detach", *[f"{w.url}/{i}" for i in range(60)]).out.strip()
    t = Terminal(d, "watch")
    text = t.until("q leaves", job, "slowly")
    assert "\x1b[?1049h" in text and text.count("\x1b[2J") == 1, text[:100]
    assert widest(text) < 80, text
    again = t.until("\x1b[?2026h", "slowly", "\x1b[?2026l")
    assert "\x1b[2J" not in again
    t.resize(200, 50)
    wait_until("a wider picture", lambda: 120 < widest(t.until("left", "behind")) < 200)
    t.press(b"q")
    assert t.end() == 0
    t = Terminal(d, "watch", job)
    t.until("Held back by", "slowly", "Tasks")
    t.press(b"\x03")
    assert t.end() == -signal.SIGINT
    muster(d, "cancel", job)


@case
def top_outlives_the_daemon():
    d = Daemon()
    t = Terminal(d, "top")
    t.until("muster top", "limiter", "warden")
    d.kill9()
    t.until("went away", "q leaves")
    d.start()
    t.until("limiter", "warden")
    t.press(b"q")
    assert t.end() == 0


@case
def live_views_are_figures_in_json():
    d, w = Daemon(), Web()
    job = muster(d, "fetch", "--detach", w.url).out.strip()
    muster(d, "wait", job)
    assert [x["job"] for x in muster(d, "watch", "--json").lines] == [job]
    assert muster(d, "watch", job, "--json").lines[0]["state"] == "succeeded"
    figures = muster(d, "top", "--json").lines[0]
    assert list(figures) == ["stats", "actors"] and figures["actors"] and figures["stats"]["http"], figures


@case
def live_views_print_once_without_a_terminal():
    d, w = Daemon(), Web(lambda hit: (404, [], b""))
    assert "no jobs" in muster(d, "watch").out
    job = muster(d, "fetch", "--detach", w.url + "/gone").out.strip()
    muster(d, "wait", job)
    for args, words in (((), (job, "100%")), ((job,), (job, "Last errors", "/gone", "status"))):
        r = muster(d, "watch", *args)
        assert r.status == 0 and all(x in r.out for x in words) and "\x1b" not in r.out, r.out
    r = muster(d, "top")
    assert r.status == 0 and "limiter" in r.out and "\x1b" not in r.out, r.out
    r = muster(d, "watch", "j99")
    assert r.status != 0 and "there is no job" in r.err, r.err


@case
def actors_are_a_tree_and_flat_in_json():
    d, w = Daemon(), Web(lambda hit: (time.sleep(1), (200, [], b""))[1])
    job = muster(d, "fetch", "--detach", "-c", "5", *[f"{w.url}/{i}" for i in range(5)]).out.strip()
    lines = muster(d, "actors").out.splitlines()
    at = next(i for i, x in enumerate(lines) if x.startswith(f"  job {job} "))
    assert lines[0].split()[0] == "name" and lines[at + 1].startswith("    job "), lines
    assert any(re.match("      fetch x[45]", x) for x in lines), lines
    flat = json.loads(muster(d, "actors", "--json").out)
    assert len([a for a in flat if a["name"] == "fetch" and a["task"]]) == 5
    muster(d, "cancel", job)


@case
def config_check_reads_the_files_of_the_running_daemon_again():
    d = Daemon({"log": {"level": "info"}})
    r = muster(d, "config", "check")
    assert r.status == 0, (r.status, r.err)
    d.configure({"lmits": []})
    r = muster(d, "config", "check")
    assert r.status != 0 and "lmits" in r.err + r.out, (r.status, r.err, r.out)
    assert muster(d, "ping").status == 0
