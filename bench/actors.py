#!/usr/bin/env python3
"""Actor benchmarks: muster's runtime, Go, Erlang and CAF side by side in one run, answers checked.

muster has one shard, so one processor. Go and CAF run twice: with all processors and with one. Prints millions of
operations per second, best and median, and how many times the peer's best goes into muster's. Where memory that is
touched for the first time would hide everything else, a process runs the benchmark several times; the first time is a
metric of its own. environment: ROUNDS (3), ONLY (names, comma separated), PEERS (names, comma separated)
"""
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("MUSTER_BUILD", "build")
ROUNDS = int(os.environ.get("ROUNDS", "3"))
EXTRA = {"bytes": "bytes per actor", "p99_us": "p99 of the ping, us"}
TOUCHING = {"group", "cancel", "spawn", "forkjoincreate", "fibonacci"}
IN_A_ROW = 6


def expected():
    """Answers out of the table of README.md."""
    answers = {}
    with open(os.path.join(HERE, "actors/README.md"), encoding="ascii", errors="replace") as f:
        for line in f:
            m = re.match(r"\| ([a-z0-9, ]+) \|.*\| ([0-9; ]+) \|$", line)
            if m:
                names = m.group(1).split(", ")
                values = m.group(2).split("; ")
                answers.update(zip(names, values * (len(names) if len(values) == 1 else 1)))
    return answers


def caf(work):
    """The program on CAF, or why there is none."""
    if not shutil.which("g++") or not os.path.exists("/usr/include/caf/all.hpp"):
        return "CAF is left out: install libcaf-dev and g++ to have it in the table"
    built = subprocess.run(["g++", "-O2", "-std=c++17", "-o", f"{work}/caf", f"{HERE}/actors/peers/actors.cpp", "-lcaf_core"],
                           capture_output=True, text=True, check=False)
    return None if built.returncode == 0 else f"CAF is left out: {built.stderr.strip().splitlines()[0]}"


def peers(work):
    """How each is called with its arguments, and its environment; one that lacks a benchmark ends with status 2."""
    found = {"muster": (lambda name: [f"{BUILD}/bench-bin/actors", *name], {})}
    if shutil.which("go"):
        subprocess.run(["go", "build", "-o", f"{work}/go", f"{HERE}/actors/peers/actors.go"], check=True,
                       env=dict(os.environ, GO111MODULE="off", GOFLAGS=""))
        found["go"] = (lambda name: [f"{work}/go", *name], {})
        found["go-1cpu"] = (lambda name: [f"{work}/go", *name], {"GOMAXPROCS": "1"})
    if shutil.which("erlc"):
        subprocess.run(["erlc", "-o", work, f"{HERE}/actors/peers/actors.erl"], check=True)
        found["erlang"] = (lambda name: ["erl", "-noshell", "+P", "2000000", "-pa", work, "-run", "actors", "main",
                                         *name, "-s", "init", "stop"], {})
    missing = caf(work)
    if missing is None:
        found["caf"] = (lambda name: [f"{work}/caf", *name], {})
        found["caf-1cpu"] = (lambda name: [f"{work}/caf", *name], {"ONE_THREAD": "1"})
    else:
        print(missing)
    wanted = os.environ.get("PEERS")
    return {k: v for k, v in found.items() if wanted is None or k == "muster" or k in wanted.split(",")}


def run_once(subject, name, answer):
    """Results of one process; [] if this one lacks the benchmark."""
    command, env = subject
    argv = command([name] + ([str(IN_A_ROW)] if name in TOUCHING else []))
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False, env=dict(os.environ, **env))
    if done.returncode == 2:
        return []
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)}: ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    got = [json.loads(line) for line in done.stdout.splitlines()]
    for r in got:
        if answer is not None and str(r["answer"]) != answer:
            raise SystemExit(f"{' '.join(argv)}: the answer is {r['answer']}, not {answer}")
    return got


def rate(r):
    return r["ops"] / (r.get("inner_s") or r["s"]) / 1e6


def measure(subject, name, answer):
    processes = [run_once(subject, name, answer) for _ in range(ROUNDS)]
    runs = [r for p in processes for r in (p[1:] or p)]
    if not runs:
        return None
    rates = [rate(r) for r in runs]
    metrics = {"mops_best": max(rates), "mops_median": statistics.median(rates)}
    if name in TOUCHING:
        metrics["mops_first"] = max(rate(p[0]) for p in processes)
    for key in EXTRA:
        if key in runs[0]:
            metrics[key] = min(r[key] for r in runs)
    return metrics


def cell(subject, metrics, muster):
    if metrics is None:
        return "-"
    ratio = "" if subject == "muster" else f" {muster['mops_best'] / metrics['mops_best']:6.1f}x"
    return f"{metrics['mops_best']:.2f} ({metrics['mops_median']:.2f}){ratio}"


def main():
    work = tempfile.mkdtemp(prefix="muster-bench-")
    subjects, answers, rows = peers(work), expected(), []
    listed = subprocess.run([f"{BUILD}/bench-bin/actors", "--list"], capture_output=True, text=True, check=True)
    names = os.environ["ONLY"].split(",") if "ONLY" in os.environ else listed.stdout.split()
    print(f"\n  {'M ops/s, best (median)':22}" + "".join(f"{s:>26}" for s in subjects))
    for name in names:
        got = {s: measure(subject, name, answers.get(name)) for s, subject in subjects.items()}
        for subject, metrics in got.items():
            for metric, value in (metrics or {}).items():
                base = got["muster"].get(metric)
                rows.append({"bench": f"actors/{name}", "subject": subject, "metric": metric, "value": round(value, 4),
                             "ratio_to_muster": round(value / base, 4) if base else None})
        print(f"  {name:22}" + "".join(f"{cell(s, m, got['muster']):>26}" for s, m in got.items()), flush=True)
        for key, label in EXTRA.items():
            if key in got["muster"]:
                print(f"  {'  ' + label:22}" + "".join(f"{(m or {}).get(key, 0):>26.1f}" for m in got.values()))
    os.makedirs(os.path.join(BUILD, "bench"), exist_ok=True)
    with open(os.path.join(BUILD, "bench", "actors.json"), "w", encoding="ascii") as f:
        json.dump(rows, f, indent=1)
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
