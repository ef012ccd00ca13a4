#!/usr/bin/env python3
"""Actor benchmarks: muster's runtime, Go and Erlang side by side in one run, answers checked.

Prints millions of operations per second, best and median, and how many times the peer's best goes
into muster's. environment: ROUNDS (3), ONLY (names, comma separated)
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


def peers(work):
    found = {"muster": lambda name: [f"{BUILD}/bench-bin/actors", name]}
    if shutil.which("go"):
        subprocess.run(["go", "build", "-o", f"{work}/go", f"{HERE}/actors/peers/actors.go"], check=True,
                       env=dict(os.environ, GO111MODULE="off", GOFLAGS=""))
        found["go"] = lambda name: [f"{work}/go", name]
    if shutil.which("erlc"):
        subprocess.run(["erlc", "-o", work, f"{HERE}/actors/peers/actors.erl"], check=True)
        found["erlang"] = lambda name: ["erl", "-noshell", "+P", "2000000", "-pa", work, "-s", "actors", "main", name,
                                        "-s", "init", "stop"]
    return found


def run_once(argv, name, answer):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    got = json.loads(done.stdout)
    if answer is not None and str(got["answer"]) != answer:
        raise SystemExit(f"{argv[0]} {name}: the answer is {got['answer']}, not {answer}")
    return got


def measure(argv, name, answer):
    runs = [run_once(argv, name, answer) for _ in range(ROUNDS)]
    rates = [r["ops"] / (r.get("inner_s") or r["s"]) / 1e6 for r in runs]
    metrics = {"mops_best": max(rates), "mops_median": statistics.median(rates)}
    for key in EXTRA:
        if key in runs[0]:
            metrics[key] = min(r[key] for r in runs)
    return metrics


def main():
    work = tempfile.mkdtemp(prefix="muster-bench-")
    subjects, answers, rows = peers(work), expected(), []
    listed = subprocess.run([f"{BUILD}/bench-bin/actors", "--list"], capture_output=True, text=True, check=True)
    names = os.environ["ONLY"].split(",") if "ONLY" in os.environ else listed.stdout.split()
    print(f"\n  {'M ops/s, best (median)':22}" + "".join(f"{s:>26}" for s in subjects))
    for name in names:
        got = {s: measure(argv(name), name, answers.get(name)) for s, argv in subjects.items()}
        cells = []
        for subject, metrics in got.items():
            ratio = got["muster"]["mops_best"] / metrics["mops_best"]
            cells.append(f"{metrics['mops_best']:.2f} ({metrics['mops_median']:.2f})" +
                         (f" {ratio:6.1f}x" if subject != "muster" else ""))
            for metric, value in metrics.items():
                rows.append({"bench": f"actors/{name}", "subject": subject, "metric": metric, "value": round(value, 4),
                             "ratio_to_muster": round(value / got["muster"][metric], 4) if got["muster"].get(metric) else None})
        print(f"  {name:22}" + "".join(f"{c:>26}" for c in cells), flush=True)
        for key, label in EXTRA.items():
            if key in got["muster"]:
                print(f"  {'  ' + label:22}" + "".join(f"{m.get(key, 0):>26.1f}" for m in got.values()))
    os.makedirs(os.path.join(BUILD, "bench"), exist_ok=True)
    with open(os.path.join(BUILD, "bench", "actors.json"), "w", encoding="ascii") as f:
        json.dump(rows, f, indent=1)
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
