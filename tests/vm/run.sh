#!/bin/sh
# Boots a kernel with cgroup v2 in a virtual machine and runs a program there, in each of the settings of tests/vm/init.
#
#     sh tests/vm/run.sh build/release                      the suite, tests/vm/suite.c
#     sh tests/vm/run.sh build/release program [arg...]     another program, which gets what ldd names and no other file
#
# VM_SETTINGS="user-leaf ..." picks settings, VM_CASES="limit ..." cases of the suite. Exits with the guest's result,
# with 77 where there is no qemu, kernel or busybox (on Debian: sh tests/setup.sh test). Writes below the build
# directory only: vm.log, and a directory that is removed at the end.
set -eu

memory=768M
seconds=280 # less than ctest allows

source=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
if [ $# -lt 1 ]; then
    echo "usage: sh tests/vm/run.sh BUILD_DIR [program [arg...]]" >&2
    exit 2
fi
build=$(CDPATH='' cd -- "$1" && pwd)
shift
[ $# -gt 0 ] || set -- "$build/tests/vm_suite"

skip() {
    echo "SKIPPED: tests/vm: $*"
    echo "SKIPPED: tests/vm: nothing was tested of limits and peaks that the kernel itself keeps"
    exit 77
}

[ "$(uname -m)" = x86_64 ] || skip "for x86_64 only, this is $(uname -m)"
qemu=$(command -v qemu-system-x86_64) || skip "no qemu-system-x86_64 (package qemu-system-x86)"
busybox=$(command -v busybox) || skip "no busybox (package busybox-static)"
kernel=
for file in $(find /boot -maxdepth 1 -name 'vmlinuz-*' | sort -V); do
    if [ -r "$file" ]; then
        kernel=$file
    fi
done
[ -n "$kernel" ] || skip "no /boot/vmlinuz-* that can be read (package linux-image-amd64)"

pid=
log=$build/vm.log
rm -f "$log"
work=$(mktemp -d "$build/vm-test.XXXXXX")
finish() {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

root=$work/root
mkdir -p "$root/bin" "$root/lib" "$root/vm/modules"

# add FILE AS: with the libraries that it needs, each where the loader looks for it
add() {
    cp -L "$1" "$root/$2"
    for library in $(ldd "$1" 2>/dev/null | sed -n 's/^.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) .*/\1/p'); do
        case $library in
        */ld-linux*)
            mkdir -p "$root$(dirname "$library")"
            cp -L "$library" "$root$library"
            ;;
        *) cp -L "$library" "$root/lib/$(basename "$library")" ;;
        esac
    done
}

# For a disk with a file system, loaded in this order.
number=0
modules=/lib/modules/${kernel#/boot/vmlinuz-}
for name in drivers/block/loop fs/fat/fat fs/fat/msdos fs/nls/nls_cp437; do
    number=$((number + 1))
    file=$(find "$modules/kernel" -path "$modules/kernel/$name.ko*" 2>/dev/null)
    case $file in
    *.ko) cat "$file" ;;
    *.xz) xz -dc "$file" ;;
    *.zst) zstd -dc "$file" ;;
    *) skip "no $name.ko below $modules" ;;
    esac >"$root/vm/modules/$number.ko"
done

add "$busybox" bin/busybox
add "$build/tests/vm_enter" vm/vm_enter
add "$1" "vm/$(basename "$1")"
program=/vm/$(basename "$1")
shift
cp "$source/init" "$root/init"
printf '%s\n' "$program" "$@" >"$root/vm/command"
echo "${VM_SETTINGS-}" >"$root/vm/settings"
echo "${VM_CASES-}" >"$root/vm/cases"
chmod 755 "$root/init"
(cd "$root" && find . | "$busybox" cpio -o -H newc -R 0:0 2>"$work/cpio.log") >"$work/initramfs" || {
    cat "$work/cpio.log"
    exit 1
}

# No -accel kvm: where it is nested it may hang. The pid is timeout's, which passes a SIGTERM on.
timeout -k 5 "$seconds" "$qemu" -accel tcg -smp 2 -m "$memory" -nodefaults -no-user-config -no-reboot -display none \
    -nic none -serial stdio -kernel "$kernel" -initrd "$work/initramfs" \
    -append "console=ttyS0 quiet loglevel=3 panic=-1 oops=panic" </dev/null >"$work/serial" 2>&1 &
pid=$!
ended=0
wait "$pid" || ended=$?
pid=
tr -d '\r' <"$work/serial" >"$log"
cat "$log"

status=$(sed -n 's/^vm: exit \([0-9][0-9]*\)$/\1/p' "$log" | tail -n 1)
[ "$ended" != 124 ] || echo "tests/vm: ended after $seconds s"
if [ -z "$status" ]; then
    echo "tests/vm: the guest never said how it ended (qemu: $ended)"
    exit 1
fi
exit "$status"
