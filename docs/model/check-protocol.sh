#!/usr/bin/env bash
# Model-checks protocol.pml: the protocol as it should be, then with each rule taken away.
#
#   .ci/model            the table, about 5 minutes, 2 GB
#   .ci/model --long     larger configurations too: 3 objects with every extra (hours, 10 GB)
#   .ci/model PATTERN    only the rows whose name or flags match
#   .ci/model --trace "-DOBJS=2 -DROUNDS=1 -DONLY_LOST"    shortest counterexample, with states
#
# Needs spin (apt-get install -y spin) and gcc. One core. Exit status 1 if any row is not as expected, 2 if no row matches.
# Every "safe" row is exhaustive: all reachable states, cycle after cycle without bound.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
command -v spin >/dev/null || { echo "spin is missing: apt-get install -y spin" >&2; exit 2; }

build() { # flags for spin, flags for gcc
    (cd "$work" && rm -f pan* && cp "$here/protocol.pml" . &&
        spin -a $1 protocol.pml >spin.log 2>&1 &&
        gcc -O2 -w -DSAFETY -DNOFAIR -DMEMLIM="${MEMLIM:-10000}" $2 -o pan pan.c) ||
        { cat "$work/spin.log"; return 1; }
}

if [ "${1-}" = --trace ]; then
    build "-DNOSYM ${2-}" -DBFS || exit 2
    cd "$work" && nice -n 10 ./pan >out 2>&1
    grep -q 'errors: 0' out && { echo "no counterexample"; exit 0; }
    ./pan -C 2>&1 | awk -v src="$here/protocol.pml" '
        BEGIN { while ((getline line < src) > 0) text[++n] = line }
        match($0, /D_STEP[0-9]+\]/) && /:\[/ {
            at = text[substr($0, RSTART + 6, RLENGTH - 7)]; gsub(/^[ \t]+/, "", at)
            match($0, /[A-Z][a-z]+\([0-9]+\)/); printf "%s  %.100s\n", substr($0, RSTART, RLENGTH), at; next }
        /^  [a-z]+ +1:/ || /assertion violated/ { print "        " $0 }'
    exit 0
fi

long=0; [ "${1-}" = --long ] && { long=1; shift; }
pattern=${1-}
failed=0
matched=0

row() { # name, expected (safe or lost), flags
    local name=$1 expected=$2 flags=$3 result states seconds verdict=ok
    case "$name $flags" in *"$pattern"*) ;; *) return ;; esac
    matched=$((matched + 1))
    build "$flags" "" || { failed=1; return; }
    (cd "$work" && nice -n 10 ./pan -m2000000 -w24 >out 2>&1)
    if ! grep -q 'errors: 0' "$work/out" && grep -q 'assertion violated' "$work/out"; then result=lost
    elif grep -q 'errors: 0' "$work/out" && ! grep -qE 'depth too small|out of memory|not completed' "$work/out"; then result=safe
    else result=unknown; fi
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/out")
    seconds=$(sed -n 's/^pan: elapsed time \([0-9.]*\).*/\1/p' "$work/out")
    [ "$result" = "$expected" ] || { verdict='NOT AS EXPECTED'; failed=1; }
    printf '%-54s %-8s %-8s %12s %8s  %-4s %s\n' "$name" "$expected" "$result" "${states:-?}" "${seconds:-?}" "$verdict" "$flags"
}
title() { [ -n "$pattern" ] || printf '\n%s\n' "$1"; }

printf '%-54s %-8s %-8s %12s %8s\n' configuration expected found states seconds
small="-DOBJS=2 -DONLY_LOST"            # a lost object is the failure that counts, not a stale buffer entry
extra="$small -DROOTS=1"
final="-DOBJS=3 -DONLY_LOST -DROOTS=1 -DMUTS=1 -DWEAK -DFINAL"

title "The protocol"
row "2 mutators, 3 objects, 2 roots"                         safe "-DOBJS=3"
row "2 mutators, 2 objects, 2 roots"                         safe "-DOBJS=2"
row "3 mutators, 2 objects, 1 root"                          safe "-DOBJS=2 -DROOTS=1 -DMUTS=3"
row "weak slots"                                             safe "-DOBJS=2 -DROOTS=1 -DWEAK"
row "roots dropped by a thread that is no mutator"           safe "-DOBJS=2 -DDROP"
row "allocation runs"                                        safe "-DOBJS=2 -DROOTS=1 -DRUNS"
row "assists, full buffers"                                  safe "-DOBJS=2 -DROOTS=1 -DASSIST"
row "guarded cells"                                          safe "-DOBJS=2 -DROOTS=1 -DCELL"
row "another marker, which may be late"                      safe "-DOBJS=2 -DROOTS=1 -DLATE"
row "  the same with 3 objects, 1 mutator"                   safe "-DOBJS=3 -DROOTS=1 -DMUTS=1 -DLATE"
row "weak slots and a finalizable object"                    safe "-DOBJS=2 -DROOTS=1 -DWEAK -DFINAL"
row "  the same with 3 objects, 1 mutator"                   safe "-DOBJS=3 -DROOTS=1 -DMUTS=1 -DWEAK -DFINAL"

title "Other ways that work too"
row "one round; in Terminate shade: queue, then black"       safe "-DOBJS=2 -DROUNDS=1 -DTERMINATE_TO_QUEUE -DONLY_LOST"
row "tracing from T1 on, root creation shaded in Both"       safe "-DOBJS=2 -DM_TRACE_T1 -DROOT_SHADED"
row "  the same with weak slots"                             safe "-DOBJS=2 -DROOTS=1 -DM_TRACE_T1 -DROOT_SHADED -DWEAK"
row "  the same with assists"                                safe "-DOBJS=2 -DROOTS=1 -DM_TRACE_T1 -DROOT_SHADED -DASSIST"
row "  the same with guarded cells"                          safe "-DOBJS=2 -DROOTS=1 -DM_TRACE_T1 -DROOT_SHADED -DCELL"
row "listed root entry used again by a slot write"           safe "-DOBJS=2 -DDROP -DREUSE"
row "root drop with a barrier, all of it under the lock"     safe "-DOBJS=2 -DDROP -DDROPPER"
row "sweep before T3, upgrade loads and judges under lock"   safe "-DOBJS=2 -DROOTS=1 -DWEAK -DUPGRADE_LOCKED -DM_SWEEP_EARLY"
row "sweep before T3, no weak slots"                         safe "-DOBJS=2 -DM_SWEEP_EARLY"
row "load, then store, in mode Deletion, to fields only"     safe "-DOBJS=2 -DM_LOAD_STORE_DELETION -DFIELDS_ONLY"
row "  to root entries too, root creation shaded in Both"    safe "-DOBJS=2 -DM_LOAD_STORE_DELETION -DROOT_SHADED"
row "weak upgrade does not shade in mode Both"               safe "-DOBJS=2 -DROOTS=1 -DWEAK -DM_UPGRADE_PLAIN_BOTH"
row "cell not born captured in mode Deletion"                safe "-DOBJS=2 -DROOTS=1 -DCELL -DM_CELL_UNBORN"

title "Rules taken away: barrier and allocation"
row "mode Both does not shade the new value"                 lost "$small -DM_NO_BOTH"
row "mode Both does not shade the old value"                 lost "$small -DM_NO_OLD"
row "mode Deletion does not shade the old value"             lost "$small -DM_NO_DELETION"
row "load, then store"                                       lost "$small -DM_LOAD_STORE"
row "load, then store, in mode Both only"                    lost "$small -DM_LOAD_STORE_BOTH"
row "load, then store, in mode Deletion, to root entries too" lost "$small -DM_LOAD_STORE_DELETION"
row "new objects white in mode Deletion"                     lost "$small -DM_NEW_WHITE"
row "new objects black in mode Both"                         lost "$small -DM_NEW_BLACK"
row "runs not recoloured at handshake 2"                     lost "$extra -DRUNS -DM_NO_RECOLOUR"
row "runs of a parked mutator recoloured at unpark"          lost "$extra -DRUNS -DM_PARK_LATE"

title "Rules taken away: handshakes and termination"
row "one handshake: Off to Deletion"                         lost "$small -DM_ONE_HANDSHAKE"
row "tracing from T1 on, root creation not shaded"           lost "$small -DM_TRACE_T1"
row "next cycle begins before T3"                            lost "$small -DM_NO_T3"
row "no termination round"                                   lost "$small -DM_NO_ROUND"
row "one clean round"                                        lost "$small -DROUNDS=1"
row "one round; in Terminate shade: black, then queue"       lost "$small -DROUNDS=1 -DM_BLACK_FIRST"
row "assists: one clean round"                               lost "$extra -DASSIST -DROUNDS=1"
row "assists: marking work leaves the round clean"           lost "$extra -DASSIST -DM_ASSIST_SILENT"
row "assists: pushing a full buffer leaves the round clean"   lost "$extra -DASSIST -DM_FLUSH_UNCOUNTED"
row "late marker: does not look whether tracing is open"     lost "$extra -DLATE -DM_LATE_BLIND"
row "late marker: takes the colours over before it looks"     lost "$extra -DLATE -DM_LATE_TUNED_FIRST"
row "late marker: Decide counts before it closes tracing"    lost "$extra -DLATE -DM_LATE_CLOSE"
row "late marker: busy only after it has taken something"    lost "$extra -DLATE -DM_LATE_BUSY"
row "late marker: idle with grey objects in its hands"       lost "$extra -DLATE -DM_LATE_IDLE"

title "Rules taken away: roots, weak slots, cells"
row "root drop: not shaded"                                  lost "$small -DDROP -DDROPPER -DM_DROP_UNSHADED"
row "root drop: cleared, then shaded"                        lost "$small -DDROP -DDROPPER -DM_DROP_CLEAR_FIRST"
row "root drop: shaded, then cleared, no lock"               lost "$small -DDROP -DDROPPER -DM_DROP_BARRIER"
row "root drop: lock not held by the flip"                   lost "$small -DDROP -DDROPPER -DM_DROP_FLIP"
row "upgrade does not shade"                                 lost "$extra -DWEAK -DM_UPGRADE_PLAIN"
row "upgrade in Terminate without lock and second look"      lost "$extra -DWEAK -DM_UPGRADE_NOLOCK"
row "upgrade: Mark again is taken for cleared"               lost "$extra -DWEAK -DM_UPGRADE_NOT_AGAIN"
row "Decide does not look at the queue"                      lost "$extra -DWEAK -DM_NO_DECIDE"
row "sweep before T3"                                        lost "$extra -DWEAK -DM_SWEEP_EARLY"
row "weak slot cleared by a plain store"                     lost "$extra -DWEAK -DM_CLEAR_STORE"
row "weak slot copied without upgrade"                       lost "$extra -DWEAK -DWEAKS=2"
row "finalizable object delivered before it is marked through" lost "$final -DM_FIN_EARLY"
row "finalizable object not marked through"                  lost "$final -DM_FIN_NOT_THROUGH"
row "weak slots cleared after marking through"               lost "$final -DM_CLEAR_LATE"
row "upgrade: black target not looked for in its slot again" lost "$final -DM_UPGRADE_ONCE"
row "cell: no shade on lock in mode Both"                    lost "$extra -DCELL -DM_CELL_NO_LOCK"
row "cell: no shade on unlock in mode Both"                  lost "$extra -DCELL -DM_CELL_NO_UNLOCK"
row "cell: not captured in mode Deletion"                    lost "$extra -DCELL -DM_CELL_NO_CAPTURE"
row "cell: born captured in mode Both"                       lost "$extra -DCELL -DM_CELL_BORN"

[ $long = 1 ] && {
title "Larger"
row "3 mutators, 2 objects, 2 roots"                         safe "-DOBJS=2 -DMUTS=3"
row "weak slots"                                             safe "-DOBJS=3 -DROOTS=1 -DWEAK"
row "roots dropped by a thread that is no mutator"           safe "-DOBJS=3 -DDROP"
row "allocation runs"                                        safe "-DOBJS=3 -DROOTS=1 -DRUNS"
row "assists, full buffers"                                  safe "-DOBJS=3 -DROOTS=1 -DASSIST"
row "guarded cells"                                          safe "-DOBJS=3 -DROOTS=1 -DCELL"
row "one round; in Terminate shade: queue, then black"       safe "-DOBJS=3 -DROUNDS=1 -DTERMINATE_TO_QUEUE -DONLY_LOST"
row "tracing from T1 on, root creation shaded in Both"       safe "-DOBJS=3 -DM_TRACE_T1 -DROOT_SHADED"
}
[ $matched -gt 0 ] || { echo "no row has \`$pattern\` in its name or flags" >&2; exit 2; }
exit $failed
