#!/bin/sh
# Makes the programs and what belongs to them in images: programs.sh OUT.
#
#   bin/            the programs: those that are there, or compiled
#   OUT/common      users and certificates of authorities
#   OUT/libraries   the C libraries that the whole program is linked with
#   OUT/empty       a folder
set -eu
out=$1

# The context lacks folders that no program is made of, which git would call dirty.
[ -d bin ] || { make build VERSION="$(git describe --always)" && make demo; }

mkdir -p "$out/empty" "$out/common/etc/ssl/certs" "$out/common/tmp"
chmod 1777 "$out/common/tmp"
printf 'root:x:0:0::/:\nnobody:x:65532:65532::/:\n' >"$out/common/etc/passwd"
certificates=/etc/ssl/certs/ca-certificates.crt
[ ! -f $certificates ] || cp $certificates "$out/common$certificates"

for loader in /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.*; do
	[ ! -e "$loader" ] || break
done
for file in "$loader" $("$loader" --list bin/lubberline | grep -o '/[^ ]*'); do
	mkdir -p "$out/libraries$(dirname "$file")"
	cp -L "$file" "$out/libraries$file"
done
