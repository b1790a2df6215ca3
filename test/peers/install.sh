#!/bin/sh
# Installs what a fresh Debian machine lacks for `make test`: Docker, its compose and containerd
# and a static busybox for images, dig to ask for names, a JDK and Maven for Elasticsearch, a C
# compiler for cgo, tools for disks in files. Does nothing where everything is there. Needs root for the
# rest. InfluxDB 2.7 also wants cargo, which is not installed here; without it
# 2.x is not tested.
set -eu

missing=""
want() { # want PROGRAM PACKAGE
	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
want dockerd docker.io
want docker docker.io
want docker-compose docker-compose
want containerd containerd
want ctr containerd
want runc runc
want busybox busybox-static
want javac openjdk-17-jdk-headless
want mvn maven
want gcc gcc
want ip iproute2
want systemd-analyze systemd
want losetup mount
want mkfs.ext4 e2fsprogs
want dig bind9-dnsutils
# InfluxDB 2.7 is partly Rust and wants clang; nothing else does.
if command -v cargo >/dev/null 2>&1; then
	want clang clang
	want pkg-config pkg-config
fi
# A busybox that is not static cannot run in an image of its own.
if command -v busybox >/dev/null 2>&1 && command -v ldd >/dev/null 2>&1 && ldd "$(command -v busybox)" >/dev/null 2>&1; then
	missing="$missing busybox-static"
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
	echo "install.sh: this machine has no apt-get; install by hand:$missing" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "install.sh: run as root, or: sudo apt-get install --no-install-recommends$missing" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# The daemon is started by the tests that want it, not by the package.
policy=/usr/sbin/policy-rc.d
made_policy=""
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
	made_policy=1
fi
trap '[ -z "$made_policy" ] || rm -f "$policy"' EXIT
apt-get update -q
# shellcheck disable=SC2086 # a list of packages
apt-get install -q -y --no-install-recommends $missing
