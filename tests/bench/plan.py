"""What a round runs, and with which sizes: floors, ours and peers, one after the other."""
import dataclasses
import os
import sys

import program

HERE = os.path.dirname(os.path.abspath(__file__))

@dataclasses.dataclass(frozen=True)
class Sizes:
    rounds: int
    jobs: int  # for a throughput
    times: int  # for a latency
    heap: int  # MiB of a grown host
    heap_times: int  # for a latency there
    result: int  # bytes of a large result, and of memory to fill
    steps: int  # millions, of the computing loop
    commands: int
    inputs: int  # of a map
    queued: int
    dispatched: int
    crowd: int
    seconds: int  # of looking at the sampler
    peers: float  # of the jobs that a peer is given in a full round
    costly: int  # rounds in which what takes seconds is run


FULL = Sizes(rounds=5, jobs=5000, times=600, heap=4096, heap_times=600, result=1 << 30, steps=200, commands=100,
             inputs=1000, queued=1000000, dispatched=20000, crowd=1000, seconds=6, peers=1, costly=3)
QUICK = Sizes(rounds=2, jobs=2000, times=500, heap=1024, heap_times=250, result=1 << 28, steps=50, commands=20,
              inputs=300, queued=200000, dispatched=3000, crowd=1000, seconds=2, peers=0.4, costly=1)


@dataclasses.dataclass(frozen=True)
class Step:
    name: str  # its figures are called NAME.figure
    argv: list
    costly: bool = False
    stdin: str = ""  # a file
    timeout: int = 120

    def run(self, environment, cwd):
        """Its figures by their full names, and its notes. Raises program.Failure."""
        with open(self.stdin or os.devnull, "rb") as stdin:
            output, seconds = program.run(self.argv, environment, self.timeout, stdin, cwd)
        found, notes = program.figures(output)
        named = {f"{self.name}.{key}": value for key, value in found.items()}
        named[f"{self.name}.whole"] = seconds
        return named, notes


def throughput(bench, sizes):
    static = f"{bench}/throughput_static"  # is built where there are archives of everything
    return [
        Step("fork", [f"{bench}/floor/fork", str(sizes.jobs)]),
        Step("mapped", [f"{bench}/floor/fork_mapped", str(sizes.jobs)]),
        Step("noop", [f"{bench}/throughput", str(sizes.jobs)]),
        *([Step("static", [static, str(sizes.jobs)])] if os.path.exists(static) else []),
        Step("kib64", [f"{bench}/throughput", str(sizes.jobs), "65536"]),
    ]


def counts(bench):
    """What one job takes that no clock tells."""
    return [Step("guard", [sys.executable, "-B", os.path.join(HERE, "guard.py"), f"{bench}/steady", "--tell"],
                 costly=True)]


def latency(bench, sizes):
    return [
        Step("echo", [f"{bench}/floor/echo", str(sizes.times)]),
        Step("latency", [f"{bench}/latency", str(sizes.times)]),
        Step("prefork", [f"{bench}/floor/prefork", str(sizes.times)]),
        Step("heap", [f"{bench}/heap", str(sizes.jobs), str(sizes.heap_times), "10", str(sizes.heap)]),
    ]


def work(bench, sizes):
    mib = str(sizes.result >> 20)
    return [
        Step("memfd", [f"{bench}/floor/memfd", str(sizes.result)]),
        Step("result", [f"{bench}/result", str(sizes.result)]),
        Step("fill", [f"{bench}/floor/fill", mib]),
        Step("huge", [f"{bench}/huge", mib, f"{bench}/floor/fill"]),
        Step("compute", [f"{bench}/compute", str(sizes.steps)]),
    ]


def scale(bench, sizes):
    first = str(sizes.dispatched)
    return [
        Step("queue", [f"{bench}/queue", str(sizes.queued), "8", first], costly=True),
        Step("short", [f"{bench}/queue", first, "8", first], costly=True),
        Step("queue0", [f"{bench}/queue", str(sizes.queued), "0", first], costly=True),
        Step("warm", [f"{bench}/warm"]),
        Step("crowd", [f"{bench}/crowd", str(sizes.crowd)], costly=True),
        Step("sampler", [f"{bench}/sampler", str(sizes.seconds), "far"], costly=True),
    ]


def commands(bench, reclaim, sizes, directory):
    """The command beside timeout, xargs and GNU parallel."""
    inputs = os.path.join(directory, "inputs")
    if not os.path.exists(inputs):
        with open(inputs, "w", encoding="ascii") as file:
            file.writelines(f"{i}\n" for i in range(sizes.inputs))
    one = [f"{bench}/floor/command", str(sizes.commands)]
    return [
        Step("bare_true", one + ["true"]),
        Step("timeout", one + ["timeout", "10", "true"]),
        Step("run", one + [reclaim, "run", "true"]),
        Step("xargs", ["xargs", "-P2", "-n1", "true"], stdin=inputs),
        Step("map", [reclaim, "map", "-j2", "--joblog", "reclaim.log", "true"], stdin=inputs),
        Step("parallel", ["parallel", "--will-cite", "-j2", "--joblog", "parallel.log", "true"], stdin=inputs,
             costly=True),
    ]


def peers(sizes):
    python = [sys.executable, "-B", os.path.join(HERE, "peers.py")]
    counts = {"pool": 400, "executor": 150, "pebble": 20, "forkserver": 40, "spawn": 30, "joblib": 5}
    steps = [Step("py_" + name, python + [name, str(max(2, int(count * sizes.peers)))])
             for name, count in counts.items()]
    return steps + [Step("py", python + ["result", str(sizes.result)], costly=True)]


def steps(bench, reclaim, sizes, directory):
    """A round: what is divided by one another stands side by side, for a machine's mood changes."""
    return (throughput(bench, sizes) + peers(sizes) + counts(bench) + latency(bench, sizes) + work(bench, sizes) +
            scale(bench, sizes) + commands(bench, reclaim, sizes, directory))
