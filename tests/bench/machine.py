"""Where and of what a measurement was made."""
import datetime
import os
import platform
import subprocess


def field(path, name):
    """The first value of a `name: value` line."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return "unknown"


def available():
    """Bytes of memory that can be had without swapping."""
    return int(field("/proc/meminfo", "MemAvailable").split()[0]) * 1024


def commit(root):
    """The commit, and whether files differ from it; "unknown" outside a checkout."""
    try:
        name = subprocess.run(["git", "-C", root, "rev-parse", "--short=12", "HEAD"], check=True, text=True,
                              capture_output=True).stdout.strip()
        changed = subprocess.run(["git", "-C", root, "status", "--porcelain", "--untracked-files=no"], check=True,
                                 text=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name + (" with changes" if changed else "")


def describe(root):
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(root),
        "cores": len(os.sched_getaffinity(0)),
        "processor": field("/proc/cpuinfo", "model name"),
        "virtual": "hypervisor" in field("/proc/cpuinfo", "flags").split(),
        "memory": int(field("/proc/meminfo", "MemTotal").split()[0]) * 1024,
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "python": platform.python_version(),
    }


class Company:
    """How much of the processors others took while we measured: what a reader has to know of a noisy result."""

    def __init__(self):
        self.begin = self.look()

    @staticmethod
    def look():
        """Seconds: all processors' time, what was used of it, what the hypervisor kept back, what was ours."""
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, idle, wait, hard, soft, stolen = map(int, file.readline().split()[1:9])
        busy, tick = user + nice + system + hard + soft, os.sysconf("SC_CLK_TCK")
        ours = sum(os.times()[:4])  # with every child that was waited for
        return (busy + idle + wait + stolen) / tick, busy / tick, stolen / tick, ours

    def parts(self):
        """{"others", "stolen"}: in parts of all processors' time."""
        whole, busy, stolen, ours = (end - begin for begin, end in zip(self.begin, self.look()))
        whole = max(whole, 0.01)
        return {"others": max(0, busy - ours) / whole, "stolen": stolen / whole}
