"""Loss of power: every state the disk may legally be in is built from a recording, and opened.

The daemon runs under strace, which records what it writes, truncates, renames, removes and syncs.
A crash at moment T leaves of each file what was synced before T, and of what was written after the
last sync any subset. What clients had been promised before T must be there. (The method is that of
Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014.)
"""
import os
import random
import re
import shutil
import subprocess
import time

from harness import Daemon, Nginx, Process, case, sqlite, wait_until
from scale import scale

CALLS = "pwrite64,write,ftruncate,fdatasync,fsync,renameat,rename,renameat2,linkat,link,unlink,unlinkat,openat"
CALL = re.compile(r"^\d+ +(\d+\.\d+) (\w+)\((.*)\) += (-?\d+)")
RESUMED = re.compile(r"^(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>(.*)$")
HEX_PATH = re.compile(r"<((?:\\x[0-9a-f]{2})+)>")
UNFINISHED = re.compile(r"^(\d+) +(\d+\.\d+) (.*) <unfinished \.\.\.>$")


class Op:
    def __init__(self, end, kind, path, **more):
        self.end, self.kind, self.path, self.more = end, kind, path, more


def whole_calls(trace):
    """Lines of strace -f with interrupted calls joined; stamped with when they were over."""
    waiting = {}
    for line in open(trace, encoding="ascii", errors="replace"):
        line = line.rstrip("\n")
        m = UNFINISHED.match(line)
        if m:
            waiting[m[1]] = m[3]
            continue
        m = RESUMED.match(line)
        if m:
            line = f"{m[1]} {m[2]} {waiting.pop(m[1])}{m[4]}"
        yield HEX_PATH.sub(lambda p: f"<{unhex(p[1]).decode()}>", line)


def recorded(trace, state):
    """The operations on files below `state`, in the order in which they returned."""
    ops = []
    for line in whole_calls(trace):
        m = CALL.match(line)
        if not m or int(m[4]) < 0:
            continue
        end, name, args, ret = float(m[1]), m[2], m[3], int(m[4])
        ops += operation_on_file(end, name, args, ret, state) or operation_on_name(end, name, args, state)
    return ops


def unhex(text):
    return bytes.fromhex(text.replace("\\x", ""))


def named(args, state):
    """The paths a call on names spoke of, whole: of its string arguments, or of a directory and one."""
    out = []
    for at, text in re.findall(r'(?:(?:\d+|AT_FDCWD)<([^>]*)>, )?"((?:\\x[0-9a-f]{2})*)"', args):
        path = os.path.join(at, unhex(text).decode())
        if path.startswith(state):
            out.append(path)
    return out


def operation_on_file(end, name, args, ret, state):
    on = args[args.find("<") + 1:args.find(">")]
    if not on.startswith(state):
        return []
    if name in ("pwrite64", "write"):
        data = unhex(re.search(r'"((?:\\x[0-9a-f]{2})*)"', args)[1])[:ret]
        at = int(args.rsplit(",", 1)[1]) if name == "pwrite64" else None
        return [Op(end, "write", on, data=data, at=at)]
    if name == "ftruncate":
        return [Op(end, "truncate", on, size=int(args.rsplit(",", 1)[1]))]
    return [Op(end, "sync", on)] if name in ("fdatasync", "fsync") else []


def operation_on_name(end, name, args, state):
    paths = named(args, state)
    if not paths:
        return []
    if name == "openat":
        return [Op(end, "create", paths[0])] if "O_CREAT" in args else []
    if name.startswith("rename"):
        return [Op(end, "rename", paths[0], to=paths[1])]
    if name.startswith("link"):
        return [Op(end, "link", paths[0], to=paths[1])]
    return [Op(end, "remove", paths[0])] if name.startswith("unlink") else []


def state_at(ops, moment, rng):
    """One legal content of the disk after power fails at `moment`: {path: bytes}.

    Per file: all up to its last sync, and a random subset of what came later. Names are taken as
    the journal of a file system orders them: a prefix of the creates, renames and removals, at
    least up to the last sync of anything.
    """
    done = [op for op in ops if op.end <= moment]
    last_sync = {}
    for i, op in enumerate(done):
        if op.kind == "sync":
            last_sync[op.path] = i
    floor = max(last_sync.values(), default=0)
    names_until = rng.randint(floor, len(done))
    files, alias = {}, {}
    chance = rng.choice((0.0, 0.3, 0.7, 1.0))
    for i, op in enumerate(done):
        if op.kind in ("create", "rename", "link", "remove"):
            if i > names_until:
                continue
            if op.kind == "create":
                files.setdefault(op.path, bytearray())
            elif op.kind == "rename" and op.path in files:
                files[op.more["to"]] = files.pop(op.path)
                alias[op.path] = op.more["to"]
            elif op.kind == "link" and op.path in files:
                files[op.more["to"]] = files[op.path]
            elif op.kind == "remove":
                files.pop(op.path, None)
            continue
        path = op.path if op.path in files else alias.get(op.path, op.path)
        if path not in files or op.kind == "sync":
            continue
        if i > last_sync.get(op.path, -1) and rng.random() > chance:
            continue
        apply(files[path], op)
    return files


def apply(content, op):
    if op.kind == "truncate":
        size = op.more["size"]
        if size < len(content):
            del content[size:]
        else:
            content.extend(bytes(size - len(content)))
        return
    data = op.more["data"]
    at = len(content) if op.more["at"] is None else op.more["at"]
    if at + len(data) > len(content):
        content.extend(bytes(at + len(data) - len(content)))
    content[at:at + len(data)] = data


def run_recorded(d, n, jobs):
    """Jobs with small and large bodies; [(when acknowledged, job, expected leaves or None)]."""
    acked = []
    with d.rpc() as rpc:
        for i in range(jobs):
            spec = {"run": {"gather": [f"{n.url}/{'big' if i % 3 == 0 else 'x'}?{i}.{k}" for k in range(3)]}}
            job = rpc.call("job.submit", {"spec": spec})["job"]
            acked.append((time.time(), job, None))
            if i % 2 == 0:
                wait_until("a job to end", lambda job=job: rpc.call("job.get", {"job": job})["state"] == "succeeded", 30)
                acked.append((time.time(), job, 3))
    return acked


@case
def after_a_loss_of_power_every_promise_holds_in_every_legal_state():
    if not shutil.which("strace") or subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False).returncode:
        print("left out: strace cannot trace here")
        return
    rng = random.Random(15)
    d, n = Daemon(start=False), Nginx()
    n.file("x", "x" * 100)
    n.file("big", bytes(range(256)) * 512)
    trace = os.path.abspath("trace")
    d.process = Process(["strace", "-D", "-f", "-qq", "-y", "-xx", "-ttt", "-s", "1100000", "-o", trace, "-e", "trace=" + CALLS]
                        + d.argv(), log=d.log)
    wait_until("the daemon to serve", d._ready, 30)
    acked = run_recorded(d, n, scale(6, 24))
    d.kill9()
    ops = recorded(trace, d.state)
    assert sum(op.kind == "sync" for op in ops) > len(acked) / 2, "the recording has too few syncs"
    first, last = acked[0][0], acked[-1][0]
    for i in range(scale(12, 500)):
        moment = rng.uniform(first, last)
        check_state(state_at(ops, moment, rng), moment, acked, d.state, i)


def check_state(files, moment, acked, state, number):
    shutil.rmtree("lost", ignore_errors=True)
    for path, content in files.items():
        copy = os.path.join("lost", os.path.relpath(path, state))
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        with open(copy, "wb") as f:
            f.write(content)
    c = Daemon(state="lost", name="c")
    with c.rpc() as rpc:
        for when, job, leaves in acked:
            if when > moment:
                continue
            got = rpc.call("job.get", {"job": job})
            if leaves is not None:
                assert got["state"] == "succeeded" and got["tasks"]["ok"] == leaves, (number, got)
                page = rpc.call("job.results", {"job": job, "after": 0, "max_bytes": 1 << 20})
                for line in page["results"]:
                    if "body" not in line and "body_base64" not in line:
                        body = rpc.call("job.body", {"job": job, "seq": line["seq"], "offset": 0, "length": 1000})
                        assert body, (number, line)
    assert sqlite(c, "PRAGMA integrity_check") == [["ok"]], number
    c.kill9()
