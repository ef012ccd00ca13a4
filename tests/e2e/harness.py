"""What the end-to-end cases stand on: real binaries, real servers, processes ended by their id.

A case is a function marked @case; it runs in its own process and its own directory. Anything
started through the classes here is stopped when the case ends, whatever happened.
"""
import contextlib
import http.server
import json
import os
import re
import select
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import time

BUILD = os.environ.get("MUSTER_BUILD", os.path.abspath("build"))
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
CASES = {}
_cleanup = contextlib.ExitStack()


def case(function):
    """Registers an end-to-end case; its name is the promise it keeps."""
    CASES[function.__name__] = function
    return function


def run_case(name):
    """Runs one case in a fresh directory; True if it held."""
    work = tempfile.mkdtemp(prefix="muster-e2e-")
    os.chdir(work)
    ok = False
    try:
        CASES[name]()
        ok = True
    finally:
        _cleanup.close()
        os.chdir("/")
        if ok and not os.environ.get("KEEP"):
            shutil.rmtree(work, ignore_errors=True)
        else:
            print(f"{name}: its files are in {work}", file=sys.stderr)
            for log in ("musterd.log", "nginx-error.log"):
                path = os.path.join(work, log)
                if os.path.exists(path):
                    tail = open(path, errors="replace").read()[-3000:]
                    print(f"--- {log}\n{tail}", file=sys.stderr)
    return ok


def wait_until(what, condition, seconds=10.0):
    """Polls until condition() is true; fails naming what was waited for."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for: {what}")
        select.select([], [], [], 0.01)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    """A child of the case: always ended by pid when the case ends."""

    def __init__(self, argv, log=None, env=None, cwd=None):
        out = open(log, "ab") if log else subprocess.DEVNULL
        self.popen = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                      env=env, cwd=cwd)
        _cleanup.callback(self.kill9)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def kill9(self):
        if self.alive():
            self.popen.kill()
        self.popen.wait(10)

    def terminate(self, seconds=15):
        if self.alive():
            self.popen.terminate()
        return self.popen.wait(seconds)


class Daemon:
    """A private musterd: own socket, own state, log in musterd.log."""

    def __init__(self, config=None, state="state", name="d", env=None, start=True):
        self.socket_path = os.path.abspath(f"{name}/control.sock")
        os.makedirs(os.path.dirname(self.socket_path), exist_ok=True)
        self.address = "ipc://" + self.socket_path
        self.state = os.path.abspath(state)
        os.makedirs(self.state, exist_ok=True)
        self.config_path = os.path.abspath(f"{name}.json")
        self.log = os.path.abspath("musterd.log")
        self.env = dict(os.environ, **(env or {}))
        self.configure(config or {})
        self.process = None
        if start:
            self.start()

    def configure(self, config):
        with open(self.config_path, "w", encoding="utf-8") as f:
            json.dump(config, f)

    def argv(self):
        return [f"{BUILD}/musterd", "--config", self.config_path, "--state", self.state,
                "--socket", self.address, "--foreground"]

    def start(self, wait=True):
        self.process = Process(self.argv(), log=self.log, env=self.env)
        if wait:
            wait_until("musterd to answer a ping", self._ready, 15)
        return self

    def _ready(self):
        if not self.process.alive():
            raise AssertionError(f"musterd ended with {self.process.popen.returncode} while starting")
        try:
            with Rpc(self.socket_path) as rpc:
                return rpc.call("daemon.ping") is not None
        except OSError:
            return False

    def kill9(self):
        self.process.kill9()

    def restart(self):
        self.kill9()
        return self.start()

    def stop(self):
        return self.process.terminate()

    def rss_kib(self):
        return proc_status(self.process.pid, "VmRSS")

    def rpc(self):
        return Rpc(self.socket_path)

    def logged(self):
        return open(self.log, errors="replace").read()


def proc_status(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise AssertionError(f"no {field} of process {pid}")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(json.dumps(error))
        self.code = error.get("code")
        self.kind = (error.get("data") or {}).get("kind")
        self.error = error


class Rpc:
    """nng's wire protocol (SP over ipc, REQ role), spoken from the standard library alone."""

    HELLO = b"\0SP\0" + struct.pack(">HH", 0x30, 0)

    def __init__(self, path, timeout=30):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        try:
            self.sock.connect(path)
            self.sock.sendall(self.HELLO)
            hello = self._read(8)
        except OSError:
            self.sock.close()
            raise
        assert hello == b"\0SP\0" + struct.pack(">HH", 0x31, 0), hello
        self.next_id = 1
        self.answers = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def close(self):
        self.sock.close()

    def _read(self, n):
        out = b""
        while len(out) < n:
            got = self.sock.recv(n - len(out))
            if not got:
                raise ConnectionResetError("the daemon closed the control socket")
            out += got
        return out

    def send_raw(self, body):
        rid = self.next_id
        self.next_id += 1
        payload = struct.pack(">I", rid | 0x80000000) + body
        self.sock.sendall(b"\x01" + struct.pack(">Q", len(payload)) + payload)
        return rid

    def receive_raw(self, rid):
        while rid not in self.answers:
            head = self._read(9)
            payload = self._read(struct.unpack(">Q", head[1:])[0])
            self.answers[struct.unpack(">I", payload[:4])[0] & 0x7FFFFFFF] = payload[4:]
        return self.answers.pop(rid)

    def start(self, method, params=None):
        body = {"jsonrpc": "2.0", "id": self.next_id, "method": method}
        if params is not None:
            body["params"] = params
        return self.send_raw(json.dumps(body).encode())

    def finish(self, rid):
        answer = json.loads(self.receive_raw(rid))
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def call(self, method, params=None):
        return self.finish(self.start(method, params))


class Ran:
    """How a command ended: status (negative: signal), its lines, its messages."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    @property
    def lines(self):
        return [json.loads(x) for x in self.out.splitlines() if x]

    def by_seq(self):
        return sorted(self.lines, key=lambda r: r["seq"])


def muster(daemon, *args, stdin=None, timeout=60, env=None, text=True):
    """Runs the command to its end."""
    argv = [f"{BUILD}/muster"]
    if daemon is not None:
        argv += ["--socket", daemon.address]
    full = dict(os.environ, **(env or {}))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        full.pop(name, None)
        full.pop(name.upper(), None)
    full.update(env or {})
    done = subprocess.run(argv + [str(a) for a in args], input=stdin, capture_output=True,
                          timeout=timeout, env=full, text=text, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)


def muster_start(daemon, *args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=None):
    """Starts the command and returns its Popen; ended with the case."""
    argv = [f"{BUILD}/muster", "--socket", daemon.address] + [str(a) for a in args]
    p = subprocess.Popen(argv, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE,
                         env=dict(os.environ, **(env or {})))

    def end():
        if p.poll() is None:
            p.kill()
        p.wait(10)
    _cleanup.callback(end)
    return p


class Nginx:
    """A real nginx on loopback, serving `root` of the case's directory."""

    def __init__(self, extra_server="", extra_http="", tls=None, workers=1):
        self.port = free_port()
        self.root = os.path.abspath("www")
        os.makedirs(self.root, exist_ok=True)
        for d in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
            os.makedirs(f"nginx-tmp/{d}", exist_ok=True)
        listen = f"listen 127.0.0.1:{self.port}" + (" ssl" if tls else "")
        certs = f"ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]};" if tls else ""
        conf = f"""
daemon off; worker_processes {workers}; pid {os.path.abspath('nginx.pid')};
error_log {os.path.abspath('nginx-error.log')};
user root;
events {{ worker_connections 4096; }}
http {{
  access_log {os.path.abspath('access.log')} combined;
  client_body_temp_path {os.path.abspath('nginx-tmp/body')}; proxy_temp_path {os.path.abspath('nginx-tmp/proxy')};
  fastcgi_temp_path {os.path.abspath('nginx-tmp/fastcgi')}; uwsgi_temp_path {os.path.abspath('nginx-tmp/uwsgi')};
  scgi_temp_path {os.path.abspath('nginx-tmp/scgi')};
  default_type text/plain; keepalive_requests 100000; sendfile on; {extra_http}
  server {{ {listen}; server_name localhost; root {self.root}; {certs} {extra_server} }}
}}
"""
        if os.geteuid() != 0:
            conf = conf.replace("user root;", "")
        with open("nginx.conf", "w", encoding="ascii") as f:
            f.write(conf)
        binary = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = Process([binary, "-p", os.getcwd(), "-c", os.path.abspath("nginx.conf"),
                                "-e", os.path.abspath("nginx-error.log")], log="nginx-out.log")
        wait_until("nginx to listen", lambda: can_connect(self.port))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"

    def file(self, name, content):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return f"{self.url}/{name}"

    def hits(self):
        """Request targets in the order nginx logged them."""
        if not os.path.exists("access.log"):
            return []
        return re.findall(r'"[A-Z]+ (\S+) HTTP', open("access.log", errors="replace").read())


def can_connect(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _serve(self):
        length = int(self.headers.get("Content-Length") or 0)
        chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        body = self._read_chunked() if chunked else self.rfile.read(length)
        server = self.server.owner
        hit = {"at": time.monotonic(), "method": self.command, "path": self.path,
               "headers": list(self.headers.items()), "body": body}
        with server.lock:
            server.hits.append(hit)
            server.running += 1
            server.most_running = max(server.most_running, server.running)
        try:
            status, headers, answer = server.answer(hit)
        finally:
            with server.lock:
                server.running -= 1
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(n.lower() in ("content-length", "transfer-encoding") for n, _ in headers):
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(OSError):
                self.wfile.write(answer)

    def _read_chunked(self):
        out = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            out += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return out

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)


class _Threading(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 1024


class Web:
    """A scripted server: answer(hit) -> (status, [(name, value)], body); records every request."""

    def __init__(self, answer=None):
        self.hits, self.lock = [], threading.Lock()
        self.running = self.most_running = 0
        self.answer = answer or (lambda hit: (200, [], b"ok"))
        self.server = _Threading(("127.0.0.1", 0), _Handler)
        self.server.owner = self
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        _cleanup.callback(self.server.shutdown)

    def count(self, path=None):
        with self.lock:
            return len([h for h in self.hits if path is None or h["path"] == path])

    def paths(self):
        with self.lock:
            return [h["path"] for h in self.hits]


class Raw:
    """A server of raw bytes: handler(connection socket, number) in a thread each."""

    def __init__(self, handler):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(256)
        self.port = self.sock.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.accepted = 0
        self.handler = handler
        threading.Thread(target=self._accept, daemon=True).start()
        _cleanup.callback(self.sock.close)

    def _accept(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._one, args=(conn, self.accepted), daemon=True).start()

    def _one(self, conn, number):
        with contextlib.suppress(OSError), conn:
            self.handler(conn, number)


def read_head(conn):
    """Reads one request head from a raw connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        got = conn.recv(4096)
        if not got:
            return data
        data += got
    return data


def sqlite(daemon, sql):
    """Rows of the daemon's store, read by the sqlite3 shell."""
    path = None
    for name in os.listdir(daemon.state):
        if name.endswith((".db", ".sqlite", ".sqlite3")):
            path = os.path.join(daemon.state, name)
    assert path, f"no database in {daemon.state}: {os.listdir(daemon.state)}"
    out = subprocess.run(["sqlite3", "-readonly", path, sql], capture_output=True, text=True, check=True)
    return [line.split("|") for line in out.stdout.splitlines()]
