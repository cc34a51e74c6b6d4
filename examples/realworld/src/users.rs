//! Users: sign up, log in, read and change the own account.
use garde::Validate;
use pixie_web::{Checked, Created, Json, State, get, post, put};
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::{
    auth::{self, Tokens},
    database::Database,
    error::ApiError,
    rules,
};

/// `POST /api/users`
#[derive(Deserialize, ToSchema, Validate)]
pub(crate) struct NewUserRequest {
    #[garde(dive)]
    user: NewUser,
}

#[derive(Deserialize, ToSchema, Validate)]
pub(crate) struct NewUser {
    #[garde(custom(rules::username), length(chars, max = 40))]
    #[schema(pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$", max_length = 40)]
    username: String,
    #[garde(custom(rules::email), length(chars, max = 254))]
    #[schema(pattern = r"^[^\s@\x00-\x1f\x7f-\x9f]+@[^\s\x00-\x1f\x7f-\x9f]+$", max_length = 254)]
    email: String,
    #[garde(length(chars, min = 8, max = 100))]
    #[schema(min_length = 8, max_length = 100)]
    password: String,
}

/// `POST /api/users/login`
#[derive(Deserialize, ToSchema, Validate)]
pub(crate) struct LoginRequest {
    #[garde(dive)]
    user: Login,
}

#[derive(Deserialize, ToSchema, Validate)]
pub(crate) struct Login {
    #[garde(custom(rules::filled))]
    #[schema(pattern = r"\S")]
    email: String,
    #[garde(length(min = 1, max = 400))]
    #[schema(min_length = 1, max_length = 100)]
    password: String,
}

/// `PUT /api/user`. What is missing stays as it is.
#[derive(Deserialize, ToSchema, Validate)]
pub(crate) struct UpdateUserRequest {
    #[garde(dive)]
    user: UpdateUser,
}

#[derive(Deserialize, ToSchema, Validate)]
pub(crate) struct UpdateUser {
    #[garde(inner(custom(rules::username), length(chars, max = 40)))]
    #[schema(pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$", max_length = 40)]
    username: Option<String>,
    #[garde(inner(custom(rules::email), length(chars, max = 254)))]
    #[schema(pattern = r"^[^\s@\x00-\x1f\x7f-\x9f]+@[^\s\x00-\x1f\x7f-\x9f]+$", max_length = 254)]
    email: Option<String>,
    #[garde(inner(length(chars, min = 8, max = 100)))]
    #[schema(min_length = 8, max_length = 100)]
    password: Option<String>,
    /// `null` removes it.
    #[serde(default, deserialize_with = "sent")]
    #[garde(inner(inner(length(chars, max = 10_000))))]
    #[schema(value_type = Option<String>, max_length = 10000)]
    bio: Option<Option<String>>,
    /// `null` removes it.
    #[serde(default, deserialize_with = "sent")]
    #[garde(inner(inner(length(chars, max = 2_000))))]
    #[schema(value_type = Option<String>, max_length = 2000)]
    image: Option<Option<String>>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct UserResponse {
    user: User,
}

/// A user as only the user sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct User {
    email: String,
    token: String,
    username: String,
    bio: Option<String>,
    image: Option<String>,
}

/// A row of the table of users. As an argument of a handler, it is the user who asks (`auth.rs`).
pub(crate) struct Account {
    pub(crate) id: i64,
    username: String,
    email: String,
    bio: Option<String>,
    image: Option<String>,
}

impl Account {
    pub(crate) fn with_id(connection: &Connection, id: i64) -> rusqlite::Result<Account> {
        let query = "SELECT id, username, email, bio, image FROM users WHERE id = ?";
        connection.prepare_cached(query)?.query_row([id], Account::of_row)
    }

    fn of_row(row: &Row<'_>) -> rusqlite::Result<Account> {
        Ok(Account {
            id: row.get("id")?,
            username: row.get("username")?,
            email: row.get("email")?,
            bio: row.get("bio")?,
            image: row.get("image")?,
        })
    }

    fn response(self, tokens: &Tokens) -> Result<Json<UserResponse>, ApiError> {
        let Account { id, username, email, bio, image } = self;
        Ok(Json(UserResponse { user: User { email, token: tokens.issue(id)?, username, bio, image } }))
    }
}

// The limit is for each client, because each hash takes 19 MiB and some 20 ms.
/// Signs up.
#[post("/api/users", limit = "60/min", tag = "users")]
fn register(
    database: State<Database>,
    tokens: State<Tokens>,
    body: Checked<Json<NewUserRequest>>,
) -> Result<Created<Json<UserResponse>>, ApiError> {
    let NewUser { username, email, password } = body.into_inner().user;
    let hash = auth::hashed(&password)?;
    let account = database.write(|transaction| {
        let insert = "INSERT INTO users (username, email, password) VALUES (?, ?, ?)";
        transaction.prepare_cached(insert)?.execute([username, email, hash])?;
        Ok(Account::with_id(transaction, transaction.last_insert_rowid())?)
    })?;
    Ok(Created(account.response(&tokens)?))
}

/// Logs in.
#[post("/api/users/login", limit = "60/min", tag = "users")]
fn log_in(
    database: State<Database>,
    tokens: State<Tokens>,
    body: Checked<Json<LoginRequest>>,
) -> Result<Json<UserResponse>, ApiError> {
    let Login { email, password } = body.into_inner().user;
    let found = database.read(|transaction| {
        let query = "SELECT id, username, email, bio, image, password FROM users WHERE email = ?";
        let read = |row: &Row<'_>| Ok((Account::of_row(row)?, row.get::<_, String>("password")?));
        Ok(transaction.prepare_cached(query)?.query_row([email], read).optional()?)
    })?;
    let (account, hash) = found.unzip();
    let is_right = auth::is_right(&password, hash.as_deref())?;
    account.filter(|_| is_right).ok_or(ApiError::WrongLogin)?.response(&tokens)
}

/// Shows the user who asks.
#[get("/api/user", tag = "users")]
fn current_user(account: Account, tokens: State<Tokens>) -> Result<Json<UserResponse>, ApiError> {
    account.response(&tokens)
}

/// Changes the user who asks.
#[put("/api/user", limit = "60/min", tag = "users")]
fn update_user(
    account: Account,
    database: State<Database>,
    tokens: State<Tokens>,
    body: Checked<Json<UpdateUserRequest>>,
) -> Result<Json<UserResponse>, ApiError> {
    let UpdateUser { username, email, password, bio, image } = body.into_inner().user;
    let hash = password.map(|password| auth::hashed(&password)).transpose()?;
    let account = database.write(|transaction| {
        let update = "UPDATE users SET username = coalesce(:username, username), email = coalesce(:email, email),
            password = coalesce(:password, password), bio = iif(:has_bio, :bio, bio), image = iif(:has_image, :image, image)
            WHERE id = :id";
        transaction.prepare_cached(update)?.execute(named_params! {
            ":username": username, ":email": email, ":password": hash,
            ":has_bio": bio.is_some(), ":bio": bio.flatten(),
            ":has_image": image.is_some(), ":image": image.flatten(), ":id": account.id,
        })?;
        Ok(Account::with_id(transaction, account.id)?)
    })?;
    account.response(&tokens)
}

/// Tells `null` from a field that is missing.
fn sent<'d, D: Deserializer<'d>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}
