#!/usr/bin/env python3
"""docs/protocol.md: every method, every field of a job, every refusal of a request.

    python3 tests/daemon/protocol.py path/to/reclaimd path/to/helpers [case...]
"""
import os
import random
import time

import msgpack

from daemon import HELPERS, SECONDS, Client, Closed, Failure, Refused, check, main, pack, same, sh, until

MODULE = os.path.join(HELPERS, "tasks.so")
MIB = 1 << 20

# What a job's map may have, and what each must be.
JOB = {
    "id": int,
    "key": str,
    "name": str,
    "group": str,
    "priority": int,
    "command": list,
    "command_cut": bool,
    "task": str,
    "state": str,
    "waits": str,
    "outcome": str,
    "exit_code": int,
    "code": int,
    "signal": int,
    "message": str,
    "submitted_at": float,
    "start_at": float,
    "started_at": float,
    "ended_at": float,
    "attempt": int,
    "interruptions": int,
    "evictions": int,
    "wall_seconds": float,
    "user_seconds": float,
    "system_seconds": float,
    "peak_memory_bytes": int,
    "memory_method": str,
    "memory_limit_bytes": int,
    "processes": int,
    "killed_processes": int,
    "result_size": int,
    "stdout_size": int,
    "stderr_size": int,
    "truncated": bool,
    "after": list,
    "result_limit": int,
}
# What only status has.
SETTINGS = {
    "cwd": "/tmp",
    "timeout": 60.0,
    "kill_after": 1.5,
    "cpu_time": 50.0,
    "memory": 64 << 20,
    "memory_share": 0.75,
    "memory_backstop": True,
    "expected": 32 << 20,
    "pids": 10,
    "cpu_weight": 50,
    "nofile": 100,
    "nice": 3,
    "output_limit": 1000,
    "huge_pages": False,
    "rerunnable": True,
    "retries": 4,
    "retry_delay": 0.5,
    "retry_oom": 2.0,
    "after_failure": "run",
    "on_crash": "requeue",
    "keep": 3600.0,
}
JOB |= {name: type(value) for name, value in SETTINGS.items()}
STATES = {"waiting", "queued", "running", "done", "failed", "cancelled"}
WAITS = {"paused", "group-full", "after", "time", "retry", "worker", "read-only", "memory"}
OUTCOMES = set(
    """exited signalled timeout cpu-limit memory-limit machine-oom output-limit process-limit cancelled not-found
    not-executable lost interrupted dependency-failed""".split()
)


def check_job(job):
    """A job as docs/protocol.md describes it."""
    for name, value in job.items():
        check(name in JOB, f"a job has no field {name}")
        check(type(value) is JOB[name], f"{name} of a job is {value!r}")
    for name in "id", "name", "group", "priority", "state", "submitted_at":
        check(name in job, f"a job without {name}: {job!r}")
    check(("command" in job) != ("task" in job), f"command or task: {job!r}")
    check(job["state"] in STATES, f"state {job['state']!r}")
    check(job.get("waits") in WAITS | {None}, f"waits {job.get('waits')!r}")
    ended = job["state"] in ("done", "failed", "cancelled")
    for name in "outcome", "exit_code", "message", "ended_at":
        same(name in job, ended, f"{name} in a job that is {job['state']}")
    if ended:
        check(job["outcome"] in OUTCOMES, f"outcome {job['outcome']!r}")
        same(job["exit_code"] == 0, job["state"] == "done", f"exit code 0 of {job!r}")
        check(len(job["message"].splitlines()) == 1, f"message {job['message']!r}")
    return job


def ends(client, command, state, outcome, exit_code, /, **fields):
    """Submits, waits, and checks how it ended."""
    job = check_job(client.wait(client.submit(command, **fields))[0])
    same((job["state"], job["outcome"], job["exit_code"]), (state, outcome, exit_code), f"how {command} ended")
    return job


def case_twenty_lines(daemon):
    """What docs/protocol.md shows, with a client of its own."""
    import socket

    daemon.start()
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(SECONDS)
    s.connect(daemon.socket_path)
    unpacker = msgpack.Unpacker()

    def call(method, **fields):
        s.sendall(msgpack.packb([0, 1, method, [fields]]))
        for chunk in iter(lambda: s.recv(65536), b""):
            unpacker.feed(chunk)
            for kind, number, error, result in unpacker:
                same((kind, number, error), (1, 1, None), f"the response to {method}")
                return result
        raise Closed()

    job = call("submit", command=["printf", "hello\\n"], cwd="/")
    same(call("wait", ids=[job["id"]])["jobs"][0]["state"], "done", "state")
    same(call("output", id=job["id"])["data"], b"hello\n", "output")
    s.close()


def case_hello(daemon):
    client = daemon.start("--module", MODULE).connect()
    hello = client.call("hello", protocol=1, client="a test")
    same(sorted(hello), ["max_message", "pid", "protocol", "server", "store", "tasks"], "fields of hello")
    same((hello["protocol"], hello["pid"]), (1, daemon.pid), "protocol and pid")
    same(hello["max_message"], 16 * MIB, "max_message")
    same(sorted(hello["tasks"]), ["bytes", "bytes_after", "crash", "echo", "fail", "hole", "refuse", "say"], "tasks")
    client.call("hello")
    client.refused("unsupported-protocol", "hello", protocol=2)
    same(client.call("hello", protocol=1)["store"], hello["store"], "the store's number")
    # params may be empty, as well.
    client.send_bytes(pack([0, 77, "stats", []]))
    check("uptime_seconds" in client.answer(77), "stats without a map")
    # The largest number of a request.
    client.send_bytes(pack([0, 2**32 - 1, "stats", []]))
    client.answer(2**32 - 1)
    daemon.kill()
    same(daemon.start().connect().call("hello")["store"], hello["store"], "the store's number after a kill")
    daemon.stop()
    daemon.state = daemon.path("another")
    check(daemon.start().connect().call("hello")["store"] != hello["store"], "another store, and the same number")


def case_ends(daemon):
    """How commands end, in the words of the protocol."""
    client = daemon.start().connect()
    done = ends(client, ["true"], "done", "exited", 0)
    for name in "started_at", "attempt", "wall_seconds", "user_seconds", "system_seconds", "memory_method", "processes":
        check(name in done, f"{name} of a job that ran")
    check(done["submitted_at"] <= done["started_at"] + 0.5 <= done["ended_at"] + 1, f"times: {done!r}")
    same((done["name"], done["group"], done["priority"], done["attempt"]), ("true", "default", 0, 1), "defaults")
    same(done["command"], ["true"], "command")
    failed = ends(client, ["/bin/sh", "-c", "exit 7"], "failed", "exited", 7)
    same((failed["code"], failed["name"]), (7, "sh"), "code and name")
    same(ends(client, sh("kill -SEGV $$"), "failed", "signalled", 139)["signal"], 11, "signal")
    ends(client, ["sleep", "1000"], "failed", "timeout", 124, timeout=0.1)
    ends(client, sh("trap '' TERM; while :; do :; done"), "failed", "timeout", 137, timeout=0.2, kill_after=0.1)
    ends(client, ["/nonexistent/program"], "failed", "not-found", 127)
    ends(client, ["/etc/passwd"], "failed", "not-executable", 126)
    ends(client, ["sleep", "1"], "failed", "not-found", 127, env=["PATH=/nonexistent"])
    limited = client.wait(client.submit(sh("tail -c 300M /dev/zero | tail"), memory=32 * MIB))[0]
    same((limited["state"], limited["outcome"]), ("failed", "memory-limit"), "over its memory limit")
    same(limited["memory_limit_bytes"], 32 * MIB, "memory_limit_bytes")
    check(limited["peak_memory_bytes"] > 8 * MIB, f"peak {limited['peak_memory_bytes']}")
    spinning = client.wait(client.submit(sh("while :; do :; done"), cpu_time=1))[0]
    same((spinning["state"], spinning["outcome"]), ("failed", "cpu-limit"), "over its CPU time")
    writes = client.wait(client.submit(sh("while :; do echo aaaaaaa; done"), output_limit=1000))[0]
    same((writes["state"], writes["outcome"]), ("failed", "output-limit"), "over its output limit")
    same(len(client.output(writes["id"])), 1000, "what is kept of it")


def case_what_a_job_gets(daemon):
    """env, cwd, stdin, limits."""
    client = daemon.start(environment={"FROM_DAEMON": "yes"}).connect()

    def out(script, **fields):
        job = client.submit(sh(script), **fields)
        same(client.wait(job)[0]["state"], "done", script)
        return client.output(job)

    same(out("pwd"), b"/\n", "cwd left out")
    same(out("pwd", cwd=daemon.work), daemon.work.encode() + b"\n", "cwd")
    same(out("cat"), b"", "stdin left out")
    same(out("readlink /proc/self/fd/0"), b"/dev/null\n", "stdin left out")
    same(out("cat", stdin=b"\0\xff\n"), b"\0\xff\n", "stdin of bytes")
    same(out("cat", stdin="text"), b"text", "stdin of text")
    big = os.urandom(3 * MIB)
    same(out("cat", stdin=big) == big, True, "a large stdin comes through")
    same(out("echo $FROM_DAEMON"), b"yes\n", "env left out")
    same(out("echo $FROM_DAEMON-$A", env=["A=b=c", "PATH=/usr/bin:/bin"]), b"-b=c\n", "env")
    same(out("ulimit -n", nofile=64), b"64\n", "nofile")
    same(out("nice", nice=5), b"%d\n" % (os.nice(0) + 5), "nice")
    same(out("echo out; echo err >&2"), b"out\n", "stdout alone")
    job = client.submit(sh("echo out; echo err >&2"))
    client.wait(job)
    same(client.output(job, "stderr"), b"err\n", "stderr")
    same(client.output(job, "stdout"), b"out\n", "stdout")
    # No descriptor of the daemon's, and not its signal mask.
    same(out("ls /proc/self/fd | wc -l"), b"4\n", "descriptors of a job: 0 to 2, and ls's own")
    same(out("grep SigBlk /proc/self/status"), b"SigBlk:\t0000000000000000\n", "blocked signals")
    same(out("grep SigIgn /proc/self/status"), b"SigIgn:\t0000000000000000\n", "ignored signals")


def case_long_commands(daemon):
    """Whole in status, cut elsewhere."""
    client = daemon.start().connect()
    command = ["true", *[f"argument {i}" for i in range(1000)]]
    job = client.submit(command)
    listed = check_job(client.wait(job)[0])
    same((listed["command_cut"], listed["command"][0]), (True, "true"), "in a wait")
    check(len(pack(listed["command"])) < 5000, "cut to some 4 KiB")
    told = check_job(client.status(job))
    same((told["command"], told.get("command_cut", False)), (command, False), "in status")


def case_settings(daemon):
    """What a job was given is told by status, and of each only what it was given."""
    client = daemon.start().connect()
    job = client.submit(["true"], env=["A=" + "x" * 100], stdin=b"input", **SETTINGS)
    told = check_job(client.status(job))
    same({name: told[name] for name in SETTINGS if name in told}, SETTINGS, "in status")
    done = client.wait(job)[0]
    same(sorted({*SETTINGS, "env", "stdin"} & {*done}), [], "in a wait")
    plain = client.status(client.submit(["true"], timeout=7))
    same({name: plain[name] for name in SETTINGS if name in plain}, {"timeout": 7.0}, "of another")
    ends(client, ["true"], "done", "exited", 0, memory=64 << 20, memory_backstop=True)


def case_tasks(daemon):
    client = daemon.start("--module", MODULE).connect()

    def ended(task, **fields):
        job = client.call("submit", task=task, **fields)["id"]
        return job, check_job(client.wait(job)[0])

    value = {"a": [1, -2, 2.5, None, True, b"\0\1", "text", [[[]]]]}
    job, told = ended("echo", argument=value)
    same((told["state"], told["task"], told["name"]), ("done", "echo", "echo"), "a task that echoes")
    answer = client.call("result", id=job)
    same(sorted(answer), ["job", "offset", "size", "value"], "fields of result")
    same(msgpack.unpackb(answer["value"]), value, "its argument comes back")
    same((answer["size"], answer["offset"], answer["job"]), (len(msgpack.packb(value)), 0, told), "result")
    same(told["result_size"], answer["size"], "result_size")
    job, told = ended("echo")
    same(client.call("result", id=job)["value"], None, "no argument, no value")
    check("result_size" not in told or told["result_size"] == 0, f"no value: {told!r}")
    job, told = ended("fail")
    same((told["state"], told["outcome"], told["code"]), ("failed", "exited", 3), "a task that fails")
    check("told" in told["message"], f"why it failed: {told['message']!r}")
    job, told = ended("refuse", argument=value, retries=2, retry_delay=0)
    same((told["state"], told["code"], told["attempt"]), ("failed", 4, 2), "a task that fails with a value")
    same(msgpack.unpackb(client.call("result", id=job)["value"]), value, "the value of a failed task")
    job, told = ended("refuse", argument=b"x" * 3 * MIB, retries=2, retry_delay=0)
    same((told["state"], told["attempt"], told["result_size"] > 3 * MIB), ("failed", 2, True), "a large one")
    same(client.call("result", id=job, offset=told["result_size"] - 3)["value"], b"xxx", "its end")
    job, told = ended("crash")
    same((told["state"], told["outcome"], told["signal"], told["exit_code"]), ("failed", "signalled", 6, 134), "crash")
    job, told = ended("say")
    same(client.output(job), b"said\n", "a task's stdout")
    same(client.output(job, "stderr"), b"complained\n", "a task's stderr")
    client.refused("unknown-task", "submit", task="no such task")


def case_large_values(daemon):
    """In a file above 1 MiB, else in the store; fetched by pieces."""
    client = daemon.start("--module", MODULE).connect()
    size = 3 * MIB + 5
    job = client.call("submit", task="bytes", argument=size)["id"]
    told = client.wait(job)[0]
    same((told["state"], told["result_size"]), ("done", size), "a large value")
    pieces = []
    while sum(map(len, pieces)) < size:
        answer = client.call("result", id=job, offset=sum(map(len, pieces)))
        same((answer["offset"], answer["size"]), (sum(map(len, pieces)), size), "offset and size")
        check(0 < len(answer["value"]) <= MIB, f"{len(answer['value'])} bytes of a value at once")
        pieces.append(answer["value"])
    same(set(b"".join(pieces)), {ord("x")}, "what the value is made of")
    same(len(client.call("result", id=job, offset=10, limit=7)["value"]), 7, "limit")
    job = client.call("submit", task="bytes", argument=MIB)["id"]
    client.wait(job)
    same(client.call("result", id=job, offset=MIB - 3)["value"], b"xxx", "the end of a value in the store")


def case_result_limit(daemon):
    """A value over its limit, or over the memory limit by its size alone, or over all memory, fails its job."""
    client = daemon.start("--module", MODULE).connect()

    def ended(task, size, **fields):
        job = client.call("submit", task=task, argument=size, **fields)["id"]
        return job, check_job(client.wait(job)[0])

    job, told = ended("hole", 1001, result_limit=1000)
    same((told["state"], told["code"]), ("failed", 5), "over its limit")
    same(client.status(job)["result_limit"], 1000, "in status")
    same(ended("bytes", 1000, result_limit=1000)[1]["state"], "done", "at its limit")
    same(ended("hole", 2 * MIB, memory=MIB)[1]["outcome"], "memory-limit", "a hole over the memory limit")
    same(ended("hole", 2 * MIB, memory=MIB, retry_oom=2.0)[1]["state"], "done", "which is raised")
    same(ended("hole", 2 * MIB, memory=MIB, result_limit=0)[1]["state"], "done", "without a limit on values")
    told = ended("hole", 1 << 42)[1]
    same((told["state"], told["outcome"]), ("failed", "output-limit"), "over all memory")
    check(str(1 << 42) in told["message"], f"names the size: {told['message']!r}")
    same(ended("bytes", 1000)[1]["state"], "done", "the next one")
    client.refused("invalid-value", "submit", command=["true"], result_limit=1000)
    client.refused("invalid-value", "submit", task="bytes", result_limit=-1)


def case_modules_that_do_not_load(daemon):
    text = daemon.refuses("--module", daemon.path("nothing.so"))
    check("nothing.so" in text, f"names the module: {text}")
    with open(daemon.path("text.so"), "w", encoding="ascii") as file:
        file.write("no shared object\n")
    check("text.so" in daemon.refuses("--module", daemon.path("text.so")), "names the module")
    check("faults.so" in daemon.refuses("--module", os.path.join(HELPERS, "faults.so")), "one without a table")
    check("tasks.so" in daemon.refuses("--module", MODULE, "--module", MODULE), "the same names twice")
    text = daemon.refuses("--module", MODULE, environment={"RECLAIM_TEST_LOAD_FAILS": "1"})
    check("told not to load" in text, f"the module's own reason: {text}")


BAD_REQUESTS = [
    ("unknown-method", "no-such-method", {}),
    ("unknown-method", "", {}),
    ("unknown-field", "submit", {"command": ["true"], "color": 1}),
    ("unknown-field", "stats", {"x": 1}),
    ("unknown-field", "wait", {"ids": [1], "x": None}),
    ("missing-field", "submit", {}),
    ("missing-field", "submit_many", {}),
    ("missing-field", "status", {}),
    ("missing-field", "wait", {}),
    ("missing-field", "cancel", {}),
    ("missing-field", "group", {"limit": 1}),
    ("wrong-type", "submit", {"command": "true"}),
    ("wrong-type", "submit", {"command": ["true", 1]}),
    ("wrong-type", "submit", {"command": ["true"], "priority": "high"}),
    ("wrong-type", "submit", {"command": ["true"], "priority": 1.5}),
    ("wrong-type", "submit", {"command": ["true"], "timeout": "5s"}),
    ("wrong-type", "submit", {"command": ["true"], "env": {"A": "b"}}),
    ("wrong-type", "submit", {"command": ["true"], "name": b"bytes"}),
    ("wrong-type", "submit", {"command": ["true"], "rerunnable": 1}),
    ("wrong-type", "submit", {"command": ["true"], "after": 1}),
    ("wrong-type", "submit", {"command": ["true"], "stdin": 5}),
    ("wrong-type", "submit", {"command": ["true"], "memory": 1e9}),
    ("wrong-type", "submit", {"command": ["true"], "memory": 64 << 20, "memory_backstop": 1}),
    ("wrong-type", "submit_many", {"jobs": {"command": ["true"]}}),
    ("wrong-type", "submit_many", {"jobs": [["true"]]}),
    ("wrong-type", "status", {"id": 1.0}),
    ("wrong-type", "status", {"id": None}),
    ("wrong-type", "hello", {"protocol": "1"}),
    ("wrong-type", "wait", {"ids": 1}),
    ("wrong-type", "list", {"state": "done"}),
    ("wrong-type", "drain", {"off": "no"}),
    ("invalid-value", "submit", {"command": ["true"], "memory_share": 1.01}),
    ("invalid-value", "submit", {"command": ["true"], "cpu_weight": 0}),
    ("invalid-value", "submit", {"command": ["true"], "cpu_weight": 10001}),
    ("invalid-value", "submit", {"command": ["true"], "memory_backstop": True}),
    ("invalid-value", "submit", {"command": []}),
    ("invalid-value", "submit", {"command": ["true"], "task": "echo"}),
    ("invalid-value", "submit", {"command": ["true"], "argument": 1}),
    ("invalid-value", "submit", {"task": "echo", "stdin": b""}),
    ("invalid-value", "submit", {"command": ["tr\0ue"]}),
    ("invalid-value", "submit", {"command": ["true"], "env": ["NOVALUE"]}),
    ("invalid-value", "submit", {"command": ["true"], "cwd": "relative"}),
    ("invalid-value", "submit", {"command": ["true"], "timeout": -1}),
    ("invalid-value", "submit", {"command": ["true"], "timeout": float("nan")}),
    ("invalid-value", "submit", {"command": ["true"], "timeout": float("inf")}),
    ("invalid-value", "submit", {"command": ["true"], "priority": 2**31}),
    ("invalid-value", "submit", {"command": ["true"], "priority": -(2**31) - 1}),
    ("invalid-value", "submit", {"command": ["true"], "memory": -1}),
    ("invalid-value", "submit", {"command": ["true"], "memory": 2**64 - 1}),
    ("invalid-value", "submit", {"command": ["true"], "key": ""}),
    ("invalid-value", "submit", {"command": ["true"], "key": "k" * 129}),
    ("invalid-value", "submit", {"command": ["true"], "name": "n" * 256}),
    ("invalid-value", "submit", {"command": ["true"], "name": "a\0b"}),
    ("invalid-value", "submit", {"command": ["true"], "group": ""}),
    ("invalid-value", "submit", {"command": ["true"], "group": "g" * 65}),
    ("invalid-value", "submit", {"command": ["true"], "retries": 0}),
    ("invalid-value", "submit", {"command": ["true"], "retry_oom": 1.0}),
    ("invalid-value", "submit", {"command": ["true"], "retry_oom": 101}),
    ("invalid-value", "submit", {"command": ["true"], "nice": 100}),
    ("invalid-value", "submit", {"command": ["true"], "delay": 1, "start_at": 1.0}),
    ("invalid-value", "submit", {"command": ["true"], "after_failure": "ignore"}),
    ("invalid-value", "submit", {"command": ["true"], "on_crash": "explode"}),
    ("invalid-value", "submit_many", {"jobs": [{"command": ["true"]}] * 10001}),
    ("invalid-value", "status", {"id": 0}),
    ("invalid-value", "status", {"id": -1}),
    ("invalid-value", "status", {"id": ""}),
    ("invalid-value", "list", {"state": ["sleeping"]}),
    ("invalid-value", "list", {"limit": 0}),
    ("invalid-value", "list", {"limit": 1001}),
    ("invalid-value", "output", {"id": 1, "stream": "stdlog"}),
    ("invalid-value", "output", {"id": 1, "offset": -1}),
    ("invalid-value", "wait", {"ids": [1], "timeout": -1}),
    ("unknown-job", "status", {"id": 2**53}),
    ("unknown-job", "status", {"id": "no such key"}),
    ("unknown-job", "wait", {"ids": [1, 999]}),
    ("unknown-job", "result", {"id": 999}),
    ("unknown-job", "output", {"id": 999}),
    ("unknown-job", "cancel", {"ids": [999]}),
    ("unknown-job", "remove", {"ids": [999]}),
    ("unknown-job", "retry", {"ids": [999]}),
    ("unknown-job", "set", {"ids": [999], "priority": 1}),
    ("unknown-job", "submit", {"command": ["true"], "after": [999]}),
    ("unknown-job", "submit", {"command": ["true"], "after": ["no such key"]}),
    ("unknown-group", "pause", {"group": "no such group"}),
    ("unknown-group", "resume", {"group": "no such group"}),
    ("unknown-group", "pause", {"group": "1"}),
    ("unknown-group", "resume", {"group": "18446744073709551616"}),
    ("unknown-task", "submit", {"task": "no such task"}),
    ("unknown-job", "submit", {"command": ["true"], "group": "not made", "after": [999]}),
    ("unknown-job", "set", {"ids": [999], "group": "not made"}),
    ("already-ended", "set", {"ids": [1], "group": "not made"}),
    ("never-fits", "submit", {"command": ["true"], "expected": 1 << 50}),
]


def case_bad_requests(daemon):
    """Each is refused with its code, on a connection that goes on; nothing is left of any."""
    client = daemon.start("--memory-budget", "1G").connect()
    first = client.submit(["true"])
    client.wait(first)
    for code, method, fields in BAD_REQUESTS:
        try:
            client.refused(code, method, **fields)
        except Failure as failure:
            raise Failure(f"{method} {repr(fields)[:80]}: {failure}") from failure
    # A field given twice.
    twice = msgpack.packb({"id": 1})[1:] * 2
    client.send_bytes(b"\x94\x00\x4d" + msgpack.packb("status") + b"\x91\x82" + twice)
    client.refusal("invalid-value", 77)
    # Refusals name what they are about.
    check("color" in client.refused("unknown-field", "submit", command=["true"], color=1), "names the field")
    same(client.refused("unknown-field", "stats", x=1), 'stats has no field "x": it has none', "a method without fields")
    check("no-such" in client.refused("unknown-method", "no-such"), "names the method")
    check("999" in client.refused("unknown-job", "status", id=999), "names the job")
    client.call("drain")
    client.refused("draining", "submit", command=["true"], group="not made")
    same([job["id"] for job in client.list_all()], [first], "jobs after all that was refused")
    same([group["name"] for group in client.call("stats")["groups"]], ["default"], "groups")


def case_pause_of_no_group(daemon):
    """It is told what there is to do instead; what names a group on purpose makes it."""
    client = daemon.start().connect()
    client.call("pause", group="default")
    job = client.submit(["true"], key="mine", group="made")
    for name in (str(job), "mine"):
        sentence = client.refused("unknown-group", "pause", group=name)
        check(name in sentence and "set" in sentence and "cancel" in sentence, f"a job is not paused: {sentence}")
        sentence = client.refused("unknown-group", "resume", group=name)
        check(name in sentence and "retry" in sentence, f"nor resumed: {sentence}")
    check("nihgt" in client.refused("unknown-group", "pause", group="nihgt"), "the group is named")
    client.wait(job)
    late = client.submit(["true"], start_at=4e9)
    client.call("set", ids=[late], group="moved")
    client.call("group", name="7")
    for name in ("made", "moved", "7"):
        client.call("pause", group=name)
        client.call("resume", group=name)


def case_too_large_a_job(daemon):
    """A command that no execve(2) would take is refused at once."""
    client = daemon.start().connect()
    client.refused("too-large", "submit", command=["true", *["x" * 100000] * 60])
    same(client.list_all(), [], "jobs")


def case_no_requests(daemon):
    """MessagePack that is no request: invalid-request, msgid nil, and the end of the connection."""
    daemon.start()
    for message in (
        42,
        None,
        {},
        [],
        [0],
        [0, 1, "stats"],
        [0, 1, "stats", [], 1],
        [0, -1, "stats", []],
        [0, 2**32, "stats", []],
        [0, "1", "stats", []],
        [0, 1, 5, []],
        [0, 1, "stats", {}],
        [0, 1, "stats", [1]],
        [0, 1, "stats", [{}, {}]],
        [1, 1, None, None],
        [2, "stats", []],
        [3, 1, "stats", []],
    ):
        with Client(daemon.socket_path) as client:
            client.send_bytes(pack(message))
            try:
                client.refusal("invalid-request", None)
                client.closed()
            except (Failure, Closed) as error:
                raise Failure(f"after {message!r}: {error!r}") from error
    # What came before is answered.
    with Client(daemon.socket_path) as client:
        client.send_bytes(pack([0, 5, "stats", []]) + pack("no request"))
        client.answer(5)
        client.refusal("invalid-request", None)
        client.closed()


def case_keys(daemon):
    """The same submit again is harmless; another job under the same key is refused."""
    client = daemon.start().connect()
    fields = {"command": ["sleep", "1000"], "key": "mine", "group": "a", "priority": 3, "env": ["A=b"], "timeout": 60}
    first = client.call("submit", **fields)
    same(first["created"], True, "created")
    again = client.call("submit", **fields)
    same(again, {"id": first["id"], "created": False}, "the same submit again")
    for change in {"priority": 4}, {"command": ["sleep", "1"]}, {"timeout": 61}, {"retries": 2}:
        client.refused("key-taken", "submit", **{**fields, **change})
    elsewhere = {**fields, "env": ["A=other"]}  # of a client that comes again from another session
    same(client.call("submit", **elsewhere), {"id": first["id"], "created": False}, "the same but for env")
    same(client.status("mine")["id"], first["id"], "status by key")
    same(client.status("mine")["key"], "mine", "the key of a job")
    daemon.kill()
    client = daemon.start().connect()
    same(client.call("submit", **fields), {"id": first["id"], "created": False}, "and after a crash")
    # All or none.
    client.refused("key-taken", "submit_many", jobs=[{"command": ["true"]}, {**fields, "priority": 9}])
    same(len(client.list_all()), 1, "jobs")
    both = client.call("submit_many", jobs=[fields, {"command": ["true"], "key": "other"}])["jobs"]
    same([job["created"] for job in both], [False, True], "one known, one new")
    try:
        client.call("cancel", ids=["mine"])
    except Refused as refused:
        same(refused.code, "already-ended", "interrupted by the kill")
    client.wait(first["id"], both[1]["id"])
    client.call("remove", ids=["mine"])
    client.refused("unknown-job", "status", id="mine")
    fresh = client.call("submit", **{**fields, "command": ["true"]})
    same(fresh["created"], True, "a key is free again when its job is gone")
    check(fresh["id"] > both[1]["id"], "ids are never used again")


def case_submit_many(daemon):
    client = daemon.start().connect()
    log = daemon.path("order")
    jobs = [
        {"command": sh("echo last >>$1", log), "after": ["b", "a"]},
        {"command": sh("echo b >>$1", log), "key": "b", "after": ["a"]},
        {"command": sh("echo a >>$1", log), "key": "a"},
    ]
    told = client.call("submit_many", jobs=jobs)["jobs"]
    same([sorted(job) for job in told], [["created", "id"]] * 3, "what is told of each")
    ids = [job["id"] for job in told]
    same(ids, sorted(ids), "ids in order")
    client.wait(*ids)
    same(daemon.lines("order"), ["a", "b", "last"], "the order in which they ran")
    same(client.status(ids[0])["after"], [ids[1], ids[2]], "after, resolved")
    cycle = [{"command": ["true"], "key": str(i), "after": [str((i + 1) % 3)]} for i in range(3)]
    client.refused("cycle", "submit_many", jobs=cycle)
    client.refused("cycle", "submit_many", jobs=[{"command": ["true"], "key": "own", "after": ["own"]}])
    client.refused("wrong-type", "submit_many", jobs=[{"command": ["true"]}, {"command": 1}])
    client.refused("unknown-job", "submit_many", jobs=[{"command": ["true"]}, {"command": ["true"], "after": [10**6]}])
    same(len(client.list_all()), 3, "nothing is left of those refused")
    many = client.call("submit_many", jobs=[{"command": ["true"], "start_at": 4e9}] * 10000)["jobs"]
    same(len({job["id"] for job in many}), 10000, "ten thousand at once")
    same(client.call("stats")["jobs"]["waiting"], 10000, "all wait for their time")


def case_dependencies(daemon):
    client = daemon.start().connect()
    daemon.fifo("go")
    gate = client.submit(sh("read x <$1; exit 3", daemon.path("go")))
    failing = client.submit(["true"], after=[gate])
    patient = client.submit(["true"], after=[gate], after_failure="run")
    chained = client.submit(["true"], after=[failing])
    told = check_job(client.status(failing))
    same((told["state"], told["waits"], told["after"]), ("waiting", "after", [gate]), "a job that waits for another")
    daemon.release("go")
    jobs = [check_job(job) for job in client.wait(gate, failing, patient, chained)]
    same([job["state"] for job in jobs], ["failed", "failed", "done", "failed"], "states")
    same([job["outcome"] for job in jobs], ["exited", "dependency-failed", "exited", "dependency-failed"], "outcomes")
    check("started_at" not in jobs[1], "never started")
    # Of jobs that have ended.
    late = client.submit(["true"], after=[patient])
    same(client.wait(late)[0]["state"], "done", "after one that is done")
    late = client.submit(["true"], after=[gate])
    same(client.wait(late)[0]["outcome"], "dependency-failed", "after one that has failed")
    # Cancelled counts as not successful.
    first = client.submit(["sleep", "1000"])
    second = client.submit(["true"], after=[first])
    client.call("cancel", ids=[first])
    same([job["outcome"] for job in client.wait(first, second)], ["cancelled", "dependency-failed"], "after a cancel")


def case_long_chains(daemon):
    """As many jobs in a row as one call can take: failing one fails all, and a ring of them is found."""
    count = 10000
    client = daemon.start().connect()
    jobs = [{"command": ["true"], "key": f"a{i}", "after": [f"a{i - 1}"] if i else []} for i in range(count)]
    jobs[0] = {"command": ["true"], "key": "a0", "start_at": 4e9}
    ids = [job["id"] for job in client.call("submit_many", jobs=jobs[::-1])["jobs"]]
    last = client.submit(["true"], after=ids[1:], after_failure="run")
    client.call("cancel", ids=["a0"])
    same(client.wait(last)[0]["state"], "done", "one after all of them")
    same(client.status("a9999")["outcome"], "dependency-failed", "the end of the chain")
    same(client.call("stats")["jobs"]["failed"], count - 1, "failed jobs")
    same(client.status(last)["after"], ids[1:], "after, of many")
    ring = [{"command": ["true"], "key": f"b{i}", "after": [f"b{i - 1}"]} for i in range(1, count)]
    ring.append({"command": ["true"], "key": "b0", "after": [f"b{count - 1}"]})
    client.refused("cycle", "submit_many", jobs=ring)
    same(sum(client.call("stats")["jobs"].values()), count + 1, "jobs")


METHODS = """hello submit submit_many status list wait result output cancel remove retry pause resume set group
    subscribe unsubscribe stats""".split()
FIELDS = [*JOB, *"protocol client jobs ids limit newest any timeout offset stream follow argument".split()]
FIELDS += "env cwd stdin kill_after memory expected retries retry_delay retry_oom delay on_crash keep".split()
VALUES = [None, True, False, 0, 1, -1, 2, 7, 2**31, 2**63, -(2**63), 2**64 - 1, 0.0, 0.1, -0.5, 1e300, float("nan")]
VALUES += [float("inf"), "", "x", "default", "stderr", "requeue", "run", "k" * 128, "a\0b", b"", b"bytes", [], [1, 2]]
VALUES += [["x"], ["true"], ["false"], [1, "x", None], ["A=b"], [[]], {}]
VALUES += [{"command": ["true"]}, [{"command": ["true"]}]]


def case_random_requests(daemon):
    """Any method with any fields: each is answered, by a result or by a refusal of the protocol."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    client = daemon.start("--keep", "0").connect()
    for _ in range(40):
        numbers = []
        for _ in range(100):
            fields = {chance.choice(FIELDS): chance.choice(VALUES) for _ in range(chance.randrange(4))}
            method = chance.choice(METHODS)
            if method == "submit" and chance.random() < 0.7:
                fields["command"] = ["true"]
            if method == "wait":
                fields["timeout"] = chance.choice((0, 0.01))
            numbers.append((client.send(method, **fields), method, fields))
        for number, method, fields in numbers:
            if method == "output" and fields.get("follow") is True:
                continue  # answered when there is something
            try:
                client.answer(number)
            except Refused:
                pass
            except (Failure, Closed) as error:
                raise Failure(f"{method} {fields!r} of seed {seed}: {error!r}") from error
        client.events.clear()
    for job in client.list_all():
        check_job(job)
    client.call("resume")
    client.call("stats")


def case_times(daemon):
    client = daemon.start().connect()
    before = time.time()
    job = client.submit(["true"], delay=0.4)
    told = check_job(client.status(job))
    same((told["state"], told["waits"]), ("waiting", "time"), "a delayed job")
    check(abs(told["start_at"] - before - 0.4) < 5, f"start_at {told['start_at']}")
    done = client.wait(job)[0]
    check(done["started_at"] >= before + 0.4, f"started {done['started_at'] - before} s after the submit")
    job = client.submit(["true"], start_at=time.time() + 0.2)
    same(client.wait(job)[0]["state"], "done", "start_at")
    same(client.wait(client.submit(["true"], start_at=1.0))[0]["state"], "done", "a time long past")
    late = client.submit(["true"], start_at=4e9)
    client.call("cancel", ids=[late])
    same(client.wait(late)[0]["outcome"], "cancelled", "cancelled before its time")
    # keep: gone by itself after its end.
    job = client.submit(["true"], keep=0)
    until(lambda: not [told for told in client.list_all() if told["id"] == job], lambda: "keep 0 is over")
    client.refused("unknown-job", "output", id=job)
    kept = client.submit(["true"], keep=3600)
    client.wait(kept)
    client.status(kept)


def case_keep_option(daemon):
    """--keep, for jobs that do not say it themselves: files go, too."""
    client = daemon.start("--keep", "0.2").connect()
    short, long = client.submit(["echo", "x"]), client.submit(["echo", "x"], keep=3600)
    until(lambda: [job["id"] for job in client.list_all()] == [long], lambda: "the one that is not kept is gone")
    files = [name for _, _, names in os.walk(os.path.join(daemon.state, "jobs")) for name in names]
    check(not [name for name in files if name.startswith(f"{short}.")], f"files of a job that is gone: {files}")
    same(client.output(long), b"x\n", "what is kept")


def case_retries(daemon):
    client = daemon.start().connect()
    script = "echo $RECLAIM_JOB_ID $RECLAIM_ATTEMPT >>$1; test $(wc -l <$1) -ge $2"
    job = client.submit(sh(script, daemon.path("a"), 3), retries=5, retry_delay=0.05)
    done = check_job(client.wait(job)[0])
    same((done["state"], done["attempt"]), ("done", 3), "done at the third run")
    same(daemon.lines("a"), [f"{job} 1", f"{job} 2", f"{job} 3"], "id and attempt in the environment")
    job = client.submit(sh("echo run >>$1; echo $RECLAIM_ATTEMPT; exit 4", daemon.path("b")), retries=2, retry_delay=0)
    failed = client.wait(job)[0]
    same((failed["state"], failed["exit_code"], failed["attempt"]), ("failed", 4, 2), "failed for good")
    same(daemon.lines("b"), ["run", "run"], "its runs")
    same(client.output(job), b"2\n", "output is the last run's")
    # Between runs it waits, and can be cancelled.
    job = client.submit(["false"], retries=3, retry_delay=1000)
    until(lambda: client.status(job).get("waits") == "retry", lambda: f"a job between two runs {client.status(job)}")
    told = check_job(client.status(job))
    same((told["state"], told["attempt"]), ("waiting", 1), "between two runs")
    client.call("cancel", ids=[job])
    same(client.wait(job)[0]["state"], "cancelled", "cancelled between two runs")
    # More memory after memory-limit.
    job = client.submit(sh("head -c 40M /dev/zero | tail | wc -c"), memory=16 * MIB, retry_oom=8)
    done = client.wait(job)[0]
    same((done["state"], done["memory_limit_bytes"]), ("done", 128 * MIB), "run again with more memory")
    same(done["attempt"], 2, "runs")
    machine = client.call("stats")["memory"]["budget"] / 0.8  # the budget is 80 % of it
    share = 16 * MIB / machine
    job = client.submit(sh("head -c 40M /dev/zero | tail | wc -c"), memory_share=share, retry_oom=8)
    done = client.wait(job)[0]
    same((done["state"], done["memory_limit_bytes"] // MIB in (127, 128)), ("done", True), "with more than a share")
    # By hand: the same id, all its runs again.
    job = client.submit(sh("test -e $1", daemon.path("there")))
    same(client.wait(job)[0]["state"], "failed", "before retry")
    client.refused("not-ended", "retry", ids=[job, client.submit(["sleep", "1000"], key="sleeps")])
    same(client.status(job)["state"], "failed", "all or nothing")
    with open(daemon.path("there"), "w", encoding="ascii"):
        pass
    client.call("retry", ids=[job])
    same(client.wait(job)[0]["state"], "done", "after retry")
    client.call("cancel", ids=["sleeps"])


def case_cancel_and_remove(daemon):
    client = daemon.start().connect()
    running = client.submit(sh("trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.01; done"))
    client.call("output", id=running, follow=True)
    waiting = client.submit(["true"], start_at=4e9)
    client.refused("not-ended", "remove", ids=[running])
    client.refused("not-ended", "result", id=running)
    client.call("cancel", ids=[running, waiting])
    jobs = [check_job(job) for job in client.wait(running, waiting)]
    same([job["outcome"] for job in jobs], ["cancelled"] * 2, "outcomes")
    same([job["state"] for job in jobs], ["cancelled"] * 2, "states")
    same(client.output(running), b"ready\nasked\n", "it was asked first")
    client.refused("already-ended", "cancel", ids=[running])
    deaf = client.submit(sh("trap '' TERM; echo ready; while :; do sleep 0.01; done"), kill_after=0.05)
    client.call("output", id=deaf, follow=True)
    client.call("cancel", ids=[deaf])
    same(client.wait(deaf)[0]["state"], "cancelled", "one that does not listen")
    # All or nothing.
    late = client.submit(["true"], start_at=4e9)
    client.refused("already-ended", "cancel", ids=[late, deaf])
    same(client.status(late)["state"], "waiting", "after a cancel that was refused")
    client.refused("not-ended", "remove", ids=[running, late])
    client.status(running)
    client.call("remove", ids=[running, deaf])
    for job in running, deaf:
        client.refused("unknown-job", "status", id=job)
    same([job["id"] for job in client.list_all()], [waiting, late], "what is left")
    # A wait for a job that goes away does not hang.
    number = client.send("wait", ids=[late])
    client.call("cancel", ids=[late])
    client.call("remove", ids=[late])
    client.answer(number)


def case_list(daemon):
    client = daemon.start().connect()
    done = [client.submit(["true"], group="a", name=f"n{i % 2}") for i in range(5)]
    late = [client.submit(["true"], group="b", start_at=4e9) for _ in range(5)]
    client.wait(*done)

    def ids(**fields):
        return [check_job(job)["id"] for job in client.call("list", **fields)["jobs"]]

    same(ids(), done + late, "all")
    same(client.call("list")["next"], None, "one page")
    same(ids(newest=True), (done + late)[::-1], "the newest first")
    same(ids(group="b"), late, "of a group")
    same(ids(state=["done"]), done, "of a state")
    same(ids(state=["waiting", "done"], group="a"), done, "of states and a group")
    same(ids(name="n1"), done[1::2], "of a name")
    same(ids(ids=[done[3], late[0]]), [done[3], late[0]], "by id")
    same(ids(group="none"), [], "of a group that is not there")
    page = client.call("list", limit=4)
    same(([job["id"] for job in page["jobs"]], page["next"]), (done[:4], done[3]), "the first page")
    page = client.call("list", limit=4, after=page["next"])
    same([job["id"] for job in page["jobs"]], [done[4], *late[:3]], "the second page")
    page = client.call("list", limit=4, after=page["next"])
    same(([job["id"] for job in page["jobs"]], page["next"]), (late[3:], None), "the last page")
    page = client.call("list", limit=3, newest=True)
    same(page["next"], late[2], "next, from the newest down")
    same(ids(limit=3, newest=True, after=late[2])[:2], [late[1], late[0]], "and its second page")
    client.call("cancel", ids=late)


def case_wait(daemon):
    client = daemon.start().connect()
    daemon.fifo("go")
    slow = client.submit(sh("read x <$1", daemon.path("go")), key="slow")
    quick = client.submit(["true"])
    both = client.send("wait", ids=[quick, "slow"])
    one = client.call("wait", ids=[slow, quick], any=True)
    same(([job["id"] for job in one["jobs"]], one["timed_out"]), ([quick], False), "any")
    timed = client.call("wait", ids=[slow, quick], timeout=0.05)
    same(([job["id"] for job in timed["jobs"]], timed["timed_out"]), ([quick], True), "timed out")
    at_once = client.call("wait", ids=[slow], timeout=0)
    same((at_once["jobs"], at_once["timed_out"]), ([], True), "timeout 0 only looks")
    same(both in client.answers, False, "a wait for all is not answered before all have ended")
    daemon.release("go")
    answer = client.answer(both)
    same(sorted(job["id"] for job in answer["jobs"]), sorted([quick, slow]), "all")
    same(answer["timed_out"], False, "timed_out")
    same(client.call("wait", ids=[slow])["jobs"][0]["state"], "done", "of one that has ended")
    # A client that goes away while it waits.
    late = client.submit(["true"], start_at=4e9)
    with Client(daemon.socket_path) as other:
        other.send("wait", ids=[late])
        other.call("stats")
    client.call("cancel", ids=[late])


def case_output(daemon):
    client = daemon.start().connect()
    daemon.fifo("go")
    script = "printf one; printf err >&2; read x <$1; printf two; read x <$1; exit 0"
    job = client.submit(sh(script, daemon.path("go")))
    first = client.call("output", id=job, follow=True)
    same(sorted(first), ["attempt", "data", "ended", "offset", "size"], "fields of output")
    same(first, {"data": b"one", "offset": 0, "size": 3, "ended": False, "attempt": 1}, "the first part")
    same(client.call("output", id=job, stream="stderr", follow=True)["data"], b"err", "of stderr")
    number = client.send("output", id=job, offset=3, follow=True)
    same(client.call("output", id=job, offset=3)["data"], b"", "nothing more without follow")
    daemon.release("go")
    answer = client.answer(number)
    same((answer["data"], answer["offset"], answer["size"], answer["ended"]), (b"two", 3, 6, False), "the second part")
    number = client.send("output", id=job, offset=6, follow=True)
    daemon.release("go")
    answer = client.answer(number)
    same((answer["data"], answer["offset"], answer["size"], answer["ended"]), (b"", 6, 6, True), "its end")
    same(client.call("output", id=job, offset=2, limit=3)["data"], b"etw", "offset and limit")
    late = client.submit(["true"], start_at=4e9)
    empty = client.call("output", id=late)
    same((empty["data"], empty["size"], empty["ended"]), (b"", 0, False), "of a job that never ran")
    client.call("cancel", ids=[late])


def case_output_of_another_run(daemon):
    """Who follows and says which run it was sees the next one from its start."""
    client = daemon.start().connect()
    daemon.fifo("go")
    command = sh("echo run $RECLAIM_ATTEMPT; read x <$1; exit 1", daemon.path("go"))
    job = client.submit(command, retries=2, retry_delay=0)
    first = client.call("output", id=job, follow=True)
    same((first["data"], first["attempt"]), (b"run 1\n", 1), "the first run's")
    number = client.send("output", id=job, offset=6, attempt=1, follow=True)
    daemon.release("go")
    answer = client.answer(number)
    while answer["attempt"] == 1:  # its end may be told before the next one has begun
        answer = client.call("output", id=job, offset=6, attempt=1, follow=True)
    if not answer["data"]:
        answer = client.call("output", id=job, attempt=2, follow=True)
    same((answer["data"], answer["offset"], answer["attempt"]), (b"run 2\n", 0, 2), "the second run's")
    daemon.release("go")
    client.wait(job)


def case_retry_of_a_chain(daemon):
    """Jobs that are retried together run in their order again."""
    client = daemon.start().connect()
    script = "echo $2 >>$1; test $(grep -c first $1) -gt 1"
    first = client.submit(sh(script, daemon.path("runs"), "first"))
    second = client.submit(sh(script, daemon.path("runs"), "second"), after=[first])
    same([job["outcome"] for job in client.wait(first, second)], ["exited", "dependency-failed"], "before")
    client.call("retry", ids=[second, first])
    jobs = client.wait(first, second)
    same([(job["state"], job["attempt"]) for job in jobs], [("done", 2), ("done", 1)], "after")
    same(daemon.lines("runs"), ["first", "first", "second"], "runs")


def case_output_of_the_next_run(daemon):
    """As long as the one before, or longer: who follows gets it from its beginning, and all of either."""
    client = daemon.start().connect()
    daemon.fifo("go")
    script = "printf $RECLAIM_ATTEMPT-one; read x <$1; [ $RECLAIM_ATTEMPT = 3 ] || exit 1; printf more; read x <$1"
    job = client.submit(sh(script, daemon.path("go")), retries=3, retry_delay=0)
    place = {"attempt": 0, "offset": 0}
    for attempt in 1, 2, 3:
        answer = client.call("output", id=job, follow=True, **place)
        same(answer["data"], b"%d-one" % attempt, "what it begins with")
        same((answer["attempt"], answer["offset"]), (attempt, 0), "whose it is")
        place = {"attempt": attempt, "offset": 5}
        number = client.send("output", id=job, follow=True, **place)
        same(client.call("output", id=job, **place)["data"], b"", "it has no more")
        daemon.release("go")
        if attempt < 3:
            same(client.answer(number)["attempt"], attempt + 1, "another run's answer")
    same(client.answer(number)["data"], b"more", "the rest")
    same(client.call("output", id=job, offset=2, attempt=1)["data"], b"3-onemore", "asked for an earlier run")
    same(client.call("output", id=job, offset=2, attempt=3)["data"], b"onemore", "asked for this one")
    same(client.call("output", id=job, offset=2)["data"], b"onemore", "asked for any")
    daemon.release("go")
    same(client.wait(job)[0]["attempt"], 3, "runs")


def case_output_at_most(daemon):
    """--max-output: what is beyond is dropped, and the job is none the worse."""
    client = daemon.start("--max-output", "64K").connect()
    job = client.submit(sh("head -c 1M /dev/zero; head -c 1000 /dev/zero >&2; echo end >$1", daemon.path("end")))
    done = check_job(client.wait(job)[0])
    same((done["state"], done["truncated"], done["stdout_size"]), ("done", True, 65536), "a job that writes too much")
    same(done["stderr_size"], 1000, "the other stream")
    same(daemon.lines("end"), ["end"], "it went on")
    same(len(client.output(job)), 65536, "what is kept")
    quiet = client.wait(client.submit(["true"]))[0]
    check(not quiet.get("truncated"), "nothing was dropped")


def case_groups_and_priorities(daemon):
    client = daemon.start().connect()
    client.call("group", name="g")
    client.call("pause", group="g")
    log = daemon.path("order")
    jobs = [
        client.submit(sh("echo $2 >>$1", log, i), group="g", priority=priority)
        for i, priority in enumerate((0, 5, 0, -1, 5))
    ]
    told = check_job(client.status(jobs[0]))
    same((told["state"], told["waits"]), ("queued", "paused"), "in a paused group")
    same(client.wait(client.submit(["true"]))[0]["state"], "done", "other groups go on")
    client.call("set", ids=[jobs[2]], priority=9)
    client.call("group", name="g", limit=1)
    group = next(group for group in client.call("stats")["groups"] if group["name"] == "g")
    expected = {"name": "g", "limit": 1, "paused": True, "waiting": 0, "queued": 5, "running": 0}
    same(group, expected, "a group in stats")
    daemon.kill()
    client = daemon.start().connect()
    group = next(group for group in client.call("stats")["groups"] if group["name"] == "g")
    same(group, expected, "and after a crash")
    client.call("resume", group="g")
    client.wait(*jobs)
    same(daemon.lines("order"), ["2", "1", "4", "0", "3"], "highest priority first, then by id")


def case_group_limits(daemon):
    """How many of a group run at once."""
    client = daemon.start().connect()
    client.call("group", name="g", limit=1)
    daemon.fifo("go")
    first, second = (client.submit(sh("read x <$1", daemon.path("go")), group="g") for _ in range(2))
    until(lambda: client.status(first)["state"] == "running", lambda: "the first runs")
    told = client.status(second)
    same((told["state"], told["waits"]), ("queued", "group-full"), "the second")
    client.refused("already-running", "set", ids=[first], priority=1)
    client.call("set", ids=[second], group="h")
    until(lambda: client.status(second)["state"] == "running", lambda: "the second runs in another group")
    same(client.status(second)["group"], "h", "its group")
    third = client.submit(sh("read x <$1", daemon.path("go")), group="g")
    client.call("group", name="g", limit=None)
    same(client.status(third)["waits"], "worker", "no limit, but no worker either")
    for _ in range(3):
        daemon.release("go")
    client.wait(first, second, third)
    client.refused("already-ended", "set", ids=[first], priority=1)


def case_pause_all(daemon):
    """For all groups, and for as long as nobody says otherwise."""
    client = daemon.start().connect()
    client.call("pause")
    same(client.call("stats")["paused"], True, "paused")
    held = client.submit(["true"])
    same(client.status(held)["waits"], "paused", "all are paused")
    daemon.kill()
    client = daemon.start().connect()
    same((client.call("stats")["paused"], client.status(held)["state"]), (True, "queued"), "and after a crash")
    client.call("resume")
    client.wait(held)


def case_subscribe(daemon):
    client = daemon.start().connect()
    other = daemon.connect()
    same(client.call("subscribe"), {}, "subscribe")
    job = other.submit(["true"])
    kinds = []
    for kind in "submitted", "started", "ended":
        event = client.event()
        same(sorted(event), ["event", "job"], "fields of an event")
        same(check_job(event["job"])["id"], job, "whose event")
        kinds.append(event["event"])
        if kind == "ended":
            same(event["job"]["state"], "done", "how it ended")
    same(kinds, ["submitted", "started", "ended"], "events in order")
    other.call("remove", ids=[job])
    same(client.event()["event"], "removed", "removed")
    # What is told is on disk: even if the daemon is killed now.
    job = other.submit(sh("exit 3"), retries=2, retry_delay=0, group="g")
    for kind in "submitted", "started", "requeued", "started", "ended":
        event = client.event()
        same((event["event"], event["job"]["id"]), (kind, job), "an event")
    daemon.kill()
    client = daemon.start().connect()
    same(client.status(job)["state"], "failed", "what was told holds")
    # A second subscribe replaces the first; filters.
    other = daemon.connect()
    client.call("subscribe")
    client.call("subscribe", group="wanted")
    ids = [other.submit(["true"], group=group) for group in ("other", "wanted")]
    other.wait(*ids)
    same([client.event()["job"]["id"] for _ in range(3)], [ids[1]] * 3, "events of a group")
    ids = [other.submit(["true"], start_at=4e9) for _ in range(2)]
    client.call("subscribe", ids=[ids[1]])
    other.call("cancel", ids=ids)
    event = client.event()
    same((event["event"], event["job"]["id"]), ("ended", ids[1]), "events of a job")
    client.call("unsubscribe")
    other.wait(other.submit(["true"]))
    client.call("stats")
    same(list(client.events), [], "after unsubscribe")


def case_stats(daemon):
    client = daemon.start("--workers", "3", "--memory-budget", "512M").connect()
    client.wait(client.submit(["true"]), client.submit(["false"]))
    stats = client.call("stats")
    expected = """version pid uptime_seconds jobs groups workers clients draining paused read_only store_bytes memory
        workers_started evictions fork_servers_lost"""
    same(sorted(stats), sorted(expected.split()), "fields of stats")
    same(stats["jobs"], {"waiting": 0, "queued": 0, "running": 0, "done": 1, "failed": 1, "cancelled": 0}, "jobs")
    same(sorted(stats["memory"]), ["available", "budget", "host", "method", "reserved", "workers"], "memory")
    same(stats["memory"]["budget"], 512 * MIB, "budget")
    same((stats["pid"], stats["workers"], stats["clients"]), (daemon.pid, 3, 1), "pid, workers, clients")
    same((stats["draining"], stats["paused"], stats["read_only"]), (False, False, None), "how it is")
    check(stats["store_bytes"] > 0 and stats["workers_started"] >= 2, f"{stats!r}")


def case_drain_and_shutdown(daemon):
    client = daemon.start().connect()
    daemon.fifo("go")
    job = client.submit(sh("read x <$1", daemon.path("go")))
    queued = client.submit(["true"], group="later")
    client.call("drain")
    client.refused("draining", "submit", command=["true"])
    client.refused("draining", "submit_many", jobs=[{"command": ["true"]}])
    same(client.call("stats")["draining"], True, "draining")
    client.wait(queued)
    client.call("drain", off=True)
    client.wait(client.submit(["true"]))
    same(client.call("shutdown", drain_timeout=SECONDS), {}, "shutdown")
    client.refused("shutting-down", "submit", command=["true"])
    daemon.release("go")
    daemon.wait()
    client = daemon.start().connect()
    same(client.status(job)["state"], "done", "what ran was finished")


def case_shutdown_ends(daemon):
    """After the time that shutdown gives, what runs is ended and queued again."""
    client = daemon.start().connect()
    job = client.submit(sh("echo run >>$1; test $(wc -l <$1) -gt 1 || exec sleep 1000", daemon.path("runs")))
    until(lambda: daemon.lines("runs"), lambda: "it runs")
    client.call("shutdown", drain_timeout=0)
    daemon.wait()
    check(not daemon.processes(), "nothing runs on")
    client = daemon.start().connect()
    same(client.wait(job)[0]["state"], "done", "it ran again")
    same(daemon.lines("runs"), ["run", "run"], "its runs")


def case_full(daemon):
    """--max-queue and --max-client-jobs."""
    client = daemon.start("--max-queue", "5", "--max-client-jobs", "3").connect()
    late = {"command": ["true"], "start_at": 4e9}
    client.refused("too-many-jobs", "submit_many", jobs=[late] * 4)
    ids = [job["id"] for job in client.call("submit_many", jobs=[late] * 3)["jobs"]]
    client.refused("too-many-jobs", "submit", **late)
    other = daemon.connect()
    other.refused("queue-full", "submit_many", jobs=[late] * 3)
    other.call("submit_many", jobs=[late] * 2)
    other.refused("queue-full", "submit", **late)
    same(len(client.list_all()), 5, "jobs")
    client.call("cancel", ids=ids[:1])
    client.call("submit", **late)
    client.refused("too-many-jobs", "submit", **late)


def case_too_many_requests(daemon):
    client = daemon.start().connect()
    late = client.submit(["true"], start_at=4e9)
    numbers = [client.send("wait", ids=[late]) for _ in range(1000)]
    client.refusal("too-many-requests", client.send("wait", ids=[late]))
    with Client(daemon.socket_path) as other:
        other.call("cancel", ids=[late])
    for number in numbers:
        same(client.answer(number)["timed_out"], False, "a wait of many")
    client.call("stats")


def case_a_file_that_is_gone(daemon):
    """A result that somebody has removed: said so."""
    client = daemon.start("--module", MODULE).connect()
    job = client.call("submit", task="bytes", argument=2 * MIB)["id"]
    client.wait(job)
    for folder, _, names in os.walk(os.path.join(daemon.state, "jobs")):
        for name in names:
            if name == f"{job}.value":
                os.unlink(os.path.join(folder, name))
    client.refused("storage", "result", id=job)


if __name__ == "__main__":
    main(globals())
