"""Runs the programs of a round, and leaves nothing of them behind."""
import ctypes
import os
import signal
import subprocess
import tempfile
import time

PR_SET_CHILD_SUBREAPER = 36


class Failure(Exception):
    """A program could not be run, took too long, or failed; one line that says so."""


def become_subreaper():
    """What a peer leaves behind becomes a child of this process, and is seen by end_all()."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def children():
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(pid) for pid in file.read().split()]


def end_all():
    """Ends every process below this one; the children of those that die come to this one, until there are none."""
    while True:
        for pid in children():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def run(argv, environment, timeout=120, stdin=None, cwd=None):
    """The program's standard output, and seconds until its end. Raises Failure. Nothing of it is left."""
    # Files: who stays behind with the end of a pipe would keep us waiting.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        begin = time.monotonic()
        try:
            process = subprocess.Popen(argv, env=environment, cwd=cwd, stdin=stdin or subprocess.DEVNULL, stdout=output,
                                       stderr=errors, start_new_session=True)
        except OSError as error:
            raise Failure(f"{argv[0]}: {error.strerror}") from error
        try:
            code = process.wait(timeout)
            seconds = time.monotonic() - begin
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{' '.join(argv)}: not done in {timeout} s") from error
        finally:
            end_all()
            process.poll()  # it knows now
        if code != 0:
            raise Failure(f"{' '.join(argv)}: {(text(errors).strip().splitlines() or [f'exit status {code}'])[-1]}")
        return text(output), seconds


def text(file):
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def figures(output):
    """The `name value` lines of a program as a dictionary, and its `# ...` lines as a list."""
    found, notes = {}, []
    for line in output.splitlines():
        if line.startswith("#"):
            notes.append(line.lstrip("# "))
            continue
        name, value = line.split()
        found[name] = float(value)
    return found, notes
