//! `Session`: values of one visitor that are kept between requests. Feature `sessions`.
//!
//! Owns what a handler does with a session: it reads values and notes changes. The server finds and stores
//! sessions and knows when they expire: it attaches an open session to the request, and closes the session
//! when the head of the response is known. Invariant: a session that is closed refuses changes, because they
//! would be lost.
use std::{
    any::TypeId,
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{Error, FromRequest, Needs, Request, Result, error::unprovided};

const REMEDY: &str = "sessions in cookies need a secret of at least 32 random bytes, from `App::keys` or the environment \
                      variable `PIXIE_SECRET` (`openssl rand -hex 32` makes one); `App::sessions(Sessions::InStore)` keeps them in the store, without a secret";
const CLOSED: &str = "the session cannot be changed any more, because the head of the response was sent: change it before the \
                      handler returns, in a stream before the first piece";

/// The values of a session, each as JSON.
pub type SessionValues = BTreeMap<String, Box<RawValue>>;

/// Values of one visitor that are kept from one request to the next: who is signed in, what is in the cart.
///
/// A handler of any kind takes the session as an argument. Changes are saved after the handler has returned,
/// also if it returns an error with a status below 500. After a failure of the server, such as a panic or a
/// missed deadline (5xx), the session stays as it was. Nothing is stored, and no cookie is sent, until a
/// value is set.
///
/// ```
/// use pixie_core::{Result, Session};
/// fn visit(session: Session) -> Result<String> {
///     let visits = session.get("visits")?.unwrap_or(0) + 1;
///     session.set("visits", &visits)?;
///     Ok(format!("visit {visits}"))
/// }
/// assert_eq!(visit(Session::default())?, "visit 1");
/// # Ok::<(), pixie_core::Error>(())
/// ```
///
/// Before hooks read and change it too, with [`Session::from_request`](FromRequest::from_request).
#[doc(alias("login", "auth", "user"))]
#[derive(Clone, Default)]
pub struct Session(Arc<Mutex<Draft>>);

/// A session as its handler sees it, with what the handler has changed. What is serialized goes to workers.
#[derive(Default, Serialize, Deserialize)]
struct Draft {
    id: Option<String>,
    values: SessionValues,
    limit: Option<SessionLimit>,
    /// Why the session could not be opened.
    failure: Option<String>,
    #[serde(skip)]
    changes: SessionChanges,
    #[serde(skip)]
    is_closed: bool,
}

/// How large a session may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLimit {
    /// Limits all values as one JSON object, in bytes.
    pub bytes_max: usize,
    /// How an author gets more.
    pub remedy: Cow<'static, str>,
}

impl SessionLimit {
    /// Returns an error if the values exceed the limit.
    #[track_caller]
    pub fn check(&self, values: &SessionValues) -> Result<()> {
        let bytes = serde_json::to_vec(values)?.len();
        if bytes <= self.bytes_max {
            return Ok(());
        }
        let SessionLimit { bytes_max, remedy } = self;
        Err(Error::internal(format!("the session would have {bytes} bytes, but may have {bytes_max}: {remedy}")))
    }
}

/// What a request has changed in its session.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SessionChanges {
    /// Whether the session ended. What was set later belongs to a new one.
    pub is_ended: bool,
    /// Whether the session gets a new id.
    pub is_renewed: bool,
    /// Whether the session was read or changed.
    pub is_used: bool,
    /// The values that were set.
    pub set: SessionValues,
    /// The keys whose values were removed.
    pub removed: BTreeSet<String>,
}

impl SessionChanges {
    /// Returns whether there is nothing to save.
    pub fn is_empty(&self) -> bool {
        !self.is_ended && !self.is_renewed && self.set.is_empty() && self.removed.is_empty()
    }

    /// Makes these changes in values. Other values stay.
    pub fn apply_to(&self, values: &mut SessionValues) {
        if self.is_ended {
            values.clear();
        }
        values.retain(|key, _| !self.removed.contains(key));
        values.extend(self.set.iter().map(|(key, value)| (key.clone(), value.clone())));
    }

    /// Adds changes that were made later.
    fn add(&mut self, later: SessionChanges) {
        let SessionChanges { is_ended, is_renewed, is_used, set, removed } = later;
        if is_ended {
            *self = SessionChanges { is_ended, ..SessionChanges::default() };
        }
        self.is_renewed |= is_renewed;
        self.is_used |= is_used;
        self.set.retain(|key, _| !removed.contains(key));
        self.removed.retain(|key| !set.contains_key(key));
        self.set.extend(set);
        self.removed.extend(removed);
    }
}

impl Session {
    /// Returns the value of a key.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be read as a `T`. A session may be older than the program, so use
    /// a new key for a value of another type.
    #[track_caller]
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let mut draft = self.lock();
        draft.changes.is_used = true;
        let Some(value) = draft.values.get(key) else { return Ok(None) };
        serde_json::from_str(value.get()).map(Some).map_err(|error| {
            let wanted = std::any::type_name::<T>();
            Error::internal(format!("`{key}` in the session cannot be read as a {wanted}: {error}"))
        })
    }

    /// Sets the value of a key. It is stored as JSON, so keep it small: the id of a user, not the whole
    /// account.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be written as JSON, if the session becomes too large, or if the
    /// head of the response was sent. Then the session is unchanged.
    #[track_caller]
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<()> {
        let mut draft = self.open()?;
        let written = serde_json::value::to_raw_value(value);
        let value = written.map_err(|error| Error::internal(format!("`{key}` cannot be in a session: {error}")))?;
        let earlier = draft.values.insert(key.to_owned(), value.clone());
        if earlier.as_ref().is_some_and(|earlier| earlier.get() == value.get()) {
            return Ok(());
        }
        if let Some(Err(error)) = draft.limit.as_ref().map(|limit| limit.check(&draft.values)) {
            match earlier {
                Some(earlier) => draft.values.insert(key.to_owned(), earlier),
                None => draft.values.remove(key),
            };
            return Err(error);
        }
        draft.changes.removed.remove(key);
        draft.changes.set.insert(key.to_owned(), value);
        Ok(())
    }

    /// Removes the value of a key.
    ///
    /// # Errors
    ///
    /// Returns an error if the head of the response was sent.
    #[track_caller]
    pub fn remove(&self, key: &str) -> Result<()> {
        let mut draft = self.open()?;
        if draft.values.remove(key).is_some() {
            draft.changes.set.remove(key);
            draft.changes.removed.insert(key.to_owned());
        }
        Ok(())
    }

    /// Gives the session a new id and a new lifetime, and keeps its values. Call it when a visitor signs in
    /// or gets more rights, so that an id that another person has planted or seen before is worth nothing.
    ///
    /// # Errors
    ///
    /// Returns an error if the head of the response was sent.
    #[track_caller]
    pub fn renew(&self) -> Result<()> {
        self.open()?.changes.is_renewed = true;
        Ok(())
    }

    /// Ends the session, as a visitor signs out: removes all values, and deletes the cookie and what was
    /// stored. Values that are set afterwards belong to a new session.
    ///
    /// # Errors
    ///
    /// Returns an error if the head of the response was sent.
    #[track_caller]
    pub fn end(&self) -> Result<()> {
        let mut draft = self.open()?;
        draft.values.clear();
        draft.changes = SessionChanges { is_ended: true, is_used: true, ..SessionChanges::default() };
        Ok(())
    }

    /// Returns the name of the session for logs and limits, or `None` if the session is new. The cookie
    /// cannot be made from it. [`renew`](Session::renew) changes it for the next request.
    pub fn id(&self) -> Option<String> {
        self.lock().id.clone()
    }

    #[track_caller]
    fn open(&self) -> Result<MutexGuard<'_, Draft>> {
        let mut draft = self.lock();
        if draft.is_closed {
            return Err(Error::internal(CLOSED));
        }
        draft.changes.is_used = true;
        Ok(draft)
    }

    fn lock(&self) -> MutexGuard<'_, Draft> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For servers.
#[doc(hidden)]
impl Session {
    /// Returns an open session.
    pub fn opened(id: Option<String>, values: SessionValues, limit: SessionLimit) -> Session {
        Session(Arc::new(Mutex::new(Draft { id, values, limit: Some(limit), ..Draft::default() })))
    }

    /// Returns the session of a request for which it could not be opened. A route that takes it answers 503.
    pub fn unavailable(reason: String) -> Session {
        Session(Arc::new(Mutex::new(Draft { failure: Some(reason), is_closed: true, ..Draft::default() })))
    }

    /// Encodes the session for the worker that runs the handler.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(&*self.lock()).expect("JSON in a map is JSON")
    }

    /// Decodes a session, or returns `None` if the bytes are not one.
    pub fn decode(bytes: &[u8]) -> Option<Session> {
        let draft: Draft = serde_json::from_slice(bytes).ok()?;
        let is_closed = draft.failure.is_some();
        Some(Session(Arc::new(Mutex::new(Draft { is_closed, ..draft }))))
    }

    /// Returns the changes. Later ones are refused.
    pub fn close(&self) -> SessionChanges {
        let mut draft = self.lock();
        draft.is_closed = true;
        std::mem::take(&mut draft.changes)
    }

    /// Adds the changes that a worker made.
    pub fn accept(&self, changes: SessionChanges) {
        let mut draft = self.lock();
        if !draft.is_closed {
            changes.apply_to(&mut draft.values);
            draft.changes.add(changes);
        }
    }
}

impl Needs {
    /// Returns whether the session is read.
    #[doc(hidden)]
    pub fn reads_session(&self) -> bool {
        self.header_names().is_none() || self.states.iter().any(|state| state.id == TypeId::of::<Session>())
    }
}

// A compiler message that lists extractors is the same with and without the feature.
#[diagnostic::do_not_recommend]
impl FromRequest for Session {
    fn needs(needs: &mut Needs) {
        needs.provided(TypeId::of::<Session>(), "a session", REMEDY);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let session = request.extensions().get::<Session>().cloned().ok_or_else(|| unprovided(REMEDY))?;
        let failure = session.lock().failure.clone();
        match failure {
            None => Ok(session),
            Some(reason) => Err(unprovided(reason)
                .with_status(StatusCode::SERVICE_UNAVAILABLE)
                .with_header(RETRY_AFTER, HeaderValue::from_static("1"))),
        }
    }
}

/// Shows the keys only, because logs must not have the values of visitors.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let draft = self.lock();
        f.debug_struct("Session").field("keys", &draft.values.keys()).field("is_closed", &draft.is_closed).finish()
    }
}
