#!/bin/sh
# Stands in for kubectl, as no API server can be had here: `kubectl exec -i -n NAMESPACE WHAT [-c CONTAINER] -- WORDS`
# runs WORDS on this machine. It lies as kubernetes issues describe: with KUBECTL_CUT it drops the connection after
# so many seconds and exits 0 (kubernetes#73056), and what it ran goes on.
[ "$1 $2 $3 $4 $5" = "exec -i -n prod deploy/web" ] || { echo "error: pods \"$5\" not found" >&2; exit 1; }
shift 5
[ "$1" = -c ] && shift 2
[ "$1" = -- ] && shift
if [ -n "$KUBECTL_CUT" ]; then
    trap 'exit 0' ALRM
    ( sleep "$KUBECTL_CUT"; kill -ALRM $$ ) >/dev/null 2>&1 </dev/null &
    exec 3<&0
    "$@" <&3 3<&- &
    wait
    exit 0
fi
exec "$@"
