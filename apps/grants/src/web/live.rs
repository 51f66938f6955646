//! Pages that are open hear of changes by a WebSocket: the name of each room in
//! which something has changed, nothing of what it was. A page then asks for
//! itself anew, as its viewer.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use larder_web::{Problem, Shutdown, is_same_origin};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::{Web, seat};
use crate::model::Room;
use crate::service::{Grants, SignedIn};

/// The most rooms of one page.
const ROOMS: usize = 64;

/// How often the other end is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(20);

/// How long the other end may take to read what it is sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// The code of a server that ends and may come back.
const RESTARTING: u16 = 1012;

/// `GET /s/SLOT/live?rooms=account/12,person/7`
pub(super) async fn listen(State(web): State<Web>, request: Request) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if !is_same_origin(&parts.headers, host.unwrap_or_default()) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "Only this site’s own pages listen here."));
    }
    let Some((who, _)) = seat::session(&web, &mut parts).await? else {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "Sign in first."));
    };
    let rooms = rooms_of(parts.uri.query().unwrap_or_default())?;
    let Ok(permit) = web.listeners.clone().try_acquire_owned() else {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many pages are open.")
            .retry_after(5));
    };
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &web).await;
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.max_message_size(1024),
        Err(refused) => return Ok(refused.into_response()),
    };
    let changes = web.grants().listen().await?;
    let listener = Listener {
        grants: web.grants().clone(),
        who,
        rooms,
        shutdown: web.shown.shutdown.clone(),
        _permit: permit,
    };
    Ok(upgrade.on_upgrade(move |socket| listener.serve(socket, changes)))
}

fn rooms_of(query: &str) -> Result<Vec<Room>, Problem> {
    let wrong = || Problem::bad_request("The rooms can’t be read.").in_field("rooms");
    let rooms = query.split('&').find_map(|pair| pair.strip_prefix("rooms=")).unwrap_or_default();
    let rooms = rooms.replace("%2F", "/").replace("%2C", ",");
    let rooms = rooms.split(',').filter(|room| !room.is_empty());
    let rooms =
        rooms.map(|room| room.parse().map_err(|()| wrong())).collect::<Result<Vec<_>, _>>()?;
    if rooms.len() > ROOMS { Err(wrong()) } else { Ok(rooms) }
}

/// What a change is to a page.
enum Heard {
    Nothing,
    Change,
    /// Its viewer is signed in no more.
    TheEnd,
}

/// A page that is open.
struct Listener {
    grants: Grants,
    who: SignedIn,
    rooms: Vec<Room>,
    shutdown: Shutdown,
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    async fn serve(self, mut socket: WebSocket, mut changes: Receiver<Room>) {
        // From here on nothing is missed: the page looks at itself once.
        if !say(&mut socket, Message::text("ready")).await {
            return;
        }
        let mut pings = tokio::time::interval(PING_EVERY);
        pings.tick().await;
        let mut is_there = true;
        loop {
            let said = tokio::select! {
                () = self.shutdown.asked() => return end(socket, "restarting").await,
                change = changes.recv() => match change {
                    Ok(room) => match self.heard(room).await {
                        Heard::Nothing => true,
                        Heard::Change => say(&mut socket, Message::text(room.to_string())).await,
                        Heard::TheEnd => return end(socket, "ended").await,
                    },
                    // Too slow: it looks at itself as a whole.
                    Err(RecvError::Lagged(_)) => say(&mut socket, Message::text("ready")).await,
                    Err(RecvError::Closed) => return,
                },
                received = socket.recv() => match received {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => {
                        is_there = true;
                        true
                    }
                },
                _ = pings.tick() => {
                    let was_there = std::mem::replace(&mut is_there, false);
                    // A session that has ended hears nothing more.
                    let stays = self.grants.signed_in(&self.who.token).await;
                    if !was_there || matches!(stays, Ok(None)) {
                        return end(socket, "ended").await;
                    }
                    say(&mut socket, Message::Ping(bytes::Bytes::new())).await
                }
            };
            if !said {
                return;
            }
        }
    }

    /// What a change is to this page.
    async fn heard(&self, room: Room) -> Heard {
        // A lock and a new password are changes of the person.
        let is_own = room == Room::Person(self.who.person.id);
        let is_shown = self.rooms.contains(&room);
        if !is_shown && !is_own {
            return Heard::Nothing;
        }
        // As they are now: locks and sessions change.
        match self.grants.signed_in(&self.who.token).await {
            Ok(Some(who)) if is_shown && self.grants.may_hear(&who.person, room).await => {
                Heard::Change
            }
            Ok(None) => Heard::TheEnd,
            _ => Heard::Nothing,
        }
    }
}

async fn say(socket: &mut WebSocket, message: Message) -> bool {
    matches!(tokio::time::timeout(PATIENCE, socket.send(message)).await, Ok(Ok(())))
}

async fn end(mut socket: WebSocket, why: &'static str) {
    let frame = CloseFrame { code: RESTARTING, reason: why.into() };
    say(&mut socket, Message::Close(Some(frame))).await;
}
