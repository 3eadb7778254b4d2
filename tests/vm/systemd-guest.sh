#!/bin/sh
# In the guest of systemd.sh, as root: says `vm: exit N`.
exec 2>&1
export HOME=/root NO_COLOR=1
failed=0
unit=reclaimd.service
out=/run/reclaim-test.out

# expect WHAT WORDS COMMAND...: it succeeds and says these words
expect() {
    what=$1
    words=$2
    shift 2
    "$@" >$out 2>&1
    code=$?
    if [ $code = 0 ]; then
        said "$what" "$words"
    else
        fail "$what: exit $code: $*"
    fi
}

# said WHAT WORDS: the last command did
said() {
    if [ -z "$2" ] || grep -qF -- "$2" $out; then
        echo "vm: $1"
    else
        fail "$1"
    fi
}

fail() {
    echo "FAILED: $1"
    sed 's/^/    /' $out
    failed=1
}

# Polls: systemd tells others nothing of what it has done.
eventually() {
    tries=0
    until "$@" >/dev/null 2>&1 || [ $tries = 300 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
}

is() {
    [ "$(systemctl show $unit -p "$1" --value)" = "$2" ]
}

# What a job finds, and tries. What is in single quotes is for its own shell.
# shellcheck disable=SC2016
job='grep -E "NoNewPrivs|CapEff" /proc/self/status
cat "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/memory.max"
file=$(mktemp /tmp/job.XXXXXX) && echo writes in tmp
unshare -Ur true && echo makes namespaces
setarch -R true && echo changes its personality
python3 -c "import mmap; mmap.mmap(-1, 4096, prot=7)" && echo compiles just in time
chmod g+s "$file" && echo sets bits
env | grep -E "^(NOTIFY_SOCKET|WATCHDOG_|LISTEN_)" || echo knows no systemd
touch /usr/reclaim-test 2>/dev/null || echo leaves usr alone'

# as_jobs_are COMMAND...: submits through it and looks at what comes
as_jobs_are() {
    expect "a job" "" "$@" reclaim submit -m 64M -- sh -c "$job"
    id=$(cat $out)
    expect "a job ends" "" "$@" reclaim wait "$id"
    expect "a job's output" "" "$@" reclaim logs "$id"
    for words in "NoNewPrivs:	1" "CapEff:	0000000000000000" 67108864 "writes in tmp" "makes namespaces" \
        "changes its personality" "compiles just in time" "sets bits" "knows no systemd" "leaves usr alone"; do
        said "a job: $words" "$words"
    done
    id=$("$@" reclaim submit -m 64M -- python3 -c 'bytearray(b"x") * (200 << 20)')
    "$@" reclaim wait "$id"
    expect "the kernel's limit" '"outcome":"memory-limit"' "$@" reclaim status --json "$id"
    said "the kernel's count" '"memory_method":"cgroup"'
}

# ---- the system's

expect "systemd-sysusers" "" systemd-sysusers /usr/lib/sysusers.d/reclaim.conf
expect "systemd-tmpfiles" "" systemd-tmpfiles --create /usr/lib/tmpfiles.d/reclaim.conf
expect "its directory" "700 reclaim" stat -c "%a %U" /run/reclaim
systemctl daemon-reload
expect "starts, and says that it is ready" "" systemctl start $unit
expect "its status" "0 jobs that have not ended" systemctl show $unit -p StatusText
as_jobs_are env
expect "its own user is let in" "workers" setpriv --reuid=reclaim --regid=reclaim --clear-groups reclaim stats
setpriv --reuid=nobody --regid=nogroup --clear-groups reclaim stats >$out 2>&1 && fail "somebody else is let in"

mkdir -p /run/systemd/system/$unit.d
printf '[Service]\nWatchdogSec=2\nEnvironment="RECLAIMD_OPTIONS=--workers 3 --drain-timeout 0"\n' \
    >/run/systemd/system/$unit.d/test.conf
systemctl daemon-reload
expect "restarts" "" systemctl restart $unit
expect "has its options" '"workers":3' reclaim stats --json
sleep 5 # more than twice its watchdog's time
expect "feeds its watchdog" "NRestarts=0" systemctl show $unit -p NRestarts
expect "reloads" "" systemctl reload $unit
id=$(reclaim submit --on-crash requeue -- sleep 1000)
kill -KILL "$(systemctl show $unit -p MainPID --value)"
eventually is NRestarts 1
eventually is ActiveState active
expect "is started again after kill -9, with its job" '"interruptions":1' reclaim status --json "$id"
kill -STOP "$(systemctl show $unit -p MainPID --value)"
eventually is NRestarts 2
expect "is started again when it hangs" "NRestarts=2" systemctl show $unit -p NRestarts
eventually is ActiveState active
expect "stops" "" systemctl stop $unit
expect "well" "Result=success" systemctl show $unit -p Result
[ ! -e /sys/fs/cgroup/system.slice/$unit ] || fail "its cgroup is still there"
expect "listens" "" systemctl start reclaimd.socket
expect "its socket" "600 reclaim" stat -c "%a %U" /run/reclaim/reclaimd.sock
expect "is started by a client, and has its job" "$id" reclaim list
expect "so it was" "active" systemctl is-active $unit
expect "everything stops" "" systemctl stop reclaimd.socket $unit

# ---- a user's, whose systemd is started by hand: there may be no PAM

useradd --create-home ann
install -d -m 700 -o ann -g ann /run/user/ann
expect "a user's systemd" "" systemd-run --quiet --unit=ann -p User=ann -p Delegate=yes -p Type=notify \
    -E HOME=/home/ann -E XDG_RUNTIME_DIR=/run/user/ann /lib/systemd/systemd --user
ann() {
    setpriv --reuid=ann --regid=ann --clear-groups env HOME=/home/ann XDG_RUNTIME_DIR=/run/user/ann "$@"
}
expect "starts for a user" "" ann systemctl --user start $unit
as_jobs_are ann
expect "its store" "700 ann" stat -c "%a %U" /home/ann/.local/state/reclaim
expect "reloads" "" ann systemctl --user reload $unit
expect "stops" "" ann systemctl --user stop $unit
expect "listens" "" ann systemctl --user start reclaimd.socket
expect "is started by a client" "workers" ann reclaim stats
expect "stops" "" ann systemctl --user stop reclaimd.socket $unit

[ $failed = 0 ] || journalctl --no-pager -o short | grep -i reclaim | tail -n 50 | sed 's/^/    /'
echo "vm: exit $failed"
