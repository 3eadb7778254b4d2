#!/usr/bin/env python3
"""kill -9 of the daemon: what was acknowledged is there, nothing runs twice at once, nothing is lost.

    python3 tests/daemon/crash.py path/to/reclaimd path/to/helpers [case...]
"""
import os
import random
import signal
import threading
import time

from daemon import CASE_SECONDS, SECONDS, SLOW, Client, Closed, Failure, Refused, check, main, same, sh, until
from storm import Storm


def case_submit_storm(daemon):
    """200 kills at random points."""
    storm = Storm(daemon)
    storm.run(200 // SLOW, CASE_SECONDS * 0.8)
    print(storm.told(), flush=True)
    check(storm.round >= 100 // SLOW, f"only {storm.round} kills")
    check(min(storm.acknowledged, storm.unanswered) >= storm.round, "kills before and after answers")


def case_told_is_kept(daemon):
    """Jobs are submitted, run, cancelled and removed while the daemon is killed: what was told holds afterwards."""
    seed = int(os.environ.get("RECLAIM_TEST_SEED", random.randrange(1 << 32)))
    chance = random.Random(seed)
    daemon.start()
    for i in range(20 // SLOW):
        told, removing = mixed_until_killed(daemon, chance)
        daemon.start()
        try:
            verify_told(daemon.connect(), told, removing)
        except Failure as failure:
            raise Failure(f"round {i} of seed {seed}: {failure}") from failure


def mixed_until_killed(daemon, chance):
    """{id: last event told}, and the ids whose removal was asked for."""
    client, told, removing = daemon.connect(), {}, set()
    client.call("subscribe")
    for _ in range(20):
        client.send("submit", command=["true"])
    timer = threading.Timer(chance.uniform(0.02, 0.2), os.kill, (daemon.pid, signal.SIGKILL))
    timer.start()
    try:
        while True:
            if chance.random() < 0.5:
                client.send("submit", command=[chance.choice(("true", "false"))], retries=2, retry_delay=0)
                client.send("submit", command=["sleep", "1000"], on_crash=chance.choice(("requeue", "interrupted")))
            event = client.event()
            job = event["job"]["id"]
            told[job] = event
            if event["event"] == "started" and event["job"]["name"] == "sleep":
                client.send("cancel", ids=[job])
            elif event["event"] == "ended" and chance.random() < 0.3:
                removing.add(job)
                client.send("remove", ids=[job])
            client.answers.clear()
    except Closed:
        pass
    timer.join()
    told.update({event["job"]["id"]: event for event in client.events})
    daemon.wait(-signal.SIGKILL)
    return told, removing


def verify_told(client, told, removing):
    client.call("pause")
    there = {job["id"]: job for job in client.list_all()}
    for job, event in told.items():
        now, kind = there.get(job), event["event"]
        if now is None or kind == "removed":
            check(job in removing and now is None, f"{job} was {kind} and is now {now!r}")
        elif kind == "ended":
            for name in "state", "outcome", "ended_at", "attempt", "exit_code":
                same(now[name], event["job"][name], f"{name} of {job}, which has ended")
        elif kind == "started":
            check(now["attempt"] >= event["job"]["attempt"], f"{job} was started and is now {now!r}")
    end_all(client)
    client.call("resume")
    ended = [job["id"] for job in client.list_all()]
    for first in range(0, len(ended), 1000):
        client.call("remove", ids=ended[first : first + 1000])


def end_all(client):
    """Nothing of this round runs in the next: all are paused, so that nothing new starts."""
    while jobs := [job["id"] for job in client.list_all(state=["waiting", "queued", "running"])]:
        try:
            client.call("cancel", ids=jobs[:1000])
            client.wait(*jobs[:1000])
        except Refused as refused:  # what ran has ended by now
            same(refused.code, "already-ended", "why it cannot be cancelled")


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


def case_killed_while_it_starts(daemon):
    """At any moment: the next one is never refused by what the one before has left."""
    client = daemon.start().connect()
    job = client.submit(["true"], start_at=4e9)
    daemon.kill()
    for _ in range(200 // SLOW):
        daemon.start(ready=False)
        time.sleep(random.uniform(0, 0.03 * SLOW))
        daemon.kill()
    same(daemon.start().connect().status(job)["state"], "waiting", "the job afterwards")


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
    except (Closed, Refused) as ends:
        check(isinstance(ends, Closed) or ends.code == "shutting-down", f"refused: {ends}")
        daemon.process.wait(SECONDS)
        check(daemon.process.returncode > 0, f"reclaimd ended with {daemon.process.returncode}")
        daemon.process = None
        client = daemon.start().connect()
        client.wait(*jobs, client.call("submit", command=["true"], key="late")["id"])
    same(client.status(jobs[1])["state"], "done", "the one that may run twice")


# $1: a lock that a helper in a session of its own holds, too; $2: a line a run; $3: a line where another run is there.
LOCKED = """exec 9>>"$1"; flock -n 9 || echo overlap >>"$3"
setsid sleep 1000 & echo run >>"$2"; wait"""


def is_stopped(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


def case_all_killed(daemon):
    """Daemon, keeper and fork server at once: the next daemon ends the job before it runs it again."""
    client = daemon.start().connect()
    job = client.submit(sh(LOCKED, *map(daemon.path, ("lock", "runs", "overlaps"))), on_crash="requeue")
    for runs in range(1, 4):
        until(lambda: len(daemon.lines("runs")) == runs, lambda: f"run {runs}")
        [keeper] = children(daemon.pid)
        [server] = children(keeper)
        for pid in [keeper, server] if runs < 3 else [keeper]:
            os.kill(pid, signal.SIGSTOP)
            until(lambda: is_stopped(pid), lambda: f"{pid} is stopped")
        if runs < 3:
            os.kill(keeper, signal.SIGKILL)
        os.kill(server, signal.SIGKILL)  # run 3: the keeper is only stopped, and an orphan's SIGHUP comes
        daemon.kill()
        client = daemon.start().connect()
    until(lambda: len(daemon.lines("runs")) == 4, lambda: "the last run")
    same(daemon.lines("overlaps"), [], "runs at the same time")
    client.call("cancel", ids=[job])
    same(client.wait(job)[0]["state"], "cancelled", "the end")


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


if __name__ == "__main__":
    main(globals())
