"""The table every benchmark prints and the JSON it writes: build/bench/NAME.json.

A row is {"bench", "subject", "metric", "value", "ratio_to_muster"}; the ratio is the subject's
value over muster's, so above 1 means muster needs less (or, for rates, does less).
"""
import json
import os
import statistics

OUT = os.path.join(os.environ.get("MUSTER_BUILD", "build"), "bench")


class Table:
    def __init__(self, bench, base="muster"):
        self.bench, self.base, self.samples, self.order = bench, base, {}, []

    def add(self, subject, **metrics):
        """One run of one subject; several runs are summed up by their median."""
        if subject not in self.order:
            self.order.append(subject)
        for metric, value in metrics.items():
            self.samples.setdefault((subject, metric), []).append(value)

    def value(self, subject, metric):
        got = self.samples.get((subject, metric))
        return statistics.median(got) if got else None

    def finish(self):
        metrics = []
        for _, metric in self.samples:
            if metric not in metrics:
                metrics.append(metric)
        rows = []
        print(f"\n{self.bench}")
        print(f"  {'':26}" + "".join(f"{m:>24}" for m in metrics))
        for subject in self.order:
            cells = []
            for metric in metrics:
                value, base = self.value(subject, metric), self.value(self.base, metric)
                ratio = value / base if value is not None and base else None
                cells.append("" if value is None else f"{value:,.2f}" + (f" ({ratio:.2f}x)" if ratio else ""))
                if value is not None:
                    rows.append({"bench": self.bench, "subject": subject, "metric": metric,
                                 "value": round(value, 4),
                                 "ratio_to_muster": round(ratio, 4) if ratio is not None else None})
            print(f"  {subject:26}" + "".join(f"{c:>24}" for c in cells))
        os.makedirs(OUT, exist_ok=True)
        with open(os.path.join(OUT, f"{self.bench}.json"), "w", encoding="ascii") as f:
            json.dump(rows, f, indent=1)
        return rows
