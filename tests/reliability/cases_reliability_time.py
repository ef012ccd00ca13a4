"""The wall clock jumps, the process stands still: no burst, no storm of timeouts, nothing early."""
import os
import shutil
import signal
import time

from harness import Daemon, Process, Raw, Web, case, muster, muster_start, read_head, wait_until
from histcheck import check_rate
from scale import scale


def faked(daemon, offsets):
    """Starts the daemon with a wall clock that follows the file `offsets`; its monotonic clock is real."""
    lib = next((p for p in ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
                            "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1") if os.path.exists(p)), None)
    if lib is None:
        print("left out: libfaketime is not installed")
        return False
    daemon.env.update({"LD_PRELOAD": lib, "FAKETIME_TIMESTAMP_FILE": offsets, "FAKETIME_NO_CACHE": "1",
                       "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    daemon.start()
    return True


def set_offset(path, text):
    with open(path + ".new", "w", encoding="ascii") as f:
        f.write(text + "\n")
    os.rename(path + ".new", path)


@case
def a_jumping_wall_clock_makes_no_burst_and_no_early_retry():
    offsets = os.path.abspath("offsets")
    set_offset(offsets, "+0")
    d, w = Daemon(start=False), Web(lambda hit: (503, [], b"") if hit["path"] == "/retry" else (200, [], b"ok"))
    if not faked(d, offsets):
        return
    p = muster_start(d, "fetch", "-r", "20/s", "-c", "8", *[f"{w.url}/{i}" for i in range(scale(60, 300))])
    slow = muster_start(d, "fetch", "--retry", "1", "--backoff", "2s:2s", f"{w.url}/retry")
    for jump in ("+3600", "-3600", "+3650d", "-3650d", "+0", "-1", "-2", "-3"):
        set_offset(offsets, jump)
        time.sleep(0.3)
    p.communicate(timeout=60)
    slow.communicate(timeout=60)
    assert p.returncode == 0, p.returncode
    check_rate([h["at"] for h in w.hits if h["path"] != "/retry"], 20, 1)
    assert w.count("/retry") == 2


@case
def a_restart_on_another_day_waits_no_longer_than_the_rate_asks():
    offsets = os.path.abspath("offsets")
    d, w = Daemon({"limits": [{"match": {"host": "127.0.0.1"}, "rate": "5/s", "key": "k"}]}, start=False), Web()
    set_offset(offsets, "+0")
    if not faked(d, offsets):
        return
    for offset in ("-3600", "+3600", "-3650d", "+0"):
        assert muster(d, "fetch", *[f"{w.url}/{i}" for i in range(4)]).status == 0
        d.kill9()
        set_offset(offsets, offset)
        d.start()
        before = time.monotonic()
        r = muster(d, "fetch", f"{w.url}/after")
        assert r.status == 0 and time.monotonic() - before < 5, (offset, r.out)
    check_rate([h["at"] for h in w.hits], 5, 1)


@case
def a_process_that_stood_still_does_not_fail_what_was_under_way():
    """Stopped for longer than the read timeout while answers arrive: they are read, not timed out."""
    def answer(conn, _):
        while read_head(conn):
            time.sleep(0.5)
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    d, w = Daemon(), Raw(answer)
    p = muster_start(d, "fetch", "--first-byte-timeout", "2s", "--retry", "0", "-c", "6", *[f"{w.url}/{i}" for i in range(6)])
    wait_until("requests to be under way", lambda: w.accepted >= 6)
    os.kill(d.process.pid, signal.SIGSTOP)
    time.sleep(scale(3, 30))
    os.kill(d.process.pid, signal.SIGCONT)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 0, (p.returncode, out[:500], err)
