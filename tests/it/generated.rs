//! What the program prints about itself: completions for shells, and the manual page.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use clap::CommandFactory as _;
use vod_relay::cli::Cli;
use vod_relay::exit;

use crate::page::Page;
use crate::tool::installed;

#[test]
fn the_shells_understand_their_completions() {
    let dir = tempfile::tempdir().unwrap();
    for (shell, no_run) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let script = dir.path().join(shell);
        fs::write(&script, printed(&["completions", shell])).unwrap();
        let Some(output) = installed(Command::new(shell).arg(no_run).arg(script)) else { continue };
        assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_completions_know_every_subcommand_and_every_flag() {
    let (subcommands, flags) = known(&Cli::command());
    assert!(subcommands.len() > 8 && flags.len() > 20, "{subcommands:?} {flags:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);
        let words: BTreeSet<_> =
            script.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
        for name in &subcommands {
            assert!(words.contains(name.as_str()), "{shell} does not know {name}");
        }
        for flag in &flags {
            let is_known = match shell {
                "fish" => script.contains(&format!(" -l {flag} ")),
                _ => words.contains(format!("--{flag}").as_str()),
            };
            assert!(is_known, "{shell} does not know --{flag}");
        }
    }
}

#[test]
fn bash_completes_a_subcommand_and_a_flag() {
    let script = printed(&["completions", "bash"]);
    for (line, completed) in [
        ("vod-relay dead", "dead-letters"),
        ("vod-relay dead-letters re", "replay"),
        ("vod-relay emulate --sec", "--secret-id --secret-key"),
        ("vod-relay completions z", "zsh"),
    ] {
        let words: Vec<_> = line.split(' ').collect();
        let (word, at) = (words[words.len() - 1], words.len() - 1);
        let before = words[at - 1];
        let ask = format!(
            "{script}
            registered=$(complete -p vod-relay) function=${{registered#*-F }}
            COMP_WORDS=({line}) COMP_CWORD={at}
            \"${{function%% *}}\" vod-relay {word} {before}
            echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash").args(["--norc", "-c", &ask]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), completed, "{line}");
    }
}

#[test]
fn the_manual_page_can_be_read_and_has_everything() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("vod-relay.1");
    fs::write(&page, printed(&["man"])).unwrap();
    let mut man = Command::new("man");
    man.args(["--warnings", "--local-file"]).arg(page);
    // No line is ever broken, so that every text is in one piece.
    man.envs([("LC_ALL", "C.UTF-8"), ("MANWIDTH", "1000"), ("MAN_KEEP_FORMATTING", "")]);
    let Some(output) = installed(&mut man) else { return };
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{}: {complaints}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();

    let (subcommands, flags) = known(&Cli::command());
    for name in &subcommands {
        assert!(text.lines().any(|line| line.ends_with(&format!(" {name}"))), "{name} is missing");
    }
    for flag in &flags {
        let flag = format!("--{flag}");
        assert!(
            text.split(|c: char| c.is_whitespace() || c == ',').any(|word| word == flag),
            "{flag}"
        );
    }
    for (code, meaning) in exit::MEANINGS {
        let is_there = text.lines().any(|line| {
            let words = line.trim_start().split_once(' ');
            words.is_some_and(|(first, rest)| {
                first == code.to_string() && rest.split_whitespace().eq(meaning.split_whitespace())
            })
        });
        assert!(is_there, "the exit code {code} is missing");
    }
    for variable in variables() {
        assert!(text.contains(&variable), "{variable} is missing");
    }
}

#[test]
fn a_closed_standard_output_is_a_clean_end() {
    for line in ["man", "completions bash", "completions zsh", "completions fish"] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut program = program(&line.split(' ').collect::<Vec<_>>());
        let output = program.stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
    }
    let full = fs::OpenOptions::new().write(true).open(Path::new("/dev/full")).unwrap();
    let output = program(&["man"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(exit::INTERNAL.into()));
}

/// The names of all subcommands and the long names of all flags.
fn known(command: &clap::Command) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut names = BTreeSet::new();
    let longs = command.get_arguments().filter_map(|arg| arg.get_long());
    let mut flags: BTreeSet<_> = longs.map(str::to_owned).collect();
    for sub in command.get_subcommands() {
        names.insert(sub.get_name().to_owned());
        let (deeper, more) = known(sub);
        names.extend(deeper);
        flags.extend(more);
    }
    (names, flags)
}

/// The environment variables of the documentation that a user sets.
fn variables() -> BTreeSet<String> {
    let pages = Page::all().into_iter().filter(|page| !page.path.ends_with("development.md"));
    // The programs of command sinks get these.
    let given = ["EVENT_ID", "EVENT_TYPE", "TASK_ID", "FILE_ID", "STATUS", "ATTEMPT"];
    let given = given.map(|name| format!("VOD_RELAY_{name}"));
    let mut variables = BTreeSet::new();
    for page in pages {
        let words = page.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let ours = words
            .filter(|word| word.starts_with("VOD_RELAY_") || word.starts_with("TENCENTCLOUD_"))
            .map(str::to_owned);
        variables.extend(ours.filter(|word| !given.contains(word)));
    }
    assert!(variables.len() > 4, "{variables:?}");
    variables
}

fn program(args: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_vod-relay"));
    program.args(args).env_remove("VOD_RELAY_CONFIG");
    program
}

fn printed(args: &[&str]) -> String {
    let output = program(args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
