"""What others do with a process a job, in Python: each call measures one of them and prints `name value`.

    python3 -B peers.py PEER COUNT

Rates are jobs a second that do nothing; `result` is seconds for one result of COUNT bytes. The recipes are the usual
ones for a process that does one job and dies. joblib has none: an executor of its own for each job comes nearest.
"""
import concurrent.futures
import multiprocessing
import sys
import time


def nothing():
    pass


def give(size):
    return b"\1" * size


def pool(count, method):
    """multiprocessing.Pool(2, maxtasksperchild=1), everything submitted at once; its start is not counted."""
    with multiprocessing.get_context(method).Pool(2, maxtasksperchild=1) as workers:
        workers.apply(nothing)
        begin = time.monotonic()
        for job in [workers.apply_async(nothing) for _ in range(count)]:
            job.get()
        return time.monotonic() - begin


def executor(count):
    begin = time.monotonic()
    for _ in range(count):
        with concurrent.futures.ProcessPoolExecutor(1) as workers:
            workers.submit(nothing).result()
    return time.monotonic() - begin


def pebble(count):
    from pebble import ProcessPool
    with ProcessPool(max_workers=2, max_tasks=1) as workers:
        workers.schedule(nothing).result()
        begin = time.monotonic()
        for job in [workers.schedule(nothing) for _ in range(count)]:
            job.result()
        return time.monotonic() - begin


def joblib(count):
    from joblib.externals.loky import get_reusable_executor
    begin = time.monotonic()
    for _ in range(count):
        workers = get_reusable_executor(max_workers=1, reuse=False)
        workers.submit(nothing).result()
        workers.shutdown(wait=True)
    return time.monotonic() - begin


def result(size):
    with concurrent.futures.ProcessPoolExecutor(1) as workers:
        workers.submit(nothing).result()
        begin = time.monotonic()
        if len(workers.submit(give, size).result()) != size:
            raise SystemExit("peers: the result's size is another")
        return time.monotonic() - begin


PEERS = {
    "pool": lambda count: pool(count, "fork"),
    "forkserver": lambda count: pool(count, "forkserver"),
    "spawn": lambda count: pool(count, "spawn"),
    "executor": executor,
    "pebble": pebble,
    "joblib": joblib,
}


def main():
    name, count = (sys.argv[1:] + ["", ""])[:2]
    if not count.isdigit() or int(count) == 0 or (name != "result" and name not in PEERS):
        sys.exit(f"usage: peers.py {'|'.join(PEERS)}|result COUNT")
    count = int(count)
    if name == "result":
        print("result", result(count))
    else:
        print("rate", count / PEERS[name](count))


if __name__ == "__main__":
    main()
