#!/usr/bin/env python3
"""A guard that is no timer: system calls and page faults of one job, by process, against committed figures.

    python3 -B tests/bench/guard.py build/release/tests/bench/steady            compares with guard.txt
    python3 -B tests/bench/guard.py build/release/tests/bench/steady --write    makes today's figures the committed ones
    python3 -B tests/bench/guard.py build/release/tests/bench/steady --tell     prints today's totals, for bench.py

`steady` runs no-op jobs and commands under strace, one at a time, and marks where each begins. Of what a process does
for each job a low quantile over all jobs counts, call by call: what a job always needs. A busy machine adds to some jobs
(a look at memory, a wake-up more); calls that only wait are left out. What host and fork server do for a command is not
compared: under strace it lives long enough to be looked at, or not. Page faults of a worker are those of /proc/PID/stat,
without strace. The addresses of a run, which are random, decide how many pages of a library one fault maps: the lower
quartile of many runs counts. Fails only when a role has more than 5 % more than committed, three times in a row. Exits
77 where strace cannot trace.
"""
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile

BASELINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guard.txt")
RUNS = {"jobs": 200, "commands": 50, "faults": 50}
WORDS = {"faults": "page faults"}  # what is counted, if not system calls
BUSY = {"jobs": (), "commands": ("host", "fork server"), "faults": ()}  # roles that are not compared
FIRST = 10  # jobs that are not counted: the pool is opening
ATTEMPTS = 3
FAULT_RUNS = 24
WRITTEN = 5  # counts of which the highest is committed
ALLOWED = 1.05
# How often a process has to wait, and what it waits with, depends on who is faster.
WAITS = {"futex", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6", "restart_syscall",
         "sched_yield", "nanosleep", "clock_nanosleep"}
BELOW = {"host": "keeper", "keeper": "fork server", "fork server": "worker", "worker": "command", "command": "command"}
MARK = re.compile(r'^\d+ +write\(-1, "job"')
BEGUN = re.compile(r"^(\d+) +(\w+)\(")
BIRTH = re.compile(r"^(\d+) +(?:(?:clone3?|v?fork)\(|<\.\.\. (?:clone3?|v?fork) resumed>).* = (\d+)$")


def run(argv):
    done = subprocess.run(argv, env={"PATH": os.defpath}, timeout=100, text=True, stdin=subprocess.DEVNULL,
                          capture_output=True)
    if done.returncode != 0:
        sys.exit(f"guard: {' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def trace(steady, kind, count):
    """The lines of strace: `pid call(...) = result`, calls of other processes in between."""
    with tempfile.TemporaryDirectory(prefix="reclaim-guard-") as work:
        path = os.path.join(work, "trace")
        run(["strace", "-f", "-qq", "-o", path, steady, kind, str(count)])
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()


def find_roles(lines):
    """{pid: role}, from who was born of whom; a thread is its process."""
    threads, roles = {}, {int(lines[0].split()[0]): "host"}
    for line in lines:
        begun, birth = BEGUN.match(line), BIRTH.match(line)
        if begun and begun[2] in ("clone", "clone3"):
            threads[begun[1]] = "CLONE_THREAD" in line
        if birth:
            parent = roles.get(int(birth[1]), "unknown")
            roles[int(birth[2])] = parent if threads.get(birth[1]) else BELOW.get(parent, "unknown")
    return roles


class Process:
    """What a worker or a command's process does from birth to exit; of the latter until the program is there, which is
    not ours any more. While a worker waits for its command it looks at it every 2 ms: only the last turn counts."""

    def __init__(self):
        self.calls, self.turn = collections.Counter(), collections.Counter()
        self.waits = self.ended = False

    def add(self, role, call):
        if self.ended:
            return
        if call == "rt_sigtimedwait":
            self.turn.clear()
            self.waits = True
        (self.turn if self.waits else self.calls)[role, call] += 1
        self.ended = call in ("exit_group", "execve")


def split(lines):
    """What is counted, as lists of Counters by role: host, keeper and fork server from mark to mark, workers and
    commands each by itself; those that were idle at the pool's end have not ended by themselves."""
    roles, windows, processes = find_roles(lines), [], {}
    for line in lines:
        begun = BEGUN.match(line)
        if MARK.match(line):
            windows.append(collections.Counter())
        elif begun:
            role = roles.get(int(begun[1]), "unknown")
            if role in ("worker", "command"):
                processes.setdefault((role, begun[1]), Process()).add(role, begun[2])
            elif windows:
                windows[-1][role, begun[2]] += 1
    parts = {"": windows[FIRST:-1]}  # what follows the last mark is the pool's end, too
    for (role, _), process in processes.items():
        if process.ended:
            parts.setdefault(role, []).append(process.calls + process.turn)
    return parts


def count(lines):
    """{(role, call): how often for one job}. Between two marks there may be the rest of the job before, and a call more
    or fewer: the quartile is steadier there than the tenth."""
    found = {}
    for part, counters in split(lines).items():
        for key in set().union(*counters):
            number = sorted(counter[key] for counter in counters)[len(counters) // (10 if part else 4)]
            if number > 0 and key[1] not in WAITS:
                found[key] = number
    return found


def count_faults(steady, jobs):
    """{("worker", "page fault"): how many for one job}"""
    numbers = sorted(float(run([steady, "jobs", str(jobs)]).split()[1]) for _ in range(FAULT_RUNS))
    return {("worker", "page fault"): round(numbers[len(numbers) // 4])}


def count_once(steady, kind):
    return count_faults(steady, RUNS[kind]) if kind == "faults" else count(trace(steady, kind, RUNS[kind]))


def measure(steady, kind, times):
    """The highest of so many counts."""
    found = {}
    for _ in range(times):
        for key, number in count_once(steady, kind).items():
            if key[0] not in BUSY[kind]:
                found[key] = max(number, found.get(key, 0))
    return found


def read(path):
    figures = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                kind, role, call, number = line.rstrip("\n").split("\t")
                figures.setdefault(kind, {})[role, call] = int(number)
    return figures


def write(path, figures):
    with open(path, "w", encoding="ascii") as file:
        file.write("# System calls and page faults of one job, as guard.py counts them: kind, role, call, how often.\n")
        for kind, found in figures.items():
            for (role, call), number in sorted(found.items()):
                file.write(f"{kind}\t{role}\t{call}\t{number}\n")


def total(figures, role):
    return sum(number for (of, _), number in figures.items() if of == role)


def difference(old, new, role):
    """Which calls are more or fewer, in words."""
    calls = sorted({call for of, call in set(old) | set(new) if of == role})
    changes = [(call, new.get((role, call), 0) - old.get((role, call), 0)) for call in calls]
    return ", ".join(f"{change:+d} {call}" for call, change in changes if change)


def compare(kind, old, new):
    """Prints a line a role; the roles that make too many calls."""
    worse = []
    for role in sorted({role for role, _ in set(old) | set(new)}):
        before, now = total(old, role), total(new, role)
        word = "as committed"
        if now > before * ALLOWED:
            worse.append(role)
            word = f"MORE than the committed {before}: {difference(old, new, role)}"
        elif now != before:
            word = f"committed {before}: {difference(old, new, role)}"
            word += "; the figure can be lowered (--write)" if now * ALLOWED < before - 1 else ""
        print(f"guard: {kind}: {role}: {now} {WORDS.get(kind, 'system calls')} a job, {word}")
    return worse


def check(steady, kind, baseline):
    for attempt in range(ATTEMPTS):
        worse = compare(kind, baseline.get(kind, {}), measure(steady, kind, 1))
        if not worse:
            return True
        print(f"guard: {kind}: attempt {attempt + 1} of {ATTEMPTS}: more in {', '.join(worse)}")
    return False


def tell(steady):
    """The totals of a no-op job as `name value`."""
    calls, faults = measure(steady, "jobs", 1), measure(steady, "faults", 1)
    for role in sorted({role for role, _ in calls}):
        print(role.replace(" ", "_"), total(calls, role))
    print("faults", total(faults, "worker"))


def can_trace():
    return shutil.which("strace") and subprocess.run(["strace", "-f", "-o", "/dev/null", "true"],
                                                     capture_output=True).returncode == 0


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--write"], ["--tell"]):
        sys.exit("usage: guard.py PATH-OF-STEADY [--write|--tell]")
    steady = sys.argv[1]
    if not os.access(steady, os.X_OK):
        sys.exit(f"guard: {steady} cannot be run: cmake --build --preset release builds it")
    if not can_trace():
        print("SKIPPED: guard: strace is missing or may not trace here")
        return 77
    if sys.argv[2:] == ["--tell"]:
        tell(steady)
        return 0
    if sys.argv[2:]:
        write(BASELINE, {kind: measure(steady, kind, WRITTEN) for kind in RUNS})
        return 0
    baseline = read(BASELINE)
    return 0 if all([check(steady, kind, baseline) for kind in RUNS]) else 1


if __name__ == "__main__":
    sys.exit(main())
