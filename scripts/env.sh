# shellcheck shell=bash disable=SC2034
# scripts/env.sh - sourced by run, pg, migrate and the tests: where things live and as whom they run.
#
# In:   PARLEY_VAR  folder of all state (var beside this clone). Several instances: one folder each.
# Sets: root        this clone
#       var         PARLEY_VAR as an absolute path. As root, when the server's user could not reach it (a clone in
#                   /root), it is made a link to a folder under /var/lib; a parent is never chmod'ed.
#       run_user    whom servers run as: ourselves, or, as root, the system user parley, who is made if missing
#       sockets     folder of unix sockets: short, since socket paths end at 107 bytes
#       as_user     puts "setpriv …" before a command when we are root
umask 022
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
var=${PARLEY_VAR:-$root/var}
case $var in /*) ;; *) var=$PWD/$var ;; esac
place=$var # as it was named; var itself is where that leads

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

if [ "$(id -u)" -eq 0 ]; then
	run_user=parley
	as_user=(setpriv --reuid parley --regid parley --init-groups --)
else
	run_user=$(id -un)
	as_user=()
fi
sum=$(printf %s "$place" | sha256sum | cut -c1-10)
if [ "$(id -u)" -eq 0 ] && [ -w /run ]; then
	sockets=/run/parley-$sum
else
	sockets=${TMPDIR:-/tmp}/parley-$(id -u)-$sum
	[ ${#sockets} -lt 80 ] || sockets=/tmp/parley-$(id -u)-$sum
fi

[ ! -L "$place" ] || var=$(readlink -m "$place")

# Makes the user, the folders and the link; every script that writes calls it first.
prepare_var() {
	if [ "$(id -u)" -eq 0 ] && ! id parley >/dev/null 2>&1; then
		useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin parley
	fi
	mkdir -p "$var" || die "cannot make $var"
	[ -L "$place" ] || chmod 0755 "$var"
	if [ "$(id -u)" -eq 0 ] && ! "${as_user[@]}" test -x "$var/." 2>/dev/null; then
		[ ! -L "$place" ] || die "user parley cannot reach $var, where $place leads: remove that link"
		rmdir "$var" 2>/dev/null ||
			die "user parley cannot reach $var, and it is not empty: move it away or run as another user"
		var=/var/lib/parley-dev-$sum
		mkdir -p "$var"
		ln -sfn "$var" "$place"
	fi
	mkdir -p "$sockets"
	[ -O "$sockets" ] || [ "$(id -u)" -eq 0 ] || die "$sockets belongs to somebody else"
	if [ "$(id -u)" -eq 0 ]; then
		chown parley: "$sockets"
	else
		chmod 0700 "$sockets"
	fi
}
