//! Comments on articles.
use garde::Validate;
use pixie_web::{Checked, Json, NoContent, State, delete, get, post};
use rusqlite::{OptionalExtension, Row, Transaction, named_params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{articles::id_of, database::Database, error::ApiError, profiles::Profile, rules, users::Account};

/// `POST /api/articles/SLUG/comments`
#[derive(Deserialize, ToSchema, Validate)]
pub(crate) struct NewCommentRequest {
    #[garde(dive)]
    comment: NewComment,
}

#[derive(Deserialize, ToSchema, Validate)]
pub(crate) struct NewComment {
    #[garde(custom(rules::filled), length(chars, max = 10_000))]
    #[schema(pattern = r"\S", max_length = 10000)]
    body: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct CommentResponse {
    comment: Comment,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct CommentsResponse {
    comments: Vec<Comment>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Comment {
    id: i64,
    created_at: String,
    updated_at: String,
    body: String,
    author: Profile,
}

/// Returns the comments of an article, the newest first, or only the one with this id.
fn comments_of(
    transaction: &Transaction,
    article: i64,
    id: Option<i64>,
    reader: Option<i64>,
) -> Result<Vec<Comment>, ApiError> {
    let query = format!(
        "SELECT c.id, c.created_at, c.updated_at, c.body, {} FROM comments c JOIN users u ON u.id = c.author
         WHERE c.article = :article AND (:id IS NULL OR c.id = :id) ORDER BY c.id DESC",
        Profile::COLUMNS
    );
    let read = |row: &Row<'_>| {
        Ok(Comment {
            id: row.get("id")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            body: row.get("body")?,
            author: Profile::of_row(row)?,
        })
    };
    let mut query = transaction.prepare_cached(&query)?;
    let found = query.query_map(named_params! {":article": article, ":id": id, ":reader": reader}, read)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Lists the comments on an article.
#[get("/api/articles/<slug>/comments", tag = "comments")]
fn comments(
    slug: String,
    reader: Option<Account>,
    database: State<Database>,
) -> Result<Json<CommentsResponse>, ApiError> {
    let reader = reader.map(|account| account.id);
    let comments = database.read(|transaction| comments_of(transaction, id_of(transaction, &slug)?, None, reader))?;
    Ok(Json(CommentsResponse { comments }))
}

/// Comments on an article.
#[post("/api/articles/<slug>/comments", tag = "comments")]
fn add_comment(
    slug: String,
    account: Account,
    database: State<Database>,
    body: Checked<Json<NewCommentRequest>>,
) -> Result<Json<CommentResponse>, ApiError> {
    let NewComment { body } = body.into_inner().comment;
    let added = database.write(|transaction| {
        let article = id_of(transaction, &slug)?;
        let insert = "INSERT INTO comments (article, author, body) VALUES (?, ?, ?)";
        transaction.prepare_cached(insert)?.execute((article, account.id, body))?;
        comments_of(transaction, article, Some(transaction.last_insert_rowid()), Some(account.id))
    })?;
    let comment = added.into_iter().next().ok_or(ApiError::NotFound("comment"))?;
    Ok(Json(CommentResponse { comment }))
}

/// Deletes a comment of the user.
#[delete("/api/articles/<slug>/comments/<id>", tag = "comments")]
fn delete_comment(slug: String, id: i64, account: Account, database: State<Database>) -> Result<NoContent, ApiError> {
    database.write(|transaction| {
        let article = id_of(transaction, &slug)?;
        let query = "SELECT author = ? FROM comments WHERE id = ? AND article = ?";
        let mut query = transaction.prepare_cached(query)?;
        let is_own = query.query_row([account.id, id, article], |row| row.get(0)).optional()?;
        match is_own {
            None => Err(ApiError::NotFound("comment")),
            Some(false) => Err(ApiError::Forbidden("comment")),
            Some(true) => {
                transaction.prepare_cached("DELETE FROM comments WHERE id = ?")?.execute([id])?;
                Ok(NoContent)
            }
        }
    })
}
