"""A test of the benchmarks themselves, with tiny sizes: every figure that a target names is told, floors and ours, and
the arithmetic is right. Times nothing. Called by ctest.

    python3 -B smoke.py DIRECTORY-OF-THE-PROGRAMS PATH-OF-RECLAIM
"""
import os
import shutil
import sys
import tempfile
import unittest

import guard
import plan
import program
import report
import targets

TINY = plan.Sizes(rounds=1, jobs=20, times=5, heap=20, heap_times=5, result=1 << 20, steps=1, commands=2, inputs=4,
                  queued=40, dispatched=20, crowd=100, seconds=1, peers=0, costly=1)

TRACE = """
1 clone3({flags=CLONE_VM|CLONE_THREAD}) = 2
1 clone(flags=SIGCHLD) = 3
3 clone(flags=SIGCHLD <unfinished ...>
3 <... clone resumed>) = 4
4 clone(flags=SIGCHLD) = 5
1 write(-1, "job", 3) = -1 EBADF
2 close(7) = 0
5 close(3) = 0
5 exit_group(0) = ?
4 futex(0x1) = 0
4 pipe2([3, 4], 0) = 0
1 write(-1, "job", 3) = -1 EBADF
""".strip().splitlines()


class Programs(unittest.TestCase):
    """Floors and ours; peers need what is not installed for tests."""

    def test_every_figure_is_told(self):
        bench, reclaim = map(os.path.abspath, PATHS)
        work = tempfile.mkdtemp(prefix="reclaim-bench-")
        self.addCleanup(shutil.rmtree, work)
        samples = {}
        absent = ["py", "parallel"]
        absent += [] if guard.can_trace() else ["guard"]
        absent += [] if os.path.exists(f"{bench}/throughput_static") else ["static"]
        for step in plan.steps(bench, reclaim, TINY, work):
            if not step.name.startswith(tuple(absent)) and shutil.which(step.argv[0]):
                samples.update(step.run(dict(os.environ), work)[0])
        for _, rows in targets.groups(TINY):
            for row in rows:
                for name in row.ours, row.other:
                    if name and not name.startswith(tuple(absent)):
                        self.assertIn(name, samples, row.what)


class Nothing(unittest.TestCase):
    """Nothing is left of a program, whatever it does."""

    def test_who_stays_behind_is_ended(self):
        output, _ = program.run(["sh", "-c", "setsid sleep 1000 & echo told 1"], dict(os.environ), 20)
        self.assertEqual(program.figures(output), ({"told": 1.0}, []))
        self.assertEqual(program.children(), [])

    def test_who_does_not_end_is_ended(self):
        with self.assertRaisesRegex(program.Failure, "sleep 1000: not done in 0.1 s"):
            program.run(["sleep", "1000"], dict(os.environ), 0.1)
        self.assertEqual(program.children(), [])

    def test_a_failure_has_the_last_word_of_the_program(self):
        with self.assertRaisesRegex(program.Failure, "why$"):
            program.run(["sh", "-c", "echo why >&2; exit 3"], dict(os.environ), 20)
        with self.assertRaisesRegex(program.Failure, "/nowhere: No such file"):
            program.run(["/nowhere"], dict(os.environ), 20)


class Arithmetic(unittest.TestCase):
    ROW = targets.Row("ours", "theirs", "a.x", "b.x", "rate", ">=", 0.75)

    def test_a_ratio_is_of_one_round(self):
        found = targets.evaluate(self.ROW, {"a.x": {0: 1.0, 1: 8.0, 2: 3.0}, "b.x": {0: 2.0, 1: 8.0}})
        self.assertEqual(found["ratio"], {"median": 0.75, "min": 0.5, "max": 1.0, "rounds": 2})
        self.assertEqual(found["ours"]["median"], 3.0)
        self.assertTrue(found["met"])

    def test_a_target_is_missed_or_not_measured(self):
        found = targets.evaluate(self.ROW, {"a.x": {0: 0.7}, "b.x": {0: 1.0}})
        self.assertFalse(found["met"])
        self.assertIn("| **no** |", report.line(found))
        found = targets.evaluate(self.ROW, {"a.x": {0: 0.7}})
        self.assertIsNone(found["met"])
        self.assertIn("| not measured |", report.line(found))

    def test_quantities(self):
        for value, unit, text in ((0.00012345, "seconds", "123 µs"), (2.5, "seconds", "2.5 s"), (300, "bytes", "300 B"),
                                  (1 << 30, "bytes", "1 GiB"), (12345, "rate", "12,345/s"), (3.456, "count", "3.46"),
                                  (1000, "count", "1,000"), (0.0112, "part", "1.12 %")):
            self.assertEqual(report.quantity(value, unit), text)


class Guard(unittest.TestCase):
    def test_calls_are_counted_by_process(self):
        roles = guard.find_roles(TRACE)
        self.assertEqual([roles[pid] for pid in range(1, 6)], ["host", "host", "keeper", "fork server", "worker"])
        parts = guard.split(TRACE)
        self.assertEqual(parts["worker"], [{("worker", "close"): 1, ("worker", "exit_group"): 1}])

    def test_more_is_worse_and_fewer_is_not(self):
        old = {("worker", "close"): 20}
        self.assertEqual(guard.compare("jobs", old, {("worker", "close"): 22}), ["worker"])
        self.assertEqual(guard.compare("jobs", old, {("worker", "close"): 21}), [])
        self.assertEqual(guard.compare("jobs", old, {("worker", "close"): 1}), [])
        self.assertEqual(guard.compare("jobs", old, {("keeper", "read"): 1}), ["keeper"])
        self.assertEqual(guard.compare("faults", {("worker", "page fault"): 13}, {("worker", "page fault"): 14}), ["worker"])


if __name__ == "__main__":
    PATHS = sys.argv[1:]
    program.become_subreaper()
    unittest.main(argv=sys.argv[:1])
