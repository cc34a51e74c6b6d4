//! The chain of hooks of a request: those of the app, of its groups from outer to inner, and of its route.
//!
//! Before hooks run inwards in the order in which they were added. After hooks run outwards in reverse order.
//! Invariant: if a hook answers a request, only the after hooks of the levels that the request has entered
//! run.
use std::{sync::Arc, time::Duration};

use http::StatusCode;
use pixie_core::{After, Before, Error, ErrorView, Hooks, Layers, Request, Response, RouteType};
use pixie_server::Throttle;
use tokio::time::timeout;

use crate::table::{panics, refusal};

type Immediate = Arc<dyn Fn(&mut Request) -> Option<Response> + Send + Sync>;

/// Returns the response for a failure in place of the built-in page.
pub(crate) type ErrorPage = Box<dyn Fn(&Error, &ErrorView<'_>) -> Response + Send + Sync>;

/// The hooks and error pages of an app, a group or a route.
#[derive(Default)]
pub(crate) struct Level {
    pub(crate) hooks: Hooks,
    /// Layers around the hooks of all levels.
    pub(crate) layers: Layers,
    /// The kind of routes whose attributes name none.
    pub(crate) kind: Option<RouteType>,
    #[cfg(feature = "store")]
    pub(crate) limits: Vec<crate::table::rates::Limit>,
    /// The status is `None` if the number was not a status. `compose` refuses such a page.
    pub(crate) pages: Vec<(Option<StatusCode>, ErrorPage)>,
    /// The page of the other statuses.
    pub(crate) other_pages: Option<ErrorPage>,
}

/// The levels of one route, ready to run.
pub(crate) struct Chain {
    levels: Vec<Arc<Level>>,
    before: Befores,
    /// In the order in which they run, each with the depth of its level.
    after: Vec<(usize, After)>,
    /// Limits the lines about requests that get a 503 or a 421.
    pub(crate) busy: Throttle,
}

/// In the order in which they run, each with the depth of its level.
enum Befores {
    Immediate(Vec<(usize, Immediate)>),
    Waiting(Vec<(usize, Before)>),
}

/// A response, and the number of levels that its request has entered.
pub(crate) struct Answered {
    pub(crate) response: Response,
    pub(crate) depth: usize,
}

impl Chain {
    /// Combines levels. The app's level is first.
    pub(crate) fn new(levels: Vec<Arc<Level>>) -> Chain {
        let numbered = || levels.iter().enumerate().map(|(index, level)| (index + 1, &level.hooks));
        let before =
            Befores::of(numbered().flat_map(|(depth, hooks)| hooks.before.iter().map(move |hook| (depth, hook))));
        let after = numbered().flat_map(|(depth, hooks)| hooks.after.iter().map(move |hook| (depth, hook.clone())));
        let mut after: Vec<_> = after.collect();
        after.reverse();
        Chain { levels, before, after, busy: Throttle::of_refusals() }
    }

    /// Returns the chain with the same error pages and without hooks.
    pub(crate) fn without_hooks(self) -> Chain {
        Chain { before: Befores::Immediate(Vec::new()), after: Vec::new(), ..self }
    }

    /// Returns whether a before hook may wait.
    pub(crate) fn waits(&self) -> bool {
        matches!(self.before, Befores::Waiting(_))
    }

    /// Returns whether there are before hooks.
    pub(crate) fn has_before(&self) -> bool {
        !matches!(&self.before, Befores::Immediate(hooks) if hooks.is_empty())
    }

    /// Returns whether there are after hooks.
    pub(crate) fn has_after(&self) -> bool {
        !self.after.is_empty()
    }

    /// Runs the before hooks of a chain that does not wait.
    pub(crate) fn before(&self, request: &mut Request) -> Option<Answered> {
        let Befores::Immediate(hooks) = &self.before else { return None };
        hooks.iter().find_map(|(depth, hook)| {
            let answer = panics::caught(|| hook(request)).unwrap_or_else(failed);
            answer.map(|response| Answered { response, depth: *depth })
        })
    }

    /// Runs the before hooks of a chain that waits. Each hook may take as long as the deadline.
    pub(crate) async fn before_waiting(&self, deadline: Duration, request: &mut Request) -> Option<Answered> {
        let Befores::Waiting(hooks) = &self.before else { return None };
        for (depth, hook) in hooks {
            let answer = match hook {
                Before::Sync(hook) => panics::caught(|| hook(request)).unwrap_or_else(failed),
                Before::Async(hook) => match panics::caught(|| hook(request)) {
                    Ok(future) => waited(deadline, panics::caught_async(future, failed)).await,
                    Err(panic) => failed(panic),
                },
            };
            if let Some(response) = answer {
                return Some(Answered { response, depth: *depth });
            }
        }
        None
    }

    /// Returns the response of a request that has passed all before hooks.
    pub(crate) fn passed(&self, response: Response) -> Answered {
        Answered { response, depth: self.levels.len() }
    }

    /// Returns the response of a request that the app refuses before its hooks run: the app's after hooks see
    /// it.
    pub(crate) fn refused(&self, refusal: Error) -> Answered {
        Answered { response: refusal.into(), depth: 1 }
    }

    /// Returns the after hooks of the levels that a request has entered, in the order in which they run.
    pub(crate) fn after(&self, reached: usize) -> impl Iterator<Item = &After> {
        self.after.iter().filter(move |(depth, _)| *depth <= reached).map(|(_, hook)| hook)
    }

    /// Returns the innermost page for a status.
    pub(crate) fn page(&self, status: StatusCode) -> Option<&ErrorPage> {
        self.levels.iter().rev().find_map(|level| level.page(status))
    }
}

impl Level {
    fn page(&self, status: StatusCode) -> Option<&ErrorPage> {
        let page = self.pages.iter().find(|(known, _)| *known == Some(status)).map(|(_, page)| page);
        page.or(self.other_pages.as_ref())
    }

    /// Returns whether the level changes what happens with a request for one of its routes.
    pub(crate) fn has_effect(&self) -> bool {
        let Hooks { before, after, .. } = &self.hooks;
        !before.is_empty() || !after.is_empty() || self.kind.is_some() || !self.layers.is_empty()
    }
}

/// A hook that fails refuses the request.
fn failed(error: Error) -> Option<Response> {
    Some(error.into())
}

async fn waited(deadline: Duration, answer: impl Future<Output = Option<Response>>) -> Option<Response> {
    timeout(deadline, answer).await.unwrap_or_else(|_| failed(refusal::too_slow(deadline)))
}

impl Befores {
    fn of<'h>(hooks: impl Iterator<Item = (usize, &'h Before)> + Clone) -> Befores {
        let immediate = hooks.clone().map(|(depth, hook)| match hook {
            Before::Sync(hook) => Some((depth, hook.clone())),
            Before::Async(_) => None,
        });
        match immediate.collect() {
            Some(all) => Befores::Immediate(all),
            None => Befores::Waiting(hooks.map(|(depth, hook)| (depth, hook.clone())).collect()),
        }
    }
}
