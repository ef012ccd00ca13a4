"""The examples of the documents run, against what is installed, and print what they promise."""
import os
import re
import subprocess

from harness import BUILD, ROOT, case

PROMISED = {
    "ping_pong": "ping 1\npong 1\nping 2\npong 2\nping 3\npong 3\n",
    "producer_consumer": "10 items, their sum is 55\n",
    "fail_fast": "clean-up of task 2\nclean-up of task 1\nclean-up of task 3\n"
                 "EGROUP: 1 failed, 2 cancelled; first: task 2 gives up\n",
}


@case
def actor_examples_build_against_the_installed_library():
    stage = os.path.abspath("stage")
    quiet = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    subprocess.run(["make", "-s", "-C", ROOT, f"BUILD={BUILD}", f"V={os.environ.get('V', '')}", "install-actor",
                    f"DESTDIR={stage}", "PREFIX=/usr"], check=True, env=quiet, capture_output=True)
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "muster-actor"], capture_output=True, text=True, check=True,
                           env=dict(os.environ, PKG_CONFIG_PATH=f"{stage}/usr/lib/pkgconfig",
                                    PKG_CONFIG_SYSROOT_DIR=stage)).stdout.split()
    sanitize = {"asan": ["-fsanitize=address,undefined"], "tsan": ["-fsanitize=thread"],
                "ubsan": ["-fsanitize=undefined"]}.get(os.environ.get("V", ""), [])
    for name, output in PROMISED.items():
        source = f"{ROOT}/examples/actors/{name}.c"
        subprocess.run(["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", name, source, *flags, *sanitize], check=True)
        done = subprocess.run([f"./{name}"], capture_output=True, text=True, timeout=20, check=True)
        assert done.stdout == output, (name, done.stdout)


BEFORE = """
#include <run/group.h>
#include <run/offload.h>
#include <run/shard.h>
#include <run/stats.h>
#include <run/supervise.h>
#include <run/sync.h>
#include <stdio.h>
enum { TOTAL = 1, HTTP_GET };
struct one { act_co co; };
struct query { int n; };
extern act_id http;
extern struct query q;
int one_step(act_self *self, void *frame);
int sum_of_file(void *path);
"""


@case
def the_examples_in_the_actor_headers_compile():
    """A block of lines that begin with an asterisk and a tab, in the opening comment."""
    found = {}
    for name in ("actor", "task", "scope", "group", "sync", "shard", "supervise", "offload", "stats"):
        with open(f"{ROOT}/daemon/run/{name}.h", encoding="utf-8") as f:
            opening = f.read().split("*/")[0]
        found[name] = "".join(re.findall(r"^ \*\t(.*\n)", opening, re.M))
        assert found[name], f"{name}.h shows no example"
    for name, code in found.items():
        with open(f"{name}.c", "w", encoding="utf-8") as f:
            f.write(BEFORE + (found["actor"] if name in ("shard", "supervise") else "") + code)
        done = subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Werror", "-Wno-unused-function",
                               "-Wno-unused-variable", f"-I{ROOT}/daemon", f"{name}.c"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (name, done.stderr)
