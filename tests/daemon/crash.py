#!/usr/bin/env python3
"""kill -9 of the daemon: what was acknowledged is there, nothing runs twice at once, nothing is lost.

    python3 tests/daemon/crash.py path/to/reclaimd path/to/helpers [case...]
"""
import collections
import os
import signal
import time

from daemon import CASE_SECONDS, SECONDS, SLOW, Client, Closed, check, main, same, sh, until
from faults import Faults
from storm import Storm


def case_submit_storm(daemon):
    """200 kills at random points."""
    storm = Storm(daemon)
    storm.run(200 // SLOW, CASE_SECONDS * 0.8)
    print(storm.told(), flush=True)
    check(storm.round >= 100 // SLOW, f"only {storm.round} kills")
    check(min(storm.acknowledged, storm.unanswered) >= storm.round, "kills before and after answers")


# Runs under a lock that dies with it, deaf to requests, in a session of its own. $1: lock, $2: runs, $3: fifo
STUBBORN = """trap '' TERM HUP INT
exec setsid -w flock -n -E 99 "$1" sh -c '
    echo "$RECLAIM_ATTEMPT" >>"$2"
    read x <"$3"
' sh "$@"
"""


def case_killed_in_a_job(daemon):
    """Requeued or interrupted, as the job asked; never two at once."""
    client = daemon.start().connect()
    daemon.fifo("go")

    def stubborn(name, on_crash):
        command = sh(STUBBORN, daemon.path(name + ".lock"), daemon.path(name + ".runs"), daemon.path("go"))
        return client.submit(command, name=name, on_crash=on_crash, env=["A=b", *jobs_environment(daemon)])

    again, once = stubborn("again", "requeue"), stubborn("once", "interrupted")
    until(lambda: daemon.lines("once.runs"), lambda: "the job that is to be interrupted runs")
    for kills in range(1, 6):
        until(lambda: len(daemon.lines("again.runs")) == kills, lambda: f"run {kills} of {daemon.lines('again.runs')}")
        daemon.kill()
        client = daemon.start().connect()
        if kills == 1:
            job = client.wait(once)[0]
            same((job["state"], job["outcome"], job["interruptions"]), ("failed", "interrupted", 1), "interrupted")
    until(lambda: len(daemon.lines("again.runs")) == 6, lambda: "the last run")
    daemon.release("go")
    job = client.wait(again)[0]
    same((job["state"], job["exit_code"], job["interruptions"]), ("done", 0, 5), "requeued")
    same(daemon.lines("again.runs"), [str(i) for i in range(1, 7)], "attempts")
    same(daemon.lines("once.runs"), ["1"], "runs of the one that was interrupted")


def jobs_environment(daemon):
    """For a job with an environment of its own, which still has to be found if it is left behind."""
    return ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", daemon.tag.decode()]


def case_dead_tree(daemon):
    """Nothing of a killed daemon lives on: no worker, no job, no child of a job."""
    client = daemon.start().connect()
    job = client.submit(sh("setsid sleep 1000 & trap '' TERM; echo $! >$1; wait; wait", daemon.path("pid")))
    until(lambda: daemon.lines("pid"), lambda: "the job's child")
    child = int(daemon.lines("pid")[0])
    check(child in daemon.processes(), "the child is one of ours")
    daemon.kill()
    until(lambda: not daemon.processes(), lambda: f"the end of {daemon.commands()}")
    client = daemon.start().connect()
    same(client.status(job)["outcome"], "interrupted", "the job")


def case_lost_answer(daemon):
    """A client that got no answer submits again: one job."""
    client = daemon.start().connect()
    fields = {"command": ["sleep", "1000"], "key": "once"}
    for _ in range(3):  # a connection that is closed before the answer
        with Client(daemon.socket_path) as other:
            other.send("submit", **fields)
    until(lambda: client.list_all(), lambda: "the job that was sent")
    first = client.list_all()[0]["id"]
    same(client.call("submit", **fields), {"id": first, "created": False}, "submitted again")
    # One that is cut off by a kill, after the commit and before the answer is read.
    daemon.connect().send("submit", command=["true"], key="other", start_at=4e9)
    until(lambda: len(client.list_all()) == 2, lambda: "the second job")
    daemon.kill()
    client = daemon.start().connect()
    again = client.call("submit", command=["true"], key="other", start_at=4e9)
    same(again["created"], False, "submitted again after a kill")
    same(len(client.list_all()), 2, "jobs")


def case_one_key_at_once(daemon):
    """Many clients submit the same job in the same moment: one job."""
    daemon.start()
    clients = [daemon.connect() for _ in range(50)]
    numbers = [client.send("submit", key="one", **{"command": ["true"]}) for client in clients]
    answers = [client.answer(number) for client, number in zip(clients, numbers)]
    same({answer["id"] for answer in answers}, {answers[0]["id"]}, "ids")
    same(sum(answer["created"] for answer in answers), 1, "how many have created it")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def two_that_run(daemon, client, **fields):
    """One that may run once, one that may run twice; the second run of each ends."""
    script = "echo run >>$1; test $(wc -l <$1) -gt 1 || sleep 1000"
    jobs = [client.submit(sh(script, daemon.path(str(runs))), retries=runs, **fields) for runs in (1, 2)]
    until(lambda: daemon.lines("1") and daemon.lines("2"), lambda: "both run")
    return jobs


def case_killed_fork_server(daemon):
    """What ran is lost, and runs again where it may; the daemon goes on."""
    client = daemon.start().connect()
    jobs = two_that_run(daemon, client, retry_delay=0)
    [keeper] = children(daemon.pid)
    [server] = children(keeper)
    os.kill(server, signal.SIGKILL)
    once, twice = client.wait(*jobs)
    same((once["state"], once["outcome"], once["exit_code"]), ("failed", "lost", 125), "the one that may run once")
    same((twice["state"], twice["attempt"]), ("done", 2), "the one that may run twice")
    same(client.wait(client.submit(["true"]))[0]["state"], "done", "others")
    same(client.call("stats")["fork_servers_lost"], 1, "fork_servers_lost")


def case_killed_keeper(daemon):
    """Nothing can run without it: the daemon goes on with another, or ends with an error, and the next one goes on."""
    client = daemon.start().connect()
    jobs = two_that_run(daemon, client, on_crash="requeue", retry_delay=0)
    [keeper] = children(daemon.pid)
    os.kill(keeper, signal.SIGKILL)
    late = client.send("submit", command=["true"], key="late")
    try:
        client.answer(late)
        client.wait(*jobs, client.status("late")["id"])
    except Closed:
        daemon.process.wait(SECONDS)
        check(daemon.process.returncode > 0, f"reclaimd ended with {daemon.process.returncode}")
        daemon.process = None
        client = daemon.start().connect()
        client.wait(*jobs, client.call("submit", command=["true"], key="late")["id"])
    same(client.status(jobs[1])["state"], "done", "the one that may run twice")


def case_two_daemons(daemon):
    """The second one on a directory, or on a socket, refuses; the first goes on."""
    client = daemon.start().connect()
    other = daemon.path("other/reclaimd.sock")
    text = daemon.refuses("--socket", other)
    check(str(daemon.pid) in text, f"names the daemon that has it: {text}")
    check(daemon.state in text, f"names the directory: {text}")
    os.symlink(daemon.state, daemon.path("link"))
    daemon.refuses("--socket", other, "--state", daemon.path("link"))
    text = daemon.refuses("--state", daemon.path("other-state"))
    check(daemon.socket_path in text, f"names the socket: {text}")
    same(client.wait(client.submit(["true"]))[0]["state"], "done", "the first goes on")
    daemon.connect().call("stats")
    # A killed one's lock is gone with it.
    daemon.kill()
    daemon.start()


def case_ten_thousand(daemon):
    """Queued commands, the daemon killed and restarted half-way: each ran, none lost, none twice unless it ran at the
    kill and asked to be requeued."""
    count = 10000 // SLOW
    client = daemon.start().connect()
    ran = daemon.path("ran")
    jobs = [
        {"command": sh("echo $2 >>$1", ran, i), "on_crash": ("requeue", "interrupted")[i % 2], "name": str(i)}
        for i in range(count)
    ]
    ids = [job["id"] for job in client.call("submit_many", jobs=jobs)["jobs"]]
    until(lambda: len(daemon.lines("ran")) >= count // 2, lambda: "half of them have run", CASE_SECONDS)
    daemon.kill()
    begin = time.monotonic()
    client = daemon.start().connect()
    answer = client.call("stats")["jobs"]
    check(answer["done"] < count, f"killed half-way: {answer}")
    client.socket.settimeout(CASE_SECONDS)
    client.call("wait", ids=ids)
    print(f"{count} jobs; the second half took {time.monotonic() - begin:.1f} s", flush=True)
    verify_runs(daemon, client.list_all(), ids)


def verify_runs(daemon, told, ids):
    same([job["id"] for job in told], ids, "jobs")
    runs = collections.Counter(daemon.lines("ran"))
    interrupted = 0
    for job in told:
        times, cut_short = runs.pop(job["name"], 0), job.get("interruptions", 0)
        interrupted += cut_short
        requeues = int(job["name"]) % 2 == 0
        if cut_short == 0 or requeues:
            same((job["state"], job["exit_code"]), ("done", 0), f"{job!r}")
            check(1 <= times <= 1 + cut_short, f"{times} runs of {job!r}")
        else:
            same(job["outcome"], "interrupted", f"{job!r}")
            check(times <= 1, f"{times} runs of {job!r}")
    same(runs, {}, "runs of none of them")
    check(interrupted <= 8, f"{interrupted} jobs ran at the kill, with two workers")


def case_many_at_the_start(daemon):
    """A start with 100,000 jobs is bounded, and so is its order."""
    count = 100000 // SLOW
    client = daemon.start().connect()
    client.call("pause")
    client.socket.settimeout(CASE_SECONDS)
    for first in range(0, count, 10000):
        jobs = [{"command": ["true"], "name": str(first + i)} for i in range(min(10000, count - first))]
        client.call("submit_many", jobs=jobs)
    urgent = client.submit(["true"], priority=1)
    daemon.kill()
    begin = time.monotonic()
    client = daemon.start().connect()
    seconds = time.monotonic() - begin
    print(f"a start with {count} jobs took {seconds:.2f} s", flush=True)
    check(seconds < 10, f"a start took {seconds} s")
    same(client.call("stats")["jobs"]["queued"], count + 1, "jobs")
    page = client.call("list", limit=1000)["jobs"]
    same([job["name"] for job in page], [str(i) for i in range(1000)], "their order")
    client.call("subscribe")
    client.call("resume")
    started = [client.event("started")["job"]["id"] for _ in range(5)]
    client.call("pause")
    same(started[0], urgent, "the urgent one runs first")
    same(started[1:], sorted(started[1:]), "then by id")


def case_clock_jumps(daemon):
    """The wall clock goes back a day, and forward two: order, delays and timeouts are kept."""
    day = 86400
    faults = Faults(daemon)
    client = daemon.start("--keep", "30d", environment=faults.environment()).connect()
    client.call("group", name="g", limit=1)
    client.call("pause")
    order, jobs = daemon.path("order"), []
    for i, offset in enumerate((0, -day, day, -2 * day)):
        faults.clock(offset)
        jobs.append(client.submit(sh("echo $2 >>$1", order, i), group="g"))
        if offset == day:
            daemon.kill()
            client = daemon.start("--keep", "30d", environment=faults.environment()).connect()
    same([job["id"] for job in client.list_all()], jobs, "order of the list")
    client.call("resume")
    client.wait(*jobs)
    same(daemon.lines("order"), ["0", "1", "2", "3"], "order of the runs")
    # A run that sees both jumps: neither its time nor its timeout is the wall clock's.
    daemon.fifo("go")
    job = client.submit(sh("read x <$1; read x <$1; exit 0", daemon.path("go")), timeout=SECONDS)
    delayed = client.submit(["true"], delay=1)
    for offset in 0, -day:
        faults.clock(offset)
        client.wait(client.submit(["true"]))
        daemon.release("go")
    done, delayed = client.wait(job, delayed)
    same(done["state"], "done", "a run with jumps in it")
    check(0 <= done["wall_seconds"] < SECONDS, f"wall_seconds {done['wall_seconds']}")
    same(delayed["state"], "done", "a delayed job, with the clock set back meanwhile")


def case_clock_reaches_a_time(daemon):
    """start_at is the wall clock's: a clock that is set, or a machine that slept, brings it nearer."""
    faults = Faults(daemon)
    client = daemon.start(environment=faults.environment()).connect()
    job = client.submit(["true"], start_at=time.time() + 7200)
    same(client.status(job)["waits"], "time", "before its time")
    faults.clock(7300)
    same(client.wait(job)[0]["state"], "done", "after its time")


if __name__ == "__main__":
    main(globals())
