#!/usr/bin/env python3
"""Runs end-to-end cases: `run.py --list`, or `run.py NAME…`."""
import glob
import importlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

for path in sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases_*.py"))):
    importlib.import_module(os.path.basename(path)[:-3])

if sys.argv[1:] == ["--list"]:
    print("\n".join(harness.CASES))
    sys.exit(0)
for name in sys.argv[1:]:
    if not harness.run_case(name):
        sys.exit(1)
