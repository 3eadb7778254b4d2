#!/usr/bin/env python3
"""Names and arguments with newlines and escapes: logs and errors stay one printable line each, and answers stay exact.

    python3 tests/daemon/encode.py path/to/reclaimd path/to/helpers [case...]
"""
import json
import os
import re
import subprocess

from daemon import HELPERS, RECLAIMD, SECONDS, Client, check, main, pack, same

NASTY = [
    "new\nline",
    "\r\x1b[2J\x1b[31mred",
    'quote " and \\ backslash',
    "key=value level=error event=forged",
    "tab\tand bell\x07 and delete\x7f",
    "latin \udce9 and broken \udcff\udcfe",  # bytes e9, ff, fe: no UTF-8
    "umlaut \u00e4, bidi \u202e, next line \u0085",
    "\u2028separator",
    "=",
    " ",
]

# A line of the log: key=value, where a value with anything else in it is quoted.
PAIR = r'[a-z][a-z0-9_.-]*=(?:"(?:[^"\\]|\\.)*"|[^\s"]*)'
LINE = re.compile(rf"(?:<[0-7]>)?{PAIR}(?: {PAIR})*")


def check_log(daemon):
    """Every line is printable ASCII and key=value all through."""
    for line in daemon.log().split(b"\n"):
        check(re.fullmatch(rb"[\x20-\x7e]*", line), f"a line of the log is not printable: {line!r}")
        check(not line or LINE.fullmatch(line.decode()), f"a line of the log is not key=value: {line!r}")
        check(not re.search(rb"(^| )event=forged( |$)", line), f"a forged entry in the log: {line!r}")


def case_names(daemon):
    client = daemon.start("--log-level", "debug", "--module", os.path.join(HELPERS, "tasks.so")).connect()
    for i, text in enumerate(NASTY):
        fields = {"name": text, "group": text, "key": text, "env": [f"A={text}", "PATH=/usr/bin:/bin"]}
        job = client.submit(["printf", "%s", text], **fields)
        told = client.wait(job)[0]
        same([told[name] for name in ("name", "group", "key")], [text] * 3, "what is told is what was sent")
        same(told["command"], ["printf", "%s", text], "command")
        same(client.output(job), text.encode(errors="surrogateescape"), "the argument arrives")
        same(client.status(text)["id"], job, "found by key")
        same([told["id"] for told in client.call("list", name=text)["jobs"]], [job], "found by name")
        client.call("group", name=text, limit=i + 1)
        client.call("pause", group=text)
    groups = {group["name"]: group["limit"] for group in client.call("stats")["groups"]}
    same({text: groups[text] for text in NASTY}, {text: i + 1 for i, text in enumerate(NASTY)}, "groups")
    daemon.kill()
    client = daemon.start("--log-level", "debug").connect()
    same([job["name"] for job in client.list_all()], NASTY, "names after a restart")
    daemon.stop()
    check_log(daemon)


def case_listings(daemon):
    """What `reclaim` shows of them: a line each that orders no terminal about; with --json, JSON."""
    reclaim = os.path.join(os.path.dirname(RECLAIMD), "reclaim")
    client = daemon.start().connect()
    for text in NASTY:
        client.wait(client.submit(["printf", "%s", text], name=text, group=text, key=text))

    def lines(*arguments, status=0):
        command = [reclaim, arguments[0], "--socket", daemon.socket_path, *arguments[1:]]
        result = subprocess.run(command, capture_output=True, timeout=SECONDS, env=daemon.environment({}), check=False)
        same(result.returncode, status, f"exit status of {arguments}")
        text = (result.stdout + result.stderr).decode()
        for line in text.split("\n"):
            plain = not re.search(r"[\x00-\x1f]", line) if "--json" in arguments else line.isprintable()
            check(plain, f"{arguments} prints {line!r}")
        return text.split("\n")[:-1]

    same(len(lines("list")), len(NASTY) + 1, "lines of a list")
    same(len([json.loads(line) for line in lines("list", "--json")]), len(NASTY), "objects of a list")
    check(len(lines("stats")) > len(NASTY), "a line for each group")
    for i, text in enumerate(NASTY):
        same(json.loads("".join(lines("status", "--json", str(i + 1))))["id"], i + 1, "a status as JSON")
        same(lines("status", str(i + 1))[0], f"job {i + 1}: done", "a status")
        same(len(lines("status", "no such " + text, status=125)), 1, "a refusal")


def case_errors(daemon):
    """What is refused is quoted in a sentence that is one printable line (which the client checks of every error)."""
    client = daemon.start("--log-level", "debug").connect()
    for text in [*NASTY, "long" * 1000, "\x1b" * 1000]:
        client.call("hello", client=text[:200])
        client.refused("unknown-method", text)
        client.refused("unknown-field", "stats", **{text: text})
        client.refused("unknown-job", "status", id="k" + text[:100])
        client.refused("unknown-task", "submit", task=text[:200])
        client.refused("invalid-value", "submit", command=["true"], cwd="x" + text)
        client.refused("invalid-value", "submit", command=["true"], on_crash=text)
        client.refused("invalid-value", "list", state=[text])
        client.refused("wrong-type", "submit", command=text)
        job = client.submit(["/nonexistent/" + text[:100]])
        told = client.wait(job)[0]
        same(told["outcome"], "not-found", "a program that does not exist")
        check("\n" not in told["message"], f"the message of a job: {told['message']!r}")
        job = client.submit(["true"], cwd="/nonexistent/" + text[:100])
        check(client.wait(job)[0]["state"] == "failed", "a directory that does not exist")
    daemon.stop()
    check_log(daemon)


def case_messages(daemon):
    """What a task says of its failure."""
    client = daemon.start("--module", os.path.join(HELPERS, "tasks.so"), "--log-level", "debug").connect()
    job = client.call("submit", task="fail", name=NASTY[1])["id"]
    message = client.wait(job)[0]["message"]
    check("told" in message and "\n" not in message, f"the message of a task that fails: {message!r}")
    daemon.stop()
    check_log(daemon)


def case_hostile_clients(daemon):
    """What is logged of requests that were none."""
    daemon.start("--log-level", "debug")
    for text in NASTY:
        with Client(daemon.socket_path) as client:
            client.send_bytes(pack([0, 1, text, text]))
            client.refusal("invalid-request", None)
            client.closed()
    daemon.stop()
    check_log(daemon)


if __name__ == "__main__":
    main(globals())
