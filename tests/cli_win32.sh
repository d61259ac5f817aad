# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
#
# The part of cli.sh that is Windows' own: that script reads it.

long=$(printf 'long/%0100d/%0100d/%0100d/%0100d/%0105d' 1 2 3 4 5)

slashes() {
  exits 0 "${premap[@]}" load --json 'tree\deep\file1' tree/deep/file1 '.\tree/deep\file1' 'tree\deep\er' ./tree/deep/er && json_holds out \
    '[o["path"] for o in objects[:-1]] == ["tree\\deep\\file1", "tree/deep/file1", ".\\tree/deep\\file1",
      "tree\\deep\\er\\large", "./tree/deep/er/large"]'
}
patterns() {
  exits 0 "${premap[@]}" load --json 'tree/deep/file1*' 'tree\deep\e?' && json_holds out \
    '[o["path"] for o in objects[:-1]] == sorted(
      "tree/deep/file%d" % i for i in range(1, 201) if str(i)[0] == "1") + ["tree\\deep\\er\\large"]' &&
    exits 1 "${premap[@]}" load 'nothing*' && says err "open 'nothing*': no such file"
}
names() {
  exits 0 "${premap[@]}" load --json "$smile" odd && json_holds out \
    "[o['path'] for o in objects[:-1]] == ['$smile'] + sorted(['odd\\\\' + n for n in ['${escape#*/}', '${latin#*/}', '${smile#*/}']])"
}
long_path() {
  mkdir -p "${long%/*}" && head -c 300000 /dev/urandom >"$long" && [ ${#long} -eq 514 ] &&
    "${premap[@]}" cat "$long" | cmp - "$long" && exits 0 "${premap[@]}" load --json "$long" ./long && json_holds out \
    "[o['path'] for o in objects[:-1]] == ['$long', './$long'] and objects[0]['present'] == 300000"
}
lists() {
  printf 'plain\r\n\r\n%s\r\n' "$smile" | "${premap[@]}" load --json - >out && json_holds out \
    "[o['path'] for o in objects[:-1]] == ['plain', '$smile']" && printf 'plain\r\0' | "${premap[@]}" load -0 - >out
  [ $? -eq 1 ] && says out "1 failed"
}
locked() {
  local status=0
  mkfifo locker && mkdir -p kept && echo kept >kept/file || return 1
  "${launcher[@]}" "$helper" lock kept/file <locker >locked-by 2>&1 &
  exec 9>locker
  wait_until grep -q locked locked-by || status=1
  exits 1 "${premap[@]}" load --json kept plain && json_holds out \
    'objects[0]["error"]["name"] == "EBUSY" and objects[0]["error"]["os_error"] == 32 and objects[-1]["ready"] == 1' &&
    exits 1 "${premap[@]}" cat kept/file && says err "open 'kept/file': in use by another program (EBUSY)" && silent out || status=1
  exec 9>&-
  wait $!
  [ $status -eq 0 ] && exits 0 "${premap[@]}" load kept/file
}
surrogate() {
  exits 1 "${launcher[@]}" "$helper" run "$program" load --json LONE plain && json_holds out \
    'objects[0]["error"]["name"] == "EILSEQ" and objects[0]["path_bytes"] == "eda0bd" and objects[-1]["ready"] == 1'
}
bare() {
  exits 1 "${launcher[@]}" "$helper" bare "$program" load plain && exits 1 "${launcher[@]}" "$helper" bare "$program" load -
}

check "slashes of both kinds" slashes
check "names that match a pattern" patterns
check "names beyond any code page" names
check "a path of 514 characters" long_path
check "lists with lines that end as on Windows" lists
if [ -x "$helper" ]; then
  check "load of a file that another program keeps to itself" locked
  check "a name with half of a surrogate pair" surrogate
  check "load without any stream" bare
else
  skip "locked files, broken names, no streams" "PREMAP_CLI_HELPER names no program"
fi
