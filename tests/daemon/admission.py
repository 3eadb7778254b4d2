#!/usr/bin/env python3
"""Jobs that wait for memory: they are queued, not running; others pass them, not for ever; no end of the daemon makes
them anything else.

    python3 tests/daemon/admission.py path/to/reclaimd path/to/helpers [case...]
"""
import errno

from daemon import Refused, check, main, same, sh, until
from faults import Faults

MIB = 1 << 20


def large(client, daemon, mib=900, **fields):
    """A job that says that it runs, and goes on when it is released."""
    script = "echo $RECLAIM_JOB_ID >>$1; read x <$2"
    return client.submit(sh(script, daemon.path("runs"), daemon.path("go")), expected=mib * MIB, **fields)


def small(client, daemon, **fields):
    return client.submit(sh("echo $RECLAIM_JOB_ID >>$1", daemon.path("runs")), expected=MIB, **fields)


def runs(daemon):
    return [int(line) for line in daemon.lines("runs")]


def running(daemon, *jobs):
    until(lambda: set(jobs) <= set(runs(daemon)), lambda: f"{jobs} run: {runs(daemon)}")


def waits(client, job, word="memory"):
    """It has not begun, and says why."""
    told = client.status(job)
    same((told["state"], told.get("waits"), told["attempt"]), ("queued", word, 0), f"job {job}, which waits")
    check("started_at" not in told, f"a job that has not begun: {told!r}")


def start(daemon, *options, **keywords):
    daemon.start("--memory-budget", "1G", *options, **keywords)
    return daemon.connect()


def stats(client):
    """None: asked in the turn that could not be written."""
    try:
        return client.call("stats")
    except Refused as refused:
        same(refused.code, "read-only", "the code")
        return None


def case_waits_in_the_queue(daemon):
    client = start(daemon)
    daemon.fifo("go")
    subscriber = daemon.connect()
    subscriber.call("subscribe")
    first, second = large(client, daemon), large(client, daemon)
    running(daemon, first)
    others = [small(client, daemon) for _ in range(3)]
    for job in client.wait(*others):
        same(job["state"], "done", "a small one behind it")
    waits(client, second)
    same(client.call("stats")["jobs"]["queued"], 1, "queued jobs")
    check(client.call("stats")["memory"]["reserved"] < 1000 * MIB, "what is reserved")
    client.call("set", ids=[second], priority=7)
    waits(client, second)
    same(client.status(second)["priority"], 7, "its new priority")
    daemon.release("go")
    running(daemon, second)
    same((client.status(second)["state"], client.status(second)["attempt"]), ("running", 1), "when its turn has come")
    client.refused("already-running", "set", ids=[second], priority=1)
    daemon.release("go")
    same([job["state"] for job in client.wait(first, second)], ["done", "done"], "both")
    starts = []
    while len(starts) < 5:
        starts.append(subscriber.event("started")["job"])
    same([job["id"] for job in starts], [first, *others, second], "started events")
    same([job["attempt"] for job in starts], [1] * 5, "attempts")


def case_stays_queued_after_a_kill(daemon):
    client = start(daemon)
    daemon.fifo("go")
    first, second = large(client, daemon), large(client, daemon)
    running(daemon, first)
    until(lambda: client.status(second).get("waits") == "memory", lambda: "the second waits")
    daemon.kill()
    client = start(daemon)
    same(client.wait(first)[0]["outcome"], "interrupted", "what ran")
    running(daemon, second)
    daemon.release("go")
    done = client.wait(second)[0]
    same((done["state"], done["attempt"], "interruptions" in done), ("done", 1, False), "what had waited")
    same(runs(daemon), [first, second], "runs")
    # What it waited for does not matter while nothing may start.
    third, fourth = large(client, daemon), large(client, daemon)
    running(daemon, third)
    client.call("pause")
    daemon.kill()
    client = start(daemon)
    waits(client, fourth, "paused")
    client.call("cancel", ids=[fourth])
    client.wait(third, fourth)


def case_stop_leaves_it_queued(daemon):
    client = start(daemon, "--drain-timeout", "0")
    daemon.fifo("go")
    first, second = large(client, daemon), large(client, daemon)
    running(daemon, first)
    until(lambda: client.status(second).get("waits") == "memory", lambda: "the second waits")
    client.call("pause")
    daemon.stop()
    client = start(daemon)
    waits(client, second, "paused")
    client.call("cancel", ids=[first, second])
    ended = client.wait(first, second)
    same([job["outcome"] for job in ended], ["cancelled", "cancelled"], "outcomes")
    same((ended[1]["attempt"], "started_at" in ended[1]), (0, False), "one that never began")


def case_is_not_starved(daemon):
    """Twice as many as there are workers pass it, and then it is next."""
    client = start(daemon)
    daemon.fifo("go")
    holder = large(client, daemon, 600)
    running(daemon, holder)
    waiting = large(client, daemon, 900)
    others = [small(client, daemon) for _ in range(12)]
    client.wait(*others[:4])
    client.call("stats")  # a turn of the daemon's
    for job in others[4:]:
        waits(client, job)
    daemon.release("go")
    running(daemon, waiting)
    client.wait(*others)
    daemon.release("go")
    same(client.wait(holder, waiting)[1]["state"], "done", "the large one")
    same(set(runs(daemon)[:5]), {holder, *others[:4]}, "who was first")
    began = client.status(waiting)["started_at"]
    check(all(client.status(job)["started_at"] >= began - 0.005 for job in others[4:]), "who passed it too often")


def case_priority_of_those_that_wait(daemon):
    client = start(daemon)
    daemon.fifo("go")
    first, second, third = (large(client, daemon, 600) for _ in range(3))
    running(daemon, first)
    until(lambda: client.status(third).get("waits") == "memory", lambda: "they wait")
    client.call("set", ids=[third], priority=1)
    daemon.release("go")
    running(daemon, third)
    waits(client, second)
    # One that is cancelled leaves its turn to others.
    fourth = large(client, daemon, 600)
    client.call("cancel", ids=[second])
    same(client.wait(second)[0]["attempt"], 0, "runs of one that waited")
    daemon.release("go")
    running(daemon, fourth)
    daemon.release("go")
    same(client.wait(fourth)[0]["state"], "done", "the last")


def case_in_a_group(daemon):
    """A place in a group is not taken by who waits for memory."""
    client = start(daemon)
    daemon.fifo("go")
    client.call("group", name="g", limit=1)
    holder = large(client, daemon, 600)
    running(daemon, holder)
    waiting = large(client, daemon, 900, group="g")
    same(client.wait(small(client, daemon, group="g"))[0]["state"], "done", "another of its group")
    waits(client, waiting)
    groups = {group["name"]: group for group in client.call("stats")["groups"]}
    same((groups["g"]["running"], groups["g"]["queued"]), (0, 1), "the group")
    client.call("pause", group="g")
    waits(client, waiting, "paused")
    daemon.release("go")
    client.wait(holder)
    client.call("resume", group="g")
    running(daemon, waiting)
    daemon.release("go")
    client.wait(waiting)


def case_tasks_and_retries(daemon):
    """A further run has its turn, too, and with more memory if that is what it needs."""
    client = start(daemon)
    daemon.fifo("go")
    script = "echo $RECLAIM_ATTEMPT >>$1; head -c 60M /dev/zero | tail | wc -c"
    job = client.submit(sh(script, daemon.path("attempts")), memory=32 * MIB, retry_oom=4)
    done = client.wait(job)[0]
    same((done["state"], done["memory_limit_bytes"], done["attempt"]), ("done", 128 * MIB, 2), "with more memory")
    holder = large(client, daemon, 900)
    running(daemon, holder)
    job = client.submit(
        sh("echo $RECLAIM_JOB_ID >>$1; test $RECLAIM_ATTEMPT = 2", daemon.path("tries")),
        expected=100 * MIB,
        retries=2,
        retry_delay=0,
    )
    same(client.wait(job)[0]["attempt"], 2, "runs beside another")
    daemon.release("go")
    client.wait(holder)


def case_limits_keep_the_budget(daemon):
    """Nothing but a limit is said: one at a time."""
    daemon.start("--memory-budget", "50M", "--workers", "4")
    client = daemon.connect()
    script = "mkdir $1 || exit 1; dd if=/dev/zero of=/dev/null bs=40M count=1; sleep 0.2; rmdir $1"
    jobs = [client.submit(sh(script, daemon.path("alone")), memory=45 * MIB) for _ in range(4)]
    same([job["state"] for job in client.wait(*jobs)], ["done"] * 4, "each alone")


def case_never_fits_any_more(daemon):
    """The budget was lowered in between: a job that is above it ends, and does not hold up the others."""
    daemon.start("--memory-budget", "2G")
    client = daemon.connect()
    client.call("pause")
    job = client.submit(["true"], expected=1500 * MIB)
    other = client.submit(["true"], expected=500 * MIB)
    daemon.kill()
    client = start(daemon)
    client.call("resume")
    ended = client.wait(job, other)
    same((ended[0]["state"], ended[0]["outcome"]), ("failed", "lost"), "what is above the budget")
    check("memory_budget" in ended[0]["message"], f"why: {ended[0]['message']}")
    same(ended[1]["state"], "done", "the other")


def case_reserved_in_vain(daemon):
    """A start that cannot be written down gives back what was reserved for it."""
    faults = Faults(daemon)
    client = start(daemon, environment=faults.environment())
    for _ in range(3):
        job = client.submit(["true"], expected=1000 * MIB, delay=0.2)
        faults.fail(errno.EIO)
        until(lambda: (stats(client) or {}).get("read_only"), lambda: "its start cannot be written")
        until(lambda: stats(client)["memory"]["reserved"] == 0, lambda: "nothing is reserved")
        same((client.status(job)["state"], client.status(job)["attempt"]), ("queued", 0), "meanwhile")
        faults.allow()
        same(client.wait(job)[0]["attempt"], 1, "runs")


def case_many_that_wait(daemon):
    """Only so many are looked at, however many there are."""
    client = start(daemon, "--workers", "4")
    daemon.fifo("go")
    holder = large(client, daemon, 600)
    running(daemon, holder)
    jobs = [{"command": ["true"], "expected": 900 * MIB, "priority": i % 7} for i in range(5000)]
    ids = [job["id"] for job in client.call("submit_many", jobs=jobs)["jobs"]]
    behind = client.submit(["true"], expected=MIB, priority=-1)
    waits(client, ids[0])
    waits(client, behind)
    urgent = [client.submit(["true"], expected=MIB, priority=100) for _ in range(8)]
    same([job["state"] for job in client.wait(*urgent)], ["done"] * 8, "those before them")
    client.call("cancel", ids=ids)
    same(client.wait(behind)[0]["state"], "done", "one that was behind all")
    daemon.release("go")
    client.wait(holder)


main(globals())
