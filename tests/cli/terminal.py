#!/usr/bin/env python3
"""`reclaim run` on a terminal: what a person at a shell sees, through a pty.

    python3 tests/cli/terminal.py path/to/reclaim [case...]

Each case runs on a pty of its own, waits for what has to appear, and ends by finding that no process is left: all that
it starts carries a word of its own in the environment.
"""
import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import sys
import tempfile
import termios
import time
import uuid

RECLAIM = os.path.abspath(sys.argv[1])
SECONDS = 20  # for any one thing to happen
PROMPT = "PS> "


class Failure(Exception):
    pass


def until(condition, what):
    """Waits for what no descriptor tells. what() says what did not come."""
    end = time.monotonic() + SECONDS
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"never: {what()}")
        time.sleep(0.01)


class Terminal:
    """A session of its own with a pty as its terminal, and argv as its leader."""

    def __init__(self, argv, work):
        self.tag = "RECLAIM_TERMINAL_TEST=" + uuid.uuid4().hex
        self.seen = ""
        self.status = None
        name, _, value = self.tag.partition("=")
        environment = dict(os.environ, TERM="vt100", PS1=PROMPT, WORK=work, RECLAIM=RECLAIM, HOME=work)
        environment.update({name: value, "HISTFILE": "", "LC_ALL": "C"})
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            os.chdir(work)
            try:
                os.execvpe(argv[0], argv, environment)
            finally:
                os._exit(127)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.set_blocking(self.master, False)

    # What is there to read; False at the end.
    def read(self):
        try:
            data = os.read(self.master, 65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.seen += data.decode("latin-1")
        return bool(data)

    def expect(self, pattern):
        """Reads until the pattern is there; what comes before it and itself are used up."""

        def found():
            more = self.read()
            match = re.search(pattern, self.seen)
            if match is None and not more:
                raise Failure(f"the terminal closed before {pattern!r}")
            return match

        match = until(found, lambda: f"{pattern!r} in {self.seen!r}")
        self.seen = self.seen[match.end() :]
        return match

    def send(self, text):
        os.write(self.master, text.encode("latin-1"))

    def line(self, text):
        self.send(text + "\r")

    def attributes(self):
        return termios.tcgetattr(self.master)  # Linux: those of the other side

    def processes(self):
        """All that this session has started, by pid."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if self.tag.encode() in file.read().split(b"\0"):
                        found.append(int(pid))
            except OSError:
                pass
        return found

    def named(self, name):
        """The one process of this session with that name."""

        def look():
            pids = [pid for pid in self.processes() if comm(pid) == name]
            return pids[0] if len(pids) == 1 else None

        return until(look, lambda: f"one process named {name}")

    def wait(self):
        """The leader's end, as wait(2) tells it."""

        def ended():
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid == self.pid:
                self.status = status
            return pid == self.pid

        until(ended, lambda: f"the end of the session in {self.seen!r}")
        return self.status

    def hang_up(self):
        os.close(self.master)
        self.master = -1

    def expect_gone(self):
        until(lambda: not self.processes(), lambda: f"all gone, but {[comm(pid) for pid in self.processes()]}")

    def close(self):
        """Whatever happened: nothing stays."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        end = time.monotonic() + SECONDS
        while (left := self.processes()) and time.monotonic() < end:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.01)
        if self.master >= 0:
            os.close(self.master)


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return None


def state(pid):
    """R, S, T, ...: proc(5)."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def same(got, wanted, what):
    if got != wanted:
        raise Failure(f"{what}: {got!r} instead of {wanted!r}")


# ---- cases: reclaim leads the session -------------------------------------------------------------------------------


def run(work, *words):
    return Terminal([RECLAIM, "run", *words], work)


def case_interrupt(work):
    """Ctrl-C ends the command, and reclaim as it would have ended the command."""
    terminal = run(work, "sh", "-c", "echo rea''dy; exec sleep 1000")
    yield terminal
    terminal.expect("ready")
    terminal.named("sleep")
    terminal.send("\x03")
    same(os.WTERMSIG(terminal.wait()), signal.SIGINT, "the signal")


def case_interrupt_handled(work):
    """Ctrl-C comes once to a command that has its own mind about it."""
    terminal = run(work, "sh", "-c", "trap 'echo inter''rupted; exit 5' INT; echo rea''dy; while :; do sleep 0.05; done")
    yield terminal
    terminal.expect("ready")
    terminal.send("\x03")
    same(os.waitstatus_to_exitcode(terminal.wait()), 5, "the exit code")
    same(terminal.seen.count("interrupted"), 1, "times that it was told")


def case_quit(work):
    terminal = run(work, "sh", "-c", "ulimit -c 0; echo rea''dy; exec sleep 1000")
    yield terminal
    terminal.expect("ready")
    terminal.named("sleep")
    terminal.send("\x1c")
    same(os.WTERMSIG(terminal.wait()), signal.SIGQUIT, "the signal")


def case_terminate(work):
    """SIGTERM to reclaim alone."""
    terminal = run(work, "sh", "-c", "trap 'echo termi''nated; exit 9' TERM; echo rea''dy; while :; do sleep 0.05; done")
    yield terminal
    terminal.expect("ready")
    os.kill(terminal.pid, signal.SIGTERM)
    same(os.waitstatus_to_exitcode(terminal.wait()), 9, "the exit code")
    same(terminal.seen.count("terminated"), 1, "times that it was told")


def case_window(work):
    """SIGWINCH reaches the command, which sees the new size."""
    terminal = run(work, "sh", "-c", "trap 'stty size; exit 0' WINCH; echo rea''dy; while :; do sleep 0.05; done")
    yield terminal
    terminal.expect("ready")
    fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
    terminal.expect("33 99")
    same(os.waitstatus_to_exitcode(terminal.wait()), 0, "the exit code")


def case_hangup(work):
    terminal = run(work, "sh", "-c", "echo rea''dy; exec sleep 1000")
    yield terminal
    terminal.expect("ready")
    terminal.named("sleep")
    terminal.hang_up()
    same(os.WTERMSIG(terminal.wait()), signal.SIGHUP, "the signal")


def case_hangup_ignored(work):
    """A command that ignores SIGHUP goes on, and what it leaves is written."""
    terminal = run(work, "sh", "-c", 'trap "" HUP; mkfifo go; echo rea""dy; read x <go; echo "$x" >came; exit 3')
    yield terminal
    terminal.expect("ready")
    terminal.hang_up()
    with open(os.path.join(work, "go"), "w") as go:
        go.write("on\n")
    same(os.waitstatus_to_exitcode(terminal.wait()), 3, "the exit code")
    with open(os.path.join(work, "came")) as file:
        same(file.read(), "on\n", "what it wrote")


def case_stop_unwatched(work):
    """Without a shell that could say fg, Ctrl-Z stops nothing: setpgid(2), orphaned process groups."""
    terminal = run(work, "sh", "-c", "echo rea''dy; read x; echo got=$x")
    yield terminal
    terminal.expect("ready")
    terminal.send("\x1a")
    terminal.line("on")
    terminal.expect("got=on")
    same(os.waitstatus_to_exitcode(terminal.wait()), 0, "the exit code")


def case_attributes(work):
    """They are the command's to change, and reclaim puts them back only where it killed the command."""
    for words, back in (
        (["true"], True),
        (["stty", "-echo", "-icanon"], False),
        (["-t", "0.3", "-k", "0.1", "sh", "-c", "trap '' TERM; stty raw -echo; while :; do sleep 0.05; done"], True),
        (["-m", "32M", "sh", "-c", "stty raw -echo; exec dd if=/dev/zero of=/dev/null bs=1G count=1"], True),
    ):
        # The leader keeps the terminal open after reclaim's end.
        terminal = Terminal(["sh", "-c", '"$RECLAIM" run "$@"; echo en""ded; read x', "sh", *words], work)
        try:
            before = terminal.attributes()
            terminal.expect("ended")
            same(terminal.attributes() == before, back, f"attributes as before after {words}")
            terminal.line("")
            terminal.wait()
            terminal.expect_gone()
        finally:
            terminal.close()
    return
    yield


# ---- cases: below an interactive shell ------------------------------------------------------------------------------


def shell(work):
    terminal = Terminal(["bash", "--norc", "--noprofile", "--noediting", "-i"], work)
    terminal.expect(re.escape(PROMPT))
    return terminal


def leave(terminal, code=None):
    """The shell's last command has ended with that code, and the shell goes, too."""
    terminal.line('echo "co""de=$?"')
    got = terminal.expect(r"code=(\d+)").group(1)
    if code is not None:
        same(int(got), code, "$?")
    terminal.line("exit")
    terminal.wait()


def case_shell_interrupt(work):
    terminal = shell(work)
    yield terminal
    terminal.line("$RECLAIM run sh -c 'echo rea\"\"dy; exec sleep 1000'")
    terminal.expect("ready")
    terminal.named("sleep")
    terminal.send("\x03")
    terminal.expect(re.escape(PROMPT))
    leave(terminal, 130)


def case_shell_stop(work):
    """Ctrl-Z, jobs, fg, and on with the input where it was."""
    terminal = shell(work)
    yield terminal
    terminal.line("$RECLAIM run cat")
    cat = terminal.named("cat")
    terminal.line("one")
    terminal.expect("one\r\none\r\n")
    terminal.send("\x1a")
    terminal.expect(r"\[1\]\+  Stopped +\$RECLAIM run cat")
    same(state(cat), "T", "the command's state")
    terminal.expect(re.escape(PROMPT))
    terminal.line("jobs")
    terminal.expect(r"\[1\]\+  Stopped +\$RECLAIM run cat")
    terminal.line("fg")
    terminal.expect(r"\$RECLAIM run cat\r\n")
    terminal.line("two")
    terminal.expect("two\r\ntwo\r\n")
    terminal.send("\x1a")
    terminal.expect("Stopped")
    terminal.line("fg")
    terminal.expect("run cat")
    terminal.send("\x04")
    leave(terminal, 0)


def case_shell_stop_and_time(work):
    """While Ctrl-Z has stopped it its time stands still."""
    terminal = shell(work)
    yield terminal
    terminal.line("$RECLAIM run -t 1.5 sh -c 'echo rea\"\"dy; read line; echo got $line'")
    terminal.expect("ready")
    terminal.send("\x1a")
    terminal.expect("Stopped")
    time.sleep(2)  # what is tested: this much does not count
    terminal.line("fg")
    terminal.expect("run")
    terminal.line("it")
    terminal.expect("got it")
    leave(terminal, 0)


def case_shell_stops_itself_and_time(work):
    """A stop that is not the terminal's does not keep the time from running."""
    terminal = shell(work)
    yield terminal
    terminal.line("$RECLAIM run -t 1 sh -c 'kill -STOP $$'")
    terminal.expect("Stopped")
    until(lambda: "sh" not in map(comm, terminal.processes()), lambda: "the command ended")
    terminal.line("fg")
    terminal.expect("over its timeout")
    leave(terminal, 124)


def case_shell_leaves_its_group_and_stops(work):
    """In a group of its own it is not the terminal's to stop."""
    terminal = shell(work)
    yield terminal
    terminal.line("$RECLAIM run -t 1 python3 -c 'import os; os.setpgrp(); os.kill(os.getpid(), 20)'")
    terminal.expect("Stopped")
    until(lambda: "python3" not in map(comm, terminal.processes()), lambda: "the command ended")
    terminal.line("fg")
    terminal.expect("over its timeout")
    leave(terminal, 124)


def case_shell_script_stops_and_time(work):
    """Below a script nobody would continue reclaim, which therefore does not stop."""
    terminal = shell(work)
    yield terminal
    terminal.line("sh -c '$RECLAIM run -t 1 sh -c \"kill -STOP \\$\\$\"; echo stat\"\"us=$?'")
    terminal.expect("status=124")
    leave(terminal)


SUPERVISOR = """
import os, signal, sys
signal.signal(signal.SIGTSTP, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
stopped = os.waitpid(pid, os.WUNTRACED)[1]
print("it stopped by", os.WSTOPSIG(stopped), flush=True)
os.kill(0, signal.SIGCONT)
print("it ended with", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


def case_shell_supervised_stop(work):
    """Ctrl-Z where another program of the same group waits for reclaim to stop, as sudo does."""
    with open(os.path.join(work, "supervisor.py"), "w") as file:
        file.write(SUPERVISOR)
    terminal = shell(work)
    yield terminal
    terminal.line("python3 supervisor.py $RECLAIM run sh -c 'echo rea\"\"dy; read x; echo got=$x'")
    terminal.expect("ready")
    terminal.send("\x1a")
    terminal.expect("it stopped by 20")
    terminal.line("it")
    terminal.expect("got=it")
    terminal.expect("it ended with 0")
    leave(terminal)


def case_shell_background(work):
    """Ctrl-Z and bg: it goes on, without the terminal."""
    os.mkfifo(os.path.join(work, "go"))
    terminal = shell(work)
    yield terminal
    terminal.line("$RECLAIM run sh -c 'echo rea\"\"dy; read x <go; echo got=$x'")
    terminal.expect("ready")
    terminal.send("\x1a")
    terminal.expect("Stopped")
    terminal.line("bg")
    terminal.expect(r"\[1\]\+ .*&\r\n")
    terminal.line("echo on >go; wait %1; echo stat\"\"us=$?")
    terminal.expect("got=on")
    terminal.expect("status=0")
    leave(terminal)


def case_shell_killed_in_background(work):
    """A job that reclaim ends in the background leaves the terminal to those who have it."""
    terminal = shell(work)
    yield terminal
    terminal.line("$RECLAIM run -t 1 sh -c 'echo rea\"\"dy; exec sleep 1000'")
    terminal.expect("ready")
    terminal.named("sleep")
    terminal.send("\x1a")
    terminal.expect("Stopped")
    terminal.expect(re.escape(PROMPT))
    terminal.line("stty -echo; bg")
    terminal.expect(re.escape(PROMPT))
    before = terminal.attributes()
    terminal.expect("over its timeout")
    until(lambda: len(terminal.processes()) == 1, lambda: "only the shell left")
    same(os.tcgetpgrp(terminal.master), terminal.pid, "who has the terminal")
    same(terminal.attributes(), before, "the terminal's attributes")
    leave(terminal)


def case_shell_stops_itself(work):
    """A command that stops itself alone, as less does on Ctrl-Z: the shell sees it all the same."""
    terminal = shell(work)
    yield terminal
    for name in "STOP", "TSTP":
        terminal.line(f"$RECLAIM run sh -c 'kill -{name} $$; echo af\"\"ter'")
        terminal.expect(r"\[1\]\+  Stopped ")
        terminal.line("fg")
        terminal.expect("after")
    leave(terminal, 0)


def case_shell_told_to_stop(work):
    """SIGTSTP and SIGCONT to reclaim alone act on the command."""
    os.mkfifo(os.path.join(work, "go"))
    terminal = shell(work)
    yield terminal
    terminal.line("$RECLAIM run sh -c 'trap \"echo con\"\"tinued\" CONT; echo rea\"\"dy; until read x <go; do :; done; echo got=$x'")
    terminal.expect("ready")
    reclaim = terminal.named("reclaim")
    command = terminal.named("sh")
    os.kill(reclaim, signal.SIGTSTP)
    terminal.expect(r"\[1\]\+  Stopped ")
    same(state(command), "T", "the command's state")
    os.kill(reclaim, signal.SIGCONT)
    terminal.expect("continued")
    terminal.line("echo on >go; wait")
    terminal.expect("got=on")
    leave(terminal, 0)


# Says each SIGCONT; SIGUSR1 ends it.
COUNTER = """
from signal import *
signals = {SIGCONT, SIGUSR1}
pthread_sigmask(SIG_BLOCK, signals)
print("rea" "dy", flush=True)
while sigwaitinfo(signals).si_signo == SIGCONT:
    print("con" "tinued", flush=True)
exit(4)
"""


def case_shell_continues_once(work):
    """The shell's own SIGCONT goes to reclaim and to the command: that sees one."""
    with open(os.path.join(work, "counter"), "w") as file:
        file.write(COUNTER)
    terminal = shell(work)
    yield terminal
    terminal.line(f"$RECLAIM run {sys.executable} counter")
    terminal.expect("ready")
    terminal.send("\x1a")
    terminal.expect("Stopped")
    terminal.line("fg")
    terminal.expect("continued")
    os.kill(terminal.named("reclaim"), signal.SIGUSR1)  # on the same way as a second one would be
    terminal.expect(re.escape(PROMPT))
    same(terminal.seen.count("continued"), 0, "further times that it was told")
    leave(terminal, 4)


def case_shell_reads_in_background(work):
    """A background job that reads the terminal stops, and reads when it is in the foreground."""
    terminal = shell(work)
    yield terminal
    terminal.line("$RECLAIM run cat &")
    terminal.expect(r"\[1\] \d+")
    terminal.named("cat")
    until(lambda: state(terminal.named("cat")) == "T", lambda: "the command stopped")
    until(lambda: state(terminal.named("reclaim")) == "T", lambda: "reclaim stopped")
    terminal.line("")
    terminal.expect(r"\[1\]\+  Stopped +\$RECLAIM run cat")
    terminal.line("fg")
    terminal.expect("run cat")
    terminal.line("one")
    terminal.expect("one\r\none\r\n")
    terminal.send("\x04")
    leave(terminal, 0)


def case_shell_kill(work):
    """kill %1 on a stopped job ends it all the same."""
    terminal = shell(work)
    yield terminal
    terminal.line("$RECLAIM run sh -c 'echo rea\"\"dy; exec sleep 1000'")
    terminal.expect("ready")
    terminal.named("sleep")
    terminal.send("\x1a")
    terminal.expect("Stopped")
    terminal.expect(re.escape(PROMPT))
    reclaim = terminal.named("reclaim")
    terminal.line("kill %1")
    until(lambda: not os.path.exists(f"/proc/{reclaim}"), lambda: "reclaim reaped")
    terminal.line("")
    terminal.expect("Terminated")
    leave(terminal)


def case_shell_hangup(work):
    """The terminal goes away: the shell and its job, the fork server and the keeper."""
    terminal = shell(work)
    yield terminal
    terminal.line("$RECLAIM run sh -c 'echo rea\"\"dy; exec sleep 1000'")
    terminal.expect("ready")
    terminal.named("sleep")
    terminal.hang_up()
    terminal.wait()


def case_shell_killed(work):
    """reclaim killed by force: nothing of its job stays, and the shell goes on."""
    terminal = shell(work)
    yield terminal
    terminal.line("$RECLAIM run sh -c 'echo rea\"\"dy; exec sleep 1000'")
    terminal.expect("ready")
    terminal.named("sleep")
    os.kill(terminal.named("reclaim"), signal.SIGKILL)
    terminal.expect("Killed")
    until(lambda: len(terminal.processes()) == 1, lambda: "only the shell left")
    leave(terminal, 137)


def case_shell_inside(work):
    """An interactive shell as the command has job control of its own, and gives the terminal back."""
    terminal = shell(work)
    yield terminal
    terminal.line("PS1='inner> ' $RECLAIM run bash --norc --noprofile --noediting -i")
    terminal.expect("inner> ")
    terminal.line("sleep 1000")
    sleep = terminal.named("sleep")
    terminal.send("\x1a")
    terminal.expect(r"\[1\]\+  Stopped +sleep 1000")
    terminal.line("fg")
    terminal.expect("sleep 1000\r\n")
    until(lambda: os.tcgetpgrp(terminal.master) == sleep and state(sleep) == "S", lambda: "sleep in front")
    terminal.send("\x03")
    terminal.expect("inner> ")
    terminal.line("exit 6")
    terminal.expect(re.escape(PROMPT))
    leave(terminal, 6)


def case_shell_password(work):
    """What asks on /dev/tty, whatever its streams are, is answered there, without an echo."""
    terminal = shell(work)
    yield terminal
    before = terminal.attributes()
    terminal.line(
        "$RECLAIM run sh -c 'stty -echo </dev/tty; printf Pass\"\"word: >/dev/tty; read x </dev/tty; stty echo </dev/tty;"
        " [ \"$x\" = secret ]' </dev/null >/dev/null 2>&1"
    )
    terminal.expect("Password:")
    terminal.line("secret")
    terminal.expect(re.escape(PROMPT))
    same("secret" in terminal.seen, False, "an echo")
    same(terminal.attributes(), before, "the terminal's attributes")
    leave(terminal, 0)


# ---- cases: programs that own the screen ----------------------------------------------------------------------------


def edit(work, editor, keys):
    terminal = shell(work)
    before = terminal.attributes()
    terminal.line(f"$RECLAIM run {editor} text")
    for pattern, send in keys:
        terminal.expect(pattern)
        terminal.send(send)
    terminal.expect(re.escape(PROMPT))
    same(terminal.attributes(), before, "the terminal's attributes")
    return terminal


def case_vi(work):
    """Types, stops it, comes back, saves."""
    vi = shutil.which("vim.tiny") or shutil.which("vi")
    keys = [
        (r"\[New\]", "ihello from vi\x1b"),
        ("hello from vi", "\x1a"),
        ("Stopped.*\r\n" + PROMPT, "fg\r"),
        ("hello from vi", ":wq\r"),
    ]
    terminal = edit(work, f"{vi} -u NONE -N", keys)
    yield terminal
    with open(os.path.join(work, "text")) as file:
        same(file.read(), "hello from vi\n", "the file")
    leave(terminal, 0)


def case_nano(work):
    keys = [("New File", "hello from nano"), ("hello from nano", "\x0f"), ("File Name to Write", "\r"), ("Wrote 1 line", "\x18")]
    terminal = edit(work, "nano --ignorercfiles", keys)
    yield terminal
    with open(os.path.join(work, "text")) as file:
        same(file.read(), "hello from nano\n", "the file")
    leave(terminal, 0)


def case_less(work):
    """Stops itself alone on Ctrl-Z."""
    with open(os.path.join(work, "text"), "w") as file:
        file.writelines(f"line {i}\n" for i in range(1, 100))
    keys = [("line 23", " "), ("line 46", "\x1a"), ("Stopped.*\r\n" + PROMPT, "fg\r"), ("line 46", "q")]
    terminal = edit(work, "less", keys)
    yield terminal
    leave(terminal, 0)


# ---- all of them ----------------------------------------------------------------------------------------------------


def attempt(case):
    """None, or what went wrong."""
    terminal = None
    with tempfile.TemporaryDirectory() as work:
        steps = case(work)
        try:
            for terminal in steps:
                pass
            if terminal is not None:
                terminal.expect_gone()
            return None
        except (Failure, OSError) as failure:
            return str(failure)
        finally:
            steps.close()
            if terminal is not None:
                terminal.close()


def main():
    cases = {name[5:]: case for name, case in globals().items() if name.startswith("case_")}
    failed = 0
    for name in sys.argv[2:] or cases:
        started = time.monotonic()
        wrong = attempt(cases[name])
        print(f"{'FAILED' if wrong else 'passed'}: {name} ({time.monotonic() - started:.1f} s)", flush=True)
        if wrong:
            print(f"    {wrong}", flush=True)
            failed += 1
    print(f"{failed} failed")
    return 1 if failed else 0


sys.exit(main())
