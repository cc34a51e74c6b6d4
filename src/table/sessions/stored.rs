//! Sessions in the store: a random id in the cookie, and the record under the hash of the id.
//!
//! A record is replaced only if it is still the one that the changes were made on. If another request was
//! faster, the changes are made again on its record, key by key. Invariant: the store has no ids, so whoever
//! can read it cannot take over a session, and a session that was ended or renewed does not come back.
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pixie_core::{Cookies, Result, plumbing::SessionChanges};
use pixie_store::{Error, Store, Version};
use sha2::{Digest as _, Sha256};

use super::{
    Told,
    record::{Moment, Next, Record, random_share, random_text},
};
use crate::table::refusal;

/// Random bits of an id: 256, so that ids cannot be guessed and never meet.
const ID_BYTES: usize = 32;
/// Limits the cookies of the right name that are looked up. Other hosts of the domain can add some.
const COOKIES_MAX: usize = 4;
/// Limits how often changes are made again. Each time, another request has succeeded, so this is the number of
/// requests that can change one session at the same time: as many as a browser sends over one connection.
const ATTEMPTS_MAX: u32 = 100;
/// After so many attempts each further one waits for a random time first. Without it, requests that follow each
/// other closely can be faster each time.
const ATTEMPTS_AT_ONCE: u32 = 3;
/// Limits this time.
const PAUSE_MAX: Duration = Duration::from_millis(10);
/// Time for which the end of a renewed session is noted, if it cannot be deleted at once.
const END_AGE: Duration = Duration::from_secs(60);

/// The part of the store that has sessions.
pub(super) struct StoredSessions(Store);

/// Where a record was found.
#[derive(Clone)]
pub(super) struct Place {
    id: String,
    version: Version,
}

impl StoredSessions {
    pub(super) fn new(store: &Store) -> StoredSessions {
        StoredSessions(store.reserved("session"))
    }

    /// Returns the session that one of these cookies names.
    pub(super) async fn find(&self, sent: &Cookies, name: &str, at: Moment) -> Found {
        let is_id = |value: &&str| URL_SAFE_NO_PAD.decode(value).is_ok_and(|bytes| bytes.len() == ID_BYTES);
        let named = sent.iter().filter(|(sent, _)| *sent == name).map(|(_, value)| value);
        for id in named.filter(is_id).take(COOKIES_MAX) {
            if let Some((record, version)) = self.read(id, at).await? {
                return Ok(Some((record, Place { id: id.to_owned(), version })));
            }
        }
        Ok(None)
    }

    /// Saves the changes of a request.
    pub(super) async fn save(
        &self,
        source: Option<(&Record, &Place)>,
        changes: &SessionChanges,
        at: Moment,
    ) -> Result<Told> {
        let Some((record, place)) = source.filter(|_| !changes.is_ended) else {
            if let Some((_, place)) = source {
                self.0.delete(&key(&place.id)).await?;
            }
            return match Record::after(source.map(|(record, _)| record), changes, at) {
                Next::Record(record) => self.create(&record, at).await,
                Next::Ended => Ok(Told::Removal),
                Next::Unchanged => Ok(Told::Nothing),
            };
        };
        let (mut newest, mut version) = (record.clone(), place.version.clone());
        for attempt in 0..ATTEMPTS_MAX {
            let Next::Record(record) = Record::after(Some(&newest), changes, at) else {
                return Ok(Told::Nothing);
            };
            let told = match changes.is_renewed {
                true => self.renew(&place.id, &version, &record, at).await?,
                false => self.replace(&place.id, &version, &record, record.seen != newest.seen, at).await?,
            };
            if let Some(told) = told {
                return Ok(told);
            }
            if attempt >= ATTEMPTS_AT_ONCE {
                tokio::time::sleep(PAUSE_MAX.mul_f64(random_share())).await;
            }
            // If another request has ended or renewed the session, this one must not bring it back. It sends no
            // cookie either, because the response of the other request may have sent the right one.
            let Some(other) = self.read(&place.id, at).await? else { return Ok(Told::Nothing) };
            (newest, version) = other;
        }
        let why = "too many requests change this session at the same time: try again later";
        Err(refusal::overloaded(why, Duration::from_secs(1)))
    }

    async fn create(&self, record: &Record, at: Moment) -> Result<Told> {
        let (id, left) = (random_text::<ID_BYTES>(), record.left(at));
        self.0.put(&key(&id), record).expires_in(left).await?;
        Ok(Told::Value(id, left))
    }

    /// Writes a record in place of the one with this version. Returns `None` if another request was faster.
    async fn replace(
        &self,
        id: &str,
        version: &Version,
        record: &Record,
        is_told: bool,
        at: Moment,
    ) -> Result<Option<Told>> {
        let left = record.left(at);
        let is_written = self.0.put_if(&key(id), Some(version), record).expires_in(left).await?;
        let told = if is_told { Told::Value(id.to_owned(), left) } else { Told::Nothing };
        Ok(is_written.then_some(told))
    }

    /// Moves a record to a new id. The new one is written first, so that a crash does not lose the session; the
    /// old one is replaced by one that has expired, so that no change is made on it in between.
    async fn renew(&self, id: &str, version: &Version, record: &Record, at: Moment) -> Result<Option<Told>> {
        let Told::Value(new, left) = self.create(record, at).await? else { return Ok(None) };
        if self.0.put_if(&key(id), Some(version), &Record::default()).expires_in(END_AGE).await? {
            self.0.delete(&key(id)).await?;
            return Ok(Some(Told::Value(new, left)));
        }
        self.0.delete(&key(&new)).await?;
        Ok(None)
    }

    async fn read(&self, id: &str, at: Moment) -> Result<Option<(Record, Version)>, Error> {
        match self.0.entry::<Record>(&key(id)).await {
            Ok(entry) => Ok(entry.filter(|entry| entry.value.is_alive(at)).map(|entry| (entry.value, entry.version))),
            // Another version of the program has written it.
            Err(Error::Unreadable { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A record with its place, or why the store could not be asked.
pub(super) type Found = Result<Option<(Record, Place)>, Error>;

/// Returns the key of a session.
fn key(id: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(id))
}
