//! `vod-relay man`: one manual page about the program and all of its subcommands.
//!
//! What the command line takes comes from its own definition, the exit codes from theirs.

use std::io;

use clap::{Arg, Command, CommandFactory as _};
use clap_mangen::Man;
use roff::{Roff, bold, roman};

use super::{CONFIG_PATH, Cli};
use crate::exit;
use crate::logging;

/// A name, and what is said about it.
type Entry = (&'static str, &'static str);

const NAME: &str = "vod-relay - relay of Tencent Cloud VOD events";

const SERVES: &str = "Without a command it runs as a service until a signal ends it.";

const COMMON: &str = "--config and --help go with each of them.";

const SIGNALS: [Entry; 2] = [
    (
        "SIGTERM, SIGINT",
        "Stop pulling, finish and confirm what is in flight (at most relay.shutdown_grace), and \
         exit with 0. A second one ends the program at once.",
    ),
    (
        "SIGHUP",
        "Read the configuration again, and open the files of file sinks anew. A good configuration \
         takes over without dropping an event; a wrong one is refused, with its reasons in the log.",
    ),
];

const ENVIRONMENT: [Entry; 9] = [
    ("VOD_RELAY_CONFIG", "The configuration file, unless --config names one."),
    (logging::LEVEL_VARIABLE, "A level of the log, or a filter; comes before log.level."),
    (
        "CREDENTIALS_DIRECTORY",
        "Where systemd puts credentials; the configuration may use it in the name of a file.",
    ),
    ("STATE_DIRECTORY", "The state directory, unless relay.state_dir names one; systemd sets it."),
    (
        "TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY",
        "The access key of sources whose credentials are not in the configuration.",
    ),
    (
        "TENCENTCLOUD_SESSION_TOKEN, TENCENTCLOUD_TOKEN",
        "The token that goes with it if it is a temporary one.",
    ),
    (
        "TENCENTCLOUD_CREDENTIALS_FILE",
        "The vendor's profile file, if it is not in its usual place.",
    ),
    (
        "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
        "The way to VOD and to webhooks. This machine is never reached through a proxy.",
    ),
    ("NO_COLOR", "Unless it is empty, the log has no colours."),
];

const FILES: [Entry; 4] = [
    (CONFIG_PATH, "The configuration."),
    (
        "/usr/share/doc/vod-relay/examples/config.toml",
        "Every key of the configuration with its default, as the Debian package brings it.",
    ),
    (
        "/var/lib/vod-relay/vod-relay.db",
        "What the service keeps: the ledger of deliveries, dead letters, the spool.",
    ),
    (
        "~/.tencentcloud/credentials, /etc/tencentcloud/credentials",
        "The vendor's profile file, for sources whose credentials are not in the configuration.",
    ),
];

/// A part of a page, as `clap_mangen` writes it.
type Part = fn(&Man, &mut dyn io::Write) -> io::Result<()>;

/// The page, as roff.
pub(super) fn page() -> String {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let version = env!("CARGO_PKG_VERSION");
    let codes = exit::MEANINGS.map(|(code, meaning)| (code.to_string(), meaning));
    let codes = codes.each_ref().map(|(code, meaning)| (code.as_str(), *meaning));
    let sections = [
        ("NAME", text(NAME)),
        ("SYNOPSIS", part(&program, Man::render_synopsis_section)),
        ("DESCRIPTION", part(&program, Man::render_description_section) + ".PP\n" + &text(SERVES)),
        ("OPTIONS", part(&program, Man::render_options_section)),
        ("COMMANDS", text(COMMON) + &commands(&program)),
        ("SIGNALS", entries(&SIGNALS)),
        ("EXIT STATUS", entries(&codes)),
        ("ENVIRONMENT", entries(&ENVIRONMENT)),
        ("FILES", entries(&FILES)),
    ];
    let sections = sections.map(|(heading, text)| format!(".SH {heading}\n{text}"));
    // What roff is told once, and the title: without a date, so that a build can be repeated.
    let head = Roff::new().render();
    let title = format!(".TH VOD\\-RELAY 1 \"\" \"vod\\-relay {version}\" \"User Commands\"\n");
    [head, title, sections.concat()].concat()
}

/// The subcommands of a command, each followed by its own.
fn commands(command: &Command) -> String {
    command.get_subcommands().map(|sub| self::command(sub) + &commands(sub)).collect()
}

fn command(command: &Command) -> String {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    // What every command takes is said once, of the program itself.
    let own = |arg: Arg| {
        let is_common = arg.is_global_set() || arg.get_id() == "help";
        arg.hide(is_common)
    };
    let command = command.clone().mut_args(own);
    let mut heading = Roff::new();
    heading.control("SS", [name]);
    let parts = [
        body(&heading.render()),
        part(&command, Man::render_synopsis_section),
        ".PP\n".to_owned(),
        part(&command, Man::render_description_section),
        part(&command, Man::render_options_section),
    ];
    parts.concat()
}

/// One paragraph for each name.
fn entries(entries: &[(&str, &str)]) -> String {
    let mut list = Roff::new();
    for (name, meaning) in entries {
        list.control("TP", []).text([bold(*name)]).text([roman(*meaning)]);
    }
    body(&list.render())
}

/// A part of a command's own page, for a place in this one.
fn part(command: &Command, part: Part) -> String {
    let mut roff = Vec::new();
    // Nothing that is written to memory fails.
    let _ = part(&Man::new(command.clone().subcommand_value_name("command")), &mut roff);
    body(&String::from_utf8_lossy(&roff))
}

/// A paragraph.
fn text(text: &str) -> String {
    body(&Roff::from(roman(text)).render())
}

/// A piece of roff without what a page has once: the preamble, and the heading of the part.
fn body(roff: &str) -> String {
    let is_once = |line: &&str| [".ie ", ".el ", ".SH "].iter().any(|once| line.starts_with(once));
    let mut body = String::new();
    let mut after_indented = false;
    for line in roff.lines().skip_while(is_once) {
        let is_indented = line.starts_with(' ');
        // Roff breaks the line before an indented one, but not after it.
        if after_indented && !is_indented && !line.is_empty() {
            body.push_str(".br\n");
        }
        // A blank line is a mistake to some readers of roff.
        body.push_str(if line.is_empty() { ".sp" } else { line.trim_end() });
        body.push('\n');
        after_indented = is_indented;
    }
    body
}
