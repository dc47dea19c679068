//! The units under `systemd/`.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use vod_relay::config::Config;
use vod_relay::exit;

const SERVICE: &str = include_str!("../../systemd/vod-relay.service");
const ONCE: &str = include_str!("../../systemd/vod-relay-once.service");
const TIMER: &str = include_str!("../../systemd/vod-relay-once.timer");

/// Where the units say that the program is.
const INSTALLED: &str = "/usr/bin/vod-relay";

#[test]
fn the_units_pass_systemd_analyze() {
    let units = tempfile::tempdir().unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]);
    let all = [
        ("vod-relay.service", SERVICE),
        ("vod-relay-once.service", ONCE),
        ("vod-relay-once.timer", TIMER),
    ];
    for (name, text) in all {
        let path = units.path().join(name);
        // The program that was just built stands for the installed one.
        fs::write(&path, text.replace(INSTALLED, env!("CARGO_BIN_EXE_vod-relay"))).unwrap();
        verify.arg(path);
    }
    let output = match verify.output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Past the test runner, which would keep it for itself.
            let _ = writeln!(io::stderr(), "skipped: there is no systemd-analyze on this machine");
            assert!(std::env::var_os("CI").is_none(), "in CI nothing is skipped");
            return;
        }
        Err(error) => panic!("cannot run systemd-analyze: {error}"),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    // A key that systemd does not know is only a warning. Units of this machine are not ours.
    let about_ours: Vec<_> = said.lines().filter(|line| line.contains("vod-relay")).collect();
    assert!(output.status.success() && about_ours.is_empty(), "{}: {said}", output.status);
}

#[test]
fn the_service_is_not_restarted_where_only_a_person_can_help() {
    let codes = value(SERVICE, "RestartPreventExitStatus").split(' ').map(|code| code.parse());
    let codes: Vec<u8> = codes.collect::<Result<_, _>>().unwrap();
    assert_eq!(codes, [exit::USAGE, exit::CREDENTIALS, exit::CONFIG]);
    assert_eq!(value(SERVICE, "Restart"), "on-failure");
    assert_eq!(value(SERVICE, "ExecStart"), INSTALLED);
    assert_eq!(value(ONCE, "ExecStart"), format!("{INSTALLED} --once"));
}

#[test]
fn the_service_tells_how_it_fares() {
    for (key, expected) in [
        ("Type", "notify"),
        // Without VOD it waits for VOD; a time limit would only start it again.
        ("TimeoutStartSec", "infinity"),
        // What hangs still gets the order to stop first.
        ("WatchdogSignal", "SIGTERM"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
    ] {
        assert_eq!(value(SERVICE, key), expected);
    }
    for unit in [SERVICE, ONCE] {
        assert_eq!(value(unit, "NotifyAccess"), "main");
    }
    let watchdog: u64 = value(SERVICE, "WatchdogSec").strip_suffix("min").unwrap().parse().unwrap();
    assert!(watchdog >= 1, "shorter than a hiccup of the network");
}

#[test]
fn systemd_waits_longer_than_the_relay_takes_to_stop() {
    let least = "[sources.a]\n[sinks.b]\ntype = \"stdout\"\n";
    let grace = Config::parse("least", least, &|_| None).unwrap().relay.shutdown_grace;
    for unit in [SERVICE, ONCE] {
        let stop = value(unit, "TimeoutStopSec").strip_suffix('s').unwrap().parse().unwrap();
        assert!(Duration::from_secs(stop) >= grace + Duration::from_secs(5), "{stop}");
        assert_eq!(value(unit, "KillMode"), "mixed");
    }
}

#[test]
fn both_services_live_under_the_same_rules() {
    let start = "# On a stop only the relay itself is told";
    let rules = |unit: &'static str| {
        let at = unit.find(start).unwrap();
        unit[at..].split("\n[Install]").next().unwrap().trim_end()
    };
    assert_eq!(rules(SERVICE), rules(ONCE));
}

#[test]
fn the_timer_starts_what_is_there() {
    // Without Unit= a timer starts the service of its own name.
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/vod-relay-once.service");
    assert!(services.is_file() && !TIMER.contains("Unit="));
}

fn value<'a>(unit: &'a str, key: &str) -> &'a str {
    let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("there is no {key}="))
}
