#!/bin/sh
# `reclaim run` as a user meets it: exit codes, messages, reports, and that nothing is left.
#
#     sh tests/cli/run.sh path/to/reclaim
set -u

# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

check "exit 0" 0 "$reclaim" run true && silent
check "its own code" 7 "$reclaim" run sh -c 'exit 7' && silent
check "its output" 0 "$reclaim" run -- echo "two  words" && says out "two  words"
# shellcheck disable=SC2016 # for the inner shells
{
    check "a signal" 139 "$reclaim" run sh -c 'kill -SEGV $$'
    check "SIGKILL from someone else" 137 "$reclaim" run sh -c 'kill -KILL $$'
}
check "a timeout" 124 "$reclaim" run -t 0.2 sleep 100 && says err "over its timeout of 0.2 s"
check "a timeout by force" 137 "$reclaim" run -t 0.2 -k 0.1 sh -c 'trap "" TERM; while :; do sleep 0.05; done'
check "not found" 127 "$reclaim" run no-such-command && says err "no-such-command"
check "not executable" 126 "$reclaim" run /etc/passwd && says err "/etc/passwd"
# A group whose leader no shell watches: nobody would continue reclaim.
check "a stop that nobody sees" 124 timeout -s KILL 20 "$reclaim" run -t 0.2 sh -c 'kill -STOP $$' && says err "over its timeout"
check "a stop of the worker" 3 timeout -s KILL 20 "$reclaim" run sh -c 'kill -STOP $PPID; exit 3'
printf '\177ELF and no more' >"$work/garbage"
chmod +x "$work/garbage"
timeout 9 "$work/garbage" 2>/dev/null # execvp(3) gives it to sh
check "no program" $? "$reclaim" run "$work/garbage"
# What is found in PATH: the first that can be run, passing over what has the name alone.
mkdir -p "$work/path/1/prog" "$work/path/2" "$work/path/3" "$work/path/4"
echo 'echo second' >"$work/path/2/prog"
echo 'echo third "$1"' >"$work/path/3/prog"
printf '#!/bin/sh\necho fourth\n' >"$work/path/4/prog"
chmod +x "$work/path/3/prog" "$work/path/4/prog"
for path in "" 1: 2: 1:2: 5:1:2:; do
    check "by PATH=${path}3" 0 sh -c 'cd "$2" && PATH=${3}3:4:/usr/bin:/bin exec "$1" run prog word' sh "$reclaim" "$work/path" "$path" &&
        same out "third word"
done
check "by an empty entry of PATH" 0 sh -c 'cd "$2/4" && PATH=/usr/bin:: exec "$1" run prog' sh "$reclaim" "$work/path" && same out fourth
check "a directory in PATH" 126 sh -c 'cd "$2" && PATH=1 exec "$1" run prog' sh "$reclaim" "$work/path"
check "no directory" 127 "$reclaim" run "$work/garbage/true" && says err "$work/garbage/true"
# shellcheck disable=SC2016 # for the inner shell
check "too long a command" 125 sh -c 'ulimit -s unlimited 2>/dev/null || { echo "argv and envp are larger" >&2; exit 125; }
    word=$(head -c 100000 /dev/zero | tr "\0" x)
    set -- "$1" run true $(yes "$word" | head -n 45)
    exec "$@"' sh "$reclaim" && says err "argv and envp are larger"
check "over memory" 137 "$reclaim" run -m 64M dd if=/dev/zero of=/dev/null bs=1G count=1 &&
    says err "killed: over its memory limit of 64.0 MiB (peak "
for percent in 100 50; do
    check "$percent % of the machine's memory" 0 "$reclaim" run -m "$percent%" --report "$work/report" true
    sed 's/.*"memory_limit_bytes":\([0-9]*\).*/\1/' "$work/report" >"$work/limit$percent"
done
check "half of it is half" 0 [ "$(($(cat "$work/limit100") / 2))" = "$(cat "$work/limit50")" ]
check "the last limit counts" 0 "$reclaim" run -m 50% -m 64M --report "$work/report" true
cp "$work/report" "$work/out"
says out '"memory_limit_bytes":67108864'
check "a backstop" 1 "$reclaim" run -m 64M --memory-backstop dd if=/dev/zero of=/dev/null bs=1G count=1 &&
    says err "memory exhausted"
check "a limit that holds" 0 "$reclaim" run -m 200M dd if=/dev/zero of=/dev/null bs=50M count=2
check "over output" 143 "$reclaim" run --output-limit 10 sh -c 'echo 123456789012345; exec sleep 100' &&
    says out 1234567890 && says err "over its output limit of 10 bytes"
check "output below its limit" 0 "$reclaim" run --output-limit 1K echo enough && says out enough
check "retries" 0 "$reclaim" run --retries 3 sh -c "echo x >>$work/tries; [ \$(wc -l <$work/tries) = 3 ]"
check "more memory" 0 "$reclaim" run -v -m 32M --retry-oom 4 dd if=/dev/zero of=/dev/null bs=60M count=30 &&
    says err "runs       2"

# What is open, is known by its number, and is no stream of the command's.
# shellcheck disable=SC2016 # for the inner shells
{
    echo "from 9" >"$work/nine"
    check "a file at 9" 0 sh -c 'exec 9<"$2"; exec "$1" run sh -c "cat <&9"' sh "$reclaim" "$work/nine" && same out "from 9"
    check "process substitution" 1 bash -c '"$1" run diff <(echo a) <(echo b)' bash "$reclaim" && says out "> b"
    check "a lock that is held" 1 bash -c 'exec 9>"$2"; flock 9; "$1" run flock -n "$2" true' bash "$reclaim" "$work/lock"
    check "a lock that is handed on" 0 bash -c 'exec 9>"$2"; flock 9; "$1" run flock -n 9' bash "$reclaim" "$work/lock"
    check "files at the worker's own numbers" 0 bash -c 'for n in 3 4 32 33 39 40 41 42 63 200; do eval "exec $n<<<is_$n"; done
        "$1" run bash -c "for n in 3 4 32 33 39 40 41 42 63 200; do read x <&\$n; [ \$x = is_\$n ] || exit 9; done"' bash "$reclaim"
    check "no others" 0 bash -c 'exec 7</dev/zero; for fd in /proc/$$/fd/*; do fd=${fd##*/}; [ $fd -le 2 ] || [ $fd = 7 ] || eval "exec $fd<&-"; done 2>/dev/null
        "$1" run ls /proc/self/fd' bash "$reclaim" && same out "0
1
2
3
7" # 3 is the directory that ls reads
    check "a number above the limit for the command" 0 bash -c 'exec 63<<<high; "$1" run --nofile 16 bash -c "read x <&63; [ \$x = high ] && ulimit -n"' bash "$reclaim" &&
        same out 16
    check "many files" 0 bash -c 'for ((n = 10; n < 210; n++)); do eval "exec $n</dev/zero"; done; "$1" run bash -c "[ -e /proc/self/fd/209 ]"' bash "$reclaim"
    check "more than can be passed on" 0 bash -c 'for ((n = 10; n < 310; n++)); do eval "exec $n</dev/zero"; done; "$1" run true' bash "$reclaim" &&
        says err "not passed on"
    printf 'all: a b\n\t+@"%s" run sh -c "echo jobs >&2; make -s -f inner -j2"\na b:\n\t@:\n' "$reclaim" >"$work/outer"
    printf 'all: x y\nx y:\n\t@:\n' >"$work/inner"
    check "make's jobserver" 0 make -s -C "$work" -f outer -j2 && lacks err "jobserver unavailable"
    check "a directory that was removed" 0 sh -c 'mkdir "$2" && cd "$2" && rmdir "$2" && exec "$1" run true' sh "$reclaim" "$work/removed"
}

# Every signal that can be caught reaches the command; in a shell's background INT and QUIT are ignored at the start.
cat >"$work/trap.py" <<'END'
import os, signal, sys
number = int(sys.argv[1])
signal.signal(number, lambda *_: None)  # it is not ignored
signal.pthread_sigmask(signal.SIG_BLOCK, [number])  # or it might come just before a pause(), which would not end
os.close(os.open(sys.argv[2], os.O_WRONLY))
signal.sigwait([number])
os._exit(5)
END
mkfifo "$work/ready"
numbers=$(python3 -c 'import signal as s; print(*sorted(s.valid_signals() - {s.SIGKILL, s.SIGSTOP, s.SIGCHLD}))')
for number in $numbers; do
    "$reclaim" run python3 "$work/trap.py" "$number" "$work/ready" &
    pid=$!
    : <"$work/ready"
    kill -s "$number" $pid
    check "signal $number is the command's" 5 wait $pid
done

check "for a person" 3 "$reclaim" run -v sh -c 'exit 3' && says err "exited 3" && says err "peak"
check "for a program" 0 "$reclaim" run --report "$work/report" true
cp "$work/report" "$work/out"
for key in command outcome exit_code signal message wall_seconds user_seconds system_seconds peak_memory_bytes \
    memory_method memory_limit_bytes processes killed_processes attempt started_at ended_at; do
    says out "\"$key\":"
done
says out '"outcome":"exited"'
check "what it left is gone" 0 "$reclaim" run --report "$work/report" sh -c 'setsid sleep 1000 & exit 0'
cp "$work/report" "$work/out"
says out '"killed_processes":1'
check "samples" 0 "$reclaim" run --samples "$work/samples" --plot "$work/plot.svg" sleep 0.2
cp "$work/samples" "$work/out"
says out "CMDLINE sleep 0.2"
says out "MEM "
cp "$work/plot.svg" "$work/out"
says out "<svg"

# It has lost the mark that it is known by, as what su(1) starts has.
cat >"$work/marked.sh" <<'END'
prlimit --locks=5 setsid sleep 1000 &
helper=$!
sleep 0.3
kill -0 $helper
END
check "a helper with a limit on locks of its own" 0 "$reclaim" run --report "$work/out" sh "$work/marked.sh" &&
    says out '"killed_processes":1'

echo kept >"$work/kept"
check "a bad size" 125 "$reclaim" run --report "$work/kept" -m 12Q true && says err "--memory 12Q: not a size"
check "more than the machine has" 125 "$reclaim" run -m 101% true && says err "--memory 101%: not a percentage"
check "no share of it" 125 "$reclaim" run -m 0% true && says err "--memory 0%: not a percentage"
check "too small a size" 125 "$reclaim" run -m 10K true && says err "--memory 10K"
check "a bad duration" 125 "$reclaim" run -t soon true && says err "--timeout soon"
check "a backstop without a limit" 125 "$reclaim" run --memory-backstop true && says err "--memory-backstop: give --memory SIZE, too"
check "no share of the CPU" 125 "$reclaim" run --cpu-weight 0 true && says err "--cpu-weight 0: must lie between 1 and 10000"
check "too large a share" 125 "$reclaim" run --cpu-weight 10001 true && says err "--cpu-weight 10001: must lie"
check "too few files" 125 "$reclaim" run --nofile 2 true && says err "--nofile 2"
check "as few files as there may be" 0 "$reclaim" run --nofile 16 true
check "a limit to raise" 125 "$reclaim" run --retry-oom 2 touch "$work/ran" && says err "--retry-oom 2"
check "too few files for reclaim" 125 sh -c 'ulimit -n 10; "$1" run true' sh "$reclaim" && says err "ulimit -n"
check "a bad picture" 125 "$reclaim" run --plot x.gif true && says err "--plot x.gif"
check "an unwritable report" 125 "$reclaim" run --report /no/such/place true && says err "--report /no/such/place"
check "one file for two" 125 "$reclaim" run --report "$work/two" --samples "$work/two" touch "$work/ran" && says err "--report $work/two"
check "an unknown option" 125 "$reclaim" run --memroy 1G true && says err "did you mean --memory?"
check "an unknown letter" 125 "$reclaim" run -q true && says err "-q"
check "a missing value" 125 "$reclaim" run --memory && says err "needs a value"
check "no command" 125 "$reclaim" run && says err "no command"
check "an unknown verb" 125 "$reclaim" rnu && says err "did you mean run?"
check "a misspelt option" 125 "$reclaim" --verison && says err "did you mean --version?"
check "a name of two lines" 127 "$reclaim" run "$(printf 'a\nb\033[31m')" && lacks err "$(printf '\033')"
count=$((count + 1))
[ "$(wc -l <"$work/err")" = 1 ] || { failed=$((failed + 1)) && echo "not so: a name of two lines is told in one"; }
check "no verb" 125 "$reclaim"
check "help" 0 "$reclaim" run --help && says out "--memory SIZE"
check "help fits a screen" 0 sh -c '"$1" run --help | awk "{ lines++ } length > 80 { exit 1 } END { exit lines > 24 }"' sh "$reclaim"
check "version" 0 "$reclaim" --version && says out "reclaim "
cp "$work/kept" "$work/out"
says out kept

# Streams that reclaim is started without, its command is started without.
# shellcheck disable=SC2016 # for the inner shells
streams='for fd in 0 1 2; do [ -e /proc/$$/fd/$fd ] && printf o || printf c; done'
for closing in "<&-" ">&-" "2>&-" "<&- >&- 2>&-"; do
    name="closed: $closing"
    count=$((count + 1))
    eval "sh -c '{ $streams; } >\$0' $work/bare $closing"
    for option in "" "--output-limit 1K"; do
        eval "$reclaim run $option sh -c '{ $streams; } >\$0' $work/ours $closing"
        cmp -s "$work/bare" "$work/ours" && continue
        echo "FAILED: $name $option: $(cat "$work/ours") instead of $(cat "$work/bare")"
        failed=$((failed + 1))
    done
done

# What cannot be written is said, by file and error; a command that failed keeps its code.
ln -s /dev/full "$work/full.svg"
ln -s /dev/full "$work/full.png"
check "a report on a full disk" 125 "$reclaim" run --report /dev/full true &&
    says err "--report /dev/full: No space left on device"
check "samples on a full disk" 125 "$reclaim" run --samples /dev/full --report "$work/report" true &&
    says err "--samples /dev/full: No space left on device"
cp "$work/report" "$work/out"
says out '"outcome":"exited"'
for picture in "$work/full.svg" "$work/full.png"; do
    check "a picture on a full disk" 125 "$reclaim" run --plot "$picture" true &&
        says err "--plot $picture: No space left on device"
done
check "a failure on a full disk" 3 "$reclaim" run --report /dev/full sh -c 'exit 3' && says err "No space left on device"

# A file system that becomes full, where this user may mount one: nothing half written stays.
mkdir "$work/disk"
if unshare -rm mount -t tmpfs none "$work/disk" 2>/dev/null; then
    # shellcheck disable=SC2016 # for the inner shell
    check "a disk that fills up" 125 unshare -rm sh -c 'mount -t tmpfs -o size=16k none "$2" && cd "$2" || exit 9
        "$1" run --report report --samples samples --plot plot.svg sh -c "cat /dev/zero >zero 2>/dev/null; exit 0"
        code=$?
        [ ! -s report ] && [ ! -s samples ] && [ ! -s plot.svg ] || exit 9
        exit $code' sh "$reclaim" "$work/disk"
    says err "--report report: No space left on device"
    says err "--samples samples: No space left on device"
    says err "--plot plot.svg: No space left on device"
else
    echo "SKIPPED: a disk that fills up: no mounts here"
fi

# Signals from outside reach the command.
"$reclaim" run sh -c "trap 'exit 5' USR1; echo ready >$work/fifo; while :; do sleep 0.05; done" &
pid=$!
name="a forwarded signal"
wait_for [ -e "$work/fifo" ]
kill -USR1 $pid
wait $pid
code=$?
count=$((count + 1))
[ $code = 5 ] || {
    echo "FAILED: a forwarded signal: exit $code instead of 5"
    failed=$((failed + 1))
}

finish
