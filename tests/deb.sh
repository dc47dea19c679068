#!/bin/bash
# Builds the Debian package and lives through it: installed, configured, run, upgraded, removed and
# purged. Needs root (or sudo), systemd, cargo-deb and dpkg-dev, on Debian 12 or the like.
#
# All of that happens in a root of its own: this machine's, below a layer in memory that takes every
# change, and that is gone at the end.
set -euo pipefail

cd "$(dirname "$0")/.."

fail() {
    echo "tests/deb.sh: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Two packages with a greater version: the same otherwise, and with another conffile.
newer() {
    local deb=$1 dir=$2 revision=$3 tree=$2/tree
    rm -rf "$tree"
    dpkg-deb --raw-extract "$deb" "$tree"
    sed -i "s/^Version: .*/&$revision/" "$tree/DEBIAN/control"
    if [ "$revision" = +2 ]; then
        echo "# A newer default." >>"$tree/etc/vod-relay/config.toml"
    fi
    (cd "$tree" && find usr etc -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
    dpkg-deb -Znone --root-owner-group --build "$tree" "$dir/newer$revision.deb" >/dev/null
}

build() {
    local dir=$1 deb
    deb=$(packaging/deb.sh --quiet | tail -n 1)
    [ -f "$deb" ] || fail "packaging/deb.sh made no package, but said: $deb"
    dpkg-deb --contents "$deb"
    if command -v lintian >/dev/null; then
        # A .deb for everywhere has no bug to close, and no place in Debian's archive.
        lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs "$deb"
    elif [ -n "${CI-}" ]; then
        fail "in CI nothing is left out, and there is no lintian"
    else
        echo "left out: there is no lintian on this machine"
    fi
    newer "$deb" "$dir" +1
    newer "$deb" "$dir" +2
    cp "$deb" "$dir/first.deb"
}

# In a mount namespace of its own, as root.
enter() {
    local dir=$1
    mount -t tmpfs tmpfs "$dir/layer"
    mkdir "$dir"/layer/{changes,work,root}
    mount -t overlay overlay "$dir/layer/root" \
        -o "lowerdir=/,upperdir=$dir/layer/changes,workdir=$dir/layer/work"
    cd "$dir/layer/root"
    mount -t proc proc proc
    mount --rbind /dev dev
    # Without the machine's own systemd, which must not be told of any of this.
    mount -t tmpfs tmpfs run
    mount -t tmpfs tmpfs tmp
    cp "$dir"/*.deb "$dir/inside.sh" tmp/
    exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive chroot . /bin/bash /tmp/inside.sh
}

if [ "${1-}" = enter ]; then
    enter "$2"
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/layer"
build "$dir"
cp tests/deb/inside.sh "$dir/"
# The end of the namespace ends what was started in it.
as_root unshare --mount --pid --fork --kill-child "$PWD/tests/deb.sh" enter "$dir"
