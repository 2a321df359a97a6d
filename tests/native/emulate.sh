#!/bin/sh
# Runs the driver where this machine lacks AVX-512: on a CPU that Bochs emulates, with a Linux kernel
# and nothing else. Takes some minutes. Debian: bochs bochs-term isolinux syslinux-common xorriso
# busybox-static, and any kernel of linux-image-cloud-amd64.
#
#     emulate.sh <static driver> <folder of fixture frames> <work folder> <kernel>
set -eu
[ $# -eq 4 ] && [ -r "$4" ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
driver=$(realpath "$1") fixtures=$(realpath "$2") kernel=$(realpath "$4")
rm -rf "$3" && mkdir -p "$3" && cd "$3"

mkdir -p root/bin root/fixtures disc/isolinux
cp "$(command -v busybox)" root/bin/busybox
cp "$driver" root/driver
cp "$fixtures"/* root/fixtures
cat > root/init <<'EOF'
#!/bin/busybox sh
/driver /fixtures --bochs
echo "driver ended with $?"
/bin/busybox sleep 1
/bin/busybox poweroff -f
EOF
chmod +x root/init
(cd root && find . | busybox cpio -o -H newc 2>/dev/null | gzip) > disc/initrd.gz

cp "$kernel" disc/vmlinuz
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 disc/isolinux
# What Linux is not to use of this Bochs: compacted XSAVE areas and protection keys (321, 323, 515, 516),
# for whose sizes it would do without the wide registers; fast string moves (297, 580) and the TSC
# deadline timer, with which it stands still.
cat > disc/isolinux/isolinux.cfg <<'EOF'
DEFAULT driver
LABEL driver
  KERNEL /vmlinuz
  APPEND initrd=/initrd.gz console=ttyS0 quiet panic=-1 lsm=capability mitigations=off clearcpuid=297,321,323,515,516,580 lapic=notscdeadline tsc=reliable lpj=1000000
EOF
xorriso -as mkisofs -quiet -o disc.iso -b isolinux/isolinux.bin -c isolinux/boot.cat \
    -no-emul-boot -boot-load-size 4 -boot-info-table disc

cat > bochsrc <<'EOF'
cpu: model=corei7_icelake_u, ips=50000000
megs: 256
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=disc.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=told
display_library: term
log: bochs.log
EOF
echo c > begin # Debian's Bochs has its debugger, which waits to be told.
TERM=xterm script -qc "bochs -q -f bochsrc -rc begin" /dev/null > screen < /dev/null || true
tr -d '\r' < told | tee answer
grep -q '^avx512 .* 0 failed$' answer && grep -q '^driver ended with 0' answer
