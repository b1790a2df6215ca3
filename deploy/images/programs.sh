#!/bin/sh
# Lays out what the images are made of, a folder an image: programs.sh OUT.
# Programs come from bin/ where it is there, and are compiled otherwise.
set -eu
out=$1

[ -d bin ] || { make build && make demo; }

# lay IMAGE PROGRAM…: the programs with what belongs to every image.
lay() {
	dir=$out/$1
	shift
	mkdir -p "$dir/bin" "$dir/etc/ssl/certs" "$dir/tmp"
	chmod 1777 "$dir/tmp"
	cp "$@" "$dir/bin/"
	[ ! -f /etc/ssl/certs/ca-certificates.crt ] || cp /etc/ssl/certs/ca-certificates.crt "$dir/etc/ssl/certs/"
	printf 'root:x:0:0::/:\nnobody:x:65532:65532::/:\n' >"$dir/etc/passwd"
}

# libraries IMAGE PROGRAM: the C libraries that it is linked with, and their loader.
libraries() {
	for loader in /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.*; do
		[ -e "$loader" ] && break
	done
	for file in "$loader" $("$loader" --list "$2" | grep -o '/[^ ]*'); do
		mkdir -p "$out/$1$(dirname "$file")"
		cp -L "$file" "$out/$1$file"
	done
}

lay collector bin/lubberline-collector
lay demo bin/lubberline-demo
lay aggregator bin/lubberline
libraries aggregator bin/lubberline
mkdir -p "$out/empty" "$out/lubberline/usr/local/bin"
cp -r bin/lubberline bin/runtime "$out/lubberline/usr/local/bin/"
