//! The units under `systemd/`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use vod_relay::config::Config;
use vod_relay::exit;

use crate::tool::installed;

const SERVICE: &str = include_str!("../../systemd/vod-relay.service");
const ONCE: &str = include_str!("../../systemd/vod-relay-once.service");
const TIMER: &str = include_str!("../../systemd/vod-relay-once.timer");

/// Where the units say that the program is.
const INSTALLED: &str = "/usr/bin/vod-relay";

/// The most that `systemd-analyze security` may find, in tenths.
const EXPOSURE_MAX: &str = "15";

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
    let Some(output) = installed(&mut verify) else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    // A key that systemd does not know is only a warning. Units of this machine are not ours.
    let about_ours: Vec<_> = said.lines().filter(|line| line.contains("vod-relay")).collect();
    assert!(output.status.success() && about_ours.is_empty(), "{}: {said}", output.status);
}

#[test]
fn the_services_are_closed_off() {
    for unit in ["vod-relay.service", "vod-relay-once.service"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(unit);
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE_MAX]);
        let Some(output) = installed(security.arg(path)) else { return };
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{unit}: {}: {said}", output.status);
    }
}

#[test]
fn a_start_and_a_pull_may_take_their_time() {
    assert_eq!(value(SERVICE, "Type"), "notify");
    assert_eq!(value(SERVICE, "NotifyAccess"), "main");
    // Before VOD has answered there is nothing to give up for, nor anything to wait for at boot.
    assert_eq!(value(SERVICE, "TimeoutStartSec"), "infinity");
    assert!(value(SERVICE, "After").split(' ').any(|unit| unit == "multi-user.target"));
    let watchdog = humantime::parse_duration(value(SERVICE, "WatchdogSec")).unwrap();
    let longest = least().sources.first().unwrap().request_timeout;
    assert!(watchdog >= longest * 6, "{watchdog:?} is not many requests of {longest:?}");
}

#[test]
fn the_packaged_configuration_is_right_once_it_is_filled_in() {
    let shipped = include_str!("../../packaging/config.toml");
    let secrets = tempfile::tempdir().unwrap();
    let key = secrets.path().join("vod-secret-key");
    fs::write(&key, "secret\n").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let variables = |name: &str| {
        (name == "CREDENTIALS_DIRECTORY").then(|| secrets.path().to_str().unwrap().to_owned())
    };
    let mistakes = Config::parse("config.toml", shipped, &variables).unwrap_err().to_string();
    assert!(mistakes.contains(".secret_id: is empty") && mistakes.contains(".url: "), "{mistakes}");
    assert!(mistakes.ends_with("2 mistakes in config.toml"), "{mistakes}");
    let filled = shipped
        .replace("secret_id = \"\"", "secret_id = \"AKIDyours\"")
        .replace("url = \"\"", "url = \"https://app.example.com/vod\"");
    let config = Config::parse("config.toml", &filled, &variables).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    // What systemd makes is what the configuration names, for commands outside of the unit.
    let state_dir = config.relay.state_dir.unwrap();
    assert_eq!(state_dir, Path::new("/var/lib").join(value(SERVICE, "StateDirectory")));
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
    let grace = least().relay.shutdown_grace;
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

/// A configuration with every default.
fn least() -> Config {
    let least = "[sources.a]\n[sinks.b]\ntype = \"stdout\"\n";
    Config::parse("least", least, &|_| None).unwrap()
}

fn value<'a>(unit: &'a str, key: &str) -> &'a str {
    let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("there is no {key}="))
}
