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
        "load_before": os.getloadavg()[0],
    }
