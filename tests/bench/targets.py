"""The rows of the table: what is divided by what, and how far it should get. Plain functions over plain data."""
import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Row:
    what: str
    beside: str  # what it is divided by, in words
    ours: str  # a figure's name
    other: str  # the figure that stands beside it; "": the figure itself is what counts
    unit: str  # "rate", "seconds", "bytes", "part", "count", "truth"
    relation: str = ""  # ">=" or "<="; "": no target, for information
    bound: float = 0
    inverted: bool = False  # other / ours


def size(count):
    return f"{count >> 30} GiB" if count >= 1 << 30 else f"{count >> 20} MiB"


def throughput():
    floor = "bare fork, a byte through a pipe, waitpid, 4 under way"
    mapped = "the same loop with our libraries mapped"
    peer = "Python multiprocessing.Pool(2, maxtasksperchild=1)"
    rows = [
        Row("no-op jobs, 4 under way", floor, "noop.rate", "fork.pipe_rate", "rate", ">=", 0.6),
        Row("no-op jobs, 4 under way", mapped, "noop.rate", "mapped.pipe_rate", "rate", ">=", 0.8),
        Row("no-op jobs, a static host", floor, "static.rate", "fork.pipe_rate", "rate", ">=", 0.75),
        Row("no-op jobs, 4 under way", "bare fork and waitpid, no pipe", "noop.rate", "fork.fork_rate", "rate"),
        Row("no-op jobs, 4 under way", peer, "noop.rate", "py_pool.rate", "rate", ">=", 14),
        Row("jobs with a result of 64 KiB", "no-op jobs", "kib64.rate", "noop.rate", "rate", ">=", 0.85),
    ]
    for name, words in (
        ("executor", "ProcessPoolExecutor(1) for each job"),
        ("pebble", "Pebble, ProcessPool(2, max_tasks=1)"),
        ("forkserver", "Pool as above, context forkserver"),
        ("spawn", "Pool as above, context spawn"),
        ("joblib", "joblib (loky), an executor for each job"),
    ):
        rows.append(Row("no-op jobs, 4 under way", words, "noop.rate", f"py_{name}.rate", "rate"))
    return rows


def counts():
    rows = [Row(f"system calls a job, {role}", "", f"guard.{name}", "", "count", "<=", most)
            for role, name, most in (("fork server", "fork_server", 10), ("host", "host", 8), ("worker", "worker", 12))]
    return rows + [
        Row("page faults of a no-op worker", "", "guard.faults", "", "count", "<=", 13),
        Row("context switches a job, 4 under way", "", "noop.switches", "", "count", "<=", 3),
        Row("of these, waits", "", "noop.waits", "", "count"),
    ]


def latency():
    return [
        Row("value in hand (early), p50", "a byte over two pipes and back, p50", "latency.early_p50", "echo.echo_p50",
            "seconds", "<=", 4),
        Row("value in hand, p99", "its p50", "latency.early_p99", "latency.early_p50", "seconds", "<=", 4),
        Row("settled (reaped), p50", "a forked child: byte, byte back, exit, waitpid, p50", "latency.settled_p50",
            "prefork.prefork_p50", "seconds", "<=", 2.2),
        Row("settled, p99", "its p50", "latency.settled_p99", "latency.settled_p50", "seconds", "<=", 4),
    ]


def heap(sizes):
    big = sizes.heap
    words = f"host heap of {size(big << 20)}"
    return [
        Row(f"no-op jobs, {words}", "of 10 MiB", f"heap.rate_{big}", "heap.rate_10", "rate", ">=", 0.95),
        Row(f"value in hand, p50, {words}", "of 10 MiB", f"heap.early_{big}_p50", "heap.early_10_p50", "seconds", ">=",
            0.95, inverted=True),
        Row(f"settled, p50, {words}", "of 10 MiB", f"heap.settled_{big}_p50", "heap.settled_10_p50", "seconds", ">=",
            0.95, inverted=True),
    ]


def results(sizes):
    big = size(sizes.result)
    return [
        Row(f"a result of {big}, in place, settled", "filling a memfd of that size", "result.in_place",
            "memfd.memfd_fill", "seconds", "<=", 1.1),
        Row(f"a result of {big}, by copy, value in hand", "write() into a memfd", "result.copy_early",
            "memfd.memfd_write", "seconds", "<=", 1.25),
        Row(f"a result of {big}, by copy, settled", "write() into a memfd", "result.copy_settled", "memfd.memfd_write",
            "seconds"),
        Row(f"a result of {big}, gathered from 64 parts, value in hand", "write() into a memfd, by the same process",
            "result.parts_early", "result.parts_floor", "seconds", "<=", 1.15),
        Row(f"a result of {big}, in place, settled", "ProcessPoolExecutor", "result.in_place", "py.result", "seconds",
            inverted=True),
    ]


def commands(sizes):
    many = f"{sizes.inputs:,} inputs"
    return [
        Row("`reclaim run true`", "`timeout 10 true`", "run.command_p50", "timeout.command_p50", "seconds", "<=", 1.3),
        Row("`reclaim run true`", "`true`", "run.command_p50", "bare_true.command_p50", "seconds"),
        Row(f"`reclaim map -j2 --joblog`, {many}", "`xargs -P2 -n1 true`", "map.whole", "xargs.whole", "seconds", "<=",
            1.25),
        Row(f"`reclaim map -j2 --joblog`, {many}", "`parallel -j2 --joblog`", "map.whole", "parallel.whole", "seconds",
            ">=", 5, inverted=True),
    ]


def work(sizes):
    big = size(sizes.result)
    return [
        Row("a job that computes", "the same loop bare", "compute.job", "compute.bare", "seconds", "<=", 1.01),
        Row(f"filling {big}, pool_call_alloc", "malloc and memset, bare", "huge.arena", "fill.fill", "seconds", "<=",
            0.5),
        Row(f"filling {big}, a command with huge_pages", "the same program, bare", "huge.command_huge", "fill.fill",
            "seconds", "<=", 0.5),
        Row(f"filling {big}, a command", "the same program, bare", "huge.command_plain", "fill.fill", "seconds"),
    ]


def scale(sizes):
    many = f"{sizes.queued:,} queued jobs"
    return [
        Row(f"{many}: memory for each, no argument", "", "queue0.bytes", "", "bytes", "<=", 256),
        Row(f"{many}: memory for each, beside an argument of 8 bytes", "", "queue.bytes", "", "bytes", "<=", 256),
        Row(f"{many}: submits a second, no argument", "", "queue0.submit_rate", "", "rate", ">=", 500000),
        Row(f"{many}: submits a second, 8 bytes", "", "queue.submit_rate", "", "rate", ">=", 500000),
        Row(f"dispatch from a queue of {sizes.queued:,}", f"from one of {sizes.dispatched:,}", "queue.dispatch_rate",
            "short.dispatch_rate", "rate", ">=", 0.9),
        Row(f"dispatch from a queue of {sizes.queued:,}", "no-op jobs, 4 under way", "queue.dispatch_rate",
            "noop.rate", "rate", ">=", 0.9),
        Row("a warm idle worker, PSS", "", "warm.pss", "", "bytes", "<=", 200 * 1024),
        Row("workers at once, enough descriptors", "", "crowd.present", "", "count", ">=", sizes.crowd),
        Row("beyond the descriptor limit the error says so", "", "crowd.told", "", "truth", ">=", 1),
        Row("the host's descriptor limit is as it was", "", "crowd.limit_kept", "", "truth", ">=", 1),
        Row("sampler, 64 jobs far from their limits, of a core", "", "sampler.rest_far", "", "part", "<=", 0.01),
    ]


def groups(sizes):
    """The table in its order: (heading, rows)."""
    return [
        ("Throughput", throughput()),
        ("Counts of a no-op job", counts()),
        ("Latency, a job every 2 ms", latency()),
        ("A host that has grown", heap(sizes)),
        ("Large results", results(sizes)),
        ("Commands", commands(sizes)),
        ("Work", work(sizes)),
        ("Scale", scale(sizes)),
    ]


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": len(values)}


def quotients(row, samples):
    """Of each round in which both were measured: [] where there is none."""
    own, other = samples.get(row.ours, {}), samples.get(row.other, {})
    if not row.other:
        return list(own.values())
    pairs = [(own[i], other[i]) for i in own if i in other]
    return [b / a if row.inverted else a / b for a, b in pairs if a > 0 and b > 0]


def evaluate(row, samples):
    """A row with its figures. samples: {figure: {round: value}}. None for what was not measured, and where no target is."""
    ratios = quotients(row, samples)
    found = {"what": row.what, "beside": row.beside, "unit": row.unit}
    found["target"] = {"relation": row.relation, "bound": row.bound} if row.relation else None
    for key, name in ("ours", row.ours), ("other", row.other):
        values = list(samples.get(name, {}).values())
        found[key] = spread(values) if values else None
    found["ratio"] = spread(ratios) if ratios else None
    found["absolute"] = not row.other
    found["met"] = None
    if row.relation and ratios:
        middle = found["ratio"]["median"]
        found["met"] = middle >= row.bound if row.relation == ">=" else middle <= row.bound
    return found
