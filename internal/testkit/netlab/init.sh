# First process of a lab host. Arguments: host name, folder for the overlays,
# "private" to give the host its own writable copies of the system's folders.
# It says "ready", then lives until its standard input closes, which happens
# when the test ends for whatever reason; the kernel then kills everything else
# in its process namespace and the namespaces go with it.
set -e
name=$1 base=$2 private=$3
mount --make-rprivate /
hostname "$name"
mount -t sysfs sysfs /sys
if [ "$private" = private ]; then
	mount -t tmpfs tmpfs "$base"
	for d in etc var home root; do
		[ -d "/$d" ] || continue
		mkdir "$base/$d.upper" "$base/$d.work"
		mount -t overlay overlay -o "lowerdir=/$d,upperdir=$base/$d.upper,workdir=$base/$d.work" "/$d"
	done
	mount -t tmpfs -o mode=755 tmpfs /run
	mkdir -p /run/lock /run/sshd "$base/dev"
	mount -t tmpfs -o mode=755 tmpfs "$base/dev"
	for n in null zero full random urandom tty; do
		: >"$base/dev/$n"
		mount --bind "/dev/$n" "$base/dev/$n"
	done
	mkdir "$base/dev/pts" "$base/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$base/dev/pts"
	ln -s pts/ptmx "$base/dev/ptmx"
	ln -s /proc/self/fd "$base/dev/fd"
	ln -s /proc/self/fd/0 "$base/dev/stdin"
	ln -s /proc/self/fd/1 "$base/dev/stdout"
	ln -s /proc/self/fd/2 "$base/dev/stderr"
	mount --rbind "$base/dev" /dev
	echo "$name" >/etc/hostname
	printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n' "$name" >/etc/hosts
	: >/etc/resolv.conf
fi
echo ready
while read -r _; do :; done
