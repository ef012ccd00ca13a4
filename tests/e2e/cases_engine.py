"""The HTTP engine against peers that misbehave: verdicts, boundaries, time, memory."""
import json
import subprocess

import replies
from cases_http import authority, certificate
from harness import Daemon, Web, case, muster_start
from wire import Replies, curl_is_the_reference, curl_verdicts, muster_verdicts, recorded

NAMES = [r[0] for r in replies.ROWS]
ALL = list(range(len(NAMES)))


def problems_of(found, way):
    """What muster made of the replies, held against curl's word and the exceptions."""
    said = recorded()
    refused = {name: kind for _, kind, names in replies.OTHERWISE for name in names}
    for i, made in found.items():
        name = NAMES[i]
        if name in refused:
            right = not made.ok and made.error.startswith(refused[name] + ":")
        elif name in replies.TAKEN:
            right = made.ok and made.body == replies.TAKEN[name]
        else:
            right = made.short() == said[name]
        if not right:
            yield f"{way}: {name}: {made} where curl says {said[name]}"


@case
def every_reply_gets_curls_verdict_however_it_arrives():
    authority()
    tls = certificate("server")
    d = Daemon()
    wrong = []
    for piece, certs in ((0, None), (20, None), (1, None), (0, tls), (1, tls)):
        # A head of megabytes is not for single bytes.
        some = [i for i in ALL if piece != 1 or len(replies.ROWS[i][1]) < 20000]
        found = muster_verdicts(d, Replies([r[1:] for r in replies.ROWS], piece, certs), some, seconds=10)
        wrong += problems_of(found, f"pieces of {piece or 'all'}{', TLS' if certs else ''}")
    assert not wrong, "\n".join(wrong)
    assert d.process.alive() and d.rss_kib() < 100000


@case
def the_record_of_curls_verdicts_is_true():
    if not curl_is_the_reference():
        print("the_record_of_curls_verdicts_is_true: this curl is not 7.88, nothing to compare")
        return
    said, found = recorded(), curl_verdicts(Replies([r[1:] for r in replies.ROWS]), ALL)
    wrong = [f"{NAMES[i]}: {v}, recorded {said[NAMES[i]]}" for i, v in found.items() if v.short() != said[NAMES[i]]]
    assert not wrong, "\n".join(wrong)
    assert sorted(said) == sorted(NAMES), "run tests/e2e/wire.py after a change of the table"


@case
def bodies_larger_than_the_commands_buffer_all_reach_a_file():
    d, web = Daemon(), Web(lambda hit: (200, [], b"x" * 300000))
    urls = "".join(f"{web.url}/{i}\n" for i in range(12))
    with open("out.ndjson", "wb") as out:
        p = muster_start(d, "fetch", "-i", "-", "--volatile", stdin=subprocess.PIPE, stdout=out)
        p.communicate(urls.encode(), timeout=30)
    with open("out.ndjson", encoding="utf-8") as f:
        lines = [json.loads(x) for x in f]
    assert p.returncode == 0 and len(lines) == 12
    assert all(r["body"] == "x" * 300000 for r in lines)
