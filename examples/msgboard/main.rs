//! The original's message board on a real database: the last five posts, no blank ones, none lost.
//!
//! `cargo run --release --all-features --example msgboard`; `PIXIE_BOARD` names the database's file.
mod board;

use std::{env, path::PathBuf, time::SystemTime};

use board::{Board, Post};
use garde::Validate;
use pixie_web::{
    App, Checked, Flash, FormView, IntoResponse, Redirect, Response, Result, State, StatusCode, get, post, template,
};
use serde::Deserialize;

/// What the form holds. Blanks at the ends do not count, so a post of blanks is a blank post.
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

/// Reading a file blocks, but not for long and not dangerously: a thread is the place.
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
    // No route runs in a worker, so there is none: the database belongs to this process.
    App::collect().state(Board::open(&file)?).workers(0).run()
}
