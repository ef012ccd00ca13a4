"""The store of the real daemon on a disk that fails or is full, and killed at its most delicate points."""
import os
import re
import shutil
import subprocess

from harness import BUILD, Daemon, Process, RpcError, _cleanup, case, sqlite, wait_until

SLEEPER = {"run": {"sleep": "1h"}}


def traced(daemon, inject):
    """Starts the daemon with system calls failing as `inject` says; it stays a child of the case."""
    argv = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + inject.split(":")[0],
            "-e", "inject=" + inject] + daemon.argv()
    daemon.process = Process(argv, log=daemon.log, env=daemon.env)


def can_trace():
    ok = shutil.which("strace") and subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False).returncode == 0
    if not ok:
        print("left out: strace cannot trace here")
    return ok


def submit_until_it_ends(daemon, most):
    """Submits jobs until the daemon is gone; the ids that were acknowledged."""
    acked = []
    try:
        with daemon.rpc() as rpc:
            for _ in range(most):
                acked.append(rpc.call("job.submit", {"spec": SLEEPER})["job"])
    except (OSError, RpcError, AssertionError, ValueError):
        pass
    return acked


def check_kept(daemon, acked):
    with daemon.rpc() as rpc:
        for job in acked:
            assert rpc.call("job.get", {"job": job})["job"] == job
    assert sqlite(daemon, "PRAGMA integrity_check") == [["ok"]]


@case
def after_a_failed_sync_nothing_is_acknowledged_and_the_daemon_ends():
    if not can_trace():
        return
    for n in (2, 5, 9, 14, 30):
        d = Daemon(state=f"state{n}", name=f"d{n}", start=False)
        traced(d, f"fdatasync,fsync:error=EIO:when={n}+")
        wait_until("an answer, or an end", lambda d=d: not d.process.alive() or d._ready(), 20)
        acked = submit_until_it_ends(d, 600)  # strace counts per thread, and there are several
        wait_until("the daemon to end", lambda d=d: not d.process.alive(), 5)
        assert d.process.popen.returncode not in (0, -9), d.process.popen.returncode
        assert re.search(r"store\.db|bodies|store", d.logged()), d.logged()[-500:]
        d.start()
        check_kept(d, acked)
        d.stop()


@case
def interrupted_and_refused_writes_lose_nothing():
    if not can_trace():
        return
    d = Daemon(start=False)
    traced(d, "pwrite64:error=EINTR:when=5+7")
    wait_until("the daemon to serve", d._ready, 20)
    acked = submit_until_it_ends(d, 100)
    assert len(acked) == 100, (len(acked), d.logged()[-500:])
    d.restart()
    check_kept(d, acked)


@case
def killed_between_commit_and_answer_it_has_what_it_committed():
    points = ("before_commit", "after_commit_before_ack", "after_submit_commit_before_reply")
    for i, point in enumerate(points):
        for count in (1, 3, 9):
            d = Daemon(state=f"state-{i}-{count}", name=f"d{i}{count}", start=False)
            d.env["MUSTERD_FAULT"] = f"{point}:{count}"
            try:
                d.start()
            except AssertionError:
                pass
            acked = submit_until_it_ends(d, 60)
            if len(acked) == 60:
                print("left out: this build has no fault points")
                return
            assert d.process.popen.wait(5) == -9, (len(acked), d.logged()[-500:])
            del d.env["MUSTERD_FAULT"]
            d.start()
            check_kept(d, acked)
            with d.rpc() as rpc:
                jobs = rpc.call("job.list", {})["jobs"]
            assert len(jobs) <= len(acked) + 1, (len(jobs), len(acked))
            d.stop()


@case
def a_second_daemon_on_the_same_state_is_refused_by_name():
    d = Daemon()
    other = Daemon(state="state", name="other", start=False)
    r = subprocess.run(other.argv(), capture_output=True, text=True, timeout=20, check=False)
    assert r.returncode not in (0, -9), r
    assert str(d.process.pid) in r.stderr, r.stderr
    with d.rpc() as rpc:
        assert rpc.call("daemon.ping") is not None


def small_disk(path, size):
    os.makedirs(path)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path],
                                           capture_output=True, check=False).returncode != 0:
        print("left out: cannot mount a small disk here")
        return False
    _cleanup.callback(lambda: subprocess.run(["umount", "-l", path], check=False))
    return True


def submit_until_full(rpc, most):
    big = {"run": {"sleep": "1h"}, "name": "x" * 200, "results": {"keep": "1h"}, "defaults": {"fetch": {"headers": {"X": "y" * 60_000}}}}
    jobs = []
    for _ in range(most):
        try:
            jobs.append(rpc.call("job.submit", {"spec": big})["job"])
        except RpcError as e:
            assert "store.full" in str(e), e
            return jobs
    raise AssertionError(f"{most} jobs and never store.full")


@case
def a_full_disk_refuses_new_jobs_and_takes_them_again_when_there_is_room():
    if not small_disk("small", "16m"):
        return
    d = Daemon(state="small/state")
    with d.rpc() as rpc:
        first = rpc.call("job.submit", {"spec": {"run": {"emit": 1}}})["job"]
        jobs = submit_until_full(rpc, 1000)
        assert len(jobs) > 20, len(jobs)
        v = os.statvfs("small")
        assert v.f_bavail > 0, "the disk is full to its last byte"
        assert rpc.call("job.get", {"job": first})["state"] == "succeeded"
        for job in jobs:
            rpc.call("job.cancel", {"job": job})
        for job in jobs:
            wait_until("the job to end", lambda job=job: rpc.call("job.get", {"job": job})["state"] == "cancelled", 20)
            rpc.call("job.forget", {"job": job})

        def accepted():
            try:
                return rpc.call("job.submit", {"spec": SLEEPER})["job"]
            except RpcError:
                return None
        wait_until("a new job to be taken", accepted, 40)
    assert d.process.alive()
