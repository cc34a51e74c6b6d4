//! What an app does in addition under `pixie dev`: it reloads pages, shows build errors in them, and logs
//! requests.
//!
//! `PIXIE_DEV_SOCKET` turns this on, in development only. Without it a request runs the same code as in
//! production. Invariant: when the connection to `pixie dev` ends, the program exits.
mod events;
mod inject;
mod link;
mod pages;

use std::{env, sync::Arc};

use pixie_server::Shutdown;

use crate::{
    error::StartError,
    request::service::LayerFn,
    table::{Composed, settings::variable},
};

/// The app's side of `pixie dev`.
pub(crate) struct Dev {
    link: link::Link,
    events: Arc<events::Events>,
    /// Each run of `pixie dev` has another token. Requests under `/__pixie/` need it.
    token: String,
    /// Number of the build that made this program.
    build: String,
    /// Allowed host names in addition to `localhost` and addresses.
    hosts: Vec<String>,
}

impl Dev {
    /// Connects to the `pixie dev` that started this program. Returns `None` if no `pixie dev` did, or if the
    /// app is not in development.
    pub(crate) fn from_environment(app: &Arc<Composed>) -> Result<Option<Arc<Dev>>, StartError> {
        let Some(socket) = env::var_os("PIXIE_DEV_SOCKET").filter(|_| app.settings.development) else {
            return Ok(None);
        };
        let events = Arc::new(events::Events::default());
        let text = |name| variable(name).map(Option::unwrap_or_default);
        let (token, build, hosts) = (text("PIXIE_DEV_TOKEN")?, text("PIXIE_BUILD_ID")?, text("PIXIE_DEV_HOSTS")?);
        let link = link::Link::open(&socket, &build, app, &events).map_err(|error| {
            let name = socket.display();
            StartError::new(format!("cannot connect to `pixie dev` at {name} ({error}): unset PIXIE_DEV_SOCKET"))
        })?;
        let hosts = hosts.split(',').filter(|host| !host.is_empty()).map(str::to_owned).collect();
        Ok(Some(Arc::new(Dev { link, events, token, build, hosts })))
    }

    /// Adds two layers: the innermost puts the script into pages, and the outermost serves `/__pixie/`.
    pub(crate) fn wrap(self: &Arc<Dev>, app: &Arc<Composed>, layers: &mut Vec<LayerFn>) {
        layers.insert(0, inject::innermost(self.clone()));
        layers.push(pages::outermost(self.clone(), app.clone()));
    }

    /// Sends a line to `pixie dev`. If the connection has ended, `link.rs` detects that.
    pub(crate) fn tell(&self, word: &str) {
        self.link.tell(word);
    }

    /// Ends the event streams of the pages when the app stops, so that the pages reconnect to the next
    /// program.
    pub(crate) async fn say_farewell(self: Arc<Dev>, shutdown: Shutdown) {
        shutdown.wait().await;
        self.events.end();
    }
}
