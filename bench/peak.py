"""The most memory a process held, asked of the kernel while it runs.

ru_maxrss will not do: it counts what the parent held when it forked, before the program began.
"""
import threading

EVERY_S = 0.02


def resident_kib(pid, field="VmHWM"):
    """0 once the process has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            return next((int(line.split()[1]) for line in f if line.startswith(field + ":")), 0)
    except OSError:
        return 0


class Peak:
    """Watches a child from a thread of its own; stop() gives KiB."""

    def __init__(self, pid, name):
        self.pid, self.name, self.kib = pid, name.encode()[:15], 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _is_there(self):
        """Between fork and exec it is still a copy of us."""
        try:
            with open(f"/proc/{self.pid}/comm", "rb") as f:
                return f.read().rstrip(b"\n") == self.name
        except OSError:
            return False

    def _watch(self):
        while not self.over.wait(EVERY_S):
            if self._is_there():
                self.kib = max(self.kib, resident_kib(self.pid))

    def stop(self):
        self.over.set()
        self.thread.join()
        return self.kib
