"""What the command shows to people: lists, live views, files of an installation."""
import gzip
import json
import os
import re
import subprocess
import time

from harness import BUILD, ROOT, Daemon, Web, case, cpu_seconds, muster


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
