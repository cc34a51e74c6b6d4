//! `Board`: the posts, in a redb database. One transaction numbers and stores a post, and removes the sixth
//! one.
use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use pixie_web::Result;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

/// Number of the post → author, text, seconds since 1970.
const POSTS: TableDefinition<'static, u64, (&str, &str, u64)> = TableDefinition::new("posts");
/// Limits how many posts are stored.
const KEPT: u64 = 5;

/// The posts on disk.
pub(crate) struct Board(Database);

/// One post.
pub(crate) struct Post {
    pub(crate) number: u64,
    pub(crate) author: String,
    pub(crate) text: String,
    pub(crate) written: SystemTime,
}

impl Board {
    /// Opens the database, and creates it if it does not exist.
    pub(crate) fn open(file: &Path) -> Result<Board> {
        let database = Database::create(file)?;
        let transaction = database.begin_write()?;
        transaction.open_table(POSTS)?;
        transaction.commit()?;
        Ok(Board(database))
    }

    /// Stores a post and returns its number. Writers wait for each other, so each post has its own number.
    pub(crate) fn add(&self, author: String, text: String, written: SystemTime) -> Result<u64> {
        let seconds = written.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let transaction = self.0.begin_write()?;
        let mut posts = transaction.open_table(POSTS)?;
        let number = posts.last()?.map_or(1, |(last, _)| last.value() + 1);
        posts.insert(number, (author.as_str(), text.as_str(), seconds))?;
        posts.retain_in(..=number.saturating_sub(KEPT), |_, _| false)?;
        drop(posts);
        transaction.commit()?;
        Ok(number)
    }

    /// Returns the last posts, the newest first.
    pub(crate) fn last_posts(&self) -> Result<Vec<Post>> {
        let posts = self.0.begin_read()?.open_table(POSTS)?;
        let mut found = Vec::new();
        for entry in posts.iter()?.rev() {
            let (number, post) = entry?;
            let (author, text, seconds) = post.value();
            let written = UNIX_EPOCH + Duration::from_secs(seconds);
            found.push(Post { number: number.value(), author: author.into(), text: text.into(), written });
        }
        Ok(found)
    }
}
