//! A message board with a database: shows the last five posts, and refuses blank ones.
//!
//! `cargo run --release --features garde,template --example msgboard`, then open <http://localhost:8000>, and
//! post an empty form. Look at `Checked`, which keeps what was typed. `PIXIE_BOARD` is the path of the
//! database.
mod board;

use std::{env, path::PathBuf, time::SystemTime};

use board::{Board, Post};
use garde::Validate;
use pixie_web::{
    App, Checked, Flash, FormView, IntoResponse, Redirect, Response, Result, State, StatusCode, get, post, template,
};
use serde::Deserialize;

/// The fields of the form. Spaces at the ends do not count, so a post of spaces is blank.
#[derive(Deserialize, Validate)]
struct NewPost {
    #[garde(custom(not_blank), length(chars, max = 40))]
    author: String,
    #[garde(custom(not_blank), length(chars, max = 500))]
    text: String,
}

fn not_blank(text: &str, _: &()) -> garde::Result {
    match text.trim().is_empty() {
        true => Err(garde::Error::new("please write something here")),
        false => Ok(()),
    }
}

#[template("board.html", config = "examples/msgboard/askama.toml")]
struct Page {
    posts: Vec<Post>,
    flash: Option<Flash>,
    form: FormView,
}

/// Runs on a thread, because reading a file blocks but is safe.
#[get("/", thread)]
fn show(board: State<Board>, flash: Option<Flash>) -> Result<Page> {
    Ok(Page { posts: board.last_posts()?, flash, form: FormView::default() })
}

#[post("/", thread)]
fn write(board: State<Board>, form: Checked<NewPost>) -> Result<Response> {
    match form.into_result() {
        Ok(NewPost { author, text }) => {
            let written = SystemTime::now();
            let number = board.add(author.trim().into(), text.trim().into(), written)?;
            Ok(Flash::new("success", format!("Your post is number {number}.")).with(Redirect::to("/")))
        }
        Err(form) => {
            let page = Page { posts: board.last_posts()?, flash: None, form };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

fn main() -> Result<()> {
    let file = env::var_os("PIXIE_BOARD").map_or_else(|| PathBuf::from("board.redb"), PathBuf::from);
    // Zero workers, because all routes run in this process, which has the database open.
    App::collect().state(Board::open(&file)?).workers(0).run()
}
