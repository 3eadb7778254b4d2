"""Measures reclaim beside floors and peers, in turn in the same run, and tells ratios beside their targets.

Called by run.sh, which installs what is needed: see README.md.
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import curves
import machine
import plan
import program
import report
import targets

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SECTIONS = ["targets", "curves", "daemon", "beside"]
NEEDED = {"targets": 8, "curves": 14, "daemon": 1, "beside": 1, "quick": 3}  # GiB of memory
INTERRUPTS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def say(line):
    print(line, file=sys.stderr, flush=True)


def sections(text):
    names = text.split(",")
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no section \"{unknown[0]}\": there are {', '.join(SECTIONS)}")
    return names


def rounds(text):
    if not text.isdigit() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"\"{text}\" is no number of rounds, 1 to 100")
    return int(text)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="sh tests/bench/run.sh", description=(
        "Builds a release and measures it beside the kernel's floor and others; prints Markdown."))
    parser.add_argument("--quick", action="store_true", help="small sizes, the targets only: under a minute")
    parser.add_argument("--only", type=sections, metavar="SECTION[,...]",
                        help=f"what to measure, of {', '.join(SECTIONS)} (default: all; with --quick: targets)")
    parser.add_argument("--rounds", type=rounds, metavar="N", help="how often each measurement is repeated")
    parser.add_argument("--markdown", metavar="FILE", help="write the Markdown there as well")
    parser.add_argument("--json", metavar="FILE", help="write everything, each round's figures too, as JSON")
    parser.add_argument("--svg", metavar="FILE", help="write the plot of the curves")
    options = parser.parse_args(arguments)
    options.only = options.only or (["targets"] if options.quick else SECTIONS)
    if options.svg and "curves" not in options.only:
        parser.error("--svg is the plot of the curves, which are not among what is measured (--only curves)")
    return options


class Bench:
    def __init__(self, options, build, work):
        self.options, self.work = options, work
        self.bench = os.path.join(build, "tests", "bench")
        self.reclaim = install(build, work)
        self.build = build
        # What programs write by the way goes where it is removed.
        self.environment = dict(os.environ, TMPDIR=work, PARALLEL_HOME=work, JOBLIB_TEMP_FOLDER=work, LC_ALL="C.UTF-8")
        self.sizes = plan.QUICK if options.quick else plan.FULL
        self.rounds = options.rounds or self.sizes.rounds
        self.samples, self.failures = {}, []
        self.notes = []
        self.document = {"machine": machine.describe(ROOT), "quick": options.quick, "rounds": self.rounds}

    def fail(self, what):
        say(f"bench: {what}")
        if what not in self.failures:
            self.failures.append(what)

    def run_step(self, step, number):
        try:
            found, notes = step.run(self.environment, self.work)
        except program.Failure as failure:
            self.fail(f"{step.name}: {failure}")
            return
        for name, value in found.items():
            self.samples.setdefault(name, {})[number] = value
        self.notes += [note for note in notes if note not in self.notes]

    def measure_targets(self):
        steps = plan.steps(self.bench, self.reclaim, self.sizes, self.work)
        for number in range(self.rounds):
            say(f"bench: round {number + 1} of {self.rounds}")
            for step in steps if number % 2 == 0 else reversed(steps):  # nobody always goes first
                if not step.costly or number < self.sizes.costly:
                    self.run_step(step, number)
        return [{"heading": heading, "rows": [targets.evaluate(row, self.samples) for row in rows]}
                for heading, rows in targets.groups(self.sizes)]

    def measure_curves(self):
        runner, found = curves.Runner(self.bench, self.environment, self.work), []
        for curve in curves.CURVES:
            say(f"bench: curve: {curve.__name__}")
            try:
                found.append(curve(runner))
            except program.Failure as failure:
                self.fail(f"curve {curve.__name__}: {failure}")
        if self.options.svg and found:
            curves.plot(found, self.options.svg)
        return found

    def measure_section(self, heading, argv):
        say(f"bench: {heading}")
        try:
            return [{"heading": heading, "text": program.run(argv, self.environment, 400)[0]}]
        except program.Failure as failure:
            self.fail(f"{heading}: {failure}")
            return []

    def run(self):
        here, only = os.path.dirname(os.path.abspath(__file__)), self.options.only
        begin, company = time.monotonic(), machine.Company()
        document = self.document
        document["groups"] = self.measure_targets() if "targets" in only else []
        document["curves"] = self.measure_curves() if "curves" in only else []
        document["sections"] = []
        if "daemon" in only:
            document["sections"] += self.measure_section("The daemon, beside beanstalkd", [
                sys.executable, "-B", f"{here}/daemon.py", f"{self.build}/bin/reclaimd", f"{self.build}/tests/daemon"])
        if "beside" in only:
            document["sections"] += self.measure_section("What is left, used and resumed, beside others", [
                "sh", f"{here}/beside.sh", self.reclaim])
        document["notes"], document["failures"] = self.notes, self.failures
        document["samples"] = {name: list(values.values()) for name, values in self.samples.items()}
        document["machine"].update(company.parts())
        document["seconds"] = round(time.monotonic() - begin, 1)
        return document


def make(command):
    """Ends with the compiler's words where that fails."""
    try:
        done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        sys.exit(f"bench: {command[0]}: {error.strerror}; on Debian: sh tests/setup.sh bench")
    if done.returncode != 0:
        sys.exit(f"{done.stdout}bench: {' '.join(command)} has failed")


def install(build, work):
    """The command as people have it: what a linker has just written lies in small pieces in the page cache, and starts
    some 100 µs later than a copy of it."""
    prefix = os.path.join(work, "installed")
    make(["cmake", "--install", build, "--prefix", prefix])
    return os.path.join(prefix, "bin", "reclaim")


def build_release(build):
    """Builds what is measured."""
    make(["cmake", "--preset", "release"])
    make(["cmake", "--build", "--preset", "release"])
    for path in "tests/bench/throughput", "tests/bench/floor/fork", "bin/reclaim", "bin/reclaimd":
        if not os.path.exists(os.path.join(build, path)):
            sys.exit(f"bench: {os.path.join(build, path)} was not built: a build without tests or command cannot be "
                     "measured")


def check_writable(path):
    """Better known now than in ten minutes."""
    place = path if os.path.exists(path) else os.path.dirname(path) or "."
    if os.path.isdir(path) or not os.access(place, os.W_OK):
        sys.exit(f"bench: {path} cannot be written")


def check_memory(options):
    """A machine that swaps or kills measures something else."""
    needed = NEEDED["quick"] if options.quick and options.only == ["targets"] else max(map(NEEDED.get, options.only))
    available = machine.available() / 2**30
    if available < needed:
        sys.exit(f"bench: {available:.1f} GiB of memory are available, and {needed} are needed to measure "
                 f"{', '.join(options.only)}; --quick needs {NEEDED['quick']}")


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def interrupt(number, _):
    raise KeyboardInterrupt(number)


def measure(options, build):
    """The document; nothing of the measuring is left, neither a process nor a file."""
    program.become_subreaper()
    for number in INTERRUPTS:
        signal.signal(number, interrupt)
    work = tempfile.mkdtemp(prefix="reclaim-bench-")
    try:
        build_release(build)
        return Bench(options, build, work).run()
    finally:
        for number in INTERRUPTS:  # cleaning up is short
            signal.signal(number, signal.SIG_IGN)
        program.end_all()
        shutil.rmtree(work, ignore_errors=True)


def main():
    options = parse(sys.argv[1:])
    for path in options.markdown, options.json, options.svg:
        if path:
            check_writable(path)
    check_memory(options)
    try:
        document = measure(options, os.path.join(ROOT, "build", "release"))
    except KeyboardInterrupt as interruption:
        say("bench: interrupted, nothing is written")
        return 128 + (interruption.args[0] if interruption.args else signal.SIGINT)
    text = report.markdown(document)
    print(text, end="")
    if options.markdown:
        write(options.markdown, text)
    if options.json:
        write(options.json, report.to_json(document))
    say(f"bench: {document['seconds']:.0f} s, {len(document['failures'])} failed")
    return 1 if document["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
