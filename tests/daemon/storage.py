#!/usr/bin/env python3
"""A disk that fails or is full, and a store that is damaged: no false acknowledgement, nothing in silence.

    python3 tests/daemon/storage.py path/to/reclaimd path/to/helpers [case...]
"""
import errno
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import time

from daemon import HELPERS, SECONDS, SLOW, Closed, Failure, Refused, Skip, check, main, same, sh, until
from faults import SYNC, WRITE, Faults

MIB = 1 << 20
LATE = {"command": ["true"], "start_at": 4e9}


def try_submit(client, **fields):
    """The id, or None where the daemon says that it is read-only."""
    try:
        return client.call("submit", **fields)["id"]
    except Refused as refused:
        same(refused.code, "read-only", f"the code beside {refused.message!r}")
        return None


def is_read_only(client):
    """Also where it is asked in the turn that cannot be written: all of its requests are refused."""
    try:
        return client.call("stats")["read_only"] is not None
    except Refused as refused:
        same(refused.code, "read-only", f"the code beside {refused.message!r}")
        return True


def writable(client):
    until(lambda: client.call("stats")["read_only"] is None, lambda: "it can be written again")


def read_only(client):
    """Visible to everybody."""
    reason = client.call("stats")["read_only"]
    check(isinstance(reason, str) and len(reason) > 5, f"read_only in stats: {reason!r}")
    for method, fields in (
        ("submit", LATE),
        ("submit_many", {"jobs": [LATE]}),
        ("pause", {}),
        ("group", {"name": "g", "limit": 1}),
    ):
        client.refused("read-only", method, **fields)


def ids(client):
    return [job["id"] for job in client.list_all()]


class Failing:
    """A daemon on a disk that fails now and then, and all that it has acknowledged."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.faults = Faults(daemon)
        self.acknowledged = []
        self.start()

    def start(self):
        self.client = self.daemon.start(environment=self.faults.environment()).connect()

    def submit(self, **fields):
        """Was it acknowledged?"""
        job = try_submit(self.client, **LATE, **fields)
        if job is not None:
            self.acknowledged.append(job)
        return job is not None

    def recover(self, killed, where):
        """The disk is well again; the daemon finds out, or is killed before it does."""
        if killed:
            self.daemon.kill()
        self.faults.allow()
        if killed:
            self.start()
        else:
            writable(self.client)
        there = ids(self.client)
        if killed and there[:-1] == self.acknowledged:  # refused, but its bytes were on disk: whole or absent
            self.client.call("cancel", ids=there[-1:])
            self.client.call("remove", ids=there[-1:])
            there.pop()
        same(there, self.acknowledged, f"jobs after {where}")


def case_each_operation(daemon):
    """EIO and ENOSPC at the first, second, ... write and sync of a submit."""
    failing = Failing(daemon)
    failing.submit()
    tried = 0
    for error in errno.EIO, errno.ENOSPC:
        for kinds in WRITE, SYNC:
            for spare in range(100):
                failing.faults.fail(error, kinds, spare)
                if failing.submit():
                    same(failing.faults.allow(), 0, "failed operations of a submit that was acknowledged")
                    break
                tried += 1
                read_only(failing.client)
                same(ids(failing.client), failing.acknowledged, "what can be read meanwhile")
                check(failing.faults.failed() > 0, "read-only without a failed operation")
                failing.recover(tried % 4 > 0, f"{errno.errorcode[error]} of {kinds} after {spare}")
            check(spare > 0, "no operation of a submit failed")
    print(f"{tried} operations failed", flush=True)
    daemon.logged(rb"read.?only")
    failing.recover(True, "a kill")


def case_random_operations(daemon):
    """Somewhere in a stream of large submits, checkpoints included."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    failing = Failing(daemon)
    for i in range(16 // SLOW + 2):
        failing.faults.fail(
            chance.choice((errno.EIO, errno.ENOSPC)), chance.choice((WRITE, SYNC, WRITE | SYNC)), chance.randrange(400)
        )
        for _ in range(100):
            if not failing.submit(stdin=bytes(chance.randrange(60000))):
                break
        failing.recover(i % 3 > 0, f"round {i} of seed {seed}")


def case_jobs_meanwhile(daemon):
    """What runs goes on while the store cannot be written, and its end is kept later; nothing else starts."""
    faults = Faults(daemon)
    client = daemon.start(environment=faults.environment()).connect()
    daemon.fifo("go")
    running = client.submit(sh("echo run >>$1; read x <$2; echo end >>$1", daemon.path("runs"), daemon.path("go")))
    until(lambda: daemon.lines("runs"), lambda: "it runs")
    queued = client.submit(sh("echo run >>$1", daemon.path("queued")), delay=0.3)
    faults.fail(errno.EIO)
    same(try_submit(client, **LATE), None, "a submit")
    wait = client.send("wait", ids=[running])
    daemon.release("go")
    until(lambda: len(daemon.lines("runs")) == 2, lambda: "its end")
    time.sleep(0.5)  # long enough for what must not happen
    client.call("stats")
    check(wait not in client.answers, "an end was told that is not on disk")
    same(daemon.lines("queued"), [], "a start that is not on disk")
    same(client.status(queued).get("waits"), "read-only", "why it does not start")
    faults.allow()
    same(client.answer(wait)["jobs"][0]["state"], "done", "the end is told when it is on disk")
    same(client.wait(queued)[0]["state"], "done", "and others start")
    same(daemon.lines("runs"), ["run", "end"], "runs")
    # Killed before it could be written: as every run that a crash cut short.
    faults.fail(errno.EIO)
    same(try_submit(client, **LATE), None, "a submit")
    daemon.kill()
    faults.allow()
    client = daemon.start().connect()
    same([job["state"] for job in client.wait(running, queued)], ["done", "done"], "after a kill")


def case_ends_lost_in_a_crash(daemon):
    """A job that ended while nothing could be written, and then kill -9: it asked to be requeued."""
    faults = Faults(daemon)
    client = daemon.start(environment=faults.environment()).connect()
    daemon.fifo("go")
    script = "echo run >>$1; test $(wc -l <$1) -gt 1 || { read x <$2; echo end >>$3; }"
    job = client.submit(sh(script, *map(daemon.path, ("runs", "go", "end"))), on_crash="requeue")
    until(lambda: daemon.lines("runs"), lambda: "it runs")
    faults.fail(errno.ENOSPC)
    same(try_submit(client, **LATE), None, "a submit")
    daemon.release("go")
    until(lambda: daemon.lines("end"), lambda: "its end")
    time.sleep(0.2)  # long enough for what must not happen
    same(client.status(job)["state"], "running", "an end that is not on disk")
    daemon.kill()
    faults.allow()
    client = daemon.start().connect()
    told = client.wait(job)[0]
    same((told["state"], told["interruptions"]), ("done", 1), "requeued")
    same(daemon.lines("runs"), ["run", "run"], "runs")


MODULE = "--module", os.path.join(HELPERS, "tasks.so")


def case_values_that_cannot_be_written(daemon):
    """A large value is a file, and the disk fails under that alone: said with a reason, and made up for later."""
    faults = Faults(daemon, "/state/jobs/")
    client = daemon.start(*MODULE, environment=faults.environment()).connect()
    for error in errno.EIO, errno.EROFS:
        for kinds in WRITE, SYNC:
            faults.fail(error, kinds)
            job = client.call("submit", task="bytes", argument=2 * MIB)["id"]
            until(lambda: faults.failed() > 0, lambda: "a write that fails")
            before, cpu = len(daemon.log().split(b"\n")), daemon.cpu_seconds()
            time.sleep(1)  # what must not happen takes time
            check(len(daemon.log().split(b"\n")) - before < 20, "the log is flooded")
            check(daemon.cpu_seconds() - cpu < 0.7, "it spins")
            reason = client.call("stats")["read_only"]
            check(reason is None or len(reason) > 5, f"read_only without a reason: {reason!r}")
            faults.allow()
            writable(client)
            same(client.wait(job)[0]["state"], "done", "its end")
            same(client.call("result", id=job, offset=2 * MIB - 3)["value"], b"xxx", "its value")
    check(b'message=""' not in daemon.log(), "an entry of the log without a reason")


def unkept(client, job, size, error):
    """It has failed by a value that there is no room for, and nobody else has noticed."""
    told = client.wait(job)[0]
    same((told["state"], told["outcome"], told["exit_code"]), ("failed", "output-limit", 125), f"{told!r}")
    check(str(size) in told["message"] and os.strerror(error) in told["message"], f"the message: {told['message']}")
    same((told.get("result_size", 0), client.call("result", id=job)["value"]), (0, None), "its value")
    same(client.call("stats")["read_only"], None, "the daemon")
    return told


def value_files(daemon):
    """Also those that are being written."""
    return [name for _, _, names in os.walk(os.path.join(daemon.state, "jobs")) for name in names if "value" in name]


def case_values_without_room(daemon):
    """No room for a value's file: the job fails by that, whatever the kernel calls it, and runs again where it may."""
    faults = Faults(daemon, "/state/jobs/")
    client = daemon.start(*MODULE, environment=faults.environment()).connect()
    for error in errno.ENOSPC, errno.EDQUOT, errno.EFBIG:
        for kinds in WRITE, SYNC:
            faults.fail(error, kinds)
            job = client.call("submit", task="bytes", argument=2 * MIB)["id"]
            unkept(client, job, 2 * MIB, error)
            job = client.call("submit", task="bytes", argument=2 * MIB, retries=2, retry_delay=0)["id"]
            same(unkept(client, job, 2 * MIB, error)["attempt"], 2, "runs of one that may run twice")
            faults.allow()
            same(value_files(daemon), [], "what is left of it")
    check(b"read-only" not in daemon.log(), "somebody was told that the daemon is read-only")
    client.wait(client.call("submit", task="bytes", argument=2 * MIB)["id"])
    same(len(value_files(daemon)), 1, "one that has room")


def case_value_beyond_a_limit(daemon):
    """RLIMIT_FSIZE: the daemon does not die of SIGXFSZ."""
    client = daemon.start(*MODULE).connect()
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (4 * MIB, resource.RLIM_INFINITY))
    unkept(client, client.call("submit", task="bytes", argument=8 * MIB)["id"], 8 * MIB, errno.EFBIG)
    told = client.wait(client.submit(sh("head -c 8M /dev/zero")))[0]
    same((told["state"], told["truncated"], told["stdout_size"]), ("done", True, 4 * MIB), "output beyond it")


def case_state_that_is_gone(daemon):
    """The directory is removed under the daemon: nothing is acknowledged into nowhere for long."""
    client = daemon.start().connect()
    shutil.rmtree(daemon.state)

    def noticed():
        try:
            client.call("submit", **LATE)
            return False
        except Refused as refused:
            return refused.code in ("read-only", "shutting-down")
        except Closed:
            return True

    until(noticed, lambda: "that nothing can be kept")
    status = daemon.process.wait(10 * SLOW)
    daemon.process = None
    check(status > 0, f"it ended with {status}")
    check(daemon.state.encode() in daemon.log(), "the log names the directory")


def case_start_with_faults(daemon):
    """A disk that fails while the daemon starts: it ends with a sentence, or says that it is read-only."""
    faults = Faults(daemon)
    client = daemon.start().connect()
    acknowledged = [client.call("submit", **LATE)["id"] for _ in range(20)]
    daemon.kill()
    refusals, hit = 0, True
    for spare in [*range(12), *range(12, 400, 13)]:
        faults.fail(errno.EIO, WRITE | SYNC, spare)
        daemon.start(environment=faults.environment(), ready=False)
        if started(daemon):
            client = daemon.connect()
            same(ids(client), acknowledged, "jobs")
            if faults.failed() and client.call("stats")["read_only"] is None:
                same(try_submit(client, **LATE), None, "a submit after a failed write")
            hit = faults.failed() > 0
            daemon.kill()
            if not hit:
                break
        else:
            refusals += 1
    faults.allow()
    print(f"{refusals} starts were refused", flush=True)
    check(not hit, "no start had writes enough to succeed")
    client = daemon.start(environment=faults.environment()).connect()
    same(ids(client), acknowledged, "jobs afterwards")


def started(daemon):
    """Did it start? If not, it ended by itself, and said why."""
    try:
        daemon.ready()
        return True
    except Failure:
        status = daemon.process.poll()
        if status is None:
            raise
    daemon.process = None
    check(status > 0, f"it ended with {status}")
    check(b"reclaimd.db" in daemon.log() or daemon.state.encode() in daemon.log(), "the log names what failed")
    return False


class Disk:
    """A small file system of its own at the state directory."""

    def __init__(self, daemon, size):
        self.path = daemon.state
        os.mkdir(self.path, 0o700)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", self.path]
        if os.environ.get("RECLAIM_TEST_NAMESPACE") != "own" or subprocess.run(command, check=False).returncode:
            raise Skip("cannot mount (needs root and unshare -m)")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)

    def fill(self):
        with open(os.path.join(self.path, "filler"), "wb", buffering=0) as file:
            try:
                for size in (MIB, 4096, 1):
                    while True:
                        try:
                            file.write(b"x" * size)
                        except OSError as error:
                            same(error.errno, errno.ENOSPC, "why it is full")
                            break
            finally:
                os.fsync(file.fileno())

    def free(self):
        os.unlink(os.path.join(self.path, "filler"))

    def free_bytes(self, size):
        """So much of what was filled."""
        path = os.path.join(self.path, "filler")
        os.truncate(path, os.stat(path).st_size - size)


def case_full_disk(daemon):
    with Disk(daemon, "24m") as disk:
        client = daemon.start().connect()
        acknowledged = [client.call("submit", **LATE)["id"] for _ in range(10)]
        done = client.submit(["echo", "x"])
        client.wait(done)
        disk.fill()
        for i in range(1000):
            job = try_submit(client, **LATE, stdin=bytes(10000))
            if job is None:
                break
            acknowledged.append(job)
        same(job, None, "a submit to a full disk")
        read_only(client)
        same(client.output(done), b"x\n", "what is there can be read")
        disk.free()
        writable(client)
        acknowledged.append(client.call("submit", **LATE)["id"])
        same(ids(client), sorted([*acknowledged, done]), "jobs")
        # Full again, and killed: a start on a full disk says so, one way or the other.
        disk.fill()
        daemon.kill()
        daemon.start(ready=False)
        if started(daemon):
            client = daemon.connect()
            same(ids(client), sorted([*acknowledged, done]), "jobs on a full disk")
            daemon.kill()
        disk.free()
        client = daemon.start().connect()
        same(ids(client), sorted([*acknowledged, done]), "jobs afterwards")
        daemon.stop()


def case_full_disk_of_outputs(daemon):
    """A job that writes until the disk is full: what finds no room is dropped, and the daemon can still write."""
    with Disk(daemon, "16m"):
        client = daemon.start().connect()
        job = client.submit(sh("head -c 40M /dev/zero; exit 3"))
        told = client.wait(job)[0]
        same((told["outcome"], told["exit_code"], told["truncated"]), ("exited", 3, True), "its end")
        check(told["stdout_size"] < 16 * MIB, f"{told['stdout_size']} bytes in 16 MiB")
        same(client.wait(client.submit(["true"]))[0]["state"], "done", "others")
        client.call("remove", ids=[job])
        job = client.submit(sh("head -c 1M /dev/zero"))
        told = client.wait(job)[0]
        same((told["state"], told["stdout_size"]), ("done", MIB), "with room again")
        daemon.stop()


def case_value_larger_than_the_disk(daemon):
    """It fails, twice at once, too; meanwhile every submit of others is taken, and the disk is never full."""
    with Disk(daemon, "16m"):
        client = daemon.start(*MODULE).connect()
        other = daemon.connect()
        same(client.wait(client.call("submit", task="bytes", argument=4 * MIB)["id"])[0]["state"], "done", "one that fits")
        before = value_files(daemon)
        for job in meanwhile(client, other, 64 * MIB):
            unkept(client, job, 64 * MIB, errno.ENOSPC)
        same(value_files(daemon), before, "value files")
        for _ in range(5):  # each would fit, and not the other one beside it
            states = {job: client.status(job)["state"] for job in meanwhile(client, other, 8 * MIB)}
            check("failed" in states.values(), f"two that do not fit: {states}")
            client.call("remove", ids=list(states))
        check(b"read-only" not in daemon.log(), "somebody was told that the daemon is read-only")
        daemon.stop()


def meanwhile(client, other, size):
    """Two at once that return so much; another client submits until they have ended, and is never refused."""
    jobs = [client.call("submit", task="bytes", argument=size)["id"] for _ in range(2)]
    waiting = client.send("wait", ids=jobs)
    client.socket.setblocking(False)
    while waiting not in client.answers:
        other.call("submit", **LATE)
        try:
            client.receive()
        except BlockingIOError:
            pass
    client.socket.settimeout(SECONDS)
    return jobs


def case_value_of_the_store_without_room(daemon):
    """One that is kept in the store, and does not fit: the daemon goes on without it."""
    with Disk(daemon, "8m") as disk:
        client = daemon.start(*MODULE).connect()
        disk.fill()
        disk.free_bytes(MIB // 2)
        job = client.call("submit", task="bytes", argument=MIB)["id"]
        client.wait(job)
        unkept(client, job, MIB, errno.ENOSPC)
        job = client.call("submit", task="bytes", argument=3)["id"]
        same(client.wait(job)[0]["state"], "done", "one that fits")
        disk.free()
        daemon.stop()


def case_values_on_a_disk_that_others_filled(daemon):
    """Where not even an end can be written, no value is to blame: they wait, and are kept when there is room."""
    faults = Faults(daemon, "/state/")
    client = daemon.start(*MODULE, environment=faults.environment()).connect()
    fifo, sizes = daemon.fifo("go"), (3, 2 * MIB)
    jobs = [client.call("submit", task="bytes_after", argument=[size, fifo])["id"] for size in sizes]
    until(lambda: client.call("stats")["jobs"]["running"] == 2, lambda: "both run")
    faults.fail(errno.ENOSPC)
    for _ in jobs:
        daemon.release("go")
    until(lambda: is_read_only(client), lambda: "it is read-only")
    tried = faults.failed()
    until(lambda: faults.failed() >= tried + 2, lambda: "it tries again")
    same([client.status(job)["state"] for job in jobs], ["running"] * 2, "ends that are not on disk")
    faults.allow()
    until(lambda: not is_read_only(client), lambda: "it can be written again")
    same([job["state"] for job in client.wait(*jobs)], ["done", "done"], "with room again")
    same([len(client.call("result", id=job, limit=1)["value"]) for job in jobs], [1, 1], "values")


# ---- damage


def kept_state(daemon, graceful):
    """A store of 40 jobs, as left by a clean end or by kill -9; {id: command}."""
    client = daemon.start().connect()
    jobs = {}
    for i in range(40):
        command = ["printf", "%s", f"job {i} " + "x" * (i * 37)]
        jobs[client.submit(command, start_at=4e9, name=f"name {i}")] = command
    if graceful:
        daemon.stop()
    else:
        daemon.kill()
    until(lambda: not daemon.processes(), lambda: "its end")
    shutil.copytree(daemon.state, daemon.path("template"))
    return jobs


def fresh(daemon):
    shutil.rmtree(daemon.state)
    shutil.copytree(daemon.path("template"), daemon.state)
    with open(daemon.log_path, "wb"):
        pass


def flip(path, offset, bit):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))


def found_jobs(daemon):
    """{id: command} of a daemon that runs; None where a read says that the store is damaged."""
    client = daemon.connect()
    try:
        return {job["id"]: job["command"] for job in client.list_all()}
    except Refused as refused:
        same(refused.code, "storage", f"the code beside {refused.message!r}")
        return None


def end(daemon):
    """Kills it, if it has not ended."""
    for client in daemon.clients:
        client.close()
    daemon.clients.clear()
    if daemon.process:
        daemon.kill()


def case_flipped_bits(daemon):
    """In the database: refused with a word on what to do, or all jobs are what they were."""
    jobs = kept_state(daemon, graceful=True)
    database = os.path.join(daemon.state, "reclaimd.db")
    size = os.path.getsize(database)
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    spots = [0, 17, 18, 20, 28, 44, 60, 96, 100, 105] + [chance.randrange(size) for _ in range(40 // SLOW)]
    refusals = 0
    for offset in spots:
        fresh(daemon)
        flip(database, offset, chance.randrange(8))
        daemon.start(ready=False)
        if started(daemon):
            found = found_jobs(daemon)
            if found != jobs and found is not None and not complains(daemon):
                raise Failure(f"silent damage at byte {offset} of {size}, seed {seed}: {differs(jobs, found)}")
        else:
            refusals += 1
        end(daemon)
    print(f"{refusals} of {len(spots)} starts were refused", flush=True)
    check(refusals > 0, "no flipped bit was found")


def complains(daemon):
    return b"level=error" in daemon.log() or b"level=warning" in daemon.log()


def differs(jobs, found):
    return [(job, command, found.get(job)) for job, command in jobs.items() if found.get(job) != command][:1]


def case_damaged_log(daemon):
    """Flipped bits in the write-ahead log that a killed daemon left: what is missing is the end, and it is said."""
    jobs = kept_state(daemon, graceful=False)
    path = os.path.join(daemon.state, "reclaimd.db-wal")
    size = os.path.getsize(path)
    check(size > 4096, f"a log of {size} bytes")
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for _ in range(24 // SLOW):
        fresh(daemon)
        offset = chance.randrange(size)
        flip(path, offset, chance.randrange(8))
        daemon.start(ready=False)
        if started(daemon):
            found = found_jobs(daemon)
            check_prefix(jobs, found, f"byte {offset} of {size}, seed {seed}")
            if found is not None and len(found) < len(jobs) - 1 and not complains(daemon):
                raise Failure(f"{len(found)} of {len(jobs)} jobs and no word: byte {offset} of {size}, seed {seed}")
        end(daemon)


def check_prefix(jobs, found, where):
    """Whole jobs, and none missing before one that is there."""
    if found is not None:
        expected = dict(list(jobs.items())[: len(found)])
        same(found, expected, f"jobs, with damage at {where}")


def case_torn_log(daemon):
    """The log ends anywhere, as a power cut may leave it: what is there is whole, and the daemon starts."""
    jobs = kept_state(daemon, graceful=False)
    path = os.path.join(daemon.state, "reclaimd.db-wal")
    size = os.path.getsize(path)
    lengths = [0, 1, 31, 32, 33, 56, size - 1] + [random.randrange(size) for _ in range(16 // SLOW)]
    counts = []
    for length in sorted(lengths):
        fresh(daemon)
        with open(path, "r+b") as file:
            file.truncate(length)
        daemon.start()
        found = found_jobs(daemon)
        check_prefix(jobs, found, f"{length} of {size} bytes")
        counts.append(len(found))
        client = daemon.connect()
        same(client.wait(client.submit(["true"]))[0]["state"], "done", "a new job")
        end(daemon)
    same(counts, sorted(counts), "the more of the log, the more jobs")
    # And garbage after its end.
    fresh(daemon)
    with open(path, "ab") as file:
        file.write(random.randbytes(10000))
    daemon.start()
    same(found_jobs(daemon), jobs, "jobs before garbage")


def case_no_database(daemon):
    """What is no database, or only a part of one, is refused, and left as it is."""
    kept_state(daemon, graceful=True)
    database = os.path.join(daemon.state, "reclaimd.db")
    size = os.path.getsize(database)
    for data in (b"no database at all\n" * 1000, None):
        fresh(daemon)
        with open(database, "r+b") as file:
            if data is None:
                file.truncate(size // 2)
            else:
                file.truncate(0)
                file.write(data)
        before = read(database)
        text = daemon.refuses()
        check("reclaimd.db" in text, f"names the file: {text}")
        check("sqlite3" in text or "directory" in text, f"says what to do: {text}")
        same(read(database) == before, True, "the file is left as it is")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def case_newer_version(daemon):
    jobs = kept_state(daemon, graceful=True)
    path = os.path.join(daemon.state, "reclaimd.db")
    version = user_version(path)
    check(version > 0, f"a version in the database: {version}")
    user_version(path, version + 1)
    before = read(path)
    text = daemon.refuses()
    check(str(version + 1) in text and "reclaimd.db" in text, f"names file and version: {text}")
    same(read(path) == before, True, "the file is left as it is")
    fresh(daemon)  # pages have checksums of the daemon's own
    daemon.start()
    same(found_jobs(daemon), jobs, "nothing is lost")


def user_version(path, version=None):
    connection = sqlite3.connect(path)
    try:
        if version is not None:
            connection.execute(f"PRAGMA user_version = {version:d}")
            connection.commit()
        return connection.execute("PRAGMA user_version").fetchone()[0]
    finally:
        connection.close()


def case_left_over_files(daemon):
    """Files of jobs that the store does not know are removed at the start; those of others are not touched."""
    client = daemon.start().connect()
    job = client.submit(["echo", "x"])
    client.wait(job)
    folder = os.path.join(daemon.state, "jobs", "0")
    check(os.path.isdir(folder), "the directory of the first thousand")
    daemon.kill()
    for name in "777.out", "777.err", "777.value":
        with open(os.path.join(folder, name), "w", encoding="ascii"):
            pass
    client = daemon.start().connect()
    until(lambda: not [name for name in os.listdir(folder) if name.startswith("777.")], lambda: "they are removed")
    same(client.output(job), b"x\n", "the output of a job that is known")


def enter_namespace():
    """Mounts of a case are seen by nobody else."""
    if os.getuid() == 0 and "RECLAIM_TEST_NAMESPACE" not in os.environ:
        own = ["unshare", "--mount", "--propagation", "private"]
        works = subprocess.run([*own, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
        os.environ["RECLAIM_TEST_NAMESPACE"] = "own" if works else "shared"
        if works:
            os.execvp(own[0], [*own, sys.executable, "-B", os.path.abspath(__file__), *sys.argv[1:]])


if __name__ == "__main__":
    enter_namespace()
    main(globals())
