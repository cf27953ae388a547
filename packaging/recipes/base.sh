# The packages layer of an image: what every datastore's recipe shares. Sourced by packaging/image; every byte of
# this file counts into the recipe's digest, so an edit makes new images.
# shellcheck shell=bash

# A fixed moment, so that two bakes of one set of packages differ in nothing (shadow's dates, caches).
export SOURCE_DATE_EPOCH=1735689600

# What the machine, the agent and the tools they run need beside the database.
recipe_common=(
  e2fsprogs iproute2 nftables util-linux
  libblkid1 liblmdb0 libmariadb3 libsodium23 libstdc++6 libuuid1
)

# The xfs tools' own libraries. The package itself would drag python3 and libicu in (79 MiB); its programs that a
# machine uses need only these.
recipe_xfs_libraries() {
  case $1 in
    bookworm) echo libinih1 liburcu8 ;;
    *) echo libinih1 liburcu8t64 ;;
  esac
}
recipe_xfs_programs=(mkfs.xfs xfs_growfs xfs_repair)

recipe_excluded=(/usr/share/man /usr/share/info /usr/share/locale /usr/share/lintian)

# recipe_excludes ROOT: documentation and translations stay out. Told to dpkg only after the essential packages are
# unpacked: mmdebstrap would filter each of those through a program of its own, which doubles the time of a bake;
# recipe_clean takes theirs out.
recipe_excludes() {
  {
    printf 'path-exclude=%s/*\n' "${recipe_excluded[@]}" /usr/share/doc
    echo 'path-include=/usr/share/doc/*/copyright'
  } >"$1/etc/dpkg/dpkg.cfg.d/jackdaw-excludes"
}

# recipe_users ROOT: the fixed users, written before any package may take an id or a name. The ids are the host's
# too (a local machine has no user namespace), hence numbers that Debian hands to nobody.
recipe_users() {
  local root=$1
  cat >>"$root/etc/passwd" <<'USERS'
jackdawd:x:47412:47412:Jackdaw agent:/nonexistent:/usr/sbin/nologin
mysql:x:47413:47413:Jackdaw database:/nonexistent:/usr/sbin/nologin
USERS
  cat >>"$root/etc/group" <<'GROUPS'
jackdawd:x:47412:
mysql:x:47413:
jackdaw:x:47414:jackdawd
GROUPS
  local day=$((SOURCE_DATE_EPOCH / 86400))
  printf '%s:!:%d::::::\n' jackdawd "$day" mysql "$day" >>"$root/etc/shadow"
  printf '%s\n' 'jackdawd:!::' 'mysql:!::' 'jackdaw:!::jackdawd' >>"$root/etc/gshadow"
}

# recipe_xfs ROOT: fetches the xfs package with the image's own apt settings and copies the programs out of it.
recipe_xfs() {
  local root=$1 scratch
  scratch=$(mktemp -d "$root/tmp/xfs.XXXXXX")
  # The sandbox user of apt may not write here; as root it only warns, so the question is not asked.
  (cd "$scratch" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq -o APT::Sandbox::User=root download xfsprogs)
  dpkg-deb -x "$scratch"/xfsprogs_*.deb "$scratch/deb"
  local program found
  for program in "${recipe_xfs_programs[@]}"; do
    found=$(find "$scratch/deb" -type f -name "$program" | head -n 1)
    install -m 0755 "$found" "$root/usr/sbin/$program"
    chroot "$root" "/usr/sbin/$program" -V >/dev/null
  done
  install -D -m 0644 "$scratch/deb/usr/share/doc/xfsprogs/copyright" "$root/usr/share/doc/xfsprogs/copyright"
  rm -rf "$scratch"
}

# recipe_clean ROOT: takes out what no machine uses, what differs from bake to bake, and what belongs to the host
# (its mirror, proxies and names: a proxy's address may hold a password).
recipe_clean() {
  local root=$1
  rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old \
    "$root"/var/cache/ldconfig "$root"/var/lib/dpkg/*-old "$root"/var/log/* "$root"/tmp/* "$root"/run/* \
    "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/* "$root"/etc/apt/apt.conf.d/99mmdebstrap \
    "$root"/etc/machine-id "$root"/var/lib/dbus/machine-id "$root"/etc/hostname "$root"/etc/resolv.conf \
    "$root"/etc/passwd- "$root"/etc/group- "$root"/etc/shadow- "$root"/etc/gshadow-
  find "$root/usr/share/doc" -type f ! -name copyright -delete
  local excluded
  for excluded in "${recipe_excluded[@]}"; do rm -rf "${root:?}$excluded"; done
  # A machine mounts its own /dev; device nodes in a folder of files are only a danger.
  find "$root/dev" -mindepth 1 -delete
  install -d -m 0755 "$root"/usr/lib/jackdaw "$root"/etc/jackdaw "$root"/var/lib/jackdaw "$root"/var/log/jackdaw
  ln -sfn ../lib/jackdaw/jackdaw "$root/usr/bin/jackdaw"
}

# recipe_bake ROOT RELEASE SOURCES APT_OPTIONS PACKAGES...: fills the folder ROOT (which must not exist).
# SOURCES: a sources.list file; APT_OPTIONS: an apt.conf file. Nothing of the image is started.
recipe_bake() {
  local root=$1 release=$2 sources=$3 options=$4 self=$RECIPES
  shift 4
  local packages xfs
  packages=$(IFS=,; echo "$*")
  xfs=$(recipe_xfs_libraries "$release" | tr ' ' ',')
  local call=". '$self/base.sh'"
  LC_ALL=C mmdebstrap --mode=root --variant=minbase --format=directory \
    --aptopt='Apt::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
    --aptopt="$options" \
    --dpkgopt='force-unsafe-io' \
    --extract-hook="bash -ec \"$call; recipe_excludes '\$1'\"" \
    --essential-hook="bash -ec \"$call; recipe_users '\$1'\"" \
    --customize-hook="bash -ec \"$call; recipe_xfs '\$1'\"" \
    --include="$packages,$xfs" "$release" "$root" - <"$sources"
  dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${Package}\t${Version}\n' | LC_ALL=C sort >"${root%/*}/packages"
  recipe_clean "$root"
}
