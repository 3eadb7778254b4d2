#!/bin/sh
# `reclaim map` as a user meets it: inputs, replacement strings, output, the joblog and its resume, limits, halting,
# signals, messages.
#
#     sh tests/cli/map.sh path/to/reclaim
set -u

# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
reclaim=$(realpath "$reclaim")
cd "$work" || exit 1 # so that nothing is left behind, whatever is made

tab=$(printf '\t')
started="" # processes of ours, for the trap
trap 'for pid in $started; do kill -TERM "$pid" 2>/dev/null; done; rm -rf "$work"' EXIT

# map ARGUMENT...: with a time limit of its own
map() {
    timeout 60 "$reclaim" map "$@"
}

# feed TEXT ARGUMENT...: the same, with printf's TEXT on standard input
feed() {
    text=$1
    shift
    # shellcheck disable=SC2059 # it is a format
    printf "$text" | map "$@"
}

# lines FILE: how many it has
lines() {
    wc -l <"$1" | tr -d ' '
}

# counts FILE NUMBER: of its lines
counts() {
    count=$((count + 1))
    [ "$(lines "$work/$1")" = "$2" ] && return 0
    echo "FAILED: $name: $1 has $(lines "$work/$1") lines instead of $2:"
    sed 's/^/    /' "$work/$1"
    failed=$((failed + 1))
}

has_lines() {
    [ "$(lines "$1")" -ge "$2" ]
}

# ---- inputs and replacement strings

check "appended" 0 map -k echo x ::: a "b  c" "" && silent && same out "x a
x b  c
x "
check "lines" 0 feed 'a\n\nb' -k echo "<{}>" && same out "<a>
<>
<b>"
check "NULs" 0 feed 'a\nb\0c\0' -k -0 echo "<{}>" && same out "<a
b>
<c>"
printf '1\n2\n' >"$work/numbers"
check "a file" 0 map -k -a "$work/numbers" echo ::: a b && same out "1 a
1 b
2 a
2 b"
check "parts" 0 map echo "{} {.} {/} {//} {/.} {#} {1} {1.} {-1/}" ::: dir.x/file.tar.gz &&
    same out "dir.x/file.tar.gz dir.x/file.tar file.tar.gz dir.x file.tar 1 dir.x/file.tar.gz dir.x/file.tar file.tar.gz"
check "a slot" 0 map -j1 echo "{%}" ::: a b c && same out "1
1
1"
# shellcheck disable=SC2016 # for the inner shells
{
    # shellcheck disable=SC1003,SC2015
    check "anything may be in an input" 0 map -k printf '%s.' ::: '$(id)' '`id`' "a'b" '"' '\' '*' '; false' &&
        [ "$(cat "$work/out")" = '$(id).`id`.a'"'"'b.".\.*.; false.' ] || says out '$(id).`id`.'
    check "a line for sh" 0 map -k --shell 'echo {} | tr a-z A-Z; echo "$PARALLEL_SEQ"' ::: "it's" 'a;b $x' &&
        same out "IT'S
1
A;B \$X
2"
}
check "its standard input is empty" 0 feed 'a\nb\n' -k sh -c 'cat; echo {}' && same out "a
b"
check "an endless pipe" 0 sh -c "yes | timeout 60 '$reclaim' map --halt now,done=9 true" && says err "to stop now: true y"
# shellcheck disable=SC2016
check "slots are numbered" 0 map -j2 --shell 'echo "$PARALLEL_JOBSLOT"; sleep 0.2 # {}' ::: a b
sort "$work/out" >"$work/sorted"
cp "$work/sorted" "$work/out"
same out "1
2"
check "no inputs" 0 map echo ::: && same out ""

# Six jobs that run at once or never end, and six of which each has the only place.
at_once() {
    rm -rf "$work/at-once"
    mkdir "$work/at-once"
    # shellcheck disable=SC2016 # for the inner shell
    check "-j $1" 0 map -j "$1" --shell ": >$work/at-once/{}; "'until [ $(ls '"$work/at-once"' | wc -l) = 6 ]; do sleep 0.05; done' \
        ::: 1 2 3 4 5 6
}
one_by_one() {
    check "-j $1" 0 map -j "$1" --shell 'echo {%}; sleep 0.1 # {}' ::: 1 2 3 && same out "1
1
1"
}
at_once +1000
at_once 0 && silent
one_by_one -1000
one_by_one 1%
if [ "$(nproc)" -gt 1 ] && command -v taskset >/dev/null; then
    one=$(taskset -cp $$ | sed 's/.*[ ,]//; s/-.*//')
    check "of the processors that it may run on" 0 taskset -c "$one" timeout 60 "$reclaim" map --shell 'echo {%}; sleep 0.1 # {}' ::: 1 2 3 &&
        same out "1
1
1"
fi
check "a dry run" 0 map --dry-run -k --joblog "$work/none" touch "$work/x{}" ::: 1 "2 3" &&
    same out "touch $work/x1
touch '$work/x2 3'"
name="a dry run leaves nothing"
count=$((count + 1))
[ ! -e "$work/x1" ] && [ ! -e "$work/none" ] || failed=$((failed + 1))

# ---- exit codes

check "how many failed" 2 map -k sh -c 'exit {}' ::: 0 1 3
check "more than a hundred" 101 sh -c "seq 105 | timeout 60 '$reclaim' map -j8 false"
check "a signal" 1 map --shell 'kill -9 $$ # {}' ::: x
check "not found" 2 map no-such-command ::: a b && says err "no-such-command"
check "the job that stopped it" 7 map -j1 --halt now,fail=1 sh -c 'exit {}' ::: 0 7 3 && says err "this job failed"
check "a success that stopped it" 0 map -j1 --halt soon,success=1 sh -c 'exit {}' ::: 1 0 3
check "half of them failed" 50 map -j1 --halt now,fail=50% sh -c 'exit {}' ::: 1 4 5 6
check "what runs is ended" 1 map -j2 --halt now,fail=1 --shell 'sleep {}; false' ::: 0.1 1000
check "what runs may finish" 1 map -j2 --halt soon,fail=1 --shell 'sleep {}; echo {}; test {} != 0.1' ::: 0.1 0.5 9 &&
    says out 0.5

# ---- output

check "grouped" 0 map -j2 --shell 'echo {}1; sleep 0.2; echo {}2' ::: a b
name="groups are whole"
tr -d '\n' <"$work/out" >"$work/joined"
count=$((count + 1))
grep -qE '^(a1a2b1b2|b1b2a1a2)$' "$work/joined" || failed=$((failed + 1))
check "in order" 0 map -j4 -k --shell 'sleep {}; echo {}' ::: 0.3 0.2 0.1 0 && same out "0.3
0.2
0.1
0"
check "the first is slow" 0 sh -c "seq 300 | timeout 60 '$reclaim' map -j2 -k --shell 'test {} = 1 && sleep 0.5; echo {}'"
name="all of the many come, in order"
seq 300 | cmp -s - "$work/out" || failed=$((failed + 1))
count=$((count + 1))
check "in order, by lines" 0 map -j3 -k --line-buffer --shell 'echo {}1; sleep 0.1; echo {}2' ::: a b c && same out "a1
a2
b1
b2
c1
c2"
check "tags" 0 map -k --tag --shell 'echo 1; printf {}' ::: a b && same out "a${tab}1
a${tab}ab${tab}1
b${tab}b"
check "standard error" 0 map -k --tag --shell 'echo {} >&2' ::: a b && [ ! -s "$work/out" ] && same err "a${tab}a
b${tab}b"
check "large" 0 map -j2 -k --shell 'yes {} | head -c 3000000' ::: a b
name="large output is whole, and in order"
{
    yes a | head -c 3000000
    yes b | head -c 3000000
} | cmp -s - "$work/out" || failed=$((failed + 1))
count=$((count + 1))
check "results" 0 map -k --results "$work/results" --shell 'echo {}; echo x >&2' ::: a/b .. && same out "a/b
.."
cat "$work/results/1/a\\_b/stdout" "$work/results/1/\\../stdout" "$work/results/1/a\\_b/seq" >"$work/out"
same out "a/b
..
1"

# Lines come while the job that writes them still runs; it ends when its first line has been read.
mkfifo "$work/go"
# shellcheck disable=SC2094
timeout 60 "$reclaim" map --line-buffer --shell "echo first {}; cat $work/go; printf last" ::: x >"$work/out" &
started="$started $!"
name="by lines"
wait_for grep -q "first x" "$work/out"
: >"$work/go"
wait "$!"
same out "first x
last"

# ---- the joblog

check "a joblog" 2 map -k -j1 --joblog "$work/log" --shell 'echo {}; exit {}' ::: 0 3 '0;kill -9 $$;#'
check "a joblog with a timeout" 1 map -j1 --joblog "$work/log2" -t 0.2 sleep ::: 0 50 && says err "over its timeout of 0.2 s"
cut -f1,2,6-9,12,13 "$work/log" >"$work/out"
says out "Seq${tab}Host${tab}Receive${tab}Exitval${tab}Signal${tab}Command${tab}Outcome${tab}Attempt"
says out "1${tab}:${tab}2${tab}0${tab}0${tab}echo 0; exit 0${tab}exited${tab}1"
says out "2${tab}:${tab}2${tab}3${tab}0${tab}echo 3; exit 3${tab}exited${tab}1"
cut -f7-9,12 "$work/log2" >"$work/out"
says out "-1${tab}15${tab}sleep 50${tab}timeout"

# The same inputs, in another order, one of them twice; then with failures that come right.
log=$work/resume
rm -f "$work/ran"
check "a first part" 1 map -k --joblog "$log" --shell "echo {} >>$work/ran; test {} != bad" ::: a b a bad && counts ran 4
check "resumed" 0 map -k --joblog "$log" --resume --shell "echo {} >>$work/ran; test {} != bad" ::: bad c a a b a &&
    counts ran 6
tail -n 2 "$work/ran" | sort >"$work/out"
same out "a
c"
check "resumed again" 0 map --joblog "$log" --resume --shell "echo {} >>$work/ran; test {} != bad" ::: a a a b c bad &&
    counts ran 6
check "failed ones" 1 map --joblog "$log" --resume-failed --shell "echo {} >>$work/ran; test {} != bad" ::: a bad a b c a
counts ran 7
name="further runs are counted"
cut -f9,13 "$log" >"$work/out"
says out "echo bad >>$work/ran; test bad != bad${tab}2"
check "numbers and slots are no part of the key" 0 map -j1 --joblog "$work/log3" echo "{#}" "{%}" {} ::: a b
check "resumed without them" 0 map -j2 -k --joblog "$work/log3" --resume echo "{#}" {} ::: b a && says out "1 b"
check "the same, reordered" 0 map -j2 -k --joblog "$work/log3" --resume echo "{#}" "{%}" {} ::: c b a && same out "1 1 c"

check "inputs that make the same command" 0 map --joblog "$work/log4" echo "{/}" ::: x/a && same out a
check "are told apart" 0 map -j1 -k --joblog "$work/log4" --resume echo "{/}" "{#}" ::: y/a x/a
check "and go on" 0 map -j1 --joblog "$work/log4" --resume echo "{/}" ::: z/a x/a && same out a
check "by number only" 0 map --joblog "$work/log5" echo "{#}" ::: a b
check "by number only, resumed" 0 map --joblog "$work/log5" --resume echo "{#}" ::: c b && same out 1

# +FILE: rows stay, and a header stands where there is none.
check "a joblog that is added to" 0 map --joblog "+$work/log10" echo ::: a
check "and again" 0 map --joblog "+$work/log10" echo ::: a b
cut -f1,9 "$work/log10" | sort >"$work/out"
same out "1${tab}echo a
1${tab}echo a
2${tab}echo b
Seq${tab}Command"
check "resumed, and added to" 0 map --joblog "+$work/log10" --resume echo ::: a b c a && same out c
check "a dry run adds nothing" 0 map --joblog "+$work/log10" --dry-run echo ::: z && counts log10 5
check "./+FILE is a file of that name" 0 map --joblog ./+log10 true ::: a && counts "+log10" 2
check "a directory whose name looks like a table's" 0 map --results "$work/out.csv/" echo ::: a && [ -s "$work/out.csv/1/a/stdout" ] ||
    { failed=$((failed + 1)) && echo "not so: $name"; }

# A torn last line.
printf '9\t:\t17.0\t0.1\t0\t0\t0\t0\techo torn1' >>"$log"
check "a torn line" 0 map --joblog "$log" --resume --shell "echo {} >>$work/ran; test {} != bad" ::: torn
name="a torn line is cut off"
cut -f9 "$log" >"$work/out"
lacks out "echo torn1"
name="every row is whole"
count=$((count + 1))
[ "$(awk -F '\t' 'NF != 13' "$log" | wc -l)" = 0 ] || failed=$((failed + 1))

# SIGKILL in the middle: what is logged does not run again, all else does.
seq 1 400 >"$work/inputs"
for kill_at in 3 50 150; do
    name="killed after $kill_at rows"
    rm -f "$work/killed" "$work/done"
    "$reclaim" map -j4 -a "$work/inputs" --joblog "$work/killed" --shell "echo {} >>$work/done" &
    pid=$!
    started="$started $pid"
    wait_for has_lines "$work/killed" "$kill_at"
    kill -KILL $pid
    wait $pid 2>/dev/null
    awk -F '\t' 'NR > 1 && NF == 13 { print $1 }' "$work/killed" | sort -n >"$work/logged"
    logged=$(lines "$work/logged")
    sort -rn "$work/inputs" >"$work/reversed"
    check "resumed after SIGKILL" 0 map -j4 -a "$work/reversed" --joblog "$work/killed" --resume \
        --shell "echo {} >>$work/done"
    cut -f9 "$work/killed" | sort | uniq -d >"$work/out"
    counts out 0
    counts killed 401
    sort -nu "$work/done" >"$work/out"
    counts out 400
    # What ran twice is at most what ran, or waited to be logged, at that moment.
    count=$((count + 1))
    twice=$(($(lines "$work/done") - 400))
    if [ $twice -gt 4 ] || [ "$logged" -lt $((kill_at - 1)) ]; then
        echo "FAILED: $name: $twice ran twice, $logged were logged"
        failed=$((failed + 1))
    fi
done

# ---- inputs that no argument can be: their job has failed, as if exec had, and all others run

x100k=$(head -c 100000 /dev/zero | tr '\0' x)
{
    echo a
    head -c 1000000 /dev/zero | tr '\0' x
    printf '\nb\nc\0d\n'
    head -c 131072 /dev/zero | tr '\0' y
} >"$work/unfit"
x1m="$(head -c 64 /dev/zero | tr '\0' x)...(1000000 bytes, "
check "unfit" 3 map -k --tag --joblog "$work/log12" --report "$work/report2" --results "$work/kept4" -v -a "$work/unfit" echo &&
    same out "a${tab}a
b${tab}b"
says err "input 2 is longer than an argument may be (131071 bytes)"
says err "input 4 has a NUL in its line, as no argument can: inputs that end in a NUL need --null"
says err "input 5 is longer than an argument may be (131071 bytes)"
says err "failed     3 (3 not-executable)"
cut -f1,7,8,12,13 "$work/log12" >"$work/out"
same out "Seq${tab}Exitval${tab}Signal${tab}Outcome${tab}Attempt
1${tab}0${tab}0${tab}exited${tab}1
2${tab}126${tab}0${tab}not-executable${tab}1
3${tab}0${tab}0${tab}exited${tab}1
4${tab}126${tab}0${tab}not-executable${tab}1
5${tab}126${tab}0${tab}not-executable${tab}1"
says log12 "echo '$x1m"
grep -F '"exit_code":126' "$work/report2" >"$work/out"
counts out 3
says out "\"command\":[\"echo\",\"$x1m"
says out '"message":"input 2 is longer than an argument may be'
name="unfit, and kept"
cat "$work/kept4/1/$x1m"*/seq "$work/kept4/1/$x1m"*/stdout "$work/kept4/1/$x1m"*/stderr >"$work/out"
same out 2
check "unfit, resumed" 0 map --joblog "$work/log12" --resume -a "$work/unfit" echo && silent && counts log12 6
check "unfit, failed again" 3 map --joblog "$work/log12" --resume-failed -a "$work/unfit" echo && counts log12 9
tail -n 3 "$work/log12" | cut -f7,12,13 | sort -u >"$work/out"
same out "126${tab}not-executable${tab}2"
check "unfit, from a pipe" 3 sh -c "cat '$work/unfit' | timeout 60 '$reclaim' map -k --line-buffer echo" && same out "a
b"
check "unfit, and dry" 3 map --dry-run --joblog "$work/log13" -a "$work/unfit" echo && same out "echo a
echo b" && says err "input 4 has a NUL" && [ ! -e "$work/log13" ]
check "unfit, which stops it" 126 map -j1 --halt now,fail=1 -a "$work/unfit" echo && same out a &&
    says err "this job failed, and --halt says to stop now"
check "unfit, and again and again" 1 map --retries 3 --joblog "$work/log13" echo "{}{}" ::: "$x100k" &&
    says err "input 1 makes an argument of 200000 bytes: the system takes no more than 131071"
cut -f7,13 "$work/log13" | tail -n 1 >"$work/out"
same out "126${tab}1"
check "unfit together" 6 map -k echo ::: 1 2 :::: "$work/unfit" && same out "1 a
1 b
2 a
2 b" && says err "input 7 is longer than"
check "unfit for a shell" 1 map -k --shell "echo {} {} | wc -c" ::: "$x100k" b && same out 4
# shellcheck disable=SC2046
check "too many words" 1 map -k echo $(seq 100 | sed 's/.*/{}/') ::: "$x100k" x &&
    says err "input 1 makes a command of 10" && says err "the system takes no more than"
cut -d ' ' -f 1,100 "$work/out" >"$work/words"
same words "x x"
# shellcheck disable=SC2016 # for the inner shell
if sh -c 'ulimit -s unlimited' 2>/dev/null; then
    check "more words than the pool takes" 1 sh -c 'ulimit -s unlimited; reclaim=$1; shift; timeout 60 "$reclaim" map -k echo $(seq 100 | sed "s/.*/{}/") ::: "$@"' \
        sh "$reclaim" "$x100k" x && says err "input 1 "
    cut -d ' ' -f 1,100 "$work/out" >"$work/words"
    same words "x x"
fi

# ---- limits

check "a share of the machine's memory" 0 map -m 50% echo ::: a && same out "a"
check "over memory" 1 map -m 64M --joblog "$work/log4" dd if=/dev/zero of=/dev/null count=1 "bs={}" ::: 1G 1M &&
    says err "killed: over its memory limit of 64.0 MiB (peak "
cut -f9,12 "$work/log4" >"$work/out"
says out "'bs=1G'${tab}memory-limit"
says out "'bs=1M'${tab}exited"
check "more memory" 0 map -m 32M --retry-oom 4 --joblog "$work/log5" dd if=/dev/zero of=/dev/null count=30 "bs={}" ::: 60M
cut -f12,13 "$work/log5" >"$work/out"
says out "exited${tab}2"
check "retries" 0 map --retries 3 --tag --shell "echo x >>$work/tries; echo said; [ \$(wc -l <$work/tries) = 3 ] # {}" ::: a &&
    same out "a${tab}said"
check "too few retries" 1 map --retries 2 --shell "echo x >>$work/tries2; [ \$(wc -l <$work/tries2) = 3 ] # {}" ::: a
check "over output" 1 map --output-limit 10 --shell 'echo 123456789012345; exec sleep {}' ::: 100 &&
    says out 1234567890 && says err "over its output limit of 10 bytes"
check "a share of the median" 1 map -j1 -t 2000% --joblog "$work/log6" sleep ::: 0.05 0.05 0.05 300 0.05
cut -f7-9,12 "$work/log6" >"$work/out"
says out "-1${tab}15${tab}sleep 300${tab}timeout"
check "also of what runs already" 1 map -j2 -t 2000% sleep ::: 300 0.05 0.05 0.05 && says err "sleep 300: killed: over its timeout"
check "what a job left is gone" 0 map --report "$work/report" --shell "setsid sleep 1000 & echo \$! >$work/left # {}" ::: a
cp "$work/report" "$work/out"
says out '"killed_processes":1'
counts out 1
count=$((count + 1))
kill -0 "$(cat "$work/left")" 2>/dev/null && failed=$((failed + 1))
check "a budget" 0 map -k --memory-budget 50% --memfree 1M --rerunnable echo ::: a b && same out "a
b"
# Nothing is said, nothing known: by their limits only one at a time fits. The pause lets a second one be seen, if there is.
check "a budget is kept where limits alone tell" 0 map -j4 --memory-budget 50M -m 45M --shell \
    "mkdir $work/alone || exit 1; dd if=/dev/zero of=/dev/null count=1 bs=40M; sleep 0.3; rmdir $work/alone # {}" \
    ::: 1 2 3 4
name="a report on standard error leaves the rest of it"
echo before >"$work/err"
map --report - echo ::: a >"$work/out" 2>>"$work/err"
says err before
says err '"command":["echo","a"]'
check "a pause" 0 map -j3 --delay 0.1 --joblog "$work/log7" true ::: 1 2 3
name="starts are apart"
count=$((count + 1))
awk -F '\t' 'NR > 1 { if (NR > 2 && $3 - last < 0.08) bad = 1; last = $3 } END { exit bad }' "$work/log7" ||
    failed=$((failed + 1))

# Nobody waits after the last start, wherever the inputs come from, and whatever a resume skips.
check "no pause" 0 map --delay 0 true ::: 1 2
check "a pause after none" 0 map --delay 1h --joblog "$work/log11" true ::: 1
check "a pause after the last line" 0 feed '1\n' --delay 1h true
echo 1 >"$work/one"
check "a pause after the last of a file" 0 map --delay 1h -a "$work/one" echo ::: 1 && same out "1 1"
check "a pause after the last of a file that comes second" 0 map --delay 1h echo ::: 1 :::: "$work/one" && same out "1 1"
check "a pause before what is skipped" 0 map --delay 1h --joblog "$work/log11" --resume true ::: 2 1 && counts log11 3
check "a pause behind what is skipped" 0 map --delay 1h --joblog "$work/log11" --resume true ::: 1 2 3 && counts log11 4

# ---- bounds

# While the first job waits, others run ahead of it, but not without end; then all come out in order.
name="ahead of the first"
rm -f "$work/ran"
mkfifo "$work/first"
seq 1000 | timeout 60 "$reclaim" map -j2 -k --shell "test {} = 1 && cat $work/first; echo {} >>$work/ran; echo {}" >"$work/out" &
ahead=$!
started="$started $ahead"
wait_for has_lines "$work/ran" 20
last=0
until [ "$(lines "$work/ran")" = "$last" ]; do
    last=$(lines "$work/ran")
    sleep 0.3
done
: >"$work/first"
wait $ahead
count=$((count + 1))
[ "$last" -lt 200 ] || {
    echo "FAILED: $name: $last jobs ran ahead"
    failed=$((failed + 1))
}
seq 1000 | cmp -s - "$work/out" || {
    echo "FAILED: $name: not all came out in order"
    failed=$((failed + 1))
}

# Nor is anything read ahead then: as many have ended as may wait, and the pipe that was waited for has plenty.
name="reads no more than it can start"
rm -f "$work/ran"
mkfifo "$work/wide"
# shellcheck disable=SC2016 # for the inner shell
"$reclaim" map -j3 -k sh -c 'test $PARALLEL_SEQ = 1 && cat "$0"; echo >>"$1"' "$work/first" "$work/ran" <"$work/wide" >"$work/out" 2>&1 &
pid=$!
started="$started $pid"
exec 9>"$work/wide"
seq 71 >&9
wait_for has_lines "$work/ran" 70
echo 72 >&9
wait_for has_lines "$work/ran" 71
yes "$(head -c 100000 /dev/zero | tr '\0' x)" | head -c 80000000 >&9 &
started="$started $!"
resident() {
    sed -n 's/VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status"
}
last=0
until [ "$(resident)" = "$last" ]; do
    last=$(resident)
    sleep 0.3
done
count=$((count + 1))
[ "$last" -lt 50000 ] || {
    echo "FAILED: $name: it has $last KiB"
    failed=$((failed + 1))
}
kill -TERM $pid
exec 9>&-
wait $pid

# An input that is there does not wait for one that is not.
name="a pipe that is slow"
mkfifo "$work/slow"
timeout 60 "$reclaim" map echo <"$work/slow" >"$work/out" &
slow=$!
started="$started $slow"
exec 9>"$work/slow"
echo first >&9
wait_for grep -q first "$work/out"
echo second >&9
exec 9>&-
wait $slow
same out "first
second"

# The fork server dies; a job that may be run again is, and what its first run said is not said twice.
name="a fork server that dies"
rm -f "$work/ran"
"$reclaim" map -j1 --rerunnable --shell "echo {}; echo {} >>$work/ran; [ -e $work/again ] || sleep 100" ::: x >"$work/out" 2>"$work/err" &
pid=$!
started="$started $pid"
wait_for has_lines "$work/ran" 1
: >"$work/again"
read -r keeper <"/proc/$pid/task/$pid/children"
read -r server <"/proc/$keeper/task/$keeper/children"
kill -KILL "$server"
wait $pid
same out x
counts ran 2

# ---- what people see

# A terminal by script(1): terminal ENVIRONMENT ARGUMENT...
terminal() {
    name="a terminal, $1"
    set -- "$1" "$reclaim map -j2 sleep ::: 0.4 0.4 0.4 0.4"
    timeout 60 script -qec "exec env $1 $2" /dev/null </dev/null >"$work/out" 2>&1
    says out "0/4 done, 0 failed, 2 running"
}
if command -v script >/dev/null; then
    escape=$(printf '\033[K')
    before=$(date +%s%N)
    terminal "-u NO_COLOR TERM=xterm"
    tenths=$((($(date +%s%N) - before) / 100000000))
    says out "$escape"
    count=$((count + 1))
    draws=$(tr '\r' '\n' <"$work/out" | grep -c failed)
    [ "$draws" -le $((tenths + 1)) ] || {
        echo "FAILED: $name: drawn $draws times in $tenths tenths of a second"
        failed=$((failed + 1))
    }
    terminal "NO_COLOR=1 TERM=xterm"
    lacks out "$escape"
    terminal "-u NO_COLOR TERM=dumb"
    lacks out "$escape"
    says out "4/4 done"

    # Ctrl-C: the jobs do not get it.
    name="Ctrl-C at a terminal"
    mkfifo "$work/keys"
    rm -f "$work/running" "$work/ended"
    timeout 60 script -qec "exec $reclaim map -j2 --shell 'echo {} >>$work/running; sleep 1; echo {} >>$work/ended' ::: 1 2 3" \
        /dev/null <"$work/keys" >"$work/out" 2>&1 &
    pid=$!
    started="$started $pid"
    exec 9>"$work/keys"
    wait_for has_lines "$work/running" 2
    printf '\003' >&9
    wait_for grep -q "no more jobs are started; 2 still run, Ctrl-C ends them" "$work/out"
    wait_for has_lines "$work/ended" 2
    exec 9>&-
    wait $pid
    code=$?
    count=$((count + 1))
    [ $code = 255 ] || {
        echo "FAILED: $name: exit $code instead of 255"
        failed=$((failed + 1))
    }
    counts running 2
fi

check "a summary" 1 map -v --shell 'dd if=/dev/zero of=/dev/null bs=20M count=30 status=none; test {} = a' ::: a b && says err "reclaim: 2 jobs" && says err "failed     1 (1 exited)" &&
    says err "hungriest" && says err "MiB  a"
check "a plain line of progress" 0 map --bar true ::: a b && says err "2/2 done, 0 failed, 0 running" &&
    lacks err "$(printf '\033')"
check "no progress where there is no terminal" 0 map true ::: a && silent
check "inputs from nowhere" 255 sh -c '"$1" map echo <&-' sh "$reclaim" && says err "standard input is closed"
check "help" 0 map --help && says out "--joblog FILE"
name="help fits a screen"
count=$((count + 1))
[ "$(lines "$work/out")" -le 42 ] && [ "$(awk 'length > 80' "$work/out" | wc -l)" = 0 ] ||
    { failed=$((failed + 1)) && echo "not so: $name"; }

# ---- bad input: nothing runs, nothing is overwritten

echo kept >"$work/kept"
printf 'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n' >"$work/theirs"
cp "$work/theirs" "$work/theirs.copy"
bad() {
    words=$1
    shift
    check "bad: $words" 255 map "$@" touch "$work/run-{}" ::: a && says err "$words"
    count=$((count + 1))
    [ "$(lines "$work/err")" = 1 ] && [ ! -e "$work/run-a" ] && return 0
    echo "FAILED: $name: it ran, or said more than a line"
    failed=$((failed + 1))
}
bad "--memory 12Q" --report "$work/kept" -m 12Q
bad "--memory 10K" -m 10K
bad "--memory 150%" -m 150%
bad "--timeout soon" -t soon
bad "--timeout x%" -t x%
bad "--jobs 0%" -j 0%
bad "--jobs +50%: give a number, +N or -N" -j +50%
bad "--jobs 10001" -j 10001
bad "--joblog -:" --joblog -
bad "--joblog +:" --joblog +
bad "--results out.csv: no table is written" --results out.csv
bad "--results -.JSON: no table is written" --results -.JSON
bad "--results o-{}.txt: give one directory" --results "o-{}.txt"
bad "--results {1}/: give one directory" --results "{1}/"
bad "--results {= 1 =}: give one directory" --results "{= 1 =}"
bad "--joblog $work/kept" --joblog "+$work/kept"
bad "--delay never" --delay never
bad "--halt now" --halt now
bad "--retries 0" --retries 0
bad "--memory-budget 200%" --memory-budget 200%
bad "--memfree 1000T" --memfree 1000T
bad "--arg-file /no/such/file" -a /no/such/file
bad "--arg-file /" -a /
bad "--joblog /no/such/place" --joblog /no/such/place
bad "--joblog $work/kept" --joblog "$work/kept"
bad "--joblog $work/kept" --joblog "$work/kept" --resume
bad "--joblog $work/theirs" --joblog "$work/theirs"
bad "--report /no/such/place" --report /no/such/place
bad "--results /dev/null" --results /dev/null
bad "--resume needs --joblog" --resume
bad "--output-limit x" --output-limit x
bad "--nofile 15" --nofile 15
bad "--nofile 2147483647" --nofile 2147483647
check "a log to keep" 0 map --joblog "$work/kept2" --report "$work/kept3" true ::: a b c
cp "$work/kept2" "$work/kept2.copy"
cp "$work/kept3" "$work/kept3.copy"
bad "--retry-oom 2: there is no limit to raise" --joblog "$work/kept2" --report "$work/kept3" --retry-oom 2
name="nothing ran, and logs stay"
count=$((count + 1))
[ ! -e "$work/run-a" ] && cmp -s "$work/kept2" "$work/kept2.copy" && cmp -s "$work/kept3" "$work/kept3.copy" ||
    { failed=$((failed + 1)) && echo "not so: $name"; }
bad "--report $work/kept2: is the joblog" --joblog "$work/kept2" --report "$work/kept2" --resume
check "the inputs as a report" 255 map --report "$work/kept3" -a "$work/kept3" touch "$work/run-a" && says err "--report $work/kept3"
name="the inputs stay"
count=$((count + 1))
cmp -s "$work/kept3" "$work/kept3.copy" || { failed=$((failed + 1)) && echo "not so: $name"; }
check "a full disk, dry" 255 sh -c "timeout 60 '$reclaim' map --dry-run echo ::: a >/dev/full" && says err "No space left"
check "a job that stops itself has its timeout" 1 map -t 0.5 sh -c 'kill -STOP $$' ::: a && says err "timeout"
check "few open files" 0 sh -c "ulimit -n 40; '$reclaim' map -j 16 -k echo ::: 1 2 3" && says err "no more than 1 at once"
check "few open files, and as many jobs as can be" 0 sh -c "ulimit -n 40; '$reclaim' map -j 0 -k echo ::: 1 2 3" && lacks err "at once"
check "few open files, and many jobs" 0 sh -c "ulimit -n 40; '$reclaim' map -j 10000 echo ::: 1" && says err "no more than 1 at once"
check "too few open files" 255 sh -c "ulimit -n 12; '$reclaim' map echo ::: 1" && says err "ulimit -n"
TMPDIR=/no/such/place
export TMPDIR
bad "TMPDIR /no/such/place"
unset TMPDIR
bad "did you mean --joblog?" --jobolg x
check "an input that there is not" 255 map touch "$work/run-a" "{5}" ::: a ::: b && says err "{5}: there are only 2 sources"
check "a Perl expression" 255 map touch "$work/run-a" '{= $_++ =}' ::: a && says err "{=...=}: reclaim runs no Perl"
check "a Perl expression in several words" 255 map touch "$work/run-a" '{=' '$_++' '=}' ::: a && says err "{=...=}: reclaim runs no Perl"
check "a padded number" 255 map touch "$work/run-a" '{0#}' ::: a && says err "{0#}: {#} and {%} take no number"
name="which ran nothing"
count=$((count + 1))
[ ! -e "$work/run-a" ] || failed=$((failed + 1))
check "no command" 255 map ::: a && says err "no command"
check "linked inputs" 255 map echo ::: a :::+ b && says err ":::+"
check "linked inputs first" 255 map echo :::+ a ::: b && says err ":::+"
cp "$work/kept" "$work/out"
name="nothing is overwritten"
same out kept
cmp -s "$work/theirs" "$work/theirs.copy" || failed=$((failed + 1))
check "a full disk" 255 sh -c "timeout 60 '$reclaim' map --joblog '$work/log8' echo ::: a >/dev/full" && says err "No space left"
cut -f9 "$work/log8" >"$work/out"
name="what could not be written is not logged"
lacks out "echo a"
check "closed output" 255 sh -c "timeout 60 '$reclaim' map echo ::: a >&-" && says err "output of echo a is lost: Bad file descriptor"
check "closed output, and nothing to say" 0 sh -c "timeout 60 '$reclaim' map true ::: a b >&- 2>&-"
check "closed output, by lines" 0 sh -c "timeout 60 '$reclaim' map --line-buffer true ::: a b >&-"
check "a full disk, by lines" 255 sh -c "timeout 60 '$reclaim' map --line-buffer echo ::: a >/dev/full" && says err "No space left"
check "nobody reads" 0 sh -c "yes | timeout 60 '$reclaim' map echo | head -n 1" && same out y && silent

# ---- signals

if env --help 2>/dev/null | grep -q default-signal; then # a shell without job control starts children deaf to SIGINT
    deaf="env --default-signal=INT"
else
    deaf="env"
fi
# Once the first jobs run, a signal; what runs writes to $work/ended when it is let finish.
interrupt() {
    name=$1
    shift
    [ $# -gt 0 ] || set -- --shell "echo {} >>$work/running; sleep 1; echo {} >>$work/ended"
    rm -f "$work/running" "$work/ended" "$work/log9"
    $deaf "$reclaim" map -j2 --joblog "$work/log9" "$@" ::: 1 2 3 4 2>"$work/err" &
    pid=$!
    started="$started $pid"
    wait_for has_lines "$work/running" 2
}
ended_with() {
    wait $pid
    code=$?
    count=$((count + 1))
    [ $code = "$1" ] && return 0
    echo "FAILED: $name: exit $code instead of $1"
    failed=$((failed + 1))
}
for signal in INT HUP; do
    interrupt "SIG$signal stops starting"
    kill -$signal $pid
    ended_with 255
    says err "no more jobs are started; 2 still run"
    counts ended 2
    counts running 2
    counts log9 3
done
interrupt "the second SIGINT ends what runs"
kill -INT $pid
wait_for grep -q "no more jobs" "$work/err"
kill -INT $pid
ended_with 255
[ ! -e "$work/ended" ] || failed=$((failed + 1))
cut -f12 "$work/log9" >"$work/out"
says out cancelled
check "what was cancelled runs again" 0 map --joblog "$work/log9" --resume --shell \
    "echo {} >>$work/running; sleep 1; echo {} >>$work/ended" ::: 1 2 3 4 && counts ended 4
interrupt "one more does so by force" --kill-after 100 --shell "trap '' TERM; echo {} >>$work/running; sleep 50; sleep 50 # {}"
kill -INT $pid
wait_for grep -q "no more jobs" "$work/err"
kill -INT $pid
wait_for grep -q "ending the 2 that run" "$work/err"
kill -INT $pid
ended_with 255
interrupt "SIGTERM ends what runs"
kill -TERM $pid
ended_with 255
[ ! -e "$work/ended" ] || failed=$((failed + 1))
interrupt_in_pause() {
    name="SIG$1 while the next one waits"
    rm -f "$work/log9"
    $deaf "$reclaim" map --delay 1h --joblog "$work/log9" true ::: 1 2 2>"$work/err" &
    pid=$!
    started="$started $pid"
    wait_for has_lines "$work/log9" 2
    kill -"$1" $pid
    ended_with 255
    counts log9 2
}
interrupt_in_pause INT
interrupt_in_pause TERM

# What ended in a stop of everything runs again, and nothing else.
# processes PID: it and all below it, keeper and fork server, too; oldest first, as "pid name"
processes() {
    sed -n 's/^\([0-9]*\) (\(.*\)) . \([0-9]*\) .*/\1 \3 \2/p' /proc/[0-9]*/stat 2>/dev/null | sort -n |
        awk -v root="$1" '$1 == root || $2 in tree { tree[$1]; print $1, $3 }'
}
session_is_gone() {
    ! cut -d ')' -f 2- /proc/[0-9]*/stat 2>/dev/null | grep -q "^ [^Z] [0-9]* [0-9]* $1 "
}
# The jobs that run when all are told to stop wait for $work/go.
batch() {
    # shellcheck disable=SC2016 # for the inner shell
    set -- sh -c 'echo "$0" >>begun; until [ -e go ]; do sleep 0.05; done; echo "$0" >>finished' ::: 1 2 3 4
    ulimit -c 0
    exec $unstopped "$reclaim" map -j2 --joblog "$work/log14" --resume "$@"
}
unstopped="$deaf"
[ "$deaf" = env ] || unstopped="$deaf --default-signal=QUIT setsid"
# stop_everything SIGNAL ORDER: of the signals to the oldest, or the youngest, first
stop_everything() {
    name="SIG$1 to everything, the $2 first"
    rm -f "$work/begun" "$work/finished" "$work/go" "$work/log14"
    batch 2>"$work/err" &
    pid=$!
    started="$started $pid"
    wait_for has_lines "$work/begun" 2
    if [ "$2" = oldest ]; then order=; else order=-r; fi
    # shellcheck disable=SC2046,SC2086 # words
    kill -"$1" $(processes $pid | cut -d ' ' -f 1 | sort -n $order) 2>/dev/null
    [ "$1" = TERM ] || [ "$1" = QUIT ] || : >"$work/go" # the others let finish what has started since
    wait $pid
    code=$?
    wait_for session_is_gone $pid
    : >"$work/go"
    if [ "$1" != QUIT ]; then # which reclaim dies of
        count=$((count + 1))
        [ $code = 255 ] && [ "$(cut -f12 "$work/log14" | grep -cv 'Outcome\|exited\|cancelled\|lost')" = 0 ] || {
            echo "FAILED: $name: exit $code, and these rows:"
            cut -f 7,8,12 "$work/log14"
            failed=$((failed + 1))
        }
    fi
    (batch) 2>"$work/err" &
    wait $!
    code=$?
    sort "$work/finished" >"$work/out"
    same out "1
2
3
4"
    count=$((count + 1))
    [ $code = 0 ] || {
        echo "FAILED: $name: exit $code when resumed"
        failed=$((failed + 1))
    }
}
if [ "$deaf" != env ] && command -v setsid >/dev/null; then
    for signal in TERM INT HUP QUIT; do
        stop_everything $signal oldest
        stop_everything $signal youngest
    done
fi

# Nobody stops the batch: such a death is the job's own.
# shellcheck disable=SC2016 # for the inner shell
{
    check "a job that ends itself" 1 map -j1 --joblog "$work/log15" sh -c 'test $0 = 2 || kill -TERM $$' ::: 1 2
    cut -f1,8,12 "$work/log15" | sort >"$work/out"
    same out "1${tab}15${tab}signalled
2${tab}0${tab}exited
Seq${tab}Signal${tab}Outcome"
    check "a job that ends itself stops the batch" 143 map -j1 --halt now,fail=1 --joblog "$work/log15" sh -c 'echo >>again; kill -TERM $$' ::: 1 2 &&
        counts log15 2
    counts again 1
}

finish
