#!/bin/sh
# Boots systemd in a virtual machine and lives with its units there: the system's and a user's.
#
#     sh tests/vm/systemd.sh build/release
#
# The guest has this machine's files, read-only, with what is installed from the build directory over them in memory.
# Exits 77 where there is no qemu, kernel, busybox or systemd. Writes below the build directory only: vm-systemd.log, and
# a directory that is removed at the end.
set -eu

seconds=400 # less than ctest allows

source=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
build=$(CDPATH='' cd -- "$1" && pwd)
: "${CMAKE:=cmake}"
unset DESTDIR

skip() {
    echo "SKIPPED: tests/vm/systemd: $*"
    exit 77
}

[ "$(uname -m)" = x86_64 ] || skip "for x86_64 only, this is $(uname -m)"
qemu=$(command -v qemu-system-x86_64) || skip "no qemu-system-x86_64 (package qemu-system-x86)"
busybox=$(command -v busybox) || skip "no busybox (package busybox-static)"
[ -x /lib/systemd/systemd ] || skip "no /lib/systemd/systemd (package systemd)"
kernel=
for file in $(find /boot -maxdepth 1 -name 'vmlinuz-*' | sort -V); do
    if [ -r "$file" ]; then
        kernel=$file
    fi
done
[ -n "$kernel" ] || skip "no /boot/vmlinuz-* that can be read (package linux-image-amd64)"
version=${kernel#/boot/vmlinuz-}

pid=
log=$build/vm-systemd.log
rm -f "$log"
work=$(mktemp -d "$build/vm-systemd.XXXXXX")
finish() {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# The first process mounts this machine's files and makes room to write over them. `ldd`: busybox may need libraries.
root=$work/root
mkdir -p "$root/bin" "$root/modules" "$root/host" "$root/memory" "$root/new" "$root/proc" "$root/dev"
cp -L "$busybox" "$root/bin/busybox"
for library in $(ldd "$busybox" 2>/dev/null | grep -o '/[^ ]*'); do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
number=100
for module in virtio_pci 9pnet_virtio 9p overlay; do
    modprobe --set-version "$version" --show-depends $module 2>/dev/null || true
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$work/modules"
while IFS= read -r file; do
    number=$((number + 1))
    case $file in
    *.xz) xz -dc "$file" ;;
    *.zst) zstd -dc "$file" ;;
    *) cat "$file" ;;
    esac >"$root/modules/$number.ko"
done <"$work/modules"
[ -s "$work/modules" ] || skip "no modules of Linux $version"
cat >"$root/init" <<END
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in /modules/*.ko; do insmod \$module; done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose host /host &&
    mount -t tmpfs memory /memory && mkdir /memory/upper /memory/work &&
    mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work overlay /new || poweroff -f
cp -a /new$work/installed/* /new/usr/
cp /new$source/systemd.service /new/etc/systemd/system/reclaim-test.service
cp /new$source/systemd-guest.sh /new/etc/reclaim-test.sh
echo 0123456789abcdef0123456789abcdef >/new/etc/machine-id
umount /dev /proc
exec switch_root /new /lib/systemd/systemd --unit=reclaim-test.service
END
chmod 755 "$root/init"
(cd "$root" && find . | "$busybox" cpio -o -H newc -R 0:0 2>/dev/null) >"$work/initramfs"

"$CMAKE" --install "$build" --prefix "$work/installed" >"$work/install.log"
sed -i "s,$work/installed/,/usr/," "$work"/installed/lib/systemd/*/reclaimd.service

# No -accel kvm: where it is nested it may hang. The pid is timeout's, which passes a SIGTERM on.
timeout -k 5 "$seconds" "$qemu" -accel tcg -smp 2 -m 1200M -nodefaults -no-user-config -no-reboot -display none \
    -nic none -serial stdio -kernel "$kernel" -initrd "$work/initramfs" \
    -fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
    -device virtio-9p-pci,fsdev=host,mount_tag=host \
    -append "console=ttyS0 quiet loglevel=3 panic=-1 oops=panic systemd.show_status=0" \
    </dev/null >"$work/serial" 2>&1 &
pid=$!
ended=0
wait "$pid" || ended=$?
pid=
tr -d '\r' <"$work/serial" >"$log"
grep -q "does not support 9p\|'virtio-9p-pci' is not a valid device\|fsdev support is disabled" "$log" &&
    skip "qemu without 9p"
grep '^vm: \|^FAILED\|^    ' "$log" || true
[ "$ended" != 124 ] || echo "tests/vm/systemd: ended after $seconds s"
grep -q '^vm: exit 0$' "$log" || {
    echo "tests/vm/systemd: see $log"
    exit 1
}
