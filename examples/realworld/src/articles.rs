//! Articles: lists, one article, and its author's changes.
use garde::Validate;
use pixie_web::{Checked, Created, Json, NoContent, Query, State, delete, get, post, put};
use rusqlite::{OptionalExtension, Row, ToSql, Transaction, named_params, types::FromSqlError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{database::Database, error::ApiError, profiles::Profile, rules, users::Account};

/// Limits the articles of one response. A page of the frontends shows 20.
const LIMIT_MAX: u32 = 100;

/// `POST /api/articles`
#[derive(Deserialize, ToSchema, Validate)]
pub(crate) struct NewArticleRequest {
    #[garde(dive)]
    article: NewArticle,
}

#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewArticle {
    #[garde(custom(rules::filled), length(chars, max = 200))]
    #[schema(pattern = r"\S", max_length = 200)]
    title: String,
    #[garde(custom(rules::filled), length(chars, max = 1_000))]
    #[schema(pattern = r"\S", max_length = 1000)]
    description: String,
    #[garde(custom(rules::filled), length(chars, max = 100_000))]
    #[schema(pattern = r"\S", max_length = 100000)]
    body: String,
    #[serde(default)]
    #[garde(length(max = 20), inner(custom(rules::filled), length(chars, max = 40)))]
    #[schema(value_type = Vec<Tag>, max_items = 20)]
    tag_list: Vec<String>,
}

/// A tag in a document; the rule is above.
#[derive(ToSchema)]
#[schema(pattern = r"\S", max_length = 40)]
#[expect(dead_code, reason = "only its schema is used")]
struct Tag(String);

/// `PUT /api/articles/SLUG`. What is missing stays as it is.
#[derive(Deserialize, ToSchema, Validate)]
pub(crate) struct UpdateArticleRequest {
    #[garde(dive)]
    article: UpdateArticle,
}

#[derive(Deserialize, ToSchema, Validate)]
pub(crate) struct UpdateArticle {
    #[garde(inner(custom(rules::filled), length(chars, max = 200)))]
    #[schema(pattern = r"\S", max_length = 200)]
    title: Option<String>,
    #[garde(inner(custom(rules::filled), length(chars, max = 1_000)))]
    #[schema(pattern = r"\S", max_length = 1000)]
    description: Option<String>,
    #[garde(inner(custom(rules::filled), length(chars, max = 100_000)))]
    #[schema(pattern = r"\S", max_length = 100000)]
    body: Option<String>,
}

/// The query of `GET /api/articles` and of the feed.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ArticlesQuery {
    tag: Option<String>,
    /// The name of a user.
    author: Option<String>,
    /// The name of a user.
    favorited: Option<String>,
    #[schema(maximum = 4294967295_u32)]
    limit: Option<u32>,
    #[schema(maximum = 4294967295_u32)]
    offset: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ArticleResponse {
    article: Article,
}

/// An article with its text.
#[derive(Serialize, ToSchema)]
pub(crate) struct Article {
    #[serde(flatten)]
    summary: ArticleSummary,
    body: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArticlesResponse {
    articles: Vec<ArticleSummary>,
    /// How many there are on all pages.
    articles_count: u32,
}

/// An article in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArticleSummary {
    slug: String,
    title: String,
    description: String,
    tag_list: Vec<String>,
    created_at: String,
    updated_at: String,
    /// Whether it is a favorite of the user who asks.
    favorited: bool,
    favorites_count: u32,
    author: Profile,
}

impl ArticleSummary {
    /// The columns of an article in a list, of the row `a` and its author's row `u`.
    const COLUMNS: &str = "a.slug, a.title, a.description, a.created_at, a.updated_at,
        (SELECT json_group_array(name ORDER BY name) FROM tags WHERE article = a.id) AS tag_list,
        EXISTS (SELECT 1 FROM favorites WHERE article = a.id AND user = :reader) AS favorited,
        (SELECT count(*) FROM favorites WHERE article = a.id) AS favorites_count";

    fn of_row(row: &Row<'_>) -> rusqlite::Result<ArticleSummary> {
        let tags: String = row.get("tag_list")?;
        Ok(ArticleSummary {
            slug: row.get("slug")?,
            title: row.get("title")?,
            description: row.get("description")?,
            tag_list: serde_json::from_str(&tags).map_err(|error| FromSqlError::Other(error.into()))?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            favorited: row.get("favorited")?,
            favorites_count: row.get("favorites_count")?,
            author: Profile::of_row(row)?,
        })
    }
}

impl Article {
    /// Returns the article with this id, as the reader sees it.
    pub(crate) fn with_id(
        transaction: &Transaction,
        id: i64,
        reader: Option<i64>,
    ) -> Result<ArticleResponse, ApiError> {
        let (article, author) = (ArticleSummary::COLUMNS, Profile::COLUMNS);
        let query = format!(
            "SELECT {article}, a.body, {author} FROM articles a JOIN users u ON u.id = a.author WHERE a.id = :id"
        );
        let read = |row: &Row<'_>| Ok(Article { summary: ArticleSummary::of_row(row)?, body: row.get("body")? });
        let mut query = transaction.prepare_cached(&query)?;
        Ok(ArticleResponse { article: query.query_row(named_params! {":id": id, ":reader": reader}, read)? })
    }
}

/// Returns the id of an article.
pub(crate) fn id_of(transaction: &Transaction, slug: &str) -> Result<i64, ApiError> {
    let mut query = transaction.prepare_cached("SELECT id FROM articles WHERE slug = ?")?;
    query.query_row([slug], |row| row.get(0)).optional()?.ok_or(ApiError::NotFound("article"))
}

/// Returns the id of an article that this user wrote.
fn own_id_of(transaction: &Transaction, slug: &str, account: &Account) -> Result<i64, ApiError> {
    let id = id_of(transaction, slug)?;
    let mut query = transaction.prepare_cached("SELECT author = ? FROM articles WHERE id = ?")?;
    match query.query_row([account.id, id], |row| row.get(0))? {
        true => Ok(id),
        false => Err(ApiError::Forbidden("article")),
    }
}

/// Lists articles, the newest first.
#[get("/api/articles", tag = "articles")]
fn articles(
    Query(query): Query<ArticlesQuery>,
    reader: Option<Account>,
    database: State<Database>,
) -> Result<Json<ArticlesResponse>, ApiError> {
    list(&database, &query, reader.map(|account| account.id), None)
}

/// Lists articles by the authors whom the user follows.
#[get("/api/articles/feed", tag = "articles")]
fn feed(
    Query(query): Query<ArticlesQuery>,
    account: Account,
    database: State<Database>,
) -> Result<Json<ArticlesResponse>, ApiError> {
    list(&database, &query, Some(account.id), Some(account.id))
}

/// Returns one page of a list, the newest article first. With a follower, only articles by authors whom the
/// user follows.
fn list(
    database: &Database,
    query: &ArticlesQuery,
    reader: Option<i64>,
    follower: Option<i64>,
) -> Result<Json<ArticlesResponse>, ApiError> {
    let ArticlesQuery { tag, author, favorited, limit, offset } = query;
    let (limit, offset) = (limit.unwrap_or(20).min(LIMIT_MAX), offset.unwrap_or(0));
    let rows = "FROM articles a JOIN users u ON u.id = a.author
        WHERE (:tag IS NULL OR EXISTS (SELECT 1 FROM tags WHERE article = a.id AND name = :tag))
        AND (:author IS NULL OR u.username = :author)
        AND (:favorited IS NULL OR EXISTS (SELECT 1 FROM favorites f JOIN users r ON r.id = f.user
            WHERE f.article = a.id AND r.username = :favorited))
        AND (:follower IS NULL OR EXISTS (SELECT 1 FROM follows WHERE follower = :follower AND followed = a.author))";
    let filter: [(&str, &dyn ToSql); 4] =
        [(":tag", tag), (":author", author), (":favorited", favorited), (":follower", &follower)];
    let page: [(&str, &dyn ToSql); 3] = [(":reader", &reader), (":limit", &limit), (":offset", &offset)];
    let columns = format!("{}, {}", ArticleSummary::COLUMNS, Profile::COLUMNS);
    let response = database.read(|transaction| {
        let count = format!("SELECT count(*) {rows}");
        let articles_count = transaction.prepare_cached(&count)?.query_row(&filter, |row| row.get(0))?;
        let select = format!("SELECT {columns} {rows} ORDER BY a.id DESC LIMIT :limit OFFSET :offset");
        let mut select = transaction.prepare_cached(&select)?;
        let found = select.query_map([&filter[..], &page[..]].concat().as_slice(), ArticleSummary::of_row)?;
        Ok(ArticlesResponse { articles: found.collect::<Result<_, _>>()?, articles_count })
    })?;
    Ok(Json(response))
}

/// Shows an article.
#[get("/api/articles/<slug>", tag = "articles")]
fn article(
    slug: String,
    reader: Option<Account>,
    database: State<Database>,
) -> Result<Json<ArticleResponse>, ApiError> {
    let reader = reader.map(|account| account.id);
    database.read(|transaction| Article::with_id(transaction, id_of(transaction, &slug)?, reader)).map(Json)
}

/// Publishes an article.
#[post("/api/articles", tag = "articles")]
fn create_article(
    account: Account,
    database: State<Database>,
    body: Checked<Json<NewArticleRequest>>,
) -> Result<Created<Json<ArticleResponse>>, ApiError> {
    let NewArticle { title, description, body, tag_list } = body.into_inner().article;
    let response = database.write(|transaction| {
        let insert = "INSERT INTO articles (author, slug, title, description, body) VALUES (?, ?, ?, ?, ?)";
        let slug = free_slug(transaction, &title, None)?;
        transaction.prepare_cached(insert)?.execute((account.id, slug, title, description, body))?;
        let id = transaction.last_insert_rowid();
        let mut insert = transaction.prepare_cached("INSERT OR IGNORE INTO tags (article, name) VALUES (?, ?)")?;
        for tag in &tag_list {
            insert.execute((id, tag.trim()))?;
        }
        Article::with_id(transaction, id, Some(account.id))
    })?;
    Ok(Created(Json(response)))
}

/// Changes an article of the user.
#[put("/api/articles/<slug>", tag = "articles")]
fn update_article(
    slug: String,
    account: Account,
    database: State<Database>,
    body: Checked<Json<UpdateArticleRequest>>,
) -> Result<Json<ArticleResponse>, ApiError> {
    let UpdateArticle { title, description, body } = body.into_inner().article;
    let response = database.write(|transaction| {
        let id = own_id_of(transaction, &slug, &account)?;
        let slug = title.as_deref().map(|title| free_slug(transaction, title, Some(id))).transpose()?;
        let update = "UPDATE articles SET slug = coalesce(:slug, slug), title = coalesce(:title, title),
            description = coalesce(:description, description), body = coalesce(:body, body),
            updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = :id";
        transaction.prepare_cached(update)?.execute(named_params! {
            ":slug": slug, ":title": title, ":description": description, ":body": body, ":id": id,
        })?;
        Article::with_id(transaction, id, Some(account.id))
    })?;
    Ok(Json(response))
}

/// Returns a slug for a title that no other article has. An article that has one for this title keeps it.
fn free_slug(transaction: &Transaction, title: &str, own: Option<i64>) -> rusqlite::Result<String> {
    let plain = slug::slugify(title);
    let plain = if plain.is_empty() { "article" } else { &plain };
    let kept = "SELECT slug FROM articles WHERE id = ? AND (title = ? OR slug = ?)";
    let kept = transaction.prepare_cached(kept)?.query_row((own, title, plain), |row| row.get(0)).optional()?;
    // `feed` is the path of another route. Random digits need no search for the next free number.
    let free = "SELECT iif(:slug = 'feed' OR EXISTS (SELECT 1 FROM articles WHERE slug = :slug),
        :slug || '-' || lower(hex(randomblob(4))), :slug)";
    let mut free = transaction.prepare_cached(free)?;
    kept.map_or_else(|| free.query_row(named_params! {":slug": plain}, |row| row.get(0)), Ok)
}

/// Deletes an article of the user.
#[delete("/api/articles/<slug>", tag = "articles")]
fn delete_article(slug: String, account: Account, database: State<Database>) -> Result<NoContent, ApiError> {
    database.write(|transaction| {
        let id = own_id_of(transaction, &slug, &account)?;
        transaction.prepare_cached("DELETE FROM articles WHERE id = ?")?.execute([id])?;
        Ok(NoContent)
    })
}
