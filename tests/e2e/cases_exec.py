"""Programs that jobs run: what is allowed, what they give, and that nothing of them is left behind."""
import json
import os
import signal
import time

from harness import Daemon, case, muster, muster_start, wait_until

SH = {"exec": {"programs": ["/bin/sh", "/bin/echo", "/bin/cat"]}}


def submit(d, run, *options, **more):
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump(dict({"run": run}, **more), f)
    return muster(d, "submit", *options, "job.json")


def sh(script, **more):
    return {"exec": dict({"argv": ["/bin/sh", "-c", script]}, **more)}


def number_in(path):
    """What a program has written into the file, once it has."""
    def there():
        text = open(path, encoding="ascii").read() if os.path.exists(path) else ""
        return text.endswith("\n") and int(text)
    return wait_until(f"a number in {path}", there)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def runner_of(d):
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="ascii") as f:
                head, rest = f.read().rsplit(")", 1)
            if head.endswith("(musterd-runner") and int(rest.split()[1]) == d.process.pid:
                return int(name)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return None


@case
def a_program_that_is_allowed_gives_its_value():
    d = Daemon(SH)
    r = submit(d, sh("cat; echo $A; echo note >&2", stdin="in ", env={"A": "set"}))
    assert r.status == 0, (r.status, r.err, r.out)
    line = r.lines[0]
    assert line["ok"] and line["value"] == {"exit": 0, "stdout": "in set\n", "stderr": "note\n"}, line
    assert line["attempts"] == 1 and line["timing"]["total_ms"] >= 0, line


@case
def references_reach_arguments_stdin_and_environment_as_text():
    d = Daemon(SH)
    r = submit(d, {"each": {"in": [{"n": 1, "s": "a b"}], "as": "it", "do": {"exec": {
        "argv": ["/bin/sh", "-c", "cat; echo \"$1|$V\"", "sh", "${it/s};$(echo no)"],
        "stdin": "${it/n}-", "env": {"V": "v${it/n}"}}}}})
    assert r.lines[0]["value"]["stdout"] == "1-a b;$(echo no)|v1\n", r.lines[0]


@case
def a_program_that_is_not_named_is_denied_and_told_how():
    d = Daemon(SH)
    for argv in (["/bin/ls"], ["sh", "-c", "true"], ["/bin/../bin/sh"], ["/usr/bin/sh"]):
        r = submit(d, {"exec": {"argv": argv}, "retry": {"attempts": 1}})
        line = r.lines[0]
        assert r.status == 1 and line["error"]["kind"] == "policy.denied", (argv, line)
        assert "exec.programs" in line["error"]["message"] and argv[0] in line["error"]["message"], line
    d = Daemon({}, name="n", state="state2")
    assert submit(d, sh("true")).lines[0]["error"]["kind"] == "policy.denied"
    assert runner_of(d) is None


@case
def variables_that_would_load_other_code_are_denied():
    d = Daemon(SH)
    for name in ("LD_PRELOAD", "PATH", "BASH_ENV", "PYTHONPATH"):
        r = submit(d, sh("true", env={name: "/tmp/x"}))
        assert r.lines[0]["error"]["kind"] == "policy.denied", r.lines[0]
        assert name in r.lines[0]["error"]["message"], r.lines[0]


@case
def statuses_and_signals_are_failures_with_the_last_word_of_stderr():
    d = Daemon(SH)
    r = submit(d, sh("echo first >&2; echo 'no such thing' >&2; echo out; exit 7"))
    line = r.lines[0]
    assert r.status == 1 and line["error"]["kind"] == "offload.failed", line
    assert "status 7" in line["error"]["message"] and "no such thing" in line["error"]["message"], line
    assert line["value"] == {"exit": 7, "stdout": "out\n", "stderr": "first\nno such thing\n"}, line
    line = submit(d, sh("kill -KILL $$")).lines[0]
    assert "signal 9 (SIGKILL)" in line["error"]["message"], line
    assert line["value"]["exit"] == 137 and line["value"]["signal"] == "SIGKILL", line


@case
def what_is_no_text_comes_as_base64_and_what_is_too_much_is_cut():
    d = Daemon({"exec": dict(SH["exec"], max_output="1k")})
    value = submit(d, sh("printf '\\377\\000x'")).lines[0]["value"]
    assert value["stdout_base64"] == "/wB4" and "stdout" not in value, value
    value = submit(d, sh("for i in 1 2 3 4 5 6 7 8; do printf %0300d $i; done; printf %02000d 9 >&2")).lines[0]["value"]
    assert len(value["stdout"]) == 1024 and len(value["stderr"]) == 1024, value
    assert value["truncated"] == ["stdout", "stderr"] and value["stderr"].endswith("9"), value


@case
def a_timeout_ends_grandchildren_too():
    d = Daemon(SH)
    began = time.monotonic()
    r = submit(d, sh(f"trap '' TERM; (setsid sh -c 'echo $$ >{os.getcwd()}/pid; exec sleep 100' &); "
                     "while :; do sleep 0.1; done", timeout="800ms"))
    assert r.lines[0]["error"]["kind"] == "attempt.timeout", r.lines[0]
    assert time.monotonic() - began < 6
    assert not alive(number_in("pid"))


@case
def retry_is_one_line_with_its_history():
    d = Daemon(SH)
    r = submit(d, {**sh(f"echo x >>{os.getcwd()}/n; test $(wc -l <{os.getcwd()}/n) -ge 3"),
                   "retry": {"attempts": 5, "backoff": "1ms"}})
    assert r.status == 0 and len(r.lines) == 1, (r.status, r.lines)
    assert r.lines[0]["attempts"] == 3 and len(r.lines[0]["history"]) == 3, r.lines[0]
    r = submit(d, {**sh("exit 1"), "retry": {"attempts": 5, "backoff": "1ms", "on": ["attempt"]}})
    assert r.lines[0]["attempts"] == 1, r.lines[0]


@case
def the_value_of_a_program_is_there_for_later_tasks():
    d = Daemon(SH)
    r = submit(d, {"sequence": [{"id": "a", **sh("echo hello")}, {"emit": "${a/stdout}"},
                                {"catch": [{"do": {"emit": "${error/errors/0/kind}"}}], **sh("exit 1")}]})
    assert [x.get("value") for x in r.lines if "exit" not in str(x.get("value"))] == ["hello\n", "offload.failed"], r.lines


@case
def no_more_run_at_once_than_the_configuration_says():
    d = Daemon({"exec": dict(SH["exec"], concurrency=2)})
    here = os.getcwd()
    os.mkdir("now")
    r = submit(d, {"each": {"in": {"range": [0, 8]}, "as": "i", "concurrency": 8, "do": sh(
        f"touch {here}/now/$$; ls {here}/now | wc -l; sleep 0.1; rm {here}/now/$$")}})
    seen = [int(x["value"]["stdout"]) for x in r.lines]
    assert len(seen) == 8 and max(seen) == 2, seen


@case
def cancel_ends_the_program_at_once():
    d = Daemon(SH)
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump({"run": sh(f"trap '' TERM; echo $$ >{os.getcwd()}/pid; while :; do sleep 0.1; done")}, f)
    r = muster(d, "submit", "--detach", "job.json")
    job, pid = r.out.strip(), number_in("pid")
    began = time.monotonic()
    assert muster(d, "cancel", job).status == 0
    muster(d, "wait", job)
    assert time.monotonic() - began < 3 and not alive(pid)
    lines = muster(d, "results", job).lines
    assert [x["error"]["kind"] for x in lines] == ["cancelled"], lines


@case
def a_killed_daemon_leaves_no_process_and_runs_the_program_again():
    d = Daemon(SH)
    here = os.getcwd()
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump({"run": sh(f"test -e {here}/again && echo done && exit; trap '' TERM; "
                             f"(setsid sh -c 'echo $$ >{here}/pid; exec sleep 100' &); while :; do sleep 0.1; done")}, f)
    job = muster(d, "submit", "--detach", "job.json").out.strip()
    stray, runner = number_in("pid"), runner_of(d)
    assert alive(stray) and runner
    open("again", "w", encoding="ascii").close()
    d.kill9()
    wait_until("all processes to be gone", lambda: not alive(stray) and not alive(runner))
    d.start()
    assert muster(d, "wait", job).status == 0
    lines = muster(d, "results", job).lines
    assert [x["value"]["stdout"] for x in lines] == ["done\n"], lines


@case
def a_killed_runner_fails_its_programs_and_another_takes_over():
    d = Daemon(SH)
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump({"run": sh(f"echo $$ >{os.getcwd()}/pid; exec sleep 100")}, f)
    p = muster_start(d, "submit", "job.json")
    program, runner = number_in("pid"), runner_of(d)
    os.kill(runner, signal.SIGKILL)
    out, _ = p.communicate(timeout=20)
    line = json.loads(out.splitlines()[0])
    assert line["error"]["kind"] == "offload.failed" and "runner" in line["error"]["message"], line
    wait_until("the program to be gone", lambda: not alive(program))
    assert submit(d, sh("echo again")).lines[0]["value"]["stdout"] == "again\n"
    assert runner_of(d) not in (None, runner)


@case
def what_programs_are_given_is_not_logged():
    d = Daemon({**SH, "log": {"level": "debug"}})
    r = submit(d, sh("cat >/dev/null; echo s3cret-argument >/dev/null", stdin="s3cret-stdin", env={"TOKEN": "s3cret-env"}))
    assert r.status == 0, r.lines
    assert "/bin/sh" in d.logged() and "s3cret" not in d.logged(), d.logged()


@case
def a_daemon_that_drains_lets_programs_end():
    d = Daemon(SH)
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump({"run": sh(f"echo $$ >{os.getcwd()}/pid; sleep 1; echo done")}, f)
    job = muster(d, "submit", "--detach", "job.json").out.strip()
    number_in("pid")
    runner = runner_of(d)
    assert d.stop() == 0
    assert not alive(runner)
    os.remove("pid")
    d.start()
    assert muster(d, "wait", job).status == 0 and not os.path.exists("pid")
    assert muster(d, "results", job).lines[0]["value"]["stdout"] == "done\n"


@case
def programs_named_by_a_reload_can_run():
    d = Daemon({})
    assert submit(d, sh("true")).status == 1
    d.configure(SH)
    assert muster(d, "reload").status == 0
    assert submit(d, sh("true")).status == 0


@case
def the_limits_of_a_job_count_programs_as_requests():
    d = Daemon({"exec": dict(SH["exec"], concurrency=8)})
    note = f"echo + >>{os.getcwd()}/log; sleep 0.15; echo - >>{os.getcwd()}/log"
    r = submit(d, {"gather": [sh(note) for _ in range(6)]}, limits={"concurrency": 2})
    assert r.status == 0, (r.status, r.err)
    now = most = 0
    for mark in open("log", encoding="ascii").read().split():
        now += 1 if mark == "+" else -1
        most = max(most, now)
    assert most == 2, most
    r = submit(d, {"gather": [sh("date +%s.%N") for _ in range(6)]}, limits={"rate": "10/s"})
    began = sorted(float(x["value"]["stdout"]) for x in r.lines)
    assert len(began) == 6 and began[-1] - began[0] > 0.4, began
    assert all(began[i + 2] - began[i] > 0.1 for i in range(4)), began
    waited = sorted(x["timing"]["wait_ms"] for x in r.lines)
    assert waited[-1] >= 400, waited


@case
def a_program_that_waits_is_told_what_for():
    d = Daemon({"exec": dict(SH["exec"], concurrency=1)})
    with open("job.json", "w", encoding="utf-8") as f:
        json.dump({"run": {"gather": [sh("sleep 20"), sh("sleep 20")]}}, f)
    job = muster(d, "submit", "--detach", "job.json").out.strip()

    def states():
        with d.rpc() as rpc:
            return sorted(t["state"] for t in rpc.call("job.explain", {"job": job})["tasks"] if t["verb"] == "exec")
    wait_until("both told", lambda: states() == ["runs", "waits for a place among the programs"])
    assert f"job {job}" in muster(d, "actors").out
    assert muster(d, "cancel", job).status == 0
    assert muster(d, "wait", job, "--wait", "5s").status == 4


@case
def a_program_that_wants_too_much_memory_fails_alone():
    d = Daemon({"exec": dict(SH["exec"], memory="96M")})
    r = submit(d, sh("head -c 400M /dev/zero | tail -n 1 | wc -c"))
    value = r.lines[0]["value"]
    assert "exhausted" in value["stderr"] or "memory" in value["stderr"].lower() or value["exit"] != 0, value
    assert value["stdout"].strip() != str(400 << 20), value
    assert submit(d, sh("echo fine")).lines[0]["value"]["stdout"] == "fine\n"
