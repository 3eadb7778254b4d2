"""How cost grows with jobs, workers, the host's heap, the size of a result: points, and a plot of four panels."""
import math
import statistics
import subprocess

import program

JOBS = [1000, 10000, 100000, 1000000]
WORKERS = [1, 2, 4, 8, 16, 32, 64]
HEAPS = [10, 100, 1024, 4096, 8192]  # MiB
RESULTS = [1 << shift for shift in (10, 14, 16, 18, 20, 23, 26, 28, 30, 31, 32)]


class Runner:
    """Runs one program several times: the medians of its figures."""

    def __init__(self, bench, environment, cwd):
        self.bench, self.environment, self.cwd = bench, environment, cwd

    def __call__(self, argv, times=1, timeout=600):
        found = {}
        for _ in range(times):
            argv = [str(word) for word in argv]
            output, _ = program.run([f"{self.bench}/{argv[0]}"] + argv[1:], self.environment, timeout, cwd=self.cwd)
            for name, value in program.figures(output)[0].items():
                found.setdefault(name, []).append(value)
        return {name: statistics.median(values) for name, values in found.items()}


def jobs(run):
    floor = run(["floor/fork", 5000], 3)["pipe_rate"]
    rows = []
    for count in JOBS:
        found = run(["queue", count, 8, count], 3 if count <= 10000 else 1)
        rows.append([count, count / found["submit_rate"], count / found["dispatch_rate"], count / floor])
    return {"title": "Jobs", "rows": rows, "x": "jobs queued", "y": "seconds", "columns": [
        ("jobs", "count"), ("all submitted", "seconds"), ("all run", "seconds"), ("bare fork and pipe", "seconds")]}


def workers(run):
    rows = []
    for count in WORKERS:
        found = run(["throughput", max(2000, 40 * count), 0, count], 3)
        rows.append([count, found["rate"]])
    return {"title": "Workers", "rows": rows, "x": "workers", "y": "no-op jobs a second",
            "columns": [("workers", "count"), ("no-op jobs", "rate")]}


def heap(run):
    found = run(["heap", 3000, 300] + HEAPS)
    rows = [[mib << 20, 1 / found[f"rate_{mib}"], found[f"early_{mib}_p50"], found[f"settled_{mib}_p50"]]
            for mib in HEAPS]
    return {"title": "The host's heap", "rows": rows, "x": "heap of the host, bytes", "y": "seconds", "columns": [
        ("heap", "bytes"), ("a no-op job, 4 under way", "seconds"), ("value in hand, p50", "seconds"),
        ("settled, p50", "seconds")]}


def results(run):
    rows = []
    for size in RESULTS:
        times = 5 if size <= 1 << 26 else 1
        found, floor = run(["result", size], times), run(["floor/memfd", size], times)
        rows.append([size, found["in_place"], found["copy_early"], floor["memfd_fill"], floor["memfd_write"]])
    return {"title": "The size of a result", "rows": rows, "x": "bytes of a result", "y": "seconds", "columns": [
        ("result", "bytes"), ("in place, settled", "seconds"), ("by copy, value in hand", "seconds"),
        ("filling a memfd", "seconds"), ("write() into a memfd", "seconds")]}


CURVES = [jobs, workers, heap, results]


def panel(points, number):
    """One panel for gnuplot: its data, and how they are drawn."""
    lines = [f"$data{number} << EOD"]
    lines += [" ".join(f"{value:.9g}" for value in row) for row in points["rows"]]
    lines += ["EOD", f"set title \"{points['title']}\""]
    lines += [f"set xlabel \"{points['x']}\"", f"set ylabel \"{points['y']}\""]
    series = [f"$data{number} using 1:{column} with linespoints linewidth 2 title \"{name}\""
              for column, (name, _) in enumerate(points["columns"][1:], 2)]
    return lines + ["plot " + ", ".join(series)]


def axes(points):
    """Logarithmic in powers of ten, at least two of them high, so that what hardly moves looks so; workers in twos."""
    values = [value for row in points["rows"] for value in row[1:]]
    middle = math.sqrt(min(values) * max(values))
    low, high = min(min(values) / 1.5, middle / 10), max(max(values) * 5, middle * 10)  # room for the key
    x = ["set logscale x 2", "set format x \"%g\""] if points["title"] == "Workers" else [
        "set logscale x 10", "set format x \"10^{%L}\""]
    return x + [f"set xrange [{points['rows'][0][0]}:{points['rows'][-1][0]}]", f"set yrange [{low:g}:{high:g}]"]


def plot(curves, path):
    """Writes the SVG. Raises program.Failure."""
    script = ["set terminal svg size 1100,820 font 'sans-serif,12' background 'white' dynamic",
              "set output " + gnuplot_quote(path),
              "set multiplot layout 2,2 margins 0.08,0.97,0.07,0.95 spacing 0.11,0.13",
              "set logscale xy", "set format y \"10^{%L}\"", "set grid", "set key left top Left reverse",
              "set pointsize 0.6"]
    for number, points in enumerate(curves):
        script += axes(points) + panel(points, number)
    script += ["unset multiplot"]
    try:
        done = subprocess.run(["gnuplot", "-"], input="\n".join(script) + "\n", text=True, capture_output=True,
                              timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise program.Failure(f"gnuplot: {error}") from error
    if done.returncode != 0:
        raise program.Failure(f"gnuplot: {done.stderr.strip().splitlines()[-1]}")


def gnuplot_quote(path):
    return "'" + path.replace("'", "''") + "'"
