//! `Limit`: how often a client may ask, and what it is told: 429 with `Retry-After`, and the headers `RateLimit`
//! and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10).
//!
//! A limit is a hook before the others of its level, and one after them. Its token buckets are in the store if
//! other machines share it, and otherwise in a table of its own, so that clients cannot fill the store.
//! Invariant: the memory of the table is limited, whatever number of clients asks.
use std::{fmt, mem, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode, header};
use pixie_core::{After, Before, Error, Request, Response, boxed_hook};
use pixie_grammar::parse_rate;
use pixie_server::Client;
use pixie_store::{Allowance, Rate, Store};

use crate::{
    error::StartError,
    table::{hooks::Level, refusal::refuse_with},
};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Limits the table of clients, in bytes. Some 80,000 clients fit. When it is full, those are forgotten whose
/// buckets would be full again first.
const TABLE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Limits the key of a client, in bytes, so that it fits into a key of the store together with its limit.
const KEY_BYTES_MAX: usize = 256;

type Key = Arc<dyn Fn(&Request) -> Option<String> + Send + Sync>;

/// How often a client may ask, for [`App::limit`](crate::App::limit) and [`Group::limit`](crate::Group::limit).
///
/// A text such as `"100/min"` is a limit by the client's address: the number, and `s`, `min`, `h`, `day` or a
/// duration such as `10s`. The network of an IPv6 address (its first 64 bits) counts as one client.
///
/// ```
/// use pixie_web::Limit;
///
/// let by_key = Limit::new("1000/h").burst(50).by(|request| request.header("x-api-key").map(str::to_owned));
/// # let _ = by_key;
/// ```
#[doc(alias("rate limit", "throttle", "token bucket"))]
#[derive(Clone)]
pub struct Limit {
    text: String,
    burst: Option<u32>,
    key: Key,
}

impl Limit {
    /// Returns a limit by the client's address, which is that of [`Request::peer`](crate::Request::peer): behind
    /// a proxy, name the proxy with [`App::behind_proxy`](crate::App::behind_proxy). Clients without an address
    /// count as one. A text that is not a rate is reported when the app starts.
    pub fn new(rate: impl Into<String>) -> Limit {
        Limit { text: rate.into(), burst: None, key: Arc::new(address) }
    }

    /// Sets how many requests may come at once. Default: the number of the rate.
    pub fn burst(mut self, requests: u32) -> Limit {
        self.burst = Some(requests);
        self
    }

    /// Counts by the visitor's [`Session`](crate::Session) instead of by the address. A visitor without a session
    /// counts by the address, because anybody can leave a cookie out.
    #[cfg(feature = "sessions")]
    pub fn by_session(self) -> Limit {
        self.by(|request| {
            let session = request.extensions().get::<pixie_core::Session>().and_then(pixie_core::Session::id);
            session.map(|id| format!("session {id}")).or_else(|| address(request))
        })
    }

    /// Counts by a key instead of by the address. `None` is not limited. The function runs on the connection's
    /// thread, before the body has arrived. Only the first 256 bytes of a key count.
    pub fn by(mut self, key: impl Fn(&Request) -> Option<String> + Send + Sync + 'static) -> Limit {
        self.key = Arc::new(key);
        self
    }
}

impl<T: Into<String>> From<T> for Limit {
    fn from(rate: T) -> Limit {
        Limit::new(rate)
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit").field("rate", &self.text).field("burst", &self.burst).finish_non_exhaustive()
    }
}

fn address(request: &Request) -> Option<String> {
    Some(request.peer().map_or_else(|| "-".to_owned(), |peer| Client::of(peer.ip()).to_string()))
}

/// Where the limits of an app count: nowhere in a worker, where no hook runs.
pub(crate) struct Rates(Option<Buckets>);

struct Buckets {
    store: Store,
    /// Whether asking the store may wait.
    waits: bool,
}

impl Rates {
    pub(crate) fn of(store: Option<&Store>) -> Result<Rates, StartError> {
        let Some(store) = store else { return Ok(Rates(None)) };
        let waits = store.is_shared();
        let own = || Store::builder().bytes_max(TABLE_BYTES_MAX).open("memory").map_err(StartError::of_system);
        let store = if waits { store.clone() } else { own()? };
        Ok(Rates(Some(Buckets { store: store.reserved("limit"), waits })))
    }

    /// Returns whether a level has limits that are not installed yet.
    pub(crate) fn are_in(level: &Level) -> bool {
        !level.limits.is_empty()
    }

    /// Adds the hooks of a level's limits. `name` is what clients see, such as the prefix of a group.
    pub(crate) fn install(&self, level: &mut Level, name: &str) -> Result<(), StartError> {
        for (index, limit) in mem::take(&mut level.limits).into_iter().enumerate().rev() {
            let name = if index == 0 { name.to_owned() } else { format!("{name}-{}", index + 1) };
            self.add(level, limit, name).map_err(StartError::new)?;
        }
        Ok(())
    }

    /// Adds the hooks of a route's own limit.
    pub(crate) fn limit_route(&self, level: &mut Level, rate: Option<&str>, name: &str) -> Result<(), String> {
        rate.map_or(Ok(()), |rate| self.add(level, Limit::new(rate), name.to_owned()))
    }

    fn add(&self, level: &mut Level, limit: Limit, name: String) -> Result<(), String> {
        let (count, per) = parse_rate(&limit.text).map_err(|why| format!("`limit`: {why}"))?;
        let Some(buckets) = &self.0 else { return Ok(()) };
        let rate = Rate::new(count, per).burst(limit.burst.unwrap_or(count));
        // A structured field contains a text without these two, or with a backslash before them.
        let name = name.replace(['"', '\\'], "");
        let policy = format!("\"{name}\";q={count};w={}", per.as_secs().max(1));
        let counted = Arc::new(Counted { buckets: buckets.store.clone(), name, key: limit.key, rate, policy });
        let before = match buckets.waits {
            false => Before::new(move |request: &mut Request| counted.check(request)),
            true => Before::new_async(boxed_hook(move |request| {
                let counted = counted.clone();
                Box::pin(async move { counted.check_waiting(request).await })
            })),
        };
        // Before the others, which may be expensive or look at passwords.
        level.hooks.before.insert(0, before);
        level.hooks.after.push(After::new(|request, response| {
            if let Some(told) = request.extensions.get::<Told>() {
                told.write(response);
            }
        }));
        Ok(())
    }
}

/// One limit with its buckets.
struct Counted {
    buckets: Store,
    name: String,
    key: Key,
    rate: Rate,
    policy: String,
}

impl Counted {
    fn key(&self, request: &Request) -> Option<String> {
        let mut key = (self.key)(request)?;
        key.truncate(key.floor_char_boundary(KEY_BYTES_MAX));
        let key = key.replace(|character: char| character.is_control(), " ");
        Some(format!("{}/{key}", self.name))
    }

    fn check(&self, request: &mut Request) -> Result<(), Error> {
        let Some(key) = self.key(request) else { return Ok(()) };
        let allowance = self.buckets.take(&key, &self.rate).wait()?;
        self.judge(allowance, request)
    }

    async fn check_waiting(&self, request: &mut Request) -> Result<(), Error> {
        let Some(key) = self.key(request) else { return Ok(()) };
        let allowance = self.buckets.take(&key, &self.rate).await?;
        self.judge(allowance, request)
    }

    fn judge(&self, allowance: Allowance, request: &mut Request) -> Result<(), Error> {
        let mut told = request.extensions_mut().remove::<Told>().unwrap_or_default();
        told.add(self, &allowance);
        request.extensions_mut().insert(told);
        if allowance.is_allowed {
            return Ok(());
        }
        let seconds = whole_seconds(allowance.retry_after).max(1);
        let refused =
            refuse_with(StatusCode::TOO_MANY_REQUESTS, format!("too many requests: try again in {seconds} s"));
        Err(refused.with_header(header::RETRY_AFTER, HeaderValue::from(seconds)))
    }
}

/// What a client is told of its limits.
#[derive(Clone, Debug, Default)]
struct Told {
    limit: String,
    policy: String,
}

impl Told {
    fn add(&mut self, counted: &Counted, allowance: &Allowance) {
        for text in [&mut self.limit, &mut self.policy] {
            if !text.is_empty() {
                text.push_str(", ");
            }
        }
        let (remaining, reset) = (allowance.remaining, whole_seconds(allowance.reset_after));
        self.limit += &format!("\"{}\";r={remaining};t={reset}", counted.name);
        self.policy += &counted.policy;
    }

    fn write(&self, response: &mut Response) {
        for (name, text) in [(LIMIT, &self.limit), (POLICY, &self.policy)] {
            // A name that is not ASCII is not sent.
            if let Ok(value) = HeaderValue::from_str(text) {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

/// Rounds up, so that a client that waits so long is not refused again.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
