#!/bin/sh
# Builds the Debian package, with every type of sink, and prints where it is. Needs cargo-deb, what
# the Kafka sink is built with, and dpkg-dev:
#
#     cargo install --locked cargo-deb --version ^3.8
#     apt-get install dpkg-dev g++ make pkg-config libssl-dev
set -eu

cd "$(dirname "$0")/.."

cargo build --release --locked --features full
binary=${CARGO_TARGET_DIR:-target}/release/vod-relay

# Every date in the package is that of the commit, so that a build can be repeated. Not before the
# program is built, which would be built anew for it.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

# What Cargo.toml names below target/deb: all that the program says about itself.
made=target/deb
mkdir -p "$made"
"$binary" man >"$made/vod-relay.1"
for shell in bash zsh fish; do
    "$binary" completions "$shell" >"$made/vod-relay.$shell"
done
version=$("$binary" -V | cut -d ' ' -f 2)
cat >"$made/changelog" <<END
vod-relay ($version-1) unstable; urgency=medium

  * What is new: /usr/share/doc/vod-relay/changelog.gz

 -- $(sed -n 's/^maintainer = "\(.*\)"$/\1/p' Cargo.toml)  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END

exec cargo deb --no-build --locked "$@"
