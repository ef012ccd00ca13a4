"""The README tells the truth: its examples are run as they stand, and give what is shown there."""
import os
import re
import shutil
import subprocess

from harness import BUILD, ROOT, Process, can_connect, case, free_port, wait_until


def blocks():
    """The shell blocks of the examples: (command, shown output) in order."""
    text = open(os.path.join(ROOT, "README.md"), encoding="utf-8").read()
    part = text.split("## Five examples")[1].split("\n## ")[0]
    for block in re.findall(r"```\n(\$ .*?)```", part, re.S):
        for step in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, shown = step.partition("\n")
            yield command, shown


def plain(text, port):
    """Without what differs from run to run: times, sizes of waiting, versions, who runs it."""
    text = text.replace(f":{port}/", ":8000/")
    for pattern, same in ((r"\d{4}-\d\d-\d\dT[\d:.]+Z", "WHEN"), (r"\w{3}, \d\d \w{3} \d{4} [\d:]+ GMT", "DATE"),
                          (r"Python/[\d.]+", "Python/3"), (r'_ms":\d+', '_ms":0'), (r"in [\d.]+ m?s\b", "in 0 ms"),
                          (r" +\d+( +5\n)", r" UID\1")):
        text = re.sub(pattern, same, text)
    return [re.sub(r" +", " ", line) for line in text.strip().split("\n")]


@case
def the_examples_of_the_readme_give_what_they_show():
    if not shutil.which("jq"):
        print("left out: no jq")
        return
    port, found = free_port(), 0
    env = dict(os.environ, PATH=BUILD + ":" + os.environ["PATH"], MUSTER_SOCKET="ipc://" + os.path.abspath("control.sock"))
    Process(["musterd", "--state", "./state", "--socket", env["MUSTER_SOCKET"]], log="musterd.log", env=env)
    Process(["python3", "-m", "http.server", "-b", "127.0.0.1", str(port)], log="access.log")
    wait_until("both servers", lambda: can_connect(port) and os.path.exists("control.sock"))
    for command, shown in blocks():
        if command.startswith("export") or "musterd --state" in command:
            continue
        if command.startswith("echo"):
            command = command.split("; python3")[0]
        if command.startswith("cat pages.json"):
            with open("pages.json", "w", encoding="ascii") as f:
                f.write(shown.replace(":8000/", f":{port}/"))
        done = subprocess.run(["bash", "-c", command.replace(":8000/", f":{port}/")], env=env, capture_output=True,
                              text=True, timeout=60, check=False)
        got = done.stdout + done.stderr
        assert plain(got, port) == plain(shown, port), f"$ {command}\n{got}\n--- shown:\n{shown}"
        found += 1
    assert found >= 8, found
