#!/bin/bash
# The life of the package; tests/deb.sh runs this in a root made for it.
set -euo pipefail

units=(vod-relay.service vod-relay-once.service vod-relay-once.timer)
config=/etc/vod-relay/config.toml
events=50

say() {
    printf -- '--- %s\n' "$*"
}

fail() {
    echo "the package: $*" >&2
    exit 1
}

# Waits until the command succeeds.
until_true() {
    local deadline=$((SECONDS + 60))
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "this does not come true: $*"
        sleep 0.05
    done
}

# A new shell for each, as when a person asks.
expect_installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' vod-relay)" = installed ] ||
        fail "it is not installed"
    local changed
    changed=$(dpkg --verify vod-relay)
    # A "c" marks a conffile, which the user may change.
    ! grep -v ' c ' <<<"$changed" | grep -q . || fail "files are not as they were packed: $changed"
}

for path in /usr/bin/vod-relay /etc/vod-relay /var/lib/vod-relay; do
    [ ! -e $path ] || fail "this machine has vod-relay already: $path"
done

# Images for containers leave manual pages and documents out.
echo 'path-include=*' >/etc/dpkg/dpkg.cfg.d/zz-all-of-it

say "installed for the first time"
dpkg --install /tmp/first.deb </dev/null | tee /tmp/said
expect_installed
grep -q 'not started: see /usr/share/doc/vod-relay/README.Debian' /tmp/said || fail "no hint is given"
for unit in "${units[@]}"; do
    [ "$(systemctl --root=/ is-enabled "$unit" || true)" != enabled ] || fail "$unit is enabled"
done
[ "$(stat -c '%a %U' $config)" = "644 root" ] || fail "the service's user cannot read $config"

say "what is installed is whole"
complaints=$(systemd-analyze verify "${units[@]}" 2>&1 || true)
[ -z "$complaints" ] || fail "the units are wrong: $complaints"
for service in vod-relay.service vod-relay-once.service; do
    systemd-analyze security --offline=true --threshold=15 "$service" >/tmp/said ||
        fail "$service is too open: $(tail -n 1 /tmp/said)"
done
[ -f /usr/share/man/man1/vod-relay.1.gz ] || fail "there is no manual page"
bash -n /usr/share/bash-completion/completions/vod-relay
grep -q '^#compdef vod-relay' /usr/share/zsh/vendor-completions/_vod-relay
grep -q '^complete -c vod-relay' /usr/share/fish/vendor_completions.d/vod-relay.fish
for document in copyright README.Debian README.md docs/state.md \
    contrib/prometheus-rules.yml changelog.gz changelog.Debian.gz; do
    [ -s "/usr/share/doc/vod-relay/$document" ] || fail "there is no $document"
done

say "as installed, check tells what to fill in"
code=0
vod-relay check 2>/tmp/said || code=$?
[ "$code" -eq 78 ] || fail "check ends with $code"
for key in secret_id secret_key_file url; do
    grep -q "^$config:.*\.$key: " /tmp/said || fail "check does not ask for $key: $(cat /tmp/said)"
done

say "configured and enabled"
vod-relay emulate --listen 127.0.0.1:0 --events $events 2>/tmp/emulator &
until_true grep -q '^listening on ' /tmp/emulator
endpoint=$(sed -n 's/^listening on //p' /tmp/emulator)
sed -i -e "/^\[sources.main\]/a endpoint = \"$endpoint\"" -e 's/^secret_id = .*/secret_id = "AKIDemulator"/' \
    -e '/^\[sinks.app\]/,$d' $config
printf '[sinks.archive]\ntype = "file"\npath = "/var/lib/vod-relay/events.jsonl"\n' >>$config
cp $config /tmp/config.toml
install -m 600 /dev/stdin /etc/vod-relay/vod-secret-key <<<emulator-secret
vod-relay check >/dev/null
systemctl --root=/ --quiet enable vod-relay.service 2>/dev/null

say "run as the unit runs it: a user without rights, the key from systemd's copy"
credentials=/run/credentials/vod-relay.service
install -d -m 700 -o nobody $credentials /var/lib/vod-relay
install -m 400 -o nobody /etc/vod-relay/vod-secret-key $credentials/
setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs env \
    CREDENTIALS_DIRECTORY=$credentials STATE_DIRECTORY=/var/lib/vod-relay vod-relay 2>/tmp/log &
relay=$!
all_delivered() {
    [ -f /var/lib/vod-relay/events.jsonl ] && [ "$(wc -l </var/lib/vod-relay/events.jsonl)" -eq $events ]
}
until_true all_delivered
kill -TERM $relay
wait $relay || fail "the relay ends with $?: $(cat /tmp/log)"
[ -f /var/lib/vod-relay/vod-relay.db ] || fail "there is no database"
# As systemd leaves it behind with DynamicUser=.
install -d -m 700 /var/lib/private
mv /var/lib/vod-relay /var/lib/private/
ln -s private/vod-relay /var/lib/vod-relay

say "an upgrade keeps the configuration, without a question"
dpkg --install /tmp/newer+1.deb </dev/null
expect_installed
cmp /tmp/config.toml $config
[ "$(systemctl --root=/ is-enabled vod-relay.service)" = enabled ] || fail "the upgrade disabled it"

say "an upgrade with another default keeps the configuration too"
dpkg --force-confold --install /tmp/newer+2.deb </dev/null
expect_installed
cmp /tmp/config.toml $config
grep -q 'A newer default' $config.dpkg-dist || fail "the new default is not put beside it"

say "removed: what the user has made stays"
dpkg --remove vod-relay
[ ! -e /usr/bin/vod-relay ] || fail "the program is still there"
[ ! -e /usr/lib/systemd/system/vod-relay.service ] || fail "the unit is still there"
for kept in $config /etc/vod-relay/vod-secret-key /var/lib/vod-relay/vod-relay.db; do
    [ -e "$kept" ] || fail "$kept is gone"
done

say "purged: nothing is left but what a sink has written"
dpkg --purge vod-relay | tee /tmp/said
[ ! -e /etc/vod-relay ] || fail "there is still $(find /etc/vod-relay)"
[ "$(ls -A /var/lib/vod-relay/)" = events.jsonl ] || fail "there is $(ls -A /var/lib/vod-relay/)"
grep -q '/var/lib/private/vod-relay is kept' /tmp/said || fail "it does not say what is kept"
left=$(find /etc/systemd /var/lib/systemd -name 'vod-relay*')
[ -z "$left" ] || fail "there is still $left"

say "purged again, with nothing to keep"
rm /var/lib/vod-relay/events.jsonl
dpkg --install /tmp/first.deb </dev/null
touch /var/lib/vod-relay/vod-relay.{db,lock}
dpkg --purge vod-relay
left=$(find /etc /usr /var/lib -name '*vod-relay*' ! -path '/var/lib/dpkg/*')
[ -z "$left" ] || fail "there is still $left"

say "all is well"
