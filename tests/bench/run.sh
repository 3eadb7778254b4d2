#!/bin/sh
# Measures reclaim beside the kernel's floor and others, and prints ratios beside their targets as Markdown.
#
#     sh tests/bench/run.sh [--quick] [--json FILE] [--markdown FILE] [--svg FILE]      (--help tells all)
#
# Installs what is missing on Debian; bench.py builds the preset `release` and measures. Exits 1 when something could not
# be measured; a target that is not met is told and is no failure.
set -u

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd) || exit 1
python=/usr/bin/python3
case " $* " in
*" -h "* | *" --help "*) exec "$python" -B "$root/tests/bench/bench.py" --help ;;
esac
sh "$root/tests/setup.sh" bench >&2 || exit 1
exec "$python" -B "$root/tests/bench/bench.py" "$@"
