"""The checker: what clients were promised, held against what the store and the servers saw.

Promises: (1) an acknowledged job is never lost, (2) each of its leaves has exactly one final
result, (3) a kill repeats no more requests than were in flight, (4) no window at a server holds
more than burst + rate x window + 1 arrivals.
"""
import collections
import threading


class History:
    """What the clients of one test did: jobs asked for, acknowledged, and what each must yield."""

    def __init__(self):
        self.lock = threading.Lock()
        self.acked = {}

    def ack(self, job, leaves):
        """`job` was acknowledged, with `leaves` results to come. Twice the same id: a repeat of one key."""
        with self.lock:
            assert self.acked.get(job, leaves) == leaves, f"{job} was given to two submissions"
            self.acked[job] = leaves


def lines_of(rpc, job):
    lines, after = [], 0
    while True:
        page = rpc.call("job.results", {"job": job, "after": after, "max_bytes": 262144, "wait_ms": 0})
        lines += page["results"]
        if page["next"] == after:
            return lines
        after = page["next"]


def check_results(rpc, history):
    """Promises 1 and 2, for jobs that have ended."""
    lost, wrong = [], []
    for job, leaves in history.acked.items():
        try:
            lines = lines_of(rpc, job)
        except Exception as e:  # noqa: BLE001 -- whatever the refusal, the job is not there
            lost.append((job, str(e)))
            continue
        tasks = collections.Counter(x["task"] for x in lines)
        if len(lines) != leaves or len(tasks) != leaves or [x["seq"] for x in lines] != list(range(1, leaves + 1)):
            wrong.append((job, leaves, len(lines), tasks.most_common(2)))
    assert not lost, f"{len(lost)} of {len(history.acked)} acknowledged jobs lost: {lost[:3]}"
    assert not wrong, f"{len(wrong)} jobs without exactly one result a leaf: {wrong[:3]}"


def check_repeats(hits, distinct, kills, concurrency):
    """Promise 3."""
    extra = len(hits) - distinct
    assert extra <= kills * concurrency, f"{extra} extra requests after {kills} kills at concurrency {concurrency}"


def check_rate(times, rate, burst):
    """Promise 4, over every window that starts and ends with an arrival; linear in the arrivals.

    A violation of arrivals(i..k) <= burst + rate x (t_k - t_i) + 1 is one of
    (k - rate x t_k) - (i - rate x t_i) <= burst: so the smallest term so far is enough.
    """
    times = sorted(times)
    least, at = None, 0
    for k, t in enumerate(times):
        term = k - rate * t
        if least is None or term < least:
            least, at = term, k
        assert term - least <= burst + 1e-6, (
            f"{k - at + 1} arrivals in {t - times[at]:.3f} s, allowed {burst} + {rate}/s + 1")
