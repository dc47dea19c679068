//! What others may see of the relay: the admin server, and what it tells about.

use super::{Relay, StartError};
use crate::admin::{self, Shown, SinkFace};
use crate::config::Config;
use crate::http::server::Server;

impl Relay {
    /// Starts the admin server if the configuration has one. A run that ends has none: it is over
    /// before anybody asks, and another may be running beside it.
    pub(super) fn serve(&mut self) -> Result<(), StartError> {
        let Some(config) = self.config.admin.as_ref().filter(|_| !self.once) else { return Ok(()) };
        let listen = config.listen;
        let server = Server::bind(listen).map_err(|error| StartError::Admin { listen, error })?;
        tracing::info!("the admin server listens on http://{}", server.addr());
        self.show();
        self.servers.spawn(server.run(admin::app(self.board.clone())));
        self.servers.spawn(admin::watch_backlog(self.board.clone()));
        Ok(())
    }

    /// The configuration with an admin server that the one in force can become. Where it listens
    /// cannot change; then who may ask does not either, since that was meant for the other address.
    pub(super) fn with_lasting_admin(&self, mut config: Config) -> Config {
        let listen = |config: &Config| config.admin.as_ref().map(|admin| admin.listen);
        if listen(&config) == listen(&self.config) {
            return config;
        }
        tracing::warn!(
            "admin.listen is read at the start only; [admin] stays as it was until the next restart"
        );
        config.admin = self.config.admin.clone();
        config
    }

    /// Shows what runs now.
    pub(super) fn show(&self) {
        let admin = self.config.admin.as_ref();
        let sources = self.config.sources.iter();
        let sources = sources.filter_map(|source| self.sources.get(&source.name));
        let sinks = self.config.sinks.iter().filter_map(|sink| {
            let progress = self.outlets.progress(&sink.name)?.clone();
            Some(SinkFace { name: sink.name.clone(), required: sink.required, progress })
        });
        self.board.show(Shown {
            token: admin.and_then(|admin| admin.token.clone()),
            backlog_interval: admin.and_then(|admin| admin.backlog_interval),
            sources: sources.map(|running| running.face.clone()).collect(),
            sinks: sinks.collect(),
        });
    }
}
