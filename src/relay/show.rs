//! What others may see of the relay: the admin server, and what it tells about.

use super::{Relay, StartError};
use crate::admin;
use crate::board::{Shown, SinkFace};
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

    /// Keeps the admin server where it listens. If the new configuration has it elsewhere, who may ask
    /// stays as it was too, since that was meant for the other address.
    pub(super) fn keep_admin_address(&self, config: &mut Config) -> Option<String> {
        let listen = |config: &Config| config.admin.as_ref().map(|admin| admin.listen);
        if listen(config) == listen(&self.config) {
            return None;
        }
        config.admin.clone_from(&self.config.admin);
        Some(
            "admin.listen cannot change while vod-relay runs, and all of [admin] stays as it was; \
             restart vod-relay to apply it"
                .to_owned(),
        )
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
            shutdown_grace: self.config.relay.shutdown_grace,
        });
    }
}
