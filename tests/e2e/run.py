#!/usr/bin/env python3
"""Runs end-to-end cases: `run.py --list [PART]`, or `run.py NAME…`; PART: one directory's cases."""
import glob
import importlib
import os
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PARTS = ("e2e", "reliability")
sys.path[:0] = [os.path.join(TESTS, part) for part in PARTS]
import harness  # noqa: E402

listed = {}
for part in PARTS:
    before = set(harness.CASES)
    for path in sorted(glob.glob(os.path.join(TESTS, part, "cases_*.py"))):
        importlib.import_module(os.path.basename(path)[:-3])
    listed[part] = [name for name in harness.CASES if name not in before]

if sys.argv[1:2] == ["--list"]:
    print("\n".join(name for part in sys.argv[2:] or PARTS for name in listed[part]))
    sys.exit(0)
for name in sys.argv[1:]:
    if not harness.run_case(name):
        sys.exit(1)
