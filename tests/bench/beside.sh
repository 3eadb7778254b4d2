#!/bin/sh
# reclaim beside timeout, xargs -P and GNU parallel, measured: prints the table of the README.
#
#     sh tests/bench/beside.sh path/to/reclaim
#
# Needs the Debian packages coreutils, findutils, parallel and python3. Ends every process that it has started.
set -u

reclaim=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
for program in timeout xargs parallel python3 setsid; do
    command -v $program >/dev/null || {
        echo "beside: $program is missing; on Debian: apt-get install coreutils findutils parallel python3" >&2
        exit 1
    }
done

work=$(mktemp -d)
BESIDE=$work # what every process that is started here carries
WORK=$work
export BESIDE WORK

# Processes of ours whose command line has a word in it.
pids() {
    grep -lsz "^BESIDE=$work\$" /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do
        tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q "$1" && echo "$pid"
    done
}

end_all() {
    for pid in $(pids "1000\|job.sh"); do
        kill -KILL "$pid" 2>/dev/null
    done
}
trap 'end_all; rm -rf "$work"' EXIT
cd "$work" || exit 1

# wait_for COMMAND...: at most 20 s
wait_for() {
    tries=0
    until "$@" || [ $tries = 400 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
}

has_map() {
    "$reclaim" --help | grep -q '^  map '
}

# ---- a setsid grandchild after a timeout ------------------------------------------------------------------------------

cat >tree.sh <<'END'
setsid sleep 1000 &
sleep 1000
END

# left COMMAND...: runs it; what is there when it has returned
left() {
    timeout 20 "$@" >/dev/null 2>&1 </dev/null
    echo "$(pids 'sleep 1000' | wc -l) left"
    end_all
}

# ---- a memory hog under a limit of 256 MiB ----------------------------------------------------------------------------

# Four processes with 100 MiB each, all at the same time: used grows by a byte for each 10 MiB that is touched.
cat >hog.py <<'END'
import os
finished, waiting = os.pipe(), os.pipe()
used = os.open("used", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for _ in range(4):
    if os.fork() == 0:
        os.close(waiting[1])
        held = []
        for _ in range(10):
            held.append(bytearray(b"x") * (10 << 20))
            os.write(used, b"x")
        os.write(finished[1], b"x")
        os.read(waiting[0], 1)
        os._exit(0)
os.close(finished[1])
for _ in range(4):
    os.read(finished[0], 1)
END

# took COMMAND...: runs it; how much was touched, and its exit code
took() {
    rm -f used
    timeout 20 "$@" >/dev/null 2>&1 </dev/null
    code=$?
    echo "$(($(wc -c <used) * 10)) MiB used, exit $code"
    end_all
}

# The others have no limit on memory: the shell's, which counts each process alone.
limited() {
    # shellcheck disable=SC2016 # for the inner shell
    took sh -c 'ulimit -v 262144; exec "$@"' sh "$@"
}

# ---- a batch, interrupted in its third job, and resumed with its inputs in another order ------------------------------

# Says what it is given; the first time c hangs.
cat >job.sh <<'END'
cd "$WORK" || exit 1
if [ "$1" = c ] && mkdir hung 2>/dev/null; then
    : >hanging
    sleep 1000
fi
echo "$1" >>done
END

# resumed TOOL: a function that takes inputs on standard input
resumed() {
    rm -rf done hung hanging log
    printf '%s\n' a b c d >inputs
    "$1" <inputs >/dev/null 2>&1 &
    tool=$!
    wait_for [ -e hanging ]
    for pid in $(pids "job.sh" | sort -rn) $tool; do
        kill -KILL "$pid" 2>/dev/null
    done
    wait $tool 2>/dev/null
    end_all
    wait_for eval '[ -z "$(pids job.sh)" ]'
    printf '%s\n' d c b a >inputs
    "$1" <inputs >/dev/null 2>&1
    again=$(sort done | uniq -d | tr -d '\n')
    never=$(printf '%s\n' a b c d | grep -vxFf done | tr -d '\n')
    echo "twice: ${again:-none}, never: ${never:-none}"
}

batch_xargs() {
    xargs -P 1 -n 1 sh job.sh
}

batch_parallel() {
    parallel --will-cite -j 1 --joblog log --resume sh job.sh
}

batch_map() {
    "$reclaim" map -j 1 --joblog log --resume sh job.sh
}

# ---- the table --------------------------------------------------------------------------------------------------------

row() {
    printf '| %s | %s | %s | %s | %s |\n' "$@"
}

# shellcheck disable=SC2016 # Markdown
row "" '`timeout`' '`xargs -P`' 'GNU parallel' reclaim
row --- --- --- --- ---
row "a \`setsid\` grandchild, after a timeout" \
    "$(left timeout 1 sh tree.sh)" \
    "$(left sh -c 'echo 1 | xargs -P 2 timeout 1 sh tree.sh')" \
    "$(left parallel --will-cite --timeout 1 sh ::: tree.sh)" \
    "$(left "$reclaim" run -t 1 sh tree.sh)"
row "400 MiB in four processes, limit 256 MiB" \
    "$(limited timeout 10 python3 hog.py)" \
    "$(limited sh -c 'echo hog.py | xargs -P 2 python3')" \
    "$(limited parallel --will-cite python3 ::: hog.py)" \
    "$(took "$reclaim" run -m 256M python3 hog.py)"
row "a batch of a, b, c, d, killed during c, resumed as d, c, b, a" \
    "no batches" \
    "$(resumed batch_xargs)" \
    "$(resumed batch_parallel)" \
    "$(if has_map; then resumed batch_map; else echo "this build has no map"; fi)"
