//! `FragmentCache`: rendered pieces of pages, kept for the next request.
//!
//! Bounded by number and by bytes; the fragment whose last use is longest ago goes first. It has no clock: whoever changes the
//! data calls `invalidate`. A lock is held for look-ups only, never while a template renders.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use askama::{FastWritable, Values, filters::HtmlSafe};

use crate::{Error, View, render};

/// HTML that is rendered already: a template inserts it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment(Arc<str>);

impl Fragment {
    /// Returns the HTML.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FastWritable for Fragment {
    fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn Values) -> askama::Result<()> {
        Ok(dest.write_str(&self.0)?)
    }
}

impl HtmlSafe for Fragment {}

/// A bounded store of rendered fragments by key, shared between threads.
///
/// ```
/// use pixie_template::{Fragment, FragmentCache, render, template};
///
/// #[template(source = "<ul>{% for tag in tags %}<li>{{ tag }}</li>{% endfor %}</ul>")]
/// struct Sidebar {
///     tags: Vec<String>,
/// }
///
/// #[template(source = "<aside>{{ sidebar }}</aside>")]
/// struct Page {
///     sidebar: Fragment,
/// }
///
/// let cache = FragmentCache::new(1_000, 1 << 20);
/// let sidebar = cache.get_or_render("sidebar", || Sidebar { tags: vec!["a & b".to_owned()] })?;
/// assert_eq!(render(&Page { sidebar })?, "<aside><ul><li>a &#38; b</li></ul></aside>");
/// cache.invalidate("sidebar");
/// # Ok::<(), pixie_template::Error>(())
/// ```
#[derive(Debug)]
pub struct FragmentCache {
    entries_max: usize,
    bytes_max: usize,
    kept: Mutex<Kept>,
}

impl FragmentCache {
    /// Makes an empty cache of at most so many fragments that together, with their keys, take at most so many bytes.
    pub fn new(entries_max: usize, bytes_max: usize) -> FragmentCache {
        FragmentCache { entries_max, bytes_max, kept: Mutex::default() }
    }

    /// Returns the fragment kept under the key, or renders the view that the function makes and keeps that.
    ///
    /// Two threads that miss at once both render; the later one stays. The view must be HTML; the output of a text template is not
    /// escaped, so inserting it as it is would be a hole, and does not compile:
    ///
    /// ```compile_fail
    /// # use pixie_template::{FragmentCache, template};
    /// #[template(source = "{{ text }}", ext = "txt")]
    /// struct Mail {
    ///     text: String,
    /// }
    /// let _ = FragmentCache::new(1, 1).get_or_render("mail", || Mail { text: "<script>".into() });
    /// ```
    pub fn get_or_render<V: View>(&self, key: &str, view: impl FnOnce() -> V) -> Result<Fragment, Error> {
        const { assert!(is_html(V::CONTENT_TYPE), "only HTML can be inserted into a page as it is") };
        let generation = {
            let mut kept = self.lock();
            if let Some(fragment) = kept.get(key) {
                return Ok(fragment);
            }
            kept.generation
        };
        let fragment = Fragment(render(&view())?.into());
        self.keep(key, fragment.clone(), generation);
        Ok(fragment)
    }

    /// Forgets the fragment kept under the key; one that is being rendered meanwhile is not kept either.
    pub fn invalidate(&self, key: &str) {
        let mut kept = self.lock();
        kept.generation += 1;
        kept.remove(key);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let mut kept = self.lock();
        *kept = Kept { generation: kept.generation + 1, ..Kept::default() };
    }

    /// Returns the number of fragments kept.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Says whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes of all fragments kept and their keys.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// A fragment rendered before an invalidation may show the old data, so it is not kept. One larger than the whole cache is
    /// not kept either: it would only push everything else out.
    fn keep(&self, key: &str, fragment: Fragment, generation: u64) {
        let mut kept = self.lock();
        if kept.generation != generation || self.entries_max == 0 || size(key, &fragment) > self.bytes_max {
            return;
        }
        kept.insert(key, fragment);
        while kept.entries.len() > self.entries_max || kept.bytes > self.bytes_max {
            kept.remove_oldest();
        }
    }

    /// A panic cannot leave the maps half changed in a way that matters: at worst a fragment is rendered again.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text template escapes nothing, so its output must be escaped where it is inserted, which a fragment is not.
const fn is_html(content_type: &str) -> bool {
    matches!(content_type.as_bytes(), [b't', b'e', b'x', b't', b'/', b'h', b't', b'm', b'l', ..])
}

fn size(key: &str, fragment: &Fragment) -> usize {
    key.len() + fragment.0.len()
}

/// The fragments by key, and the keys by last use. Each entry's `used` is the key of its line in `order`.
#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<Arc<str>, Entry>,
    order: BTreeMap<u64, Arc<str>>,
    bytes: usize,
    uses: u64,
    generation: u64,
}

#[derive(Debug)]
struct Entry {
    fragment: Fragment,
    used: u64,
}

impl Kept {
    fn get(&mut self, key: &str) -> Option<Fragment> {
        let entry = self.entries.get_mut(key)?;
        self.uses += 1;
        if let Some(key) = self.order.remove(&entry.used) {
            self.order.insert(self.uses, key);
        }
        entry.used = self.uses;
        Some(entry.fragment.clone())
    }

    fn insert(&mut self, key: &str, fragment: Fragment) {
        self.remove(key);
        self.uses += 1;
        self.bytes += size(key, &fragment);
        let key: Arc<str> = key.into();
        self.order.insert(self.uses, Arc::clone(&key));
        self.entries.insert(key, Entry { fragment, used: self.uses });
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.used);
            self.bytes -= size(key, &entry.fragment);
        }
    }

    fn remove_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_first() {
            self.remove(&key);
        }
    }
}
