//! What an app does more when `pixie dev` runs it: it reloads the page, shows build errors in it, and logs requests.
//!
//! It is switched on by `PIXIE_DEV_SOCKET` and in development only; without it nothing in here runs, and a request passes
//! the same code as in production. Must stay true: when the connection to `pixie dev` ends, so does the program.
mod csp;
mod events;
mod inject;
mod link;
mod pages;
mod request_log;

use std::{env, sync::Arc};

use pixie_core::{Error, Result};
use pixie_server::Shutdown;

use crate::app::{LayerFn, compose::Composed};

pub(crate) use request_log::ran_in_worker;

/// The app's side of `pixie dev`.
pub(crate) struct Dev {
    link: link::Link,
    events: Arc<events::Events>,
    /// Differs from run to run of `pixie dev`; without it nothing under `/__pixie/` answers.
    token: String,
    /// The number of the build that this program came from.
    build: String,
    /// Host names besides `localhost` and addresses.
    hosts: Vec<String>,
}

impl Dev {
    /// Connects to the `pixie dev` that started this program, if one did and the app is in development.
    pub(crate) fn from_environment(app: &Arc<Composed>) -> Result<Option<Arc<Dev>>> {
        let Some(socket) = env::var_os("PIXIE_DEV_SOCKET").filter(|_| app.settings.development) else {
            return Ok(None);
        };
        let events = Arc::new(events::Events::default());
        let text = |name| env::var(name).unwrap_or_default();
        let (token, build) = (text("PIXIE_DEV_TOKEN"), text("PIXIE_BUILD_ID"));
        let link = link::Link::open(&socket, &build, app, &events).map_err(|error| {
            let name = socket.display();
            Error::internal(format!("PIXIE_DEV_SOCKET names {name}, where no `pixie dev` listens ({error}): unset it"))
        })?;
        let hosts = text("PIXIE_DEV_HOSTS").split(',').filter(|host| !host.is_empty()).map(str::to_owned).collect();
        Ok(Some(Arc::new(Dev { link, events, token, build, hosts })))
    }

    /// Puts the script into pages inside all of the app's layers, and answers `/__pixie/` outside of them.
    pub(crate) fn wrap(self: &Arc<Dev>, app: &Arc<Composed>, layers: &mut Vec<LayerFn>) {
        layers.insert(0, inject::innermost(self.clone()));
        layers.push(pages::outermost(self.clone(), app.clone()));
    }

    /// Says a word to `pixie dev`. That it is gone is noticed elsewhere.
    pub(crate) fn tell(&self, word: &str) {
        self.link.tell(word);
    }

    /// Ends the pages' event streams once the app stops, so that they come back to the next program.
    pub(crate) async fn say_farewell(self: Arc<Dev>, shutdown: Shutdown) {
        shutdown.wait().await;
        self.events.end();
    }
}
