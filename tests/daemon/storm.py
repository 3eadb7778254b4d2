"""A crash test: submits without end, kill -9 in the midst, and what must be there afterwards.

Used by crash.py (short) and soak/kills.py (long). Requests are sent all at once, so that the daemon is killed at any
point of reading, committing and answering them; now and then it is killed while it starts.
"""
import os
import random
import signal
import threading
import time

from daemon import Closed, Failure, check, same

REQUESTS = 100  # of one connection and storm
CONNECTIONS = 2


def request(tag):
    """The jobs of one submit_many; tag makes their keys."""
    return [
        {"command": ["echo", f"{tag}.{i}", "x" * random.choice((1, 100, 2000))], "key": f"{tag}.{i}", "name": tag}
        for i in range(3)
    ]


class Storm:
    """Many rounds over one state directory; all groups are paused, so that what is submitted stays."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.seed = int(os.environ.get("RECLAIM_TEST_SEED", random.randrange(1 << 32)))
        self.round = 0
        self.last = 0  # the highest id seen
        self.acknowledged = self.unanswered = self.whole = 0
        random.seed(self.seed)
        daemon.start().connect().call("pause")

    def run(self, rounds, seconds=None):
        end = time.monotonic() + seconds if seconds else None
        while self.round < rounds and (end is None or time.monotonic() < end):
            try:
                self.one()
            except Exception as error:
                raise Failure(f"round {self.round} of seed {self.seed}: {error!r}") from error
            self.round += 1

    def told(self):
        kept = self.whole - self.acknowledged
        return (
            f"seed {self.seed}: {self.round} kills, {self.acknowledged} submits acknowledged, {self.unanswered} not, "
            f"of which {kept} were kept"
        )

    def one(self):
        sent = self.submit_until_killed()
        if random.random() < 0.2:
            self.kill_while_it_starts()
        self.daemon.start()
        self.verify(sent)

    def submit_until_killed(self):
        """{tag: (jobs, ids or None)} of all that was sent."""
        connections = [self.daemon.connect() for _ in range(CONNECTIONS)]
        sent, numbers = {}, []
        timer = threading.Timer(random.uniform(0, 0.06), os.kill, (self.daemon.pid, signal.SIGKILL))
        timer.start()
        try:
            for i, client in enumerate(connections):
                for j in range(REQUESTS):
                    tag = f"{self.round}.{i}.{j}"
                    sent[tag] = (request(tag), None)
                    numbers.append((tag, client, client.send("submit_many", jobs=sent[tag][0])))
            self.take_answers(sent, numbers)
            timer.join()
        except Closed:
            self.take_answers(sent, numbers)
        finally:
            timer.join()
            self.daemon.wait(-signal.SIGKILL)
            for client in connections:
                client.close()
            self.daemon.clients.clear()
        return sent

    def take_answers(self, sent, numbers):
        """What was acknowledged, up to the end of each connection."""
        for tag, client, number in numbers:
            try:
                if sent[tag][1] is None:
                    answer = client.answer(number)
                    sent[tag] = (sent[tag][0], [job["id"] for job in answer["jobs"]])
            except Closed:
                pass

    def kill_while_it_starts(self):
        self.daemon.start(ready=False)
        time.sleep(random.uniform(0, 0.05))
        self.daemon.kill()

    def verify(self, sent):
        client = self.daemon.connect()
        same(client.call("stats")["paused"], True, "pause outlives the kill")
        there = client.list_all(after=self.last) if self.last else client.list_all()
        keys = {job["key"]: job for job in there}
        same(len(keys), len(there), "each key once")
        for tag, (jobs, ids) in sent.items():
            found = [keys.pop(job["key"], None) for job in jobs]
            self.verify_one(client, tag, jobs, ids, found)
        same(keys, {}, "jobs that nobody has sent")
        self.clear(client, there)

    def verify_one(self, client, tag, jobs, ids, found):
        if ids is not None:
            self.acknowledged += 1
            same([job and job["id"] for job in found], ids, f"{tag} was acknowledged")
        else:
            self.unanswered += 1
            check(all(found) or not any(found), f"{tag} is there in parts: {found!r}")
        if not all(found):
            return
        self.whole += 1
        for job, kept in zip(jobs, found):
            same((kept["command"], kept["name"]), (job["command"], tag), "what was kept")
            same((kept["state"], kept["attempt"] if "attempt" in kept else 0), ("queued", 0), "its state")
        if random.random() < 0.05:  # the lost answer: to submit again is harmless
            again = client.call("submit_many", jobs=jobs)["jobs"]
            same(again, [{"id": kept["id"], "created": False} for kept in found], "submitted again")

    def clear(self, client, there):
        """The next round begins with an empty queue: a start takes as long as what it finds."""
        ids = [job["id"] for job in there]
        if ids:
            self.last = max(ids)
            client.call("cancel", ids=ids)
            client.call("remove", ids=ids)
