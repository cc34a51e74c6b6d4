//! Profiles: what everyone sees of a user, and who follows whom.
use pixie_web::{Json, State, delete, get, post};
use rusqlite::{OptionalExtension, Row, Transaction, named_params};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{database::Database, error::ApiError, users::Account};

#[derive(Serialize, ToSchema)]
pub(crate) struct ProfileResponse {
    profile: Profile,
}

/// A user as everyone sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Profile {
    username: String,
    bio: Option<String>,
    image: Option<String>,
    /// Whether the user who asks follows this one.
    following: bool,
}

impl Profile {
    /// The columns of a profile, of the row `u` of the table of users.
    pub(crate) const COLUMNS: &str = "u.username, u.bio, u.image,
        EXISTS (SELECT 1 FROM follows WHERE follower = :reader AND followed = u.id) AS following";

    /// Reads the columns.
    pub(crate) fn of_row(row: &Row<'_>) -> rusqlite::Result<Profile> {
        Ok(Profile {
            username: row.get("username")?,
            bio: row.get("bio")?,
            image: row.get("image")?,
            following: row.get("following")?,
        })
    }

    /// Returns the profile with this name, and the id of the user.
    fn named(transaction: &Transaction, name: &str, reader: Option<i64>) -> Result<(i64, Profile), ApiError> {
        let query = format!("SELECT u.id, {} FROM users u WHERE u.username = :name", Profile::COLUMNS);
        let found = transaction
            .prepare_cached(&query)?
            .query_row(named_params! {":name": name, ":reader": reader}, |row| Ok((row.get(0)?, Profile::of_row(row)?)))
            .optional()?;
        found.ok_or(ApiError::NotFound("profile"))
    }
}

/// Shows a user.
#[get("/api/profiles/<username>", tag = "profiles")]
fn profile(
    username: String,
    reader: Option<Account>,
    database: State<Database>,
) -> Result<Json<ProfileResponse>, ApiError> {
    let reader = reader.map(|account| account.id);
    let (_, profile) = database.read(|transaction| Profile::named(transaction, &username, reader))?;
    Ok(Json(ProfileResponse { profile }))
}

/// Follows a user.
#[post("/api/profiles/<username>/follow", tag = "profiles")]
fn follow(username: String, account: Account, database: State<Database>) -> Result<Json<ProfileResponse>, ApiError> {
    change(&database, &username, &account, "INSERT OR IGNORE INTO follows (follower, followed) VALUES (?, ?)")
}

/// Follows a user no more.
#[delete("/api/profiles/<username>/follow", tag = "profiles")]
fn unfollow(username: String, account: Account, database: State<Database>) -> Result<Json<ProfileResponse>, ApiError> {
    change(&database, &username, &account, "DELETE FROM follows WHERE follower = ? AND followed = ?")
}

/// Changes whether an account follows the user with this name.
fn change(
    database: &Database,
    username: &str,
    account: &Account,
    statement: &str,
) -> Result<Json<ProfileResponse>, ApiError> {
    let profile = database.write(|transaction| {
        let (followed, _) = Profile::named(transaction, username, Some(account.id))?;
        transaction.prepare_cached(statement)?.execute([account.id, followed])?;
        let (_, profile) = Profile::named(transaction, username, Some(account.id))?;
        Ok(profile)
    })?;
    Ok(Json(ProfileResponse { profile }))
}
