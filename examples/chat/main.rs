//! A chat: one room, names, and messages that reach every member at once.
//!
//! `cargo run --release --features template,websocket --example chat`, then open <http://localhost:8000> in
//! two browsers. Look at `talk`, where one socket is read and written.
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use pixie_web::{
    App, OrAbort, Query, Response, Result, State, WebSocket, get, template,
    websocket::{Message, Socket},
};
use serde::{Deserialize, Serialize};
use tokio::{
    select,
    sync::broadcast::{Receiver, Sender, error::RecvError},
};

/// The messages that a slow member may be behind. One that is further behind is dropped.
const BEHIND_MAX: usize = 64;
const NAME_CHARS_MAX: usize = 20;

/// Codes of our own, which the page explains.
const NAME_TAKEN: u16 = 4001;
const TOO_SLOW: u16 = 4002;

#[template("chat.html", config = "examples/chat/askama.toml")]
struct Page {
    members: usize,
}

#[derive(Deserialize)]
struct Visitor {
    name: String,
}

/// What the members are told.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum News<'n> {
    Joined { name: &'n str, members: usize },
    Said { name: &'n str, text: &'n str },
    Left { name: &'n str, members: usize },
}

struct Room {
    news: Sender<Message>,
    names: Mutex<BTreeSet<String>>,
}

/// The place of a member, which is free again when this value is dropped, also after an error or a panic.
struct Member {
    room: Arc<Room>,
    name: String,
}

impl Room {
    /// Returns `None` if another member has this name.
    fn join(self: Arc<Room>, name: &str) -> Option<(Member, Receiver<Message>)> {
        let members = self.change(|names| names.insert(name.to_owned()).then_some(names.len()))?;
        let news = self.news.subscribe();
        let member = Member { room: self, name: name.to_owned() };
        member.room.tell(&News::Joined { name, members });
        Some((member, news))
    }

    fn tell(&self, news: &News<'_>) {
        let message = Message::json(news).expect("the news are plain text");
        // It fails if no member is there.
        let _ = self.news.send(message);
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeSet<String>) -> T) -> T {
        change(&mut self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let members = self.room.change(|names| {
            names.remove(&self.name);
            names.len()
        });
        self.room.tell(&News::Left { name: &self.name, members });
    }
}

#[get("/", sync)]
fn page(room: State<Room>) -> Page {
    Page { members: room.change(|names| names.len()) }
}

#[get("/chat")]
async fn chat(ws: WebSocket, room: State<Room>, visitor: Query<Visitor>) -> Result<Response> {
    let name = visitor.name.trim().to_owned();
    let is_fit = !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX;
    is_fit.then_some(()).or_abort(422)?;
    Ok(ws.message_limit("4KB").run(async move |mut socket| match room.0.join(&name) {
        Some((member, news)) => talk(&mut socket, &member, news).await,
        None => socket.close(NAME_TAKEN, "another member has this name").await,
    }))
}

/// Passes messages on until the member leaves or is too slow.
async fn talk(socket: &mut Socket, member: &Member, mut news: Receiver<Message>) -> Result<()> {
    loop {
        select! {
            said = socket.next() => match said {
                Some(message) => {
                    let text = message.as_text().unwrap_or("(bytes)");
                    member.room.tell(&News::Said { name: &member.name, text });
                }
                None => return Ok(()),
            },
            told = news.recv() => match told {
                Ok(message) => socket.send(message).await?,
                Err(RecvError::Lagged(_)) => return socket.close(TOO_SLOW, "you read too slowly").await,
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

fn main() -> Result<()> {
    let room = Room { news: Sender::new(BEHIND_MAX), names: Mutex::default() };
    App::collect().state(room).workers(0).run()
}
