//! The tasks: their routes, their rules, and their rows in the database.

use garde::Validate;
use pixie_web::{
    Checked, Created, Json, NoContent, OrAbort, Query, Result, State, delete, get, patch, post,
};
use rusqlite::{OptionalExtension, Row};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::database::Database;

/// How many tasks one response has at most.
const PAGE: u32 = 50;

/// Something to do.
#[derive(Serialize, ToSchema)]
struct Task {
    id: i64,
    title: String,
    done: bool,
}

#[derive(Deserialize, ToSchema, Validate)]
struct NewTask {
    // The rule is for the server, the schema for clients.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200)]
    title: String,
}

/// A field that is left out stays as it is.
#[derive(Deserialize, ToSchema, Validate)]
struct TaskChange {
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
    #[garde(skip)]
    done: Option<bool>,
}

/// The query of the list: `?done=false&after=50`.
#[derive(Deserialize, ToSchema)]
struct TaskFilter {
    /// Only tasks that are done, or only those that are not.
    done: Option<bool>,
    /// Only tasks with a greater id: the last one of the page before.
    #[serde(default)]
    after: i64,
}

/// Lists tasks by their ids, one page at a time.
#[get("/api/tasks")]
fn list_tasks(database: State<Database>, filter: Query<TaskFilter>) -> Result<Json<Vec<Task>>> {
    let tasks = database.run(|transaction| {
        let mut statement = transaction.prepare_cached(
            "SELECT id, title, done FROM tasks
             WHERE id > ?1 AND (?2 IS NULL OR done = ?2) ORDER BY id LIMIT ?3",
        )?;
        let rows = statement.query_map((filter.after, filter.done, PAGE), task)?;
        rows.collect()
    })?;
    Ok(Json(tasks))
}

/// Adds a task.
#[post("/api/tasks")]
fn add_task(database: State<Database>, new: Checked<Json<NewTask>>) -> Result<Created<Json<Task>>> {
    let sql = "INSERT INTO tasks (title) VALUES (?1) RETURNING id, title, done";
    let added = database.run(|transaction| transaction.query_row(sql, (&new.title,), task))?;
    Ok(Created(Json(added)))
}

/// Shows a task.
#[get("/api/tasks/<id:int>")]
fn show_task(database: State<Database>, id: i64) -> Result<Json<Task>> {
    let sql = "SELECT id, title, done FROM tasks WHERE id = ?1";
    let found = database.run(|transaction| transaction.query_row(sql, (id,), task).optional())?;
    found.map(Json).or_abort(404)
}

/// Changes a task.
#[patch("/api/tasks/<id:int>")]
fn change_task(
    database: State<Database>,
    id: i64,
    change: Checked<Json<TaskChange>>,
) -> Result<Json<Task>> {
    let changed = database.run(|transaction| {
        let sql = "UPDATE tasks SET title = coalesce(?2, title), done = coalesce(?3, done)
                   WHERE id = ?1 RETURNING id, title, done";
        let values = (id, &change.title, change.done);
        transaction.query_row(sql, values, task).optional()
    })?;
    changed.map(Json).or_abort(404)
}

/// Removes a task.
#[delete("/api/tasks/<id:int>")]
fn remove_task(database: State<Database>, id: i64) -> Result<NoContent> {
    let sql = "DELETE FROM tasks WHERE id = ?1";
    let count = database.run(|transaction| transaction.execute(sql, (id,)))?;
    (count > 0).then_some(NoContent).or_abort(404)
}

/// Reads the columns `id, title, done`.
fn task(row: &Row) -> rusqlite::Result<Task> {
    Ok(Task {
        id: row.get(0)?,
        title: row.get(1)?,
        done: row.get(2)?,
    })
}
