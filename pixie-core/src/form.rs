//! Forms, read from bytes within limits: names and values, the parts of a multipart form, and its files.

mod file_name;
pub(crate) mod form_reader;
pub(crate) mod multipart;
pub(crate) mod part_head;
pub(crate) mod upload;

/// Names and values of a query string or a form, in their order. A name may occur several times.
///
/// ```
/// use pixie_core::Pairs;
/// let pairs = Pairs::parse(b"tag=a&tag=b&page=2");
/// assert_eq!(pairs.get_all("tag").collect::<Vec<_>>(), ["a", "b"]);
/// assert_eq!(pairs.get("page"), Some("2"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Reads `application/x-www-form-urlencoded` text. The URL standard gives every text a meaning, so this
    /// cannot fail.
    pub fn parse(text: &[u8]) -> Pairs {
        Pairs(form_urlencoded::parse(text).into_owned().collect())
    }

    /// Returns the pairs as `application/x-www-form-urlencoded` text.
    pub fn encoded(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(self.iter()).finish()
    }

    /// Returns the first value with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Returns all values with this name.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Returns all names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Pairs {
        Pairs(pairs.into_iter().collect())
    }
}
