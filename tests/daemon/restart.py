#!/usr/bin/env python3
"""Much to do, a daemon that is killed and started again, and a clock that jumps: nothing lost, nothing twice, in order.

    python3 tests/daemon/restart.py path/to/reclaimd path/to/helpers [case...]
"""
import collections
import time

from daemon import CASE_SECONDS, SECONDS, SLOW, check, main, same, sh, until
from faults import Faults


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
    for i in range(10, count, 10):  # some wait for the one before, however that ends
        jobs[i - 1]["key"] = f"before {i}"
        jobs[i].update(after=[f"before {i}"], after_failure="run")
    ids = [job["id"] for job in client.call("submit_many", jobs=jobs)["jobs"]]
    until(lambda: len(daemon.lines("ran")) >= count // 2, lambda: "half of them have run", CASE_SECONDS)
    daemon.kill()
    begin = time.monotonic()
    client = daemon.start().connect()
    answer = client.call("stats")["jobs"]
    check(answer["done"] < count, f"killed half-way: {answer}")
    client.socket.settimeout(CASE_SECONDS)
    most = daemon.descriptors() + 2  # what is opened when first needed: /dev/null, /proc/pressure/memory
    client.call("wait", ids=ids)
    until(lambda: daemon.descriptors() <= most, lambda: f"{most} descriptors, and not {daemon.descriptors()}")
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
    at = {name: place for place, name in enumerate(daemon.lines("ran"))}  # the last run
    for i in range(10, len(ids), 10):
        check(at.get(str(i - 1), -1) < at[str(i)], f"{i} ran before {i - 1} had ended")
    check(interrupted <= 8, f"{interrupted} jobs ran at the kill, with two workers")


def case_clean_restarts(daemon):
    """SIGTERM in the midst, three times: what runs is finished, so that each job runs once and only once."""
    count = 2000 // SLOW
    client = daemon.start().connect()
    ran = daemon.path("ran")
    jobs = [{"command": sh("echo $2 >>$1", ran, i)} for i in range(count)]
    ids = [job["id"] for job in client.call("submit_many", jobs=jobs)["jobs"]]
    for quarter in 1, 2, 3:
        until(lambda: len(daemon.lines("ran")) >= count * quarter // 4, lambda: f"quarter {quarter}", CASE_SECONDS)
        daemon.stop()
        client = daemon.start().connect()
    client.socket.settimeout(CASE_SECONDS)
    client.call("wait", ids=ids)
    ends = {(job["state"], job["attempt"], job.get("interruptions", 0)) for job in client.list_all()}
    same(ends, {("done", 1, 0)}, "how they ended")
    same(sorted(map(int, daemon.lines("ran"))), list(range(count)), "runs")


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


def case_clock_goes_back_in_a_delay(daemon):
    """A delay, and the one before a retry, last as long as was said, whatever becomes of the wall clock meanwhile."""
    faults = Faults(daemon)
    client = daemon.start("--keep", "30d", environment=faults.environment()).connect()
    jobs = [client.submit(["true"], delay=1), client.submit(sh("test $RECLAIM_ATTEMPT = 2"), retries=2, retry_delay=1)]
    until(lambda: client.status(jobs[1]).get("waits") == "retry", lambda: "the second one waits for its retry")
    faults.clock(-86400)
    same([job["state"] for job in client.wait(*jobs)], ["done", "done"], "both run")


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
