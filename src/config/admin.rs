//! `[admin]`: the server that tells how the relay fares.

use std::net::SocketAddr;
use std::time::Duration;

use super::section::Section;
use super::spelling::quoted;
use crate::secret::Secret;

/// Where the admin server listens by default.
const LISTEN: &str = "127.0.0.1:9187";

/// The bounds of the interval at which VOD is asked how many events wait there.
const BACKLOG_MIN: Duration = Duration::from_secs(1);
const BACKLOG_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The admin server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What a client must show, except to ask whether the relay is alive; absent means nothing.
    pub token: Option<Secret>,
    /// How often VOD is asked how many events wait there; absent means never.
    pub backlog_interval: Option<Duration>,
}

impl Admin {
    pub(super) fn read(section: Section<'_>) -> Option<Self> {
        let listen = read_listen(&section);
        let token = section.secret("token").filter(|token| !token.is_empty());
        let is_open = section.boolean("allow_remote", false);
        if let Some(listen) = listen
            && !listen.ip().is_loopback()
            && token.is_none()
            && !is_open
            // What is wrong with a token that cannot be had is told already.
            && section.is_right("token")
            && section.is_right("token_file")
        {
            section.mistake(
                "listen",
                &format!("{} can be reached from other machines", quoted(&listen.to_string())),
                "an address of this machine alone, such as \"127.0.0.1:9187\"; or give a token or \
                 token_file that clients must show; or set allow_remote = true if a firewall \
                 decides who gets there",
            );
        }
        let backlog_interval = section.optional_duration(
            "backlog_interval",
            Duration::from_secs(60),
            BACKLOG_MIN..=BACKLOG_MAX,
        );
        section.finish();
        Some(Self { listen: listen?, token, backlog_interval })
    }
}

fn read_listen(section: &Section<'_>) -> Option<SocketAddr> {
    let text = section.string_or("listen", LISTEN);
    let listen = text.parse().ok();
    if listen.is_none() && section.is_right("listen") {
        let problem = format!("{} is not an address with a port", quoted(&text));
        section.mistake("listen", &problem, "for example \"127.0.0.1:9187\" or \"[::1]:9187\"");
    }
    listen
}
