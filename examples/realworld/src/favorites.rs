//! Favorites, and the tags of all articles.
use pixie_web::{Json, State, delete, get, post};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    articles::{Article, ArticleResponse, id_of},
    database::Database,
    error::ApiError,
    users::Account,
};

#[derive(Serialize, ToSchema)]
pub(crate) struct TagsResponse {
    tags: Vec<String>,
}

/// Makes an article a favorite of the user.
#[post("/api/articles/<slug>/favorite", tag = "articles")]
fn favorite(slug: String, account: Account, database: State<Database>) -> Result<Json<ArticleResponse>, ApiError> {
    change_favorite(&database, &slug, &account, "INSERT OR IGNORE INTO favorites (article, user) VALUES (?, ?)")
}

/// Makes an article a favorite no more.
#[delete("/api/articles/<slug>/favorite", tag = "articles")]
fn unfavorite(slug: String, account: Account, database: State<Database>) -> Result<Json<ArticleResponse>, ApiError> {
    change_favorite(&database, &slug, &account, "DELETE FROM favorites WHERE article = ? AND user = ?")
}

fn change_favorite(
    database: &Database,
    slug: &str,
    account: &Account,
    statement: &str,
) -> Result<Json<ArticleResponse>, ApiError> {
    let response = database.write(|transaction| {
        let id = id_of(transaction, slug)?;
        transaction.prepare_cached(statement)?.execute([id, account.id])?;
        Article::with_id(transaction, id, Some(account.id))
    })?;
    Ok(Json(response))
}

/// The tags that most articles have, the most used first.
#[get("/api/tags", tag = "tags")]
fn tags(database: State<Database>) -> Result<Json<TagsResponse>, ApiError> {
    let query = "SELECT name FROM tags GROUP BY name ORDER BY count(*) DESC, name LIMIT 100";
    let tags = database.read(|transaction| {
        let mut query = transaction.prepare_cached(query)?;
        Ok(query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    })?;
    Ok(Json(TagsResponse { tags }))
}
