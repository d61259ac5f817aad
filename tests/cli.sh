#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Uses the command premap as a person would. Usage: tests/cli.sh [LAUNCHER...] PREMAP
# LAUNCHER: what runs the program where this system does not by itself, such as ci/wine. PREMAP_CLI_HELPER: for Windows, the program made
# of cli_win32.c. PREMAP_CLI_PART: 2/3, say, for the second of three parts of the tests, which may run side by side.
# Exit status: 0 all passed, 1 some failed, 2 wrong usage.
set -u

if [ $# -lt 1 ] || [ ! -x "${!#}" ]; then
  echo "usage: $0 [LAUNCHER...] PREMAP" >&2
  exit 2
fi
# The tests run in a folder of their own.
launcher=("${@:1:$#-1}")
[ ! -x "${1:-}" ] || launcher[0]=$(realpath "$1")
program=$(realpath "${!#}")
[ $# -gt 1 ] || launcher=()
premap=("${launcher[@]}" "$program")
from_plain=("${premap[@]}")
windows=
if [[ $program == *.exe ]]; then
  windows=1
  helper=${PREMAP_CLI_HELPER:-}
  from_plain=("${launcher[@]}" "$helper" from plain "$program")
fi
here=$(dirname "$(realpath "$0")")
completions=$here/../cli/completions

# Pages of /tmp often cannot be evicted, since it may live in memory.
work=$(mktemp -d "${TMPDIR:-/var/tmp}/premap-cli.XXXXXX") || exit 1
# A background command's shell that is killed before it becomes the command runs this trap too, and must leave the files alone.
remove_work() {
  [ "$BASHPID" = $$ ] || return
  chmod -R u+rwx "$work"
  rm -rf "$work"
}
trap remove_work EXIT
chmod 755 "$work"
cd "$work" || exit 1
unset NO_COLOR UV_THREADPOOL_SIZE
export TERM=xterm LC_ALL=C

passed=0 failed=0 skipped=0

# Every so many tests one is of this part.
part=${PREMAP_CLI_PART:-1/1} number=0
of_this_part() {
  number=$((number + 1))
  [ $((number % ${part#*/})) -eq $((${part%/*} % ${part#*/})) ]
}

# check NAME COMMAND...: runs it, passed if it ends with 0.
check() {
  local name=$1
  of_this_part || return 0
  shift
  if "$@" >check.log 2>&1; then
    passed=$((passed + 1))
    echo "[PASS] $name"
  else
    failed=$((failed + 1))
    echo "[FAIL] $name"
    head -c 2000 check.log | sed 's/^/  /'
  fi
}

skip() {
  of_this_part || return 0
  skipped=$((skipped + 1))
  echo "[SKIP] $1: $2"
}

# check_posix NAME REASON COMMAND...: checks it, save on Windows, which cannot have it for the reason.
check_posix() {
  if [ -n "$windows" ]; then
    skip "$1" "$2"
  else
    check "$1" "${@:3}"
  fi
}

# exits STATUS COMMAND...: does it end so? Its output is in out and err. premap says why it ends with 1; Wine 8 now and then ends with that, and
# without a word, before the program has begun.
exits() {
  local expected=$1 status attempt
  shift
  for attempt in 1 2 3; do
    status=0
    "$@" >out 2>err </dev/null || status=$?
    [ "$status" -eq "$expected" ] && return
    [[ $status -eq 1 && $1 == */ci/wine && ! -s out && ! -s err ]] || break
    echo "[----] Wine ended attempt $attempt without a word: $*"
  done
  echo "exit status $status, not $expected: $*"
  cat err
  return 1
}

# says FILE TEXT: does the file hold the text?
says() {
  grep -qF -- "$2" "$1" && return
  echo "'$2' is not in:"
  cat "$1"
  return 1
}

silent() {
  [ ! -s "$1" ] && return
  echo "$1 is not empty:"
  cat "$1"
  return 1
}

# ---- Files to work with

mkdir -p tree/deep/er odd names
for i in $(seq 1 200); do head -c $((i * 997)) /dev/urandom >"tree/deep/file$i"; done
head -c 1000000 /dev/urandom >tree/deep/er/large
: >tree/empty
ln -s deep tree/linked-directory
head -c 300000000 /dev/zero | tr '\0' 'p' >big
echo hello >plain
smile=$'odd/\xf0\x9f\x98\x80 caf\xc3\xa9'
if [ -z "$windows" ]; then
  ln -s deep/file1 tree/link
  mkfifo tree/fifo
  newline=$'names/two\nlines' escape=$'odd/esc\e[31mape' latin=$'odd/caf\xe9' irregular=tree/fifo
  undecodable='[b"odd/caf\xe9"]' enoent=-2 slash=/
else
  # No names of Windows. Nor does Wine show a link to a file as one, though it does a link to a directory.
  newline='names/two;lines' escape='odd/esc;ape' latin=$'odd/\xc3\xa9' irregular=NUL
  undecodable='[]' enoent=-4058 slash="\\"
fi
echo one >"$newline"
echo two >"$escape"
echo three >"$latin"
printf 'four\r\nfive\x1asix\0seven' >"$smile"
echo dash >./-

json_tool=
if python3 -c 'import json' 2>check.log; then
  json_tool=python3
elif jq --version >check.log 2>&1; then
  json_tool=jq
fi

# json_holds FILE EXPRESSION: python's expression over objects, the list of the lines' objects.
json_holds() {
  case $json_tool in
  python3)
    python3 -c '
import json, sys
objects = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
assert eval(sys.argv[2]), objects[-3:]' "$1" "$2"
    ;;
  # Without python only the syntax can be looked at.
  jq) jq -e . "$1" ;;
  *) grep -qE '^\{"schema":1,.*\}$' "$1" && ! grep -qvE '^\{"schema":1,.*\}$' "$1" ;;
  esac
}
[ "$json_tool" = python3 ] || skip "values in JSON" "there is no python3, so only ${json_tool:-the shape of lines} is looked at"

# ---- Usage

usage() {
  exits 2 "${premap[@]}" && says err Usage &&
    exits 0 "${premap[@]}" help && says out Examples && silent err &&
    exits 0 "${premap[@]}" --help && exits 0 "${premap[@]}" -h &&
    exits 0 "${premap[@]}" --version && grep -qE '^premap [0-9]+\.[0-9]+\.[0-9]+$' out
}
help_of_commands() {
  local command
  for command in load cat status evict; do
    exits 0 "${premap[@]}" help "$command" && cp out first && exits 0 "${premap[@]}" "$command" --help && cmp out first &&
      says out Examples || return 1
  done
}
wrong_usage() {
  exits 2 "${premap[@]}" laod plain && says err "unknown command 'laod'" &&
    exits 2 "${premap[@]}" help nothing &&
    exits 2 "${premap[@]}" load && says err "no path" &&
    exits 2 "${premap[@]}" load --nothing plain && says err "'--nothing'" &&
    exits 2 "${premap[@]}" load -z plain && says err "'-z'" &&
    exits 2 "${premap[@]}" load --json=yes plain &&
    exits 2 "${premap[@]}" load plain --timeout && says err "'--timeout'" &&
    exits 2 "${premap[@]}" cat --json plain && exits 2 "${premap[@]}" status --hold plain
}
wrong_values() {
  local option
  for option in --timeout=soon --timeout=-1 --timeout=nan --timeout= --timeout=1e99 --workers=0 --workers=-1 --workers=2000 \
    --offset=-1 --offset=1X --offset=1KK --offset= --offset=99999999999999999999 --length=20000000T --prefault=some \
    --prefault= --backing=map '--prefault=none|populate' --color=blue; do
    exits 2 "${premap[@]}" load "$option" plain && says err "${option%%=*}" && silent out || return 1
  done
}
check "help and version" usage
check "help of each command" help_of_commands
check "wrong usage ends with 2" wrong_usage
check "wrong values end with 2" wrong_values

# ---- cat

cat_tree() {
  local files
  mapfile -d '' files < <(find tree odd names -type f -print0)
  [ ${#files[@]} -eq 206 ] && "${premap[@]}" cat "${files[@]}" | cmp - <(cat "${files[@]}") || return 1
  "${premap[@]}" cat "$smile" | cmp - "$smile" && exits 0 "${premap[@]}" cat tree/empty && silent out
}
cat_system() {
  local file
  for file in /proc/version /proc/self/limits /proc/cpuinfo /sys/kernel/mm/transparent_hugepage/enabled /etc/passwd; do
    # Some of these may be missing, or change between two looks.
    [ -r "$file" ] || continue
    case $file in
    /proc/version | /etc/passwd | /sys/*) "${premap[@]}" cat "$file" | cmp - "$file" ;;
    *) "${premap[@]}" cat "$file" >out && [ -s out ] ;;
    esac || return 1
  done
}
cat_big() {
  "${premap[@]}" cat big | cmp - big && "${premap[@]}" cat big >copy && cmp copy big && rm copy
}
cat_many() {
  exits 1 "${premap[@]}" cat plain nothing plain && says err "open 'nothing': no such file or directory (ENOENT)" &&
    printf 'hello\nhello\n' | cmp - out && exits 1 "${premap[@]}" cat tree && says err EISDIR
}
cat_input() {
  "${from_plain[@]}" cat - <plain >out && cmp out plain || return 1
  ! echo piped | "${premap[@]}" cat - >out 2>err && says err "standard input" && silent out
}
cat_full() {
  ! "${premap[@]}" cat plain >/dev/full 2>err && says err "standard output: No space left"
}
cat_changing() {
  local status=0 first
  cp big changing
  mkfifo pipe
  "${premap[@]}" cat changing >pipe 2>err &
  local pid=$!
  # The writer waits for this reader after the first bytes, while the rest of the file goes.
  {
    read -r -N 1 first
    : >changing
    cat >rest
  } <pipe
  wait $pid || status=$?
  rm pipe changing
  [ "$first" = p ] && [ $status -eq 1 ] && says err "read 'changing': the file was changed beneath (ECHANGED)"
}
check "cat is the file, for a tree" cat_tree
check_posix "cat is the file, for the system's own" "its files have a size" cat_system
check "cat is the file, for 300 MB" cat_big
check "cat goes on after a failure" cat_many
if [ -z "$windows" ] || [ -x "$helper" ]; then
  check "cat reads standard input if it is a file" cat_input
else
  skip "cat reads standard input if it is a file" "PREMAP_CLI_HELPER names no program"
fi
check "cat survives a file that is truncated meanwhile" cat_changing
if [ -e /dev/full ]; then
  check "cat tells that its output is full" cat_full
else
  skip "cat tells that its output is full" "there is no /dev/full"
fi

# ---- load

load_tree() {
  exits 0 "${premap[@]}" load tree && silent err && grep -qE '^202 files, 21\.0 MB in [0-9.]+ s \([0-9.]+ [kMG]?B/s\), 0 failed$' out
}
load_one() {
  exits 0 "${premap[@]}" load plain && says out "1 file, 6 B in" && exits 0 "${premap[@]}" load --quiet plain && silent out &&
    exits 0 "${premap[@]}" load tree/linked-directory && says out "201 files" || return 1
  [ ! -e tree/link ] || exits 0 "${premap[@]}" load tree/link
}
load_failures() {
  exits 1 "${premap[@]}" load plain nothing $irregular tree/empty "" && says out "5 files, 6 B" && says out "3 failed" &&
    says err "premap: open 'nothing': no such file or directory (ENOENT)" && says err "(EFTYPE)" && says err EINVAL &&
    [ "$(wc -l <err)" -eq 3 ]
}
load_unreadable() {
  setpriv --reuid=65534 --clear-groups "${premap[@]}" load secret locked plain >out 2>err
  [ $? -eq 1 ] && says err "open 'secret': permission denied (EACCES)" && says err "open 'locked': permission denied (EACCES)" &&
    says out "2 failed"
}
load_names() {
  printf '%s\0' "$newline" plain tree/deep/er | "${premap[@]}" load -0 - >out 2>err && says out "3 files" || return 1
  printf 'plain\n\ntree/empty\ntree/deep/er' | "${premap[@]}" load --json - >out && json_holds out 'len(objects) == 4' || return 1
  printf 'plain\nnothing\n' >list
  exits 1 "${premap[@]}" load --from list tree/empty && says out "3 files" && exits 1 "${premap[@]}" load --from=nothing &&
    says err "open 'nothing'" && exits 0 "${premap[@]}" load ./- && exits 0 "${premap[@]}" load -- ./- &&
    exits 0 "${premap[@]}" load - && says out "0 files"
}
load_bad_names() {
  ! printf 'plain\0nothing\n' | "${premap[@]}" load - >out 2>err && says err "EILSEQ" || return 1
  ! head -c 100000 /dev/zero | tr '\0' x | "${premap[@]}" load --json - >out 2>err && json_holds out \
    'objects[0]["error"]["name"] == "ENAMETOOLONG" and objects[1]["failed"] == 1'
}
load_part() {
  exits 0 "${premap[@]}" load --json --offset 1K --length=3 big && json_holds out \
    'objects[0]["size"] == 3 and objects[0]["offset"] == 1024 and objects[0]["file_size"] == 300000000' &&
    exits 1 "${premap[@]}" load --offset 7 plain && says err ERANGE
}
load_ways() {
  local way
  for way in none advise populate; do
    exits 0 "${premap[@]}" load --json --prefault "$way" big && json_holds out \
      "objects[0]['present'] == ($([ $way = populate ] && echo 300000000 || echo 0)) and \
       objects[0]['backing'] == ($([ $way = populate ] && echo None || echo "'mapped'"))" ||
      return 1
  done
  exits 0 "${premap[@]}" load --json --backing copied big && json_holds out \
    'objects[0]["backing"] == "copied" and objects[0]["strategy"] == "read"' &&
    exits 0 "${premap[@]}" load --json --backing mapped plain && json_holds out 'objects[0]["backing"] == "mapped"' &&
    exits 0 "${premap[@]}" load --json big && json_holds out \
    'objects[0]["backing"] is None and objects[0]["present"] == 300000000' &&
    exits 0 "${premap[@]}" load --workers 1 tree && exits 0 env UV_THREADPOOL_SIZE=2 "${premap[@]}" load tree
}
load_lock() {
  exits 0 "${premap[@]}" load --lock tree/deep/file1
}
counts_faults() {
  exits 0 "${premap[@]}" load --touch --prefault none --backing mapped big && ! grep -qF ': 0 page faults' out
}
load_touch() {
  exits 0 "${premap[@]}" load --touch --json --backing mapped big && json_holds out \
    'objects[-1]["touch"]["faults"] < 10 and objects[-1]["touch"]["first_seconds"] > 0' &&
    exits 0 "${premap[@]}" load --touch big && says out "page faults" &&
    exits 0 "${premap[@]}" load --touch --json --prefault none --backing mapped big && json_holds out \
    'objects[-1]["touch"]["faults"] > 10'
}
load_json() {
  exits 1 "${premap[@]}" load --json tree plain nothing "$escape" "$latin" tree/empty && silent err && json_holds out \
    'all(o["schema"] == 1 for o in objects) and objects[-1]["summary"] is True' && json_holds out \
    'all(set("path state size present assisted backing strategy reason partial error seconds queue_seconds".split()) <= set(o)
         for o in objects[:-1])' && json_holds out \
    '[objects[-1][k] for k in "files ready failed complete".split()] == [207, 206, 1, True]' && json_holds out \
    'objects[-1]["bytes"] == sum(o["size"] for o in objects[:-1])' && json_holds out \
    '[o["error"]["name"] for o in objects[:-1] if o["state"] == "failed"] == ["ENOENT"]' && json_holds out \
    '[bytes.fromhex(o["path_bytes"]) for o in objects if "path_bytes" in o] == '"$undecodable" && json_holds out \
    'objects[203]["error"] == {"name": "ENOENT", "message": "open '"'nothing'"': no such file or directory (ENOENT)",
                               "code": '"$enoent"', "os_error": 2, "step": "open"}'
}
load_order() {
  exits 0 "${premap[@]}" load --json big plain tree/empty big && json_holds out \
    '[o["path"] for o in objects[:-1]] == ["big", "plain", "tree/empty", "big"]'
}
load_visible() {
  exits 1 "${premap[@]}" load $'odd/esc\e[31mape-gone' $'c1\xc2\x9bm-gone' "$smile-gone" && says err 'odd/esc\x1b[31mape-gone' &&
    says err 'c1\xc2\x9bm-gone' && says err "$smile-gone" && ! grep -q $'\e' err
}
load_visible_bytes() {
  exits 1 "${premap[@]}" load "$latin-gone" && says err 'caf\xe9-gone'
}
load_full() {
  ! "${premap[@]}" load --json tree >/dev/full 2>err && says err "standard output: No space left" &&
    ! "${premap[@]}" load plain >/dev/full 2>err && ! "${premap[@]}" help >/dev/full 2>err
}
load_closed() {
  ! "${premap[@]}" load --json tree >&- 2>err && says err "standard output" && "${premap[@]}" load plain 2>&- >out
}
# open_endless: a pipe named endless that gives nothing and does not end, until close_endless.
open_endless() {
  mkfifo endless
  sleep 60 >endless &
  endless_writer=$!
}
close_endless() {
  kill "$endless_writer"
  rm endless
}
load_timeout() {
  local start=$SECONDS status=0
  open_endless
  "${premap[@]}" load --timeout 0.2 plain - <endless >out 2>err || status=$?
  close_endless
  [ $status -eq 1 ] && [ $((SECONDS - start)) -lt 30 ] &&
    says err "timed out before all names were read" && exits 1 "${premap[@]}" load --backing copied --timeout 0 big && says err ETIMEDOUT &&
    exits 1 "${premap[@]}" load --json --backing copied --timeout 0 big tree && json_holds out \
    'objects[0]["state"] == "failed" and objects[0]["error"]["name"] == "ETIMEDOUT" and not objects[-1]["complete"]' &&
    exits 0 "${premap[@]}" load --timeout 60.5 big tree
}
check "load a directory" load_tree
check "load one file" load_one
check "load tells what failed" load_failures
mkdir locked
echo secret >secret
chmod 000 locked secret
if [ -n "$windows" ]; then
  skip "load of unreadable paths" "see 'load of a file that another program keeps to itself'"
elif [ "$(id -u)" -ne 0 ]; then
  setpriv() { shift 2 && "$@"; }
  check "load of unreadable paths" load_unreadable
elif setpriv --reuid=65534 --clear-groups "${premap[@]}" --version >check.log 2>&1; then
  check "load of unreadable paths" load_unreadable
else
  skip "load of unreadable paths" "no other user can run the command"
fi
check "load names from standard input and lists" load_names
check "load refuses names that cannot be" load_bad_names
check "load a part" load_part
check "load in each way" load_ways
if [ -n "$windows" ] || [ "$(ulimit -l)" = unlimited ] || [ "$(ulimit -l)" -ge 64 ]; then
  check "load and lock" load_lock
else
  skip "load and lock" "ulimit -l is $(ulimit -l)"
fi
if grep -qE '__(asan|tsan|msan)_init' "$program"; then
  skip "load and touch without page faults" "a sanitizer touches memory of its own"
elif [[ ${launcher[*]} == *valgrind* ]]; then
  skip "load and touch without page faults" "valgrind touches memory of its own"
elif ! counts_faults; then
  skip "load and touch without page faults" "the system does not count them"
else
  check "load and touch without page faults" load_touch
fi
check "load as JSON" load_json
check "results are in the order given" load_order
check "names do not reach a terminal raw" load_visible
check_posix "bytes that are no text do not either" "arguments are text" load_visible_bytes
if [ -e /dev/full ]; then
  check "load tells that its output is full" load_full
else
  skip "load tells that its output is full" "there is no /dev/full"
fi
if [[ ${launcher[*]} == *valgrind* ]]; then
  skip "load with closed outputs" "valgrind opens something in place of them"
else
  check_posix "load with closed outputs" "nothing is opened in place of them; see 'load without any stream'" load_closed
fi
check "load with a time-out" load_timeout

# ---- Signals

# wait_until COMMAND...: up to a minute.
wait_until() {
  local i
  for i in $(seq 1 600); do
    "$@" >wait.log 2>&1 && return
    sleep 0.1
  done
  echo "waited in vain for: $*"
  return 1
}
# hold_ended_by SIGNAL STATUS
hold_ended_by() {
  rm -f out err
  # What the last run wrote must not be taken for this one's: a SIGINT that comes early is ignored.
  rm -f out err
  "${premap[@]}" load --hold big plain >out 2>err &
  local pid=$! status=0
  if ! wait_until grep -q "holding 2 files" err; then
    kill -KILL $pid
    return 1
  fi
  # The file is mapped as long as it is held.
  if [ -r /proc/$pid/maps ] && ! grep -q "$work/big" /proc/$pid/maps; then
    echo "not mapped"
    status=1
  fi
  kill -0 $pid && says out "0 failed" || status=1
  kill -"$1" $pid
  wait $pid
  local ended=$?
  [ $ended -eq "$2" ] || echo "exit status $ended"
  [ $ended -eq "$2" ] && [ $status -eq 0 ]
}
hold_nothing() {
  exits 1 timeout 60 "${premap[@]}" load --hold nothing
}
signal_while_reading() {
  open_endless
  "${premap[@]}" load big - <endless >out 2>err &
  local pid=$!
  sleep 0.5
  kill -TERM $pid
  wait $pid
  local ended=$?
  close_endless
  [ $ended -eq 143 ] && silent out
}
signal_while_loading() {
  local i status
  for i in $(seq 1 20); do
    "${premap[@]}" load --backing copied big tree big tree big tree >out 2>err &
    local pid=$!
    # Before the handler is there the signal itself ends it, which the shell shows as the same.
    sleep "0.0$((i * 4 % 10))"
    kill -TERM $pid 2>wait.log
    wait $pid
    status=$?
    # 0: it was done by then.
    if [ $status -ne 143 ] && [ $status -ne 0 ]; then
      echo "exit status $status"
      cat err
      return 1
    fi
  done
}
no_signals="there are no signals"
check_posix "hold until SIGTERM ends with 143" "$no_signals" hold_ended_by TERM 143
check_posix "hold until SIGINT ends with 130" "$no_signals" hold_ended_by INT 130
check "nothing loaded, nothing held" hold_nothing
check_posix "a signal ends the reading of names" "$no_signals" signal_while_reading
check_posix "a signal ends the loading" "$no_signals" signal_while_loading

# ---- status and evict

# What Windows keeps in its cache it does not tell, and nobody can empty it.
unknown=0
[ -z "$windows" ] || unknown=203

status_all() {
  exits 1 "${premap[@]}" status tree plain nothing && says err "open 'nothing'" && says out "tree${slash}deep${slash}er${slash}large" &&
    says out "total of 204 files, $unknown unknown, 1 failed" && exits 0 "${premap[@]}" status tree/empty && says out "0 B" &&
    exits 0 "${premap[@]}" status --plain plain && [ "$(cut -f2- out)" = $'6\tplain' ]
}
status_unknown() {
  exits 0 "${premap[@]}" status $unknowable && says out unknown && says out "1 unknown" &&
    exits 0 "${premap[@]}" status --json $unknowable && json_holds out \
    'objects[0]["resident"] is None and objects[0]["reason"] != "" and objects[0]["error"] is None'
}
status_json() {
  exits 1 "${premap[@]}" status --json tree nothing "$latin" && json_holds out \
    'all(set("schema path size resident reason error".split()) <= set(o) for o in objects[:-1])' && json_holds out \
    'objects[-1]["files"] == 204 and objects[-1]["failed"] == 1 and objects[-1]["resident"] <= objects[-1]["size"]' &&
    json_holds out "objects[-1]['unknown'] == $unknown" &&
    printf 'plain\0%s\0' "$newline" | "${premap[@]}" status -0 --json - >out && json_holds out 'len(objects) == 3'
}
load_look_and_evict() {
  exits 0 "${premap[@]}" load big && exits 0 "${premap[@]}" status --json big && json_holds out \
    'objects[0]["resident"] == 300000000' && exits 0 "${premap[@]}" status big && says out "100%" &&
    exits 0 "${premap[@]}" evict big && says out "300.0 MB       0 B"
}
# What nobody has locked the system may give up at any time, and beside other work it does: so it is looked at again.
is_there_after_load() {
  for _ in {1..10}; do
    ! load_look_and_evict || return 0
  done
  return 1
}
evict_and_load() {
  sync big
  exits 0 "${premap[@]}" evict --json big && json_holds out 'objects[0]["resident"] == 0 and objects[0]["size"] == 300000000' &&
    exits 0 "${premap[@]}" status --json big && json_holds out 'objects[0]["resident"] == 0' &&
    is_there_after_load
}
evict_failures() {
  exits 1 "${premap[@]}" evict plain nothing tree && says err "open 'nothing'" && says out "1 failed" &&
    exits 0 "${premap[@]}" evict --quiet plain && silent out && silent err && exits 0 "${premap[@]}" evict tree/empty /proc/version
}
evict_nothing() {
  exits 1 "${premap[@]}" evict plain && says err "evict 'plain': not provided by this system (ENOSYS)" && says out "1 failed" &&
    exits 1 "${premap[@]}" evict --json plain && json_holds out \
    'objects[0]["resident"] is None and objects[0]["error"]["name"] == "ENOSYS" and objects[0]["error"]["step"] == "evict"'
}
check "status" status_all
unknowable=/proc/version
[ -z "$windows" ] || unknowable=plain
if [ -r $unknowable ]; then
  check "status says unknown" status_unknown
else
  skip "status says unknown" "there is no $unknowable"
fi
check "status as JSON" status_json
case $(stat -f -c %T . 2>check.log) in
tmpfs | ramfs | "") skip "evict, and status after it" "files here live in memory" ;;
*)
  if [[ ${launcher[*]} == *valgrind* ]]; then
    skip "evict, and status after it" "valgrind reads the beginning of each file that is mapped"
  else
    check_posix "evict, and status after it" "nobody can empty the cache" evict_and_load
  fi
  ;;
esac
if [ -n "$windows" ]; then
  check "evict says that it cannot" evict_nothing
else
  check "evict tells what failed" evict_failures
fi

if [ -n "$windows" ]; then
  # shellcheck source=SCRIPTDIR/cli_win32.sh
  . "$here/cli_win32.sh"
fi

# ---- Terminals

printf -v quoted '%q ' "${premap[@]}"

# on_terminal ENVIRONMENT COMMAND: what a terminal gets of both outputs, in out.
on_terminal() {
  script -qec "env $1 sh -c '$2'" /dev/null >out </dev/null
}
# What Wine's terminal gets is redrawn by Wine, with sequences of its own and of every other only what has changed.
plain_on_terminal() {
  if [ -n "$windows" ]; then
    ! grep -qE $'ETA|\e\\[3[0-9]m' out
  else
    ! grep -q $'\e' out
  fi
}
bar_on_terminal() {
  : >out
  mkfifo slow
  (echo plain && wait_until grep -q ETA out) >slow &
  on_terminal TERM=xterm "$quoted load - <slow"
  rm slow
  wait $!
  says out "%" && says out "ETA" && says out $'\e]9;4;1;' && says out "1 file, 6 B" || return 1
  [ -n "$windows" ] || says out $'\e]9;4;0'
}
no_bar() {
  local how hows=("TERM=dumb|" "TERM=xterm|--quiet" "TERM=xterm|--plain") seconds=3
  [ -n "$windows" ] || hows+=("-u TERM|") seconds=0.4
  for how in "${hows[@]}"; do
    on_terminal "${how%|*}" "(echo plain; sleep $seconds) | $quoted load ${how#*|} -" && plain_on_terminal || return 1
  done
  (echo plain && sleep $seconds) | "${premap[@]}" load - >out 2>err && silent err
}
colors() {
  on_terminal TERM=xterm "$quoted load nothing plain"
  says out $'\e[31m' || return 1
  on_terminal "TERM=xterm NO_COLOR=1" "$quoted status plain; $quoted load --quiet nothing" # quiet: where loading is slow it would have a bar
  plain_on_terminal || return 1
  on_terminal TERM=xterm "$quoted status --color=never plain"
  plain_on_terminal && exits 0 "${premap[@]}" status plain && ! grep -q $'\e' out &&
    exits 1 "${premap[@]}" load --color always nothing && says err $'\e[31m' || return 1
  # Without a share there is no bar to colour.
  [ -n "$windows" ] || { exits 0 "${premap[@]}" status --color=always plain && says out $'\e[32m'; }
}
names_on_terminal() {
  on_terminal TERM=xterm "$quoted load \"$latin-gone\""
  says out "$latin-gone" || return 1
  on_terminal TERM=xterm "$quoted status \"$latin\""
  says out "$latin"
}
hold_on_terminal() {
  : >out
  rm -f ended
  # The terminal stays until the end, since its loss would end the command as well.
  (wait_until grep -q "until interrupted" out && printf '\003' && wait_until test -e ended) | {
    timeout 150 script -qec "$quoted load --hold big plain" /dev/null >out
    echo $? >ended
  }
  [ "$(cat ended)" -eq 130 ] && says out "0 failed"
}
if script -qec true /dev/null </dev/null >check.log 2>&1; then
  check "a progress bar on a terminal" bar_on_terminal
  check "no progress bar elsewhere" no_bar
  if [[ ${launcher[*]} == *valgrind* ]]; then
    skip "colours" "under valgrind a load is slow enough for a bar, which is there without colours too"
  else
    check "colours" colors
  fi
  if [ -n "$windows" ]; then
    check "names on a terminal" names_on_terminal
  fi
  check "hold until Ctrl+C ends with 130" hold_on_terminal
else
  skip "progress bar, colours and Ctrl+C" "there is no script(1)"
fi

# ---- Completions

# completed_in SHELL: does it complete the flags that each command's help tells, and no other?
completed_in() {
  local command
  for command in load cat status evict; do
    exits 0 "${premap[@]}" help "$command" || return 1
    grep -oE '^ +(-., )?--[a-z]+' out | grep -oE -- '--[a-z]+' | sort >flags
    "$1_completes" "$command" | grep -oE -- '--[a-z]+' | sort -u | diff flags - || return 1
  done
}
bash_completes() {
  # shellcheck disable=SC2034 # for the completion, with which bash's own calls it
  COMP_WORDS=(premap "$1" --) COMP_CWORD=2 COMPREPLY=()
  # shellcheck source=/dev/null
  . "$completions/premap.bash" && _premap
  printf '%s\n' "${COMPREPLY[@]}"
}
fish_completes() {
  HOME=$work fish -N -c "source '$completions/premap.fish'; complete -C 'premap $1 --'" | cut -f 1
}
# What it tells zsh's own function: that one works for a person at a terminal only.
zsh_completes() {
  # shellcheck disable=SC2016 # expanded by zsh
  zsh -f -c '_arguments() { if [[ $1 = -C ]]; then state=argument; else print -rl -- "$@"; fi }
    words=($1) CURRENT=2
    . "$2/_premap"' zsh "$1" "$completions" | grep -oE -- '--[a-z]+(=|\[)'
}
for shell in bash fish zsh; do
  if [ ! -e "$completions" ]; then
    skip "every flag is completed in $shell" "the completions are not beside this script"
  elif "$shell" -c true >check.log 2>&1; then
    check "every flag is completed in $shell" completed_in "$shell"
  else
    skip "every flag is completed in $shell" "there is no $shell"
  fi
done

rm -f check.log wait.log
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
