"""`muster watch` on all kinds of terminals, to their ends."""
import os
import re
import signal
import time

from cases_client import Terminal, widest
from harness import Daemon, Web, case, muster, wait_until


def plain(text):
    return re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", text)


def slow_job(d, w, n=200):
    return muster(d, "fetch", "--detach", "--retry", "0", *[f"{w.url}/{i}" for i in range(n)]).out.strip()


def slow_world():
    d = Daemon({"limits": [{"match": {"host": "127.0.0.1"}, "key": "slowly", "rate": "20/s"}]})
    return d, Web(lambda hit: (404 if hit["path"].endswith("3") else 200, [], b""))


@case
def watch_gives_the_terminal_back_however_it_ends():
    d, w = slow_world()
    job = slow_job(d, w)
    for number in (signal.SIGTERM, signal.SIGINT):
        t = Terminal(d, "watch", job)
        t.until("Held back by", "slowly")
        os.kill(t.pid, number)
        assert t.end() == -number
    t = Terminal(d, "watch")
    t.until(job, "slowly")
    d.kill9()
    t.until("went away", "q leaves")
    d.start()
    t.until(job, "slowly")
    t.press(b"Q")
    assert t.end() == 0
    muster(d, "cancel", job)


@case
def watch_fits_a_narrow_window_and_no_line_is_too_long():
    d, w = slow_world()
    job = slow_job(d, w)
    for columns, rows in ((30, 10), (40, 16), (59, 8)):
        for args in ((), (job,)):
            t = Terminal(d, "watch", *args, columns=columns, rows=rows)
            text = t.until("\x1b[?2026l", "%")
            assert widest(text) < columns, (columns, args, widest(text))
            assert len(plain(text).split("\n")) <= rows + 1, (rows, args, plain(text))
            assert "%" in plain(text) and job in plain(text), plain(text)
            t.press(b"q")
            assert t.end() == 0
    muster(d, "cancel", job)


@case
def watch_without_colours_and_without_utf8():
    d, w = slow_world()
    job = slow_job(d, w)
    os.environ["NO_COLOR"] = "1"
    t = Terminal(d, "watch", job)
    text = t.until("Last errors", "%", seconds=15)
    assert not re.search(r"\x1b\[[\d;]*3\dm", text), text
    t.press(b"q")
    assert t.end() == 0
    del os.environ["NO_COLOR"]
    os.environ["LC_ALL"] = "C"
    t = Terminal(d, "watch", job)
    text = t.until("Last errors", "%")
    assert text.isascii() and re.search(r"[#=]", plain(text)), text
    t.press(b"q")
    assert t.end() == 0
    muster(d, "cancel", job)


@case
def the_total_of_a_job_under_way_is_what_it_will_be():
    d, w = Daemon(), Web(lambda hit: (time.sleep(0.02), (200, [], b""))[1])
    job = muster(d, "fetch", "--detach", "-c", "8", *[f"{w.url}/{i}" for i in range(150)]).out.strip()
    totals = set()
    with d.rpc() as rpc:
        while True:
            r = rpc.call("job.get", {"job": job})
            totals.add(r["tasks"]["total"])
            if r["state"] == "succeeded":
                break
    assert totals == {150}, totals
    with open("j.json", "w", encoding="ascii") as f:
        f.write('{"run":{"sequence":["%s/a",{"sleep":"300ms"},{"gather":["%s/b","%s/c"]}]}}' % ((w.url,) * 3))
    job = muster(d, "submit", "--detach", "j.json").out.strip()
    with d.rpc() as rpc:
        wait_until("the first", lambda: rpc.call("job.get", {"job": job})["tasks"]["ok"] == 1)
        assert rpc.call("job.get", {"job": job})["tasks"]["total"] == 3
    assert muster(d, "wait", job).status == 0
