#!/bin/sh
trap 'echo "filed: $0 is incomplete: download or copy it again" >&2; exit 1' EXIT
# filed @VERSION@ (@COMMIT@), a job queue whose interface is a directory.
#
# This file is a shell script, and after it a compressed archive of the program and its runtime. The first start
# unpacks the archive into a folder named after its checksum; every start runs what is there, as this process. The
# folder is in $XDG_CACHE_HOME/filed, else in ~/.cache/filed, else in a private folder of $TMPDIR. All that this takes
# is sh, tail, tar, gzip and sha256sum.
#
# Of a file that was cut short nothing but the line above runs: all is in functions, which the last line calls.

lines=@LINES@
checksum=@CHECKSUM@
size='@MEGABYTES@ MB'
files='@FILES@'
# The runtime looks for no configuration, and asks for nothing: neither the person nor the network.
options='run --quiet @OPTIONS@ --no-prompt --no-config --no-lock --no-npm --no-remote'

# As src/daemon/descriptors.ts says; with fewer the runtime does not even come to that.
least_descriptors=64

main() {
	trap - EXIT
	check_start
	find_places
	start_from "$place" "$@"
	start_from "$private" "$@"
	check_file "$0"
	reasons=
	for folder in "$place" "$private"; do
		[ -n "$folder" ] || continue
		reason=$(unpack_to "$folder" "$0")
		start_from "$folder" "$@"
		case $reason in "needs "*) fail "$reason" ;; esac # No folder is better.
		reasons="$reasons; $folder: $reason"
	done
	fail "cannot unpack its program (${reasons#; }); set XDG_CACHE_HOME to a folder of your own with $size of room" \
		"where programs may run"
}

fail() {
	echo "filed: $*" >&2
	exit 1
}

# Checks what the runtime would only stumble over.
check_start() {
	[ -n "$(pwd -P 2>/dev/null)" ] || fail "the directory that it was started in was removed: cd to another one"
	# shellcheck disable=SC3045 # -H is not in POSIX, and in every shell
	limit=$(ulimit -H -n 2>/dev/null)
	case $limit in
	'' | *[!0-9]*) ;; # unlimited
	*)
		[ "$limit" -ge "$least_descriptors" ] ||
			fail "Cannot work with $limit open files at most (ulimit -n): filed needs $least_descriptors, and up to 5 more" \
				"for each job that runs at once; raise the limit, or LimitNOFILE= of its unit"
		;;
	esac
}

# Sets `place`, which is empty for somebody without a home, and `private`; and `who` this is: `root`, or `somebody`, who
# may be root in a user namespace of their own.
find_places() {
	while read -r key _ uid _; do [ "$key" != Uid: ] || break; done </proc/self/status
	read -r _ outside _ </proc/self/uid_map
	case $uid:$outside in
	0:0) who=root ;;
	*) who=somebody ;;
	esac
	home=${HOME-}
	[ -n "$home" ] || [ "$uid" != 0 ] || home=~root
	case ${CACHE_DIRECTORY-}:${XDG_CACHE_HOME-}:$home in
	/*/filed:*) place=$CACHE_DIRECTORY ;; # CacheDirectory=filed in a systemd unit
	*:/*:*) place=$XDG_CACHE_HOME/filed ;;
	*:/*) place=$home/.cache/filed ;;
	*) place= ;;
	esac
	case ${TMPDIR-} in
	/*) private=$TMPDIR/filed-$uid ;;
	*) private=/tmp/filed-$uid ;;
	esac
}

# Whether a folder is this user's own, and nobody else can put another one in its place.
is_ours() {
	# shellcheck disable=SC3067 # -O is not in POSIX, and in every shell
	[ -O "$1" ] && [ ! -L "$1" ] && is_safe "${1%/*}"
}

# Whether others can neither rename nor replace what is in a folder, nor in those above it: each is this user's own, or
# one that even this user can't write to (the system's), or sticky, as /tmp is. Root can write to those of all users.
is_safe() {
	above=$1
	while [ -n "$above" ]; do
		# shellcheck disable=SC3067
		[ -O "$above" ] || [ ! -w "$above" ] || { [ -k "$above" ] && [ "$who" != root ]; } || return 1
		above=${above%/*}
	done
}

# Runs filed, if this version is unpacked there.
start_from() {
	{ [ -n "$1" ] && is_ours "$1" && is_ours "$1/$checksum"; } || return 0
	for file in $files; do # Whoever tidies a $TMPDIR may have taken some of them.
		[ -e "$1/$checksum/$file" ] || return 0
	done
	folder=$1/$checksum
	[ -x "$folder/filed" ] || return 0
	shift
	# What the runtime keeps of its own goes into the folder too; it does not look for a newer one of itself; and it puts
	# no `node` of its own on PATH. These are for it alone: start.ts gives the jobs back what was there before.
	export FILED_DENO_DIR="${DENO_DIR+=$DENO_DIR}"
	export FILED_DENO_NO_UPDATE_CHECK="${DENO_NO_UPDATE_CHECK+=$DENO_NO_UPDATE_CHECK}"
	export FILED_DENO_DISABLE_NODE_SHIM="${DENO_DISABLE_NODE_SHIM+=$DENO_DISABLE_NODE_SHIM}"
	# The runtime raises this to the hard limit for itself; jobs begin with what it was.
	# shellcheck disable=SC3045 # -S is not in POSIX, and in every shell
	export FILED_OPEN_FILES="${FILED_OPEN_FILES-$(ulimit -S -n)}"
	export DENO_DIR="$folder/cache" DENO_NO_UPDATE_CHECK=1 DENO_DISABLE_NODE_SHIM=1
	# shellcheck disable=SC2086 # a list of words
	exec "$folder/filed" $options "$folder/main.js" "$@"
}

# Checks that this file is whole, and that there is what it needs.
check_file() {
	for program in tail tar gzip sha256sum; do
		command -v "$program" >/dev/null || fail "needs $program to unpack its program: install it"
	done
	[ -r "$1" ] || fail "cannot find its own file as $1: start it by its path"
	[ "$(tail -n "+$lines" <"$1" | sha256sum)" = "$checksum  -" ] ||
		fail "$1 is damaged or incomplete: download or copy it again"
}

# Makes a folder, and those above it. A system without mkdir has GNU tar, which makes one for what it unpacks.
make_folder() {
	if command -v mkdir >/dev/null; then
		mkdir -p -- "$1"
	else
		tar -cf - -C /proc version | tar -xf - --one-top-level="$1"
	fi
} 2>/dev/null

# Unpacks the file $2 into the folder $1. What it prints is why it could not. The files come to their place in one
# step, whole; until then they are in a folder of their own, which is known to be in use because this is its directory.
unpack_to() (
	umask 077
	exec <"$2"
	is_safe "${1%/*}" || refuse "others can write to the folders above it"
	make_folder "$1" || refuse "it cannot be made"
	is_ours "$1" || refuse "it is another user's"
	read -r id </proc/sys/kernel/random/uuid
	new=$1/unpack-$id
	{ make_folder "$new" && cd "$new"; } || refuse "it cannot be written to"
	trap '[ ! -d "$new" ] || { cd / && rm -rf -- "$new"; }' EXIT
	trap 'exit 1' HUP INT TERM
	problem=$(tail -n "+$lines" | gzip -dc | LC_ALL=C tar -xof - 2>&1) || case $problem in
	*'No space'* | *quota*) refuse "it has no room, and it takes $size" ;;
	*) refuse "$problem" ;;
	esac
	export DENO_DIR=/dev/null DENO_NO_UPDATE_CHECK=1 DENO_DISABLE_NODE_SHIM=1
	# shellcheck disable=SC2086 # a list of words
	problem=$(./filed $options publish.js "$1/$checksum" 2>&1)
	case $? in
	0) ;;
	126) refuse "programs may not run there (noexec)" ;;
	127) refuse "needs $(missing_library "$problem")" ;;
	*)
		case $problem in *"version \`GLIBC_"*) refuse "needs a newer glibc than there is here ($problem)" ;; esac
		refuse "$problem"
		;;
	esac
)

# Tells what the system has to have for the runtime to start, by what was said when it did not.
missing_library() {
	case $1 in
	*"shared libraries: "*)
		library=${1#*"shared libraries: "}
		library=${library%%:*}
		case $library in
		libgcc_s.so.1) echo "$library to run: install the package libgcc-s1 (Debian, Ubuntu) or libgcc (Fedora and others)" ;;
		*) echo "$library to run: install the package that has it" ;;
		esac
		;;
	*) echo "glibc, the C library of Debian, Ubuntu, Fedora and others, which is not there (Alpine has musl instead):" \
		"run it on one of those, or in a container of one" ;;
	esac
}

# Ends unpack_to. Of the reason, a line is told.
refuse() {
	reason=$1
	echo "${reason%%
*}"
	exit 1
}

main "$@"
