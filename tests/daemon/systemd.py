#!/usr/bin/env python3
"""What systemd does with the daemon, by hand: sockets handed over, notifications, the watchdog, signals.

    python3 tests/daemon/systemd.py path/to/reclaimd path/to/helpers [case...]
"""
import os
import random
import resource
import signal
import socket
import stat
import time

from daemon import SECONDS, SLOW, Failure, Refused, Skip, check, main, same, sh, until

WITH_PID = ["sh", "-c", 'LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$@"', "sh"]


class Notifications:
    """NOTIFY_SOCKET's other end."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def next(self):
        try:
            return self.socket.recv(4096).decode().split("\n")
        except TimeoutError as error:
            raise Failure("the daemon notifies nobody") from error

    def until(self, word):
        """The lines of the notification that has it."""
        while True:
            lines = self.next()
            if word in lines:
                return lines


def hand_over(*sockets):
    """For preexec_fn: the sockets as descriptors 3, 4, ..."""

    def move():
        copies = [os.dup(other.fileno()) for other in sockets]
        high = [os.dup2(copy, 100 + i, inheritable=False) for i, copy in enumerate(copies)]
        for i, descriptor in enumerate(high):
            os.dup2(descriptor, 3 + i)

    return move


def listening(path):
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    handed = socket.socket(socket.AF_UNIX)
    handed.bind(path)
    handed.listen(100)
    return handed


def start_with(daemon, handed, *options, **environment):
    environment.setdefault("LISTEN_FDS", "1")
    return daemon.start(
        *options, environment=environment, prefix=WITH_PID, preexec_fn=hand_over(*handed), close_fds=False
    )


def case_socket_activation(daemon):
    """The socket is systemd's: served from, not removed at the end; a connection made before the start is served."""
    handed = listening(daemon.socket_path)
    early = daemon.connect()
    early.send("stats")
    client = start_with(daemon, [handed], LISTEN_FDNAMES="reclaimd.socket").connect()
    early.answer(1)
    job = client.submit(sh("env; ls -l /proc/self/fd"))
    client.wait(job)
    output = client.output(job).decode()
    for name in "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES":
        check(name not in output, f"a job inherits {name}")
    check("socket:" not in output, f"a job inherits a socket: {output}")
    inode = os.stat(daemon.socket_path).st_ino
    daemon.stop()
    same(os.stat(daemon.socket_path).st_ino, inode, "the socket afterwards")
    # What comes while nobody is there waits, and is served by the next one.
    late = daemon.connect()
    late.send("stats")
    start_with(daemon, [handed])
    late.answer(1)
    daemon.kill()
    start_with(daemon, [handed])
    handed.close()


def case_not_for_us(daemon):
    """LISTEN_PID of another process: ignored, and the daemon opens its own."""
    daemon.start(environment={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
    client = daemon.connect()
    job = client.submit(["env"])
    client.wait(job)
    daemon.stop()
    check(not os.path.exists(daemon.socket_path), "its own socket is removed")


def case_what_is_no_socket(daemon):
    """Handed over, but nothing that can be listened at: a clear refusal."""
    for other in (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), socket.socket(socket.AF_UNIX)):
        daemon.process = daemon.spawn(
            [*WITH_PID, *daemon.arguments([])], {"LISTEN_FDS": "1"}, preexec_fn=hand_over(other), close_fds=False
        )
        status = until(lambda: daemon.process.poll() is not None and [daemon.process.returncode], lambda: "its end")[0]
        daemon.process = None
        check(status > 0, f"ended with {status}")
        other.close()


def notified(daemon, address, name):
    with Notifications(address) as notifications:
        daemon.start(environment={"NOTIFY_SOCKET": name}, ready=False)
        notifications.until("READY=1")
        client = daemon.connect()  # ready means: it can be reached
        job = client.submit(["env"])
        client.wait(job)
        check("NOTIFY_SOCKET" not in client.output(job).decode(), "a job inherits NOTIFY_SOCKET")
        os.kill(daemon.pid, signal.SIGTERM)
        notifications.until("STOPPING=1")
        daemon.wait()


def case_notify(daemon):
    notified(daemon, daemon.path("notify"), daemon.path("notify"))


def case_notify_abstract(daemon):
    name = "reclaimd-test-" + os.path.basename(daemon.work)
    notified(daemon, "\0" + name, "@" + name)


def case_notify_nobody(daemon):
    """Nobody reads there: no reason not to run."""
    daemon.start(environment={"NOTIFY_SOCKET": daemon.path("nobody")})
    daemon.connect().call("stats")


def case_watchdog(daemon):
    """At least twice in the time; not while the loop stands still, and not for another process."""
    period = 0.6 * SLOW
    with Notifications(daemon.path("notify")) as notifications:
        environment = {"NOTIFY_SOCKET": daemon.path("notify"), "WATCHDOG_USEC": str(int(period * 1e6))}
        daemon.start(environment=environment, prefix=WITH_PID, ready=False)
        notifications.until("READY=1")
        begin = time.monotonic()
        for _ in range(5):
            notifications.until("WATCHDOG=1")
        took = time.monotonic() - begin
        check(took < 5 * period, f"five signs of life took {took:.1f} s, with {period} s each")
        os.kill(daemon.pid, signal.SIGSTOP)
        notifications.socket.setblocking(False)
        until(lambda: stopped(daemon.pid), lambda: "it is stopped")
        while drained(notifications.socket):
            pass
        time.sleep(period * 1.5)
        same(drained(notifications.socket), False, "a sign of life while it stands still")
        os.kill(daemon.pid, signal.SIGCONT)
        notifications.socket.settimeout(SECONDS)
        notifications.until("WATCHDOG=1")
        client = daemon.connect()
        job = client.submit(["env"])
        client.wait(job)
        check("WATCHDOG_" not in client.output(job).decode(), "a job inherits WATCHDOG_USEC")
        daemon.stop()
    os.unlink(daemon.path("notify"))
    with Notifications(daemon.path("notify")) as notifications:
        daemon.start(environment={**environment, "WATCHDOG_PID": "1"}, ready=False)
        notifications.until("READY=1")
        daemon.connect().call("stats")
        time.sleep(period * 1.5)
        os.kill(daemon.pid, signal.SIGTERM)
        seen = []
        while "STOPPING=1" not in seen:
            seen += notifications.next()
        check("WATCHDOG=1" not in seen, "signs of life that were for another process")
        daemon.wait()


def stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
        return file.read().rpartition(") ")[2][0] == "T"


def drained(datagrams):
    try:
        return bool(datagrams.recv(4096))
    except BlockingIOError:
        return False


def case_log_file(daemon):
    """--log FILE, 0600, opened anew at SIGHUP."""
    log, old = daemon.path("reclaimd.log"), daemon.path("reclaimd.log.1")
    client = daemon.start("--log", log, "--log-level", "debug", preexec_fn=lambda: os.umask(0)).connect()
    client.wait(client.submit(["true"], name="before"))
    same(stat.S_IMODE(os.stat(log).st_mode), 0o600, "mode of the log")
    check(read(log), "something is logged")
    same(daemon.log(), b"", "stderr")
    os.rename(log, old)
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: os.path.exists(log), lambda: "a new log")
    size = os.stat(old).st_size
    client.wait(client.submit(["true"], name="after"))
    until(lambda: read(log), lambda: "something in the new log")
    same(os.stat(old).st_size, size, "the old log afterwards")
    # It cannot be opened: the daemon goes on with what it has.
    os.unlink(log)
    os.mkdir(log)
    os.kill(daemon.pid, signal.SIGHUP)
    client.wait(client.submit(["true"]))
    os.rmdir(log)
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: os.path.exists(log), lambda: "a log again")
    check(daemon.path("missing") in daemon.refuses("--log", daemon.path("missing/log")), "names a log that cannot be")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def case_hang_up_without_a_file(daemon):
    """SIGHUP, with the log on stderr: nothing to open anew, and no reason to end."""
    client = daemon.start().connect()
    os.kill(daemon.pid, signal.SIGHUP)
    client.wait(client.submit(["true"]))


def case_log_full(daemon):
    """A full disk under the log does not stop the daemon."""
    client = daemon.start("--log", "/dev/full", "--log-level", "debug").connect()
    client.wait(client.submit(["true"]))


def case_log_pipe_closed(daemon):
    """Nobody reads stderr any more: the daemon goes on."""
    reader, writer = os.pipe()
    client = daemon.start("--log-level", "debug", preexec_fn=lambda: os.dup2(writer, 2), pass_fds=[writer]).connect()
    os.close(writer)
    os.close(reader)
    client.wait(client.submit(["true"]))


def case_no_standard_streams(daemon):
    """Closed by who starts it: nothing else of the daemon's takes their place."""
    client = daemon.start(prefix=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]).connect()
    job = client.submit(sh("cat; echo out; echo err >&2"))
    same(client.wait(job)[0]["exit_code"], 0, "the job")
    same((client.output(job), client.output(job, "stderr")), (b"out\n", b"err\n"), "its output")
    for descriptor in range(3):
        same(os.readlink(f"/proc/{daemon.pid}/fd/{descriptor}"), "/dev/null", f"descriptor {descriptor}")


def case_few_descriptors(daemon):
    """The daemon takes as many as it may; jobs have the limit that the daemon was started with."""
    few = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    client = daemon.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, few))).connect()
    crowd = [daemon.connect() for _ in range(100)]
    for other in crowd:
        other.call("hello")
    job = client.submit(sh("ulimit -Sn"))
    client.wait(job)
    same(client.output(job), b"64\n", "what a job may open")


def case_drain_finishes(daemon):
    """SIGTERM: no more jobs are taken or started; what runs may finish."""
    client = daemon.start("--drain-timeout", f"{SECONDS}s").connect()
    daemon.fifo("go")
    script = sh("echo run >>$1; read x <$2", daemon.path("runs"), daemon.path("go"))
    running = client.submit(script)
    until(lambda: daemon.lines("runs"), lambda: "it runs")
    queued = client.submit(sh("echo run >>$1", daemon.path("queued")), after=[running])
    os.kill(daemon.pid, signal.SIGTERM)
    until(lambda: refused(client), lambda: "no more jobs are taken")
    waiting = client.send("wait", ids=[running])
    daemon.release("go")
    same(client.answer(waiting)["jobs"][0]["state"], "done", "a wait is answered in the end")
    daemon.wait()
    same(daemon.lines("queued"), [], "nothing is started any more")
    client = daemon.start().connect()
    jobs = client.wait(running, queued)
    same([job["state"] for job in jobs], ["done", "done"], "afterwards")
    same([job.get("interruptions", 0) for job in jobs], [0, 0], "nothing was cut short")
    same(daemon.lines("runs"), ["run"], "runs")


def refused(client):
    try:
        client.call("submit", command=["true"], start_at=4e9)
    except Refused as error:
        same(error.code, "shutting-down", "why")
        return True
    return False


def case_drain_ends(daemon):
    """After --drain-timeout what still runs is ended, and queued again, whatever it asked for in case of a crash."""
    client = daemon.start("--drain-timeout", "0.2s").connect()
    script = "echo run >>$1; test $(wc -l <$1) -gt 1 || { trap '' TERM; while :; do sleep 0.01; done; }"
    jobs = [
        client.submit(sh(script, daemon.path(on_crash)), on_crash=on_crash, kill_after=0.1)
        for on_crash in ("requeue", "interrupted")
    ]
    until(lambda: daemon.lines("requeue") and daemon.lines("interrupted"), lambda: "both run")
    begin = time.monotonic()
    os.kill(daemon.pid, signal.SIGTERM)
    daemon.wait()
    took = time.monotonic() - begin
    check(0.2 <= took < 5 * SLOW, f"the end took {took:.2f} s")
    until(lambda: not daemon.processes(), lambda: "nothing runs on")
    client = daemon.start().connect()
    same([job["state"] for job in client.wait(*jobs)], ["done", "done"], "both run again")
    same([daemon.lines(name) for name in ("requeue", "interrupted")], [["run", "run"]] * 2, "runs")


def case_terminated_while_it_starts(daemon):
    """SIGTERM at any moment: it ends, by the signal as long as it has begun nothing, and leaves no process."""
    daemon.start()
    daemon.stop()
    for _ in range(30 // SLOW):
        daemon.start(ready=False)
        time.sleep(random.uniform(0, 0.1 * SLOW))
        os.kill(daemon.pid, signal.SIGTERM)
        status = daemon.process.wait(SECONDS)
        daemon.process = None
        check(status in (0, -signal.SIGTERM), f"it ended with {status}")
        until(lambda: not daemon.processes(), lambda: f"the end of {daemon.commands()}")


def case_terminated_beside_a_deaf_client(daemon):
    """Answers that nobody reads do not keep it."""
    client = daemon.start().connect()
    job = client.submit(sh("head -c 8M /dev/zero"))
    client.wait(job)
    deaf = daemon.connect()
    for _ in range(8):
        deaf.send("output", id=job)
    client.call("stats")
    begin = time.monotonic()
    daemon.stop()
    check(time.monotonic() - begin < 10, f"its end took {time.monotonic() - begin:.1f} s")


def is_ours(pid):
    """Keeper or fork server, which such signals do not end: the daemon decides."""
    try:
        with open(f"/proc/{pid}/comm", encoding="latin-1") as file:
            return file.read().startswith(("reclaim-keeper", "reclaim-server"))
    except OSError:
        return False


def others(daemon):
    """All of its processes but itself, keeper and fork server among them."""
    return [pid for pid in daemon.processes() if pid != daemon.pid]


def send(number, pids):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def alive(pids):
    """Those that are not zombies either."""
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
                if file.read().rpartition(") ")[2][0] not in "ZX":
                    found.append(pid)
        except OSError:
            pass
    return found


def state_of(pid):
    with open(f"/proc/{pid}/status", encoding="latin-1") as file:
        return file.read()


def await_end_of_jobs(pids):
    """Of those that are neither keeper nor fork server."""
    left = lambda: alive([pid for pid in pids if not is_ours(pid)])
    until(lambda: not left(), lambda: "the end of " + "".join(map(state_of, left())))


def two_long_jobs(daemon, client, name):
    """Of which each ends well in its second run; the first opens a pipe that nobody writes to. By then the shell has no
    fork and no exec before it: a process that execs has no environment for a moment, so processes() would miss it."""
    script = "test -s $1; again=$?; echo run >>$1; test $again -eq 0 || : <$2"
    kinds = ("requeue", "interrupted")
    pipe = daemon.path(name + "pipe")
    os.mkfifo(pipe)
    jobs = [client.submit(sh(script, daemon.path(name + kind), pipe), on_crash=kind) for kind in kinds]
    until(lambda: all(daemon.lines(name + kind) for kind in kinds), lambda: "both run")
    return jobs


def run_again(daemon, jobs):
    """The daemon has ended well; the next one runs them again, and tells what became of them."""
    daemon.wait()
    until(lambda: not daemon.processes(), lambda: "nothing runs on")
    client = daemon.start().connect()
    return [(job["state"], job.get("interruptions", 0), job["attempt"]) for job in client.wait(*jobs)]


def case_all_get_the_signal(daemon):
    """A control group or a container is stopped: jobs and daemon get SIGTERM alike, and no job is the worse for it."""
    client = daemon.start().connect()
    for number in signal.SIGTERM, signal.SIGINT:
        for daemon_first in False, True:
            jobs = two_long_jobs(daemon, client, f"{number}{daemon_first}")
            pids = others(daemon)
            os.kill(daemon.pid, signal.SIGSTOP)  # so that it finds all at once
            until(lambda: stopped(daemon.pid), lambda: "it is stopped")
            send(number, [daemon.pid, *pids] if daemon_first else [*pids, daemon.pid])
            await_end_of_jobs(pids)
            os.kill(daemon.pid, signal.SIGCONT)
            same(run_again(daemon, jobs), [("done", 1, 2)] * 2, f"jobs that died of signal {number}")
            client = daemon.connect()


def case_the_jobs_get_it_first(daemon):
    """Their ends are known to the daemon a moment before its own signal comes."""
    client = daemon.start().connect()
    for attempt in range(20):
        jobs = two_long_jobs(daemon, client, str(attempt))
        pids = others(daemon)
        begin = time.monotonic()
        send(signal.SIGTERM, pids)
        await_end_of_jobs(pids)
        os.kill(daemon.pid, signal.SIGTERM)
        took = time.monotonic() - begin
        told = run_again(daemon, jobs)
        if took < 0.09:
            same(told, [("done", 1, 2)] * 2, f"jobs whose end was known {took:.3f} s before the daemon's")
            return
        client = daemon.connect()
    raise Skip("this machine is too slow for what happens within 0.1 s")


def case_a_job_alone_gets_it(daemon):
    """No stop of the daemon's: the job has failed, and others were not kept waiting."""
    client = daemon.start().connect()
    for number in signal.SIGTERM, signal.SIGINT:
        client.call("subscribe")
        killed = client.submit(sh("kill -$1 $$", number))
        other = client.submit(["true"])
        ended = [client.event("ended")["job"]["id"] for _ in range(2)]
        same(sorted(ended), [killed, other], "ends")
        told = client.wait(killed)[0]
        same((told["state"], told["outcome"], told["signal"]), ("failed", "signalled", number), "its end")
        client.call("unsubscribe")
    daemon.stop()
    client = daemon.start("--drain-timeout", f"{SECONDS}s").connect()
    jobs = two_long_jobs(daemon, client, "cancelled")
    os.kill(daemon.pid, signal.SIGTERM)
    until(lambda: refused(client), lambda: "no more jobs are taken")
    client.call("cancel", ids=jobs[:1])  # what is cancelled stays so
    wait = client.send("wait", ids=jobs[:1])
    same(client.answer(wait)["jobs"][0]["state"], "cancelled", "cancelled while the daemon stops")
    os.kill(daemon.pid, signal.SIGTERM)
    same(run_again(daemon, jobs), [("cancelled", 0, 1), ("done", 1, 2)], "afterwards")


def case_interrupt(daemon):
    """SIGINT at a terminal is the same as SIGTERM."""
    daemon.start("--drain-timeout", "0s").connect().submit(["sleep", "1000"])
    os.kill(daemon.pid, signal.SIGINT)
    daemon.wait()


if __name__ == "__main__":
    main(globals())
