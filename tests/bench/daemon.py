#!/usr/bin/env python3
"""What reclaimd costs, as a Markdown table: durable submits beside beanstalkd, tasks, restart, memory.

    python3 -B tests/bench/daemon.py build/release/bin/reclaimd build/release/tests/daemon [beanstalkd]

The second is where CMake puts the module of the daemon's tests. beanstalkd (Debian's package) runs with -f0: a put is
answered after an fsync, as a submit is. Both write below /tmp, which has to be a disk; clients are processes that wait
for each answer. Ends everything that it starts. BENCH_SECONDS: of one measurement (3), BENCH_JOBS:
how many are queued (100000).
"""
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "daemon"))
import daemon as black_box  # noqa: E402
import msgpack  # noqa: E402

SECONDS = float(os.environ.get("BENCH_SECONDS", "3"))
JOBS = int(os.environ.get("BENCH_JOBS", "100000"))
ROUNDS = 3
TASKS = 5000
COMMAND = ["sort", "-o", "/data/sorted.txt", "/data/input.txt"]
JOB = {"command": COMMAND, "cwd": "/", "env": ["PATH=/usr/bin:/bin", "HOME=/root"]}
BEANSTALKD = sys.argv[3] if len(sys.argv) > 3 else "beanstalkd"


# ---- durable submits

def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(path)
    return client


def submitter(path):
    client = connect(path)
    request = msgpack.packb([0, 1, "submit", [JOB]])

    def submit():
        client.sendall(request)
        _, _, error, result = msgpack.unpackb(client.recv(4096))
        assert error is None and result["created"], error

    return submit


def putter(path):
    client = connect(path)
    body = msgpack.packb(JOB)
    request = b"put 0 0 60 %d\r\n%s\r\n" % (len(body), body)

    def put():
        client.sendall(request)
        assert client.recv(4096).startswith(b"INSERTED ")

    return put


def rate(make, path, clients):
    """Calls a second of so many clients, each a process of its own."""
    read, write = os.pipe()
    children = []
    for _ in range(clients):
        pid = os.fork()
        if pid == 0:
            try:
                call, count, end = make(path), 0, time.monotonic() + SECONDS
                while time.monotonic() < end:
                    call()
                    count += 1
                os.write(write, b"%d\n" % count)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(pid)
    os.close(write)
    failed = [pid for pid in children if os.waitpid(pid, 0)[1] != 0]
    with open(read, "rb") as file:
        counts = [int(line) for line in file]
    if failed:
        raise SystemExit(f"bench: {len(failed)} of {clients} clients have failed")
    return sum(counts) / SECONDS


class Beanstalkd:
    def __init__(self, work):
        self.path = os.path.join(work, "beanstalkd.sock")
        directory = os.path.join(work, "beanstalkd")
        os.mkdir(directory)
        self.process = subprocess.Popen([BEANSTALKD, "-b", directory, "-f0", "-l", "unix:" + self.path])
        black_box.until(lambda: os.path.exists(self.path), lambda: "beanstalkd listens")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def measure_submits(daemon, beanstalkd):
    found = {}
    for _ in range(ROUNDS):
        for clients in 1, 16:
            for name, make, path in (
                ("reclaimd", submitter, daemon.socket_path),
                ("beanstalkd", putter, beanstalkd.path),
            ):
                found.setdefault((name, clients), []).append(rate(make, path, clients))
    return {key: statistics.median(rates) for key, rates in found.items()}


# ---- the daemon alone

def pss(pids):
    """Bytes: what is shared counts for each by its share."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += int(re.search(r"^Pss:\s+(\d+) kB", file.read(), re.M).group(1)) * 1024
    return total


def measure_idle(daemon):
    """Daemon, keeper, fork server and at least two warm workers: bytes, and how many workers there are."""
    black_box.until(lambda: len(daemon.processes()) >= 5, lambda: f"five processes, not {daemon.commands()}")
    processes = daemon.processes()
    return pss(processes), len(processes) - 3


def measure_tasks(client):
    """Tasks a second, from the first submit to the last end; and one after the other, ms each."""
    begin = time.monotonic()
    ids = []
    for _ in range(TASKS // 1000):
        ids += [job["id"] for job in client.call("submit_many", jobs=[{"task": "echo"}] * 1000)["jobs"]]
    ended = client.call("wait", ids=ids)["jobs"]
    seconds = time.monotonic() - begin
    assert len(ended) == TASKS and all(job["state"] == "done" for job in ended)
    times = []
    for _ in range(200):
        start = time.monotonic()
        client.call("wait", ids=[client.call("submit", task="echo")["id"]])
        times.append((time.monotonic() - start) * 1000)
    return TASKS / seconds, statistics.median(times)


def restart(daemon):
    """Seconds from the start to the first answer, after kill -9."""
    daemon.kill()
    black_box.until(lambda: not daemon.processes(), lambda: "the workers' end")
    begin = time.monotonic()
    daemon.start("--module", os.path.join(black_box.HELPERS, "tasks.so"))
    return time.monotonic() - begin


def measure_queue(daemon):
    """Restart without and with so many queued jobs; bytes of memory and of disk for each."""
    empty = restart(daemon)
    client = daemon.connect()
    client.call("pause")
    before, disk = pss([daemon.pid]), client.call("stats")["store_bytes"]
    for _ in range(JOBS // 10000):
        client.call("submit_many", jobs=[JOB] * 10000)
    full = restart(daemon)
    client = daemon.connect()
    stats = client.call("stats")
    assert stats["jobs"]["queued"] + stats["jobs"]["waiting"] == JOBS, stats
    return empty, full, (pss([daemon.pid]) - before) / JOBS, (stats["store_bytes"] - disk) / JOBS


def run(daemon, beanstalkd_work):
    module = os.path.join(black_box.HELPERS, "tasks.so")
    rows = []
    daemon.start("--module", module)
    idle, workers = measure_idle(daemon)
    rows.append((f"daemon, keeper, fork server and {workers} warm workers, idle (PSS)", f"{idle / 2**20:.1f} MiB"))
    throughput, latency = measure_tasks(daemon.connect())
    rows.append((f"no-op tasks end to end, {TASKS} at once", f"{throughput:.0f} a second"))
    rows.append(("one no-op task, from submit to the answer of wait", f"{latency:.1f} ms"))
    daemon.stop()
    shutil.rmtree(daemon.state)
    daemon.start("--module", module)
    empty, full, memory, disk = measure_queue(daemon)
    rows.append(("start after kill -9, nothing queued", f"{empty * 1000:.0f} ms"))
    rows.append((f"start after kill -9, {JOBS:,} jobs queued", f"{full * 1000:.0f} ms"))
    rows.append(("memory for each queued job (PSS)", f"{memory:.0f} bytes"))
    rows.append(("disk for each queued job", f"{disk:.0f} bytes"))
    daemon.stop()
    shutil.rmtree(daemon.state)
    daemon.start()
    daemon.connect().call("pause")
    beanstalkd = Beanstalkd(beanstalkd_work)
    try:
        rates = measure_submits(daemon, beanstalkd)
    finally:
        beanstalkd.stop()
    for clients in 1, 16:
        row = f"durable submits a second, {clients} client{'s' if clients > 1 else ''}"
        rows.append((row, f"{rates['reclaimd', clients]:.0f} (beanstalkd -f0: {rates['beanstalkd', clients]:.0f})"))
    return rows


def main():
    if shutil.which(BEANSTALKD) is None:
        sys.exit("bench: beanstalkd is missing; on Debian: apt-get install beanstalkd")
    daemon = black_box.Daemon()
    try:
        kind = subprocess.check_output(["stat", "-f", "-c", "%T", daemon.work], text=True).strip()
        if kind == "tmpfs":
            sys.exit("bench: /tmp is memory, where fsync costs nothing: mount a disk there")
        rows = run(daemon, daemon.work)
        daemon.close()
    finally:
        daemon.destroy()
    print("| | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")


main()
