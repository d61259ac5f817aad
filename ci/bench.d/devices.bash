# shellcheck shell=bash disable=SC2154,SC2317 # ci/bench sets the variables
# SPDX-License-Identifier: MIT
#
# Part of ci/bench: loop devices with file systems and read-aheads of our choice, and one that is slow. For root.

# Does the device read past the page cache of the file beneath it? If not, a file in that cache would be taken for a cold one.
reads_directly() {
  [[ $(losetup --noheadings --output DIO "$1" | tr -d ' ') == 1 ]]
}

# set_read_ahead DEVICE MOUNT KIB - btrfs has one of its own, whatever its device has.
set_read_ahead() {
  local uuid
  uuid=$(findmnt --noheadings --output UUID "$2")
  if [[ -e /sys/fs/btrfs/$uuid/bdi/read_ahead_kb ]]; then
    echo "$3" >"/sys/fs/btrfs/$uuid/bdi/read_ahead_kb"
  else
    blockdev --setra $(($3 * 2)) "$1"
  fi
}

# on_device FILE_SYSTEM READ_AHEAD_KIB FOLDER COMMAND... - runs the command with, as its last argument, a new file system on a loop device on a
# file in the folder. In a subshell, whose end takes all of that away again. Status 3, with the reason: there can be none.
on_device() (
  local system=$1 read_ahead=$2 folder=$3 size=4G device=
  shift 3
  ((!quick)) || size=700M
  local image mount
  image=$(mktemp "$folder/premap-bench.XXXXXX")
  mount=$(mktemp -d "$build/mount.XXXXXX")
  end_device() {
    ! mountpoint --quiet "$mount" || umount "$mount"
    [[ -z $device ]] || losetup --detach "$device"
    rm -f "$image"
    rmdir "$mount"
  }
  trap end_device EXIT
  truncate -s $size "$image"
  device=$(losetup --find --show --direct-io=on "$image") || {
    note "SKIPPED: no loop device"
    exit 3
  }
  if ! reads_directly "$device" && [[ $(stat -f -c %T "$folder") != tmpfs ]]; then
    note "SKIPPED: the loop device on $(stat -f -c %T "$folder") cannot read past the page cache"
    exit 3
  fi
  if ! command -v "mkfs.$system" >/dev/null || ! "mkfs.$system" -q "$device" || ! mount "$device" "$mount"; then
    note "SKIPPED: no $system here"
    exit 3
  fi
  set_read_ahead "$device" "$mount" "$read_ahead" && "$@" "$mount"
)

# slowly DEVICE_NUMBER COMMAND... - runs the command in a control group for which the device reads 20 MiB/s; of either version. Status 3: neither
# is here.
slowly() (
  local number=$1 group='' rate=$((20 << 20))
  shift
  end_group() {
    # The group goes when it is empty: this shell leaves it.
    echo "$BASHPID" >"${group%/*}/cgroup.procs"
    rmdir "$group"
  }
  if [[ -e /sys/fs/cgroup/blkio/blkio.throttle.read_bps_device ]]; then
    group=/sys/fs/cgroup/blkio/premap-bench.$$
    mkdir "$group"
    trap end_group EXIT
    echo "$number $rate" >"$group/blkio.throttle.read_bps_device"
  elif grep -qw io /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null; then
    group=/sys/fs/cgroup/premap-bench.$$
    mkdir "$group"
    trap end_group EXIT
    echo "$number rbps=$rate" >"$group/io.max"
  else
    note "SKIPPED: cancelling on a slow disk, since no control group limits its rate here"
    exit 3
  fi
  echo "$BASHPID" >"$group/cgroup.procs"
  "$@"
)

# The functions that on_device calls.
suite_on_device() {
  local mount=$2
  failed=()
  describe_place "$1" "$mount"
  suite "$1" "$mount" --rounds="$device_rounds" --workload=16MiB,1GiB --state=cold \
    --contestant=premap,premap-command,read-2,touch,touch64k-1,map-populate-1,madvise-1,madvise-huge-1,original,vmtouch,direct
  ((${#failed[@]} == 0))
}

cancel_slowly() {
  local scale=5
  ((!quick)) || scale=100
  slowly "$(mountpoint --fs-devno "$1")" "$build/bench/bench_cancel" --scale=$scale "--label=a disk of 20 MiB/s" "$1" >"$build/slow.csv"
}

# report_device STATUS WHAT - a failure within a subshell would be lost with it, but for the status.
report_device() {
  local status=$1 what=$2
  ((status == 0 || status == 3)) || fail "$what"
}

run_on_devices() {
  local system read_ahead kind label status
  local -A folders=([disk]=$build)
  if ((EUID != 0)); then
    note "SKIPPED: loop devices need root"
    return
  fi
  if [[ $(stat -f -c %T /dev/shm) == tmpfs ]]; then
    folders[tmpfs]=/dev/shm
  else
    note "SKIPPED: loop devices in memory, since /dev/shm is no tmpfs"
  fi
  for kind in "${!folders[@]}"; do
    for system in ext4 xfs btrfs; do
      for read_ahead in 128 4096; do
        label=$system-${read_ahead}KiB-$kind status=0
        note "$label"
        on_device $system $read_ahead "${folders[$kind]}" suite_on_device "$label" || status=$?
        report_device $status "$label"
      done
    done
  done
  status=0
  on_device ext4 128 "$build" cancel_slowly || status=$?
  report_device $status "bench_cancel on a slow disk"
  ((status != 0)) || sed 1d "$build/slow.csv" >>"$results/single.csv"
}
