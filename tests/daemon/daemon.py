"""What the daemon's black-box tests share: a daemon in a temporary directory, a client, and a runner of cases.

    python3 tests/daemon/protocol.py path/to/reclaimd path/to/helpers [case...]

Nothing of reclaim's is used but the daemon itself: the client is a socket and Debian's python3-msgpack. helpers holds
what CMake makes of tasks.c and faults.c. Each case has a daemon and a directory of its own, waits for what has to
happen, and ends by finding that no process is left: all that the daemon starts carries a word of its own in the
environment. RECLAIM_TEST_SLOW=N: limits of time are N times as long, and large counts N times smaller (sanitizers).
"""
import collections
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import uuid

import msgpack

RECLAIMD = os.path.abspath(sys.argv[1])
HELPERS = os.path.abspath(sys.argv[2])
SLOW = int(os.environ.get("RECLAIM_TEST_SLOW", "1"))
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
SECONDS = 20 * SLOW  # for any one thing to happen
CASE_SECONDS = 240 * SLOW
CODES = set(
    """malformed too-large invalid-request unsupported-protocol unknown-method unknown-field missing-field wrong-type
    invalid-value unknown-task unknown-job unknown-group key-taken cycle never-fits not-ended already-ended
    already-running queue-full too-many-jobs too-many-clients too-many-requests denied draining shutting-down read-only storage
    internal""".split()
)


class Failure(Exception):
    pass


class Skip(Exception):
    """This machine cannot: says what is missing."""


class Closed(Exception):
    """The daemon has closed the connection."""


class Refused(Exception):
    """A response that is an error."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code = error["code"]
        self.message = error["message"]


def until(condition, what, seconds=SECONDS):
    """Waits for what no descriptor tells. what() says what did not come."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"never: {what()}")
        time.sleep(0.005)


def same(found, expected, what):
    if found != expected:
        raise Failure(f"{what}: {found!r}, not {expected!r}")


def check(condition, what):
    if not condition:
        raise Failure(what)


def sh(script, *arguments):
    """A command for `submit`."""
    return ["sh", "-c", script, "sh", *map(str, arguments)]


def pack(value):
    return msgpack.packb(value, unicode_errors="surrogateescape")


def check_error(error):
    """Every error is a known code and one printable line."""
    same(sorted(error), ["code", "message"], "fields of an error")
    check(error["code"] in CODES, f"no code of the protocol: {error!r}")
    check(re.fullmatch(r"[\x20-\x7e]{5,}", error["message"]), f"no sentence on one line: {error!r}")


class Client:
    """One connection. Answers may be asked for in any order; notifications are kept apart."""

    def __init__(self, path, seconds=SECONDS):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(seconds)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.unpacker = msgpack.Unpacker(
            unicode_errors="surrogateescape", strict_map_key=False, max_buffer_size=1 << 28
        )
        self.number = 0
        self.answers = {}
        self.events = collections.deque()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_bytes(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed() from error

    def send(self, method, /, **fields):
        """Sends a request and returns its number."""
        self.number += 1
        self.send_bytes(pack([0, self.number, method, [fields]]))
        return self.number

    def receive(self):
        """Takes in what the daemon sends next."""
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError as error:
            raise Closed() from error
        except TimeoutError as error:
            raise Failure("the daemon does not answer") from error
        if not data:
            raise Closed()
        self.unpacker.feed(data)
        for message in self.unpacker:
            if message[0] == 1 and len(message) == 4:
                check(message[1] not in self.answers, f"answered twice: {message!r}")
                self.answers[message[1]] = message[2:]
                if message[2] is not None:
                    same(message[3], None, "the result beside an error")
                    check_error(message[2])
            elif message[0] == 2 and len(message) == 3 and message[1] == "event" and len(message[2]) == 1:
                self.events.append(message[2][0])
            else:
                raise Failure(f"neither response nor event: {message!r}")

    def answer(self, number):
        """The result of a request; number None: of what had none that could be read."""
        while number not in self.answers:
            self.receive()
        error, result = self.answers.pop(number)
        if error is not None:
            raise Refused(error)
        return result

    def call(self, method, /, **fields):
        return self.answer(self.send(method, **fields))

    def refused(self, code, method, /, **fields):
        """The call must fail with code; returns the sentence."""
        return self.refusal(code, self.send(method, **fields))

    def refusal(self, code, number):
        try:
            result = self.answer(number)
        except Refused as refused:
            same(refused.code, code, f"the code beside {refused.message!r}")
            return refused.message
        raise Failure(f"{code} was expected, not {result!r}")

    def event(self, kind=None):
        """The next event (of a kind)."""
        while True:
            while not self.events:
                self.receive()
            event = self.events.popleft()
            if kind in (None, event["event"]):
                return event

    def closed(self):
        """Reads until the daemon closes."""
        try:
            while True:
                self.receive()
        except Closed:
            pass

    # Shorthands.
    def submit(self, command, /, **fields):
        return self.call("submit", command=command, **fields)["id"]

    def status(self, job):
        return self.call("status", id=job)

    def wait(self, *jobs):
        """Waits for all; their last states, in the order of jobs."""
        answer = self.call("wait", ids=list(jobs), timeout=SECONDS * 0.9)
        check(not answer["timed_out"], f"{len(answer['jobs'])} of {len(jobs)} jobs have ended")
        by_id = {job["id"]: job for job in answer["jobs"]}
        return [by_id[job] for job in jobs]

    def output(self, job, stream="stdout"):
        """All of it."""
        data = b""
        while True:
            answer = self.call("output", id=job, stream=stream, offset=len(data))
            data += answer["data"]
            if not answer["data"]:
                return data

    def list_all(self, **fields):
        """Every page of `list`."""
        jobs = []
        while True:
            page = self.call("list", limit=1000, **fields)
            jobs += page["jobs"]
            if page["next"] is None:
                return jobs
            fields["after"] = page["next"]


class Daemon:
    """reclaimd with a directory of its own; not started yet."""

    def __init__(self):
        self.work = tempfile.mkdtemp(prefix="reclaimd-test.", dir="/tmp")
        self.tag = b"RECLAIM_DAEMON_TEST=" + uuid.uuid4().hex.encode()
        self.socket_path = self.path("run/reclaimd.sock")
        self.state = self.path("state")
        self.log_path = self.path("log")
        self.process = None
        self.clients = []
        self.fifos = {}

    def path(self, name):
        return os.path.join(self.work, name)

    def environment(self, changes):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        environment.pop("RECLAIM_SOCKET", None)
        name, _, value = self.tag.decode().partition("=")
        environment.update({name: value}, **changes)
        return environment

    def arguments(self, options):
        return [RECLAIMD, "--socket", self.socket_path, "--state", self.state, "--workers", "2", *options]

    def spawn(self, arguments, environment, preexec_fn=None, **keywords):
        """Starts a process that counts as the daemon's: its output goes to the log. It dies with the test."""

        def prepare():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if preexec_fn is not None:
                preexec_fn()

        with open(self.log_path, "ab") as log:
            return subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.work,
                env=self.environment(environment),
                preexec_fn=prepare,
                **keywords,
            )

    def start(self, *options, environment=None, prefix=(), ready=True, **keywords):
        """Starts it and waits until it answers. prefix: a program that executes the rest."""
        check(self.process is None, "a daemon is started twice")
        self.process = self.spawn([*prefix, *self.arguments(options)], environment or {}, **keywords)
        if ready:
            self.ready()
        return self

    def ready(self, seconds=SECONDS):
        def answers():
            if self.process.poll() is not None:
                raise Failure(f"reclaimd ended with {self.process.returncode} before it was ready")
            try:
                with Client(self.socket_path) as client:
                    client.call("hello", protocol=1, client="tests")
                return True
            except (FileNotFoundError, ConnectionRefusedError):
                return False

        until(answers, lambda: "reclaimd answers", seconds)

    def connect(self):
        client = Client(self.socket_path)
        self.clients.append(client)
        return client

    @property
    def pid(self):
        return self.process.pid

    def wait(self, status=0, seconds=SECONDS):
        """Waits for the daemon's end."""
        try:
            found = self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise Failure("reclaimd does not end") from error
        self.process = None
        same(found, status, "how reclaimd ended")

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        self.wait()

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.wait(-signal.SIGKILL)

    def refuses(self, *options, environment=None):
        """Starts another one, which must end at once with a sentence on one line; returns that."""
        result = subprocess.run(
            self.arguments(options),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            cwd=self.work,
            env=self.environment(environment or {}),
            check=False,
        )
        text = result.stderr.decode("latin-1")
        check(result.returncode > 0, f"reclaimd {options} ended with {result.returncode}: {text}")
        check("Sanitizer" not in text, text)
        check(re.search(r"[a-z]{3}", text), "no word of why")
        return text

    def log(self):
        if not os.path.exists(self.log_path):  # never started
            return b""
        with open(self.log_path, "rb") as file:
            return file.read()

    def logged(self, pattern):
        """Waits for a line in the log."""
        return until(lambda: re.search(pattern, self.log()), lambda: f"{pattern!r} in the log")

    # Files of jobs.
    def lines(self, name):
        try:
            with open(self.path(name), encoding="latin-1") as file:
                return file.read().split("\n")[:-1]
        except FileNotFoundError:
            return []

    def fifo(self, name):
        """Something that jobs can read lines from, each of which release writes. Held open, so that none is lost."""
        os.mkfifo(self.path(name))
        self.fifos[name] = os.open(self.path(name), os.O_RDWR | os.O_CLOEXEC)
        return self.path(name)

    def release(self, name):
        """Lets one `read` go on, now or later."""
        os.write(self.fifos[name], b"\n")

    def processes(self):
        """All that the daemon has started, itself included, by pid."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if self.tag in file.read().split(b"\0"):
                        found.append(int(pid))
            except OSError:
                pass
        return found

    def memory(self):
        """The daemon's own resident bytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="latin-1") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        """The end of a case that went well: the daemon ends well, and nothing of it is left."""
        for client in self.clients:
            client.close()
        if self.process:
            self.stop()
        until(lambda: not self.processes(), lambda: f"no process left of {self.commands()}")
        check(not re.search(rb"Sanitizer|runtime error|Assertion", self.log()), "the log tells of a defect")

    def commands(self):
        found = []
        for pid in self.processes():
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    found.append((pid, file.read().replace(b"\0", b" ")))
            except OSError:
                pass
        return found

    def destroy(self, keep_files=False):
        """Whatever happened: no process, no file."""
        for descriptor in self.fifos.values():
            os.close(descriptor)
        for client in self.clients:
            client.close()
        end = time.monotonic() + SECONDS
        while (pids := self.processes()) and time.monotonic() < end:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.01)
        if self.process:
            self.process.wait()
        if not keep_files:
            shutil.rmtree(self.work, ignore_errors=True)


def over_time(*_):
    raise Failure(f"the case takes longer than {CASE_SECONDS} s")


def run_case(name, case):
    daemon = Daemon()
    begin = time.monotonic()
    try:
        signal.alarm(CASE_SECONDS)
        case(daemon)
        daemon.close()
        result = "passed"
    except Skip as skip:
        result = f"SKIPPED: {skip}"
    except Exception:  # whatever it was, the next case goes on
        traceback.print_exc()
        print(daemon.log()[-4000:].decode("latin-1"), file=sys.stderr)
        result = "FAILED"
    finally:
        signal.alarm(0)
        daemon.destroy()
    print(f"{name}: {result} ({time.monotonic() - begin:.1f} s)", flush=True)
    return result != "FAILED"


def main(scope):
    """Runs all cases of a file's globals(), or those that are named."""
    cases = {name[5:]: case for name, case in scope.items() if name.startswith("case_")}
    signal.signal(signal.SIGALRM, over_time)
    results = [run_case(name, cases[name]) for name in sys.argv[3:] or cases]
    sys.exit(0 if all(results) else 1)
