//! Sessions: how the app finds the session of a request and saves what the handler has changed. Feature
//! `sessions`.
//!
//! The main process opens a session before the hooks and the handler run, and saves it before it finishes the
//! response. A worker gets the values with its job and returns the changes with the head of its reply, so it
//! needs neither the secret nor the store. `record.rs` has the rules of time and change, as plain values, and
//! `stored.rs` keeps records in the store.
mod record;
mod stored;

use std::{any::TypeId, sync::Arc, time::Duration};

use cookie::{Cookie, SameSite};
use http::HeaderValue;
use pixie_core::{
    CookieKeys, Needs, Request, Response, Result, Scheme, Session, StateMap,
    plumbing::{SessionChanges, SessionLimit},
};

use self::{
    record::{Next, Record, Times},
    stored::{Place, StoredSessions},
};
use crate::{
    error::StartError,
    table::{
        settings::{Sessions, Settings},
        store::Store,
    },
};

/// Limits the values of a session in a cookie, as JSON, in bytes. Encryption and base 64 make up to 3,950
/// bytes of them, and browsers reject a cookie that is longer than 4,096 bytes with its name and attributes.
const COOKIE_BYTES_MAX: usize = 2_900;
const COOKIE_REMEDY: &str = "store less, or keep sessions in the store with `App::sessions(Sessions::InStore)`";
/// Limits the values of a session in the store, as JSON, in bytes. Each request of the session reads them.
const STORE_BYTES_MAX: usize = 64 * 1024;
const STORE_REMEDY: &str = "store less, or put large values into the `Store` under a key that the session has";

/// Finds and saves the sessions of an app.
pub(crate) struct SessionKeeper {
    /// The name of the cookie over plain HTTP.
    cookie: String,
    times: Times,
    home: Home,
}

/// Where records are kept.
enum Home {
    Cookie(CookieKeys),
    Store(StoredSessions),
}

/// The session of a request while the request is answered. A worker has it without its source.
#[derive(Clone)]
pub(crate) struct OpenSession {
    session: Session,
    /// What was kept of the session before the request. `None` for a new session.
    source: Option<Arc<Source>>,
}

struct Source {
    record: Record,
    /// Where the record is, if it is in the store.
    place: Option<Place>,
}

/// What the response must say about a session.
#[derive(Default)]
pub(crate) struct Kept {
    /// The `Set-Cookie` header.
    pub(crate) cookie: Option<HeaderValue>,
    /// Whether the response may depend on the session.
    pub(crate) is_used: bool,
}

/// What the browser is told about its cookie.
enum Told {
    Nothing,
    Value(String, Duration),
    Removal,
}

/// Returns whether a handler with these needs may read the session.
pub(crate) fn is_read(needs: &Needs) -> bool {
    needs.reads_session()
}

/// Returns whether a needed value is the session.
pub(crate) fn is_session(id: TypeId) -> bool {
    id == TypeId::of::<Session>()
}

impl SessionKeeper {
    /// Returns the keeper of an app, or `None` in a worker, and if sessions are in cookies and the app has no
    /// secret.
    pub(crate) fn of(
        settings: &Settings,
        state: &StateMap,
        store: Option<&Store>,
    ) -> Result<Option<SessionKeeper>, StartError> {
        let wrong = |name: &str, why: &str| StartError::new(format!("`{name}`: {why}"));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let name = &settings.session_cookie;
        if name.is_empty() || name.starts_with("__") || !name.bytes().all(is_plain) {
            let why = "the name of a cookie has letters, digits, `-` and `_`, and does not begin with `__`";
            return Err(wrong("session_cookie", why));
        }
        if settings.session_idle > settings.session_lifetime {
            return Err(wrong("session_times", "a session cannot be idle for longer than it lives"));
        }
        let times = Times::new(settings.session_idle, settings.session_lifetime);
        let home = match settings.sessions {
            Sessions::InCookie => state.get::<CookieKeys>().map(|keys| Home::Cookie((*keys).clone())),
            Sessions::InStore => store.map(|store| Home::Store(StoredSessions::new(store))),
        };
        Ok(home.map(|home| SessionKeeper { cookie: name.clone(), times, home }))
    }

    /// Opens the session of a request. A cookie that is missing, forged or too old gives a new session.
    pub(crate) async fn open(&self, request: &mut Request) {
        let (sent, name, at) = (request.cookies(), self.cookie_name(request.scheme()), self.times.now());
        let found = match &self.home {
            Home::Cookie(keys) => Ok(keys
                .decrypt(&sent, &name)
                .and_then(|json| serde_json::from_str::<Record>(&json).ok())
                .filter(|record| record.is_alive(at))
                .map(|record| Source { record, place: None })),
            Home::Store(sessions) => {
                let found = sessions.find(&sent, &name, at).await;
                found.map(|found| found.map(|(record, place)| Source { record, place: Some(place) }))
            }
        };
        let open = match found {
            Ok(source) => {
                let record = source.as_ref().map(|source| &source.record);
                let (id, values) = record.map(|record| (record.id.clone(), record.values.clone())).unzip();
                let session = Session::opened(id, values.unwrap_or_default(), self.limit());
                OpenSession { session, source: source.map(Arc::new) }
            }
            Err(error) => OpenSession { session: Session::unavailable(error.to_string()), source: None },
        };
        open.attach(request);
    }

    /// Saves what was changed, unless the server failed. If saving fails, the response becomes an error.
    pub(crate) async fn keep(&self, open: &OpenSession, scheme: Scheme, response: &mut Response) -> Kept {
        let changes = open.session.close();
        let is_used = changes.is_used;
        if response.status().is_server_error() {
            return Kept { cookie: None, is_used };
        }
        match self.save(open.source.as_deref(), &changes, scheme).await {
            Ok(told) => Kept { cookie: self.header(told, scheme), is_used },
            Err(error) => {
                *response = error.with_place(None).into();
                Kept { cookie: None, is_used }
            }
        }
    }

    async fn save(&self, source: Option<&Source>, changes: &SessionChanges, scheme: Scheme) -> Result<Told> {
        let (at, record) = (self.times.now(), source.map(|source| &source.record));
        let keys = match &self.home {
            Home::Cookie(keys) => keys,
            Home::Store(sessions) => {
                let found = source.and_then(|source| Some((&source.record, source.place.as_ref()?)));
                return sessions.save(found, changes, at).await;
            }
        };
        Ok(match Record::after(record, changes, at) {
            Next::Unchanged => Told::Nothing,
            Next::Ended => Told::Removal,
            Next::Record(mut record) => {
                // The cookie is written anyway.
                record.seen = at.now;
                // A worker need not have kept to the limit.
                self.limit().check(&record.values)?;
                let json = serde_json::to_string(&record)?;
                let sealed = keys.encrypt(Cookie::new(self.cookie_name(scheme), json));
                Told::Value(sealed.value().to_owned(), record.left(at))
            }
        })
    }

    fn limit(&self) -> SessionLimit {
        let (bytes_max, remedy) = match self.home {
            Home::Cookie(_) => (COOKIE_BYTES_MAX, COOKIE_REMEDY),
            Home::Store(_) => (STORE_BYTES_MAX, STORE_REMEDY),
        };
        SessionLimit { bytes_max, remedy: remedy.into() }
    }

    fn header(&self, told: Told, scheme: Scheme) -> Option<HeaderValue> {
        let (value, age) = match told {
            Told::Nothing => return None,
            Told::Value(value, left) => (value, left),
            Told::Removal => (String::new(), Duration::ZERO),
        };
        let cookie = Cookie::build((self.cookie_name(scheme), value))
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(scheme == Scheme::Https)
            .path("/")
            .max_age(cookie::time::Duration::seconds(i64::try_from(age.as_secs()).unwrap_or(i64::MAX)));
        let header = HeaderValue::try_from(cookie.build().to_string());
        Some(header.expect("a checked name and base 64 are a valid header"))
    }

    /// Over HTTPS, the prefix makes browsers refuse a cookie that another host of the same domain sets
    /// (RFC 6265bis, section 4.1.3.2).
    fn cookie_name(&self, scheme: Scheme) -> String {
        match scheme {
            Scheme::Https => format!("__Host-{}", self.cookie),
            Scheme::Http => self.cookie.clone(),
        }
    }
}

impl OpenSession {
    /// Returns the session of a request, if it has one.
    pub(crate) fn of(request: &Request) -> Option<OpenSession> {
        request.extensions().get().cloned()
    }

    /// Encodes the values for a worker.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.session.encode()
    }

    /// Gives a request in a worker the values that came with its job. Returns `None` if they are malformed.
    pub(crate) fn receive(request: &mut Request, bytes: &[u8]) -> Option<()> {
        OpenSession { session: Session::decode(bytes)?, source: None }.attach(request);
        Some(())
    }

    /// Encodes the changes that a handler in a worker has made. Later ones are refused.
    pub(crate) fn encode_changes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.session.close()).expect("JSON in a map is JSON")
    }

    /// Adds the changes that a worker has made. Returns `None` if they are malformed.
    pub(crate) fn accept(&self, bytes: &[u8]) -> Option<()> {
        self.session.accept(serde_json::from_slice::<SessionChanges>(bytes).ok()?);
        Some(())
    }

    fn attach(self, request: &mut Request) {
        request.extensions_mut().insert(self.session.clone());
        request.extensions_mut().insert(self);
    }
}
