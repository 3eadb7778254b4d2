#!/usr/bin/env python3
"""The daemon's socket: where it may stand, who may come in, and what hostile and slow clients can do.

    python3 tests/daemon/door.py path/to/reclaimd path/to/helpers [case...]
"""
import os
import random
import re
import resource
import select
import socket
import stat
import struct
import time

from daemon import RECLAIMD, SLOW, Client, Closed, Failure, Skip, check, main, pack, same, sh, until

MIB = 1 << 20
NOBODY = 65534
RESERVED = 4  # connections beyond --max-clients


# Sanitizers keep what is freed for a while: not where memory is measured.
QUARANTINE = ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
MEASURED = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + QUARANTINE}


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def listen(path):
    """A socket of somebody else's at path."""
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    other = socket.socket(socket.AF_UNIX)
    other.bind(path)
    other.listen()
    return other


def case_modes(daemon):
    """0600 in 0700, whatever the umask; away at the end."""
    daemon.start(preexec_fn=lambda: os.umask(0))
    same(mode(daemon.socket_path), 0o600, "mode of the socket")
    same(mode(os.path.dirname(daemon.socket_path)), 0o700, "mode of its directory")
    same(mode(daemon.state), 0o700, "mode of the state directory")
    client = daemon.connect()
    client.wait(client.submit(["echo", "x"]))
    for folder, folders, files in os.walk(daemon.state):
        for name in folders + files:
            path = os.path.join(folder, name)
            same(mode(path) & 0o077, 0, f"what others may do with {path}")
    daemon.stop()
    check(not os.path.exists(daemon.socket_path), "the socket is removed")


def case_stale_socket(daemon):
    daemon.start()
    daemon.kill()
    check(os.path.exists(daemon.socket_path), "kill -9 leaves the socket")
    daemon.start()
    daemon.stop()
    listen(daemon.socket_path).close()
    daemon.start()


def case_socket_in_use(daemon):
    """Somebody answers: it is left alone."""
    other = listen(daemon.socket_path)
    inode = os.stat(daemon.socket_path).st_ino
    text = daemon.refuses()
    check(daemon.socket_path in text, f"names the socket: {text}")
    same(os.stat(daemon.socket_path).st_ino, inode, "the socket of the other")
    other.close()


def case_something_else_in_its_place(daemon):
    folder = os.path.dirname(daemon.socket_path)
    os.makedirs(folder, 0o700)
    target = daemon.path("target")
    with open(target, "w", encoding="ascii") as file:
        file.write("mine\n")
    os.symlink(target, daemon.socket_path)
    check(daemon.socket_path in daemon.refuses(), "names the symlink")
    check(os.path.islink(daemon.socket_path), "the symlink is left alone")
    os.unlink(daemon.socket_path)
    # To a socket at which nobody answers, which might be replaced by itself.
    listen(daemon.path("run2/stale.sock")).close()
    os.symlink(daemon.path("run2/stale.sock"), daemon.socket_path)
    daemon.refuses()
    check(os.path.exists(daemon.path("run2/stale.sock")), "what the symlink points to is left alone")
    os.unlink(daemon.socket_path)
    os.rename(target, daemon.socket_path)
    check(daemon.socket_path in daemon.refuses(), "names the file")
    same(daemon.lines("run/reclaimd.sock"), ["mine"], "the file is left alone")
    os.unlink(daemon.socket_path)
    os.mkdir(daemon.socket_path)
    daemon.refuses()
    os.rmdir(daemon.socket_path)
    daemon.start()


def case_open_directories(daemon):
    """Directories that others may write to."""
    os.makedirs(os.path.dirname(daemon.socket_path))
    os.chmod(os.path.dirname(daemon.socket_path), 0o777)
    check(os.path.dirname(daemon.socket_path) in daemon.refuses(), "names the socket's directory")
    os.chmod(os.path.dirname(daemon.socket_path), 0o700)
    os.makedirs(daemon.state, exist_ok=True)
    os.chmod(daemon.state, 0o777)
    check(daemon.state in daemon.refuses(), "names the state directory")
    os.chmod(daemon.state, 0o700)
    daemon.start()


def case_path_too_long(daemon):
    text = daemon.refuses("--socket", daemon.path("x" * 100))
    check(re.search(r"\b107\b", text), f"names the limit: {text}")


def case_not_replaced_by_another(daemon):
    """What is not the daemon's any more is not removed at its end."""
    daemon.start()
    os.unlink(daemon.socket_path)
    other = listen(daemon.socket_path)
    daemon.stop()
    check(os.path.exists(daemon.socket_path), "the socket of another is left alone")
    other.close()


def hostile(client, data, code):
    """Sends bytes, which must be answered by a refusal without a number, and by the end of the connection."""
    try:
        client.send_bytes(data)
    except Closed:
        pass
    client.refusal(code, None)
    client.closed()


def case_hostile_bytes(daemon):
    """Refused at once, with memory bounded; others are served."""
    good = daemon.start(environment=MEASURED).connect()
    good.call("stats")
    before = daemon.memory()
    deep = 10**6
    for data, code in (
        (b"\xdd\xff\xff\xff\xff", "malformed"),
        (b"\xdf\xff\xff\xff\xff", "malformed"),
        (b"\xc6\xff\xff\xff\xff", "too-large"),
        (b"\xdb\xff\xff\xff\xff", "too-large"),
        (b"\xc9\xff\xff\xff\xff\x01", "too-large"),
        (b"\x91" * deep, "malformed"),
        (b"\x81\x01" * deep, "malformed"),
        (b"\xdc\xff\xff" * deep, "malformed"),
        (b"\xde\xff\xff" * 10000, "malformed"),
        (b"\xc1", "malformed"),
        (b"\x94\x00\x01\xa5stats\x91\x81\xc1\x01", "malformed"),
        (b"\x94\x00\x01\xa5stats\x91" + b"\x91" * 40 + b"\x01", "malformed"),
        (b"\xdc\xff\xff" + b"\x00" * 65535, "invalid-request"),
        (b"GET / HTTP/1.1\r\n\r\n", "invalid-request"),
        (pack([0, 1, "submit", [{"command": ["true"], "stdin": b"x" * (17 * MIB)}]]), "too-large"),
        (pack([0, 1, "submit", [{"command": ["true"], "env": ["a=b"] * (2 * 10**6)}]]), "malformed"),
    ):
        with Client(daemon.socket_path) as client:
            try:
                hostile(client, data, code)
            except Failure as failure:
                raise Failure(f"after {data[:12]!r}: {failure}") from failure
        good.call("stats")
    growth = daemon.memory() - before
    check(growth < 64 * MIB, f"{growth / MIB:.0f} MiB more after hostile bytes")
    same(good.list_all(), [], "jobs")


def case_random_bytes(daemon):
    """Whatever they are: nothing breaks, and others are served."""
    good = daemon.start(environment=MEASURED).connect()
    good.call("stats")
    before = daemon.memory()
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    request = pack([0, 7, "submit", [{"command": ["true"], "start_at": 4e9, "after": [1, "x"], "env": ["A=b"]}]])
    for i in range(400 // SLOW):
        data = bytearray(chance.randbytes(chance.randrange(1, 300)))
        if i % 2:  # a request with a few bytes changed
            data = bytearray(request)
            for _ in range(chance.randrange(1, 4)):
                data[chance.randrange(len(data))] = chance.randrange(256)
        with Client(daemon.socket_path) as client:
            try:
                client.send_bytes(data)
                client.socket.shutdown(socket.SHUT_WR)
                client.closed()
            except (Closed, OSError):
                pass
            except Failure as failure:
                raise Failure(f"seed {seed}, {bytes(data)!r}: {failure}") from failure
    good.call("stats")
    growth = daemon.memory() - before
    check(growth < 64 * MIB, f"{growth / MIB:.0f} MiB more after random bytes of seed {seed}")
    for job in good.list_all():
        same(job["command"] != [], True, "what came through is a job")


def case_message_limit(daemon):
    """--max-message."""
    daemon.start("--max-message", "64K")
    client = daemon.connect()
    same(client.call("hello")["max_message"], 65536, "max_message")
    room = 65536 - len(pack([0, 1, "submit", [{"command": ["true"], "stdin": b"x" * 60000}]])) + 60000
    client.number = 0
    client.call("submit", command=["true"], stdin=b"x" * room)
    client = daemon.connect()
    client.send_bytes(pack([0, 1, "submit", [{"command": ["true"], "stdin": b"x" * (room + 1)}]]))
    client.refusal("too-large", None)
    client.closed()


def case_slow_clients(daemon):
    """A byte a second, one that never reads, and a subscriber that does not: capped, closed; others are served."""
    daemon.start("--max-unread", "256K", "--max-output", "8M", environment=MEASURED)
    good = daemon.connect()
    job = good.submit(sh("head -c 4M /dev/zero"))
    good.wait(job)
    before = daemon.memory()
    slow = daemon.connect().socket
    begin = time.monotonic()
    slow.send(b"\xc4\xff")
    deaf = never_reads(daemon, job)
    subscriber = daemon.connect()
    subscriber.call("subscribe")
    growth = 0
    while slow is not None or deaf is not None:
        check(time.monotonic() - begin < 75 * SLOW, f"closed by now: slow {slow is None}, deaf {deaf is None}")
        asked = time.monotonic()
        good.call("submit_many", jobs=[{"command": ["true"], "start_at": 4e9, "name": "n" * 200}] * 50)
        check(time.monotonic() - asked < 2 * SLOW, f"a good client waited {time.monotonic() - asked:.1f} s")
        growth = max(growth, daemon.memory() - before)
        slow = still_open(slow, b"\x00")
        deaf = still_open(deaf, None)
        time.sleep(1)
    check(time.monotonic() - begin > 20, f"closed after {time.monotonic() - begin:.0f} s already")
    check(growth < 32 * MIB, f"{growth / MIB:.0f} MiB more with clients that do not read")
    subscriber.closed()  # what waited for it, and then the end
    check(len(subscriber.events) < 50 * 60, "not all events")
    good.call("stats")


def never_reads(daemon, job):
    """Asks for 256 MiB, one at a time, for as long as the daemon takes requests, and reads nothing."""
    client = daemon.connect().socket
    client.setblocking(False)
    request = pack([0, 1, "output", [{"id": job, "limit": MIB}]])
    for _ in range(256):
        try:
            client.send(request)
        except BlockingIOError:
            break
    return client


def still_open(client, byte):
    """The socket, or None when the daemon has closed it; sends byte."""
    if client is None:
        return None
    poll = select.poll()
    poll.register(client, select.POLLHUP | select.POLLRDHUP)
    if any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0)):
        client.close()
        return None
    try:
        if byte:
            client.send(byte)
    except (BrokenPipeError, ConnectionResetError):
        client.close()
        return None
    return client


def case_unread_subscriber(daemon):
    """Closed as soon as --max-unread bytes wait for it, not by a time."""
    daemon.start("--max-unread", "64K")
    subscriber = daemon.connect()
    subscriber.call("subscribe")
    good = daemon.connect()
    jobs = [{"command": ["true"], "start_at": 4e9, "name": "n" * 200}] * 500
    for _ in range(10):
        good.call("submit_many", jobs=jobs)
    until(lambda: good.call("stats")["clients"] == 1, lambda: "the subscriber is closed")
    subscriber.closed()
    check(len(subscriber.events) < 5000, f"{len(subscriber.events)} events were sent")


def case_idle_connections(daemon):
    """1,000 connections: those within the limit stay; a few more are answered, and all others told and closed."""
    first = daemon.start().connect()
    first.call("stats")
    admitted, told = [], 0
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for _ in range(1000):
        client = daemon.connect()
        try:
            client.call("stats")
            admitted.append(client)
        except Closed:
            client.refusal("too-many-clients", None)
            client.close()
            told += 1
    check(told > 0 and len(admitted) >= 255 + RESERVED, f"{len(admitted)} connections admitted, {told} refused")
    for client in admitted[255:]:  # reserved places
        client.closed()
        client.refusal("too-many-clients", None)
    same(first.call("stats")["clients"], 256, "clients")
    for client in admitted[:10]:
        client.close()
    until(lambda: first.call("stats")["clients"] == 246, lambda: "closed ones do not count")
    daemon.connect().call("stats")


def case_waiters_lock_nobody_out(daemon):
    """All places are taken by clients that only wait: whoever asks and goes is served all the same."""
    first = daemon.start("--max-clients", "4").connect()
    ended, job = first.submit(["true"]), first.submit(["sleep", "1000"])
    first.wait(ended)
    waits = [(client, client.send("wait", ids=[job])) for client in (first, *(daemon.connect() for _ in range(3)))]
    waits[-1][0].call("stats")  # it is in
    late = daemon.connect()
    same(late.call("stats")["clients"], 5, "clients")
    for method, fields in (
        ("wait", {"ids": [job]}),
        ("wait", {"ids": [job], "timeout": 1}),
        ("output", {"id": job, "follow": True}),
        ("subscribe", {}),
        ("subscribe", {"ids": [job]}),
    ):
        late.refused("too-many-clients", method, **fields)
    same(late.call("wait", ids=[job], timeout=0)["timed_out"], True, "a wait that does not wait")
    same(late.call("wait", ids=[ended])["timed_out"], False, "a wait that is over")
    same(late.call("output", id=ended, follow=True)["ended"], True, "output that is whole")
    crowd = [daemon.connect() for _ in range(RESERVED - 1)]
    for client in crowd:
        client.call("stats")
    with Client(daemon.socket_path) as client:
        client.refusal("too-many-clients", None)
        client.closed()
    for client in (late, *crowd):  # none stays
        client.closed()
        client.refusal("too-many-clients", None)
    daemon.connect().call("cancel", ids=[job])
    for client, wait in waits:
        same(client.answer(wait)["jobs"][0]["state"], "cancelled", "what those that wait are told")


def case_no_descriptors_left(daemon):
    """More connections than descriptors: those that there are go on, and nothing spins."""
    limit = 128

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    good = daemon.start("--max-clients", "1000", preexec_fn=few).connect()
    good.call("stats")
    others = []
    for _ in range(limit + 50):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        try:
            client.connect(daemon.socket_path)
        except BlockingIOError:
            client.close()
            break
        others.append(client)
    check(len(others) >= limit, f"only {len(others)} connections could be made")
    good.call("stats")
    before, begin = daemon.cpu_seconds(), time.monotonic()
    while time.monotonic() - begin < 1:
        good.call("stats")
        time.sleep(0.1)
    check(daemon.cpu_seconds() - before < 0.5, "the daemon spins while it has no descriptors")
    for client in others:
        client.close()
    late = daemon.connect()
    late.call("stats")
    same(late.wait(late.submit(["true"]))[0]["state"], "done", "and afterwards")


def as_nobody(action):
    """Runs action in a process of nobody's; its last words."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = "nothing"
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            text = action()
        except BaseException as error:  # whatever it is, the parent has to hear it
            text = repr(error)
        finally:
            os.write(writer, text.encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        text = file.read().decode()
    os.waitpid(pid, 0)
    return text


def case_another_user(daemon):
    """Even where the permissions of the files would let it in: denied, and logged."""
    if os.getuid() != 0:
        raise Skip("needs root, to become another user")
    good = daemon.start().connect()
    check("PermissionError" in as_nobody(lambda: str(Client(daemon.socket_path))), "the directory keeps it out")
    os.chmod(daemon.work, 0o711)
    os.chmod(os.path.dirname(daemon.socket_path), 0o711)
    os.chmod(daemon.socket_path, 0o666)

    def denied():
        client = Client(daemon.socket_path)
        sentence = client.refusal("denied", None)
        client.closed()
        return "denied: " + sentence

    check(as_nobody(denied).startswith("denied: "), f"another user: {as_nobody(denied)}")

    def submits():
        client = Client(daemon.socket_path)
        try:
            client.send("submit", command=["touch", daemon.path("touched")])
            client.closed()
        except Closed:
            pass
        return "closed"

    same(as_nobody(submits), "closed", "a request from another user")
    same(good.list_all(), [], "jobs")
    daemon.logged(rb"uid=65534.*denied|denied.*uid=65534")
    good.call("stats")


def case_root_may(daemon):
    """A daemon of a user serves root, too, and logs who came."""
    if os.getuid() != 0:
        raise Skip("needs root, to become another user")
    if as_nobody(lambda: str(os.access(RECLAIMD, os.X_OK))) != "True":
        raise Skip(f"{RECLAIMD} is not for other users")
    os.chown(daemon.work, NOBODY, NOBODY)
    client = daemon.start("--log-level", "debug", user=NOBODY, group=NOBODY, extra_groups=[]).connect()
    job = client.submit(["id", "-u"])
    client.wait(job)
    same(client.output(job), b"65534\n", "whose job it is")
    daemon.logged(rb"uid=0\b")

    def own():
        with Client(daemon.socket_path) as own:
            own.call("stats")
        return "served"

    same(as_nobody(own), "served", "its own user")


def case_loud_jobs(daemon):
    """Jobs that write without end: dropped beyond --max-output, and nobody waits for them."""
    client = daemon.start("--max-output", "1M").connect()
    jobs = [client.submit(["yes"]) for _ in range(2)]
    until(lambda: all(client.call("output", id=job)["size"] == MIB for job in jobs), lambda: "the most that is kept")
    slowest = 0
    for _ in range(100):
        asked = time.monotonic()
        client.call("stats")
        slowest = max(slowest, time.monotonic() - asked)
    check(slowest < 1 * SLOW, f"an answer took {slowest:.1f} s")
    client.call("cancel", ids=jobs)
    for job in client.wait(*jobs):
        same((job["state"], job["truncated"], job["stdout_size"]), ("cancelled", True, MIB), "a loud job")


def case_clients_that_vanish(daemon):
    """Connections that end anywhere: in a request, before the answer, with a reset."""
    good = daemon.start().connect()
    request = pack([0, 1, "submit", [{"command": ["true"], "start_at": 4e9}]])
    for cut in range(len(request)):
        client = Client(daemon.socket_path)
        client.send_bytes(request[:cut])
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    same(good.list_all(), [], "half a request is none")
    for method, fields in (("wait", {"ids": [1]}), ("output", {"id": 1, "follow": True}), ("subscribe", {})):
        good.submit(["true"], start_at=4e9)
        with Client(daemon.socket_path) as client:
            client.send(method, **fields)
            if method == "subscribe":
                client.receive()
    until(lambda: good.call("stats")["clients"] == 1, lambda: "all are gone")
    good.submit(["true"])


if __name__ == "__main__":
    main(globals())
