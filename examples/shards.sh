#!/bin/sh
# Judges one server by four processes at once, and makes one report of theirs.
#
#   examples/shards.sh CONFORM TARGET.yaml DIRECTORY
#
# The exit code is that of the merged report. The same works on four machines:
# each needs its own --shard, and somebody must gather the reports.
set -eu
conform=$1 target=$2 dir=$3
shards=4

pids=
for i in $(seq "$shards"); do
  "$conform" run "$target" --shard "$i/$shards" --report "json:$dir/$i.json" 2>"$dir/$i.log" &
  pids="$pids $!"
done
for pid in $pids; do
  # A part may be nonconformant (1) or incomplete (3): the whole decides.
  wait "$pid" || case $? in 1 | 3) ;; *) echo "a shard ended with code $?" >&2; cat "$dir"/*.log >&2; exit 4 ;; esac
done
"$conform" merge "$dir"/[1-4].json --report "json:$dir/merged.json" --report text
