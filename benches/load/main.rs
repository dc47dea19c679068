//! What stands around the relay while it is measured: the clients that set the limits, and the
//! receiver of webhooks that takes the time. The scripts beside this directory run it.

mod bare;
mod caller;
mod keep;
mod latency;

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// What stands around the relay while it is measured.
#[derive(Debug, Parser)]
enum Load {
    /// Pulls and confirms for ever and keeps nothing: what the HTTP client and the emulator allow.
    Bare {
        /// The address of the emulator, such as `http://127.0.0.1:9000`.
        url: reqwest::Url,
        /// How many loops run, each one call at a time.
        loops: usize,
    },
    /// The same, but what comes is appended to a file and synced before it is confirmed.
    Keep {
        /// The address of the emulator, such as `http://127.0.0.1:9000`.
        url: reqwest::Url,
        /// How many loops run, each one pull at a time.
        loops: usize,
        /// The file.
        path: PathBuf,
    },
    /// Pushes events into an emulator and receives them as a webhook: how long each was on its way.
    ///
    /// Prints the webhook's URL. Then each line of standard input, `RATE COUNT`, pushes as many
    /// events at that rate per second and prints how long they took, as JSON.
    Latency {
        /// The address of the emulator, such as `http://127.0.0.1:9000`.
        url: reqwest::Url,
    },
}

#[tokio::main]
async fn main() -> Outcome {
    // Nothing here speaks TLS, but the client asks for it all the same.
    let _already = rustls::crypto::ring::default_provider().install_default();
    match Load::parse() {
        Load::Bare { url, loops } => bare::run(url, loops).await,
        Load::Keep { url, loops, path } => keep::run(url, loops, &path).await,
        Load::Latency { url } => latency::run(&url).await,
    }
}
