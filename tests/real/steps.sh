# What happens inside the root: bash -c "$(<steps.sh)" steps STEP ARG... (harness.py does so). /bind holds:
#   program     the program, from tree.c
#   files/      the files it had open at the dump: a restore needs them where they were
# shellcheck shell=bash
#   dump FOLDER SECRET          start the tree, dump it to /bind/FOLDER, keep its files
#   predump FOLDER SECRET       the same in three rounds: FOLDER/0 and /1 by pre-dump, FOLDER/2 by dump
#   restore FOLDER              lay the files back, restore, print what the restored tree says as one JSON object
set -euo pipefail
readonly dir=/tmp/tree # a tmpfs of this run's own; the program's path is in the image, so it is always this one
readonly log=/tmp/criu.log
readonly common=(-W /tmp -o "$log" -v4 --manage-cgroups=ignore --file-locks) # cgroups would name the machine's

# CRIU can also fail without an end: a restorer that hits its own BUG waits for ever. The caller has a time limit.
criu_() { criu "$@" "${common[@]}" || { grep -a -e Error "$log" >&2; exit 1; }; }

# Waiting must not fork: the tree's pids would depend on how long it took, and samples would differ.
exec {never}<> <(:)
wait_for() {
  local tries=$1
  shift
  until "$@"; do
    ((tries-- > 0)) || { echo "steps: never true: $*" >&2; exit 1; }
    read -rt 0.02 -u "$never" _ || :
  done
}

# number NAME FIELD: the number under that name in a report; 0 when there is none yet.
number() {
  local line=
  [[ ! -f $dir/$1 ]] || read -r line <"$dir/$1"
  if [[ $line =~ \"$2\":\ ([0-9]+) ]]; then REPLY=${BASH_REMATCH[1]}; else REPLY=0; fi
}
has_counted() { number parent.json private && ((REPLY >= $1)) && number child.json private && ((REPLY >= $2)); }

# run_on N: until both processes have counted N more.
run_on() {
  local parent child
  number parent.json private && parent=$REPLY
  number child.json private && child=$REPLY
  wait_for 300 has_counted $((parent + $1)) $((child + $1))
}

# Its own session, no terminal, no descriptor but /dev/null, an empty environment. Pid 100, so that the small
# pids that criu and these steps use are not the tree's at restore. No capabilities: CRIU gives them back at
# restore or stops, and the machine that restores may have fewer than the one that dumped.
start() {
  mkdir "$dir"
  cp /bind/program "$dir/tree"
  cd /
  echo 99 >/proc/sys/kernel/ns_last_pid
  setsid env -i setpriv --bounding-set=-all --inh-caps=-all "$dir/tree" "$dir" "$1" </dev/null &>/dev/null {never}>&- &
  pid=$!
  wait_for 300 has_counted 25 25
}

# Sizes of open files are in the image and checked at restore, so they are kept as the dump left them.
keep() {
  mkdir -p /bind/files
  cp -a "$dir/." /bind/files/
  rm -f /bind/files/*.new
}

dump() {
  mkdir -p "/bind/$1"
  start "$2"
  criu_ dump -t "$pid" -D "/bind/$1"
  mv /tmp/stats-dump "/bind/$1/"
  keep
}

predump() {
  mkdir -p "/bind/$1/"{0,1,2}
  start "$2"
  criu_ pre-dump -t "$pid" -D "/bind/$1/0" --track-mem
  mv /tmp/stats-dump "/bind/$1/0/"
  run_on 15
  criu_ pre-dump -t "$pid" -D "/bind/$1/1" --track-mem --prev-images-dir ../0
  mv /tmp/stats-dump "/bind/$1/1/"
  run_on 15
  criu_ dump -t "$pid" -D "/bind/$1/2" --track-mem --prev-images-dir ../1
  mv /tmp/stats-dump "/bind/$1/2/"
  keep
}

restore() {
  local name before=() after=()
  mkdir "$dir"
  cp -a /bind/files/. "$dir/"
  rm -f "$dir"/*.verdict
  for name in parent child; do before+=("$(<"$dir/$name.json")"); done
  criu_ restore -d -D "/bind/$1"
  run_on 10
  for name in parent child; do number "$name.json" pid && kill -USR1 "$REPLY"; done
  wait_for 300 test -s "$dir/parent.verdict" -a -s "$dir/child.verdict"
  for name in parent child; do after+=("$(<"$dir/$name.json")"); done
  printf '{"before": {"parent": %s, "child": %s}, "after": {"parent": %s, "child": %s}, "found": [%s, %s]}\n' \
    "${before[@]}" "${after[@]}" "$(<"$dir/parent.verdict")" "$(<"$dir/child.verdict")"
}

"$@"
