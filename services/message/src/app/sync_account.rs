use std::collections::HashMap;

use godwit_kernel::limits::{INTERNAL_PAGE_MAX, RESUME_MAX, SYNC_MAX};
use godwit_kernel::{ChatId, Seq, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::App;
use super::sync_chat::{ChatPage, check_gapless, seen_from};
use crate::domain::{
    ANSWER_BYTES_MAX, AccountCursor, COMMIT_MARGIN, Position, RESUME_BYTES_MAX, RESUME_WITHIN, Round, StoredUpdate,
};
use crate::error::Error;
use crate::store::{self, ChangedChat};

/// The chat ids that a call asks for first. An answer that they fill has asked for few that it does not need; one that goes on
/// asks for twice as many each time, so that it goes through 10,000 chats in five pages.
const IDS_FIRST: u32 = 500;
/// Pages of chat ids that one call goes through.
const ID_PAGES_MAX: u32 = 10;
/// Behind every update of a chat.
const CHAT_END: Seq = Seq::from_i64(i64::MAX);
/// Before every chat.
const START: Position = Position { chat_id: ChatId::from_uuid(Uuid::nil()), next_seq: Seq::ZERO };

/// What changed in an account's chats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPage {
    /// The chats with changes.
    pub chats: Vec<ChatPage>,
    /// Where the next call goes on.
    pub next_cursor: String,
    /// There is more now.
    pub has_more: bool,
    /// The cursor cannot be continued.
    pub reset: bool,
}

impl App {
    /// What changed in all chats of the caller since a cursor; nothing but a cursor when it is empty.
    ///
    /// With a cursor of the last minutes an answer has room for all that they can hold, so that who comes back after a short
    /// while needs one.
    ///
    /// A cursor says until when an account was given everything. A round gives, chat by chat, what occurred after that, in
    /// pages, and its last page a cursor that says until when everything was visible as the round began
    /// ([`LogClock::visible_until`](crate::domain::LogClock::visible_until)). An update can come twice, never out of order.
    ///
    /// # Errors
    /// [`Error::InvalidCursor`]; [`Error::Damaged`] when an update is missing; those of the database and the chat service.
    #[tracing::instrument(name = "message.sync_account", skip_all, err(level = "debug"))]
    pub async fn sync_account(&self, caller: UserId, cursor: &str, limit: u32) -> Result<AccountPage, Error> {
        let mut conn = self.pool.get().await?;
        let clock = store::log_clock(&mut conn).await?;
        drop(conn);
        let fresh = AccountCursor::finished(clock.generation, clock.visible_until());
        if cursor.is_empty() {
            return Ok(measured("account_first", empty_page(fresh, false)));
        }
        let cursor = AccountCursor::decode(cursor)?;
        if cursor.check(clock.generation, clock.now, self.cursor_age_max).is_err() {
            return Ok(measured("account_reset", empty_page(fresh, true)));
        }
        let mut round = cursor.round.unwrap_or(Round { gives_until: clock.visible_until(), position: START });
        // Less is known to be visible when less is known of what is open; what was given stays given.
        round.gives_until = round.gives_until.max(cursor.given_until);
        let room = match cursor.given_until >= clock.now - COMMIT_MARGIN - RESUME_WITHIN {
            true => Room { places: limit.min(RESUME_MAX), bytes: RESUME_BYTES_MAX },
            false => Room { places: limit.min(SYNC_MAX), bytes: ANSWER_BYTES_MAX },
        };
        let (since, position) = (cursor.given_until, round.position);
        let mut walk = Walk { app: self, caller, since, position, pages: Vec::new(), room };
        let is_over = walk.run().await?;
        let next = if is_over {
            AccountCursor::finished(clock.generation, round.gives_until)
        } else {
            AccountCursor { round: Some(Round { position: walk.position, ..round }), ..cursor }
        };
        let page = AccountPage { chats: walk.pages, next_cursor: next.encode(), has_more: !is_over, reset: false };
        Ok(measured("account", page))
    }
}

fn empty_page(cursor: AccountCursor, reset: bool) -> AccountPage {
    AccountPage { chats: Vec::new(), next_cursor: cursor.encode(), has_more: false, reset }
}

fn measured(kind: &'static str, page: AccountPage) -> AccountPage {
    metrics::counter!("godwit_message_syncs_total", "kind" => kind).increment(1);
    let updates: usize = page.chats.iter().map(|chat| chat.updates.len()).sum();
    metrics::counter!("godwit_message_synced_updates_total").increment(updates as u64);
    page
}

/// One call's part of a round: goes through the chats in id order until the answer is full.
struct Walk<'a> {
    app: &'a App,
    caller: UserId,
    since: OffsetDateTime,
    position: Position,
    pages: Vec<ChatPage>,
    room: Room,
}

/// What an answer may still take.
struct Room {
    places: u32,
    bytes: usize,
}

#[derive(PartialEq, Eq)]
enum Answer {
    HasRoom,
    IsFull,
}

impl Walk<'_> {
    /// Whether the last chat was passed.
    async fn run(&mut self) -> Result<bool, Error> {
        let mut limit = IDS_FIRST;
        for _ in 0..ID_PAGES_MAX {
            let ids = self.app.chats.chat_ids(self.caller, self.above(), limit).await.map_err(Error::Chats)?;
            limit = (limit * 2).min(INTERNAL_PAGE_MAX);
            let Some(last) = ids.chat_ids.last() else {
                return Ok(true);
            };
            if self.visit(&ids.chat_ids).await? == Answer::IsFull {
                return Ok(false);
            }
            self.position = Position { chat_id: *last, next_seq: CHAT_END };
            if !ids.has_more {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The chats from here on are those above this id: the position's own chat may have more to give.
    fn above(&self) -> Option<ChatId> {
        if self.position.next_seq == CHAT_END {
            return Some(self.position.chat_id);
        }
        let below = self.position.chat_id.as_uuid().as_u128().checked_sub(1)?;
        Some(ChatId::from_uuid(Uuid::from_u128(below)))
    }

    async fn visit(&mut self, chat_ids: &[ChatId]) -> Result<Answer, Error> {
        if self.room.places == 0 || self.room.bytes == 0 {
            return Ok(Answer::IsFull);
        }
        let mut conn = self.app.pool.get().await?;
        // One more than has room: the position's own chat may have been given to its end.
        let changed = store::changed_chats(&mut conn, chat_ids, self.caller, self.since, self.room.places + 1).await?;
        drop(conn);
        let may_have_more = changed.len() > usize::try_from(self.room.places).unwrap_or(usize::MAX);
        let changed = self.known(changed).await?;
        let changed: Vec<ChangedChat> = changed.into_iter().filter_map(|chat| self.unread(chat)).collect();
        let taken = fitting(&changed, self.room.places);
        let starts: Vec<(ChatId, Seq)> = taken.iter().map(|chat| (chat.chat_id, chat.from_seq)).collect();
        let mut conn = self.app.pool.get().await?;
        let updates = store::updates_from(&mut conn, &starts, self.room.places, self.room.bytes).await?;
        drop(conn);
        if self.give(taken, updates)? == Answer::IsFull || taken.len() < changed.len() || may_have_more {
            return Ok(Answer::IsFull);
        }
        Ok(Answer::HasRoom)
    }

    /// Those of the chats whose logs know where the caller stands in them. A log that is about to learn it has then another
    /// update.
    async fn known(&self, changed: Vec<ChangedChat>) -> Result<Vec<ChangedChat>, Error> {
        let mut known = Vec::with_capacity(changed.len());
        for chat in changed {
            let is_known = chat.is_participant
                || match self.app.policies.get(chat.chat_id, self.caller).await {
                    Ok(policy) => policy.allows_absent_participants(),
                    Err(Error::ChatNotFound) => false,
                    Err(error) => return Err(error),
                };
            if is_known {
                known.push(chat);
            }
        }
        Ok(known)
    }

    /// A changed chat, from where this round has come to in it.
    fn unread(&self, mut chat: ChangedChat) -> Option<ChangedChat> {
        if chat.chat_id == self.position.chat_id {
            chat.from_seq = chat.from_seq.max(self.position.next_seq);
        }
        (chat.from_seq <= chat.last_seq).then_some(chat)
    }

    fn give(&mut self, chats: &[ChangedChat], updates: Vec<StoredUpdate>) -> Result<Answer, Error> {
        let mut by_chat: HashMap<ChatId, Vec<StoredUpdate>> = HashMap::new();
        let is_empty = updates.is_empty();
        for update in updates {
            self.room.bytes = self.room.bytes.saturating_sub(update.payload.len());
            self.room.places = self.room.places.saturating_sub(1);
            by_chat.entry(update.chat_id).or_default().push(update);
        }
        for chat in chats {
            let Some(updates) = by_chat.remove(&chat.chat_id) else {
                if is_empty {
                    return Err(Error::Damaged { chat_id: chat.chat_id, problem: "its newest updates are missing" });
                }
                return Ok(Answer::IsFull);
            };
            let before = Seq::from_i64(chat.from_seq.as_i64() - 1);
            let reached = check_gapless(chat.chat_id, before, &updates)?;
            // The log may have grown since its head was read.
            let head_seq = chat.last_seq.max(reached);
            self.position = Position { chat_id: chat.chat_id, next_seq: reached.next() };
            self.pages.push(ChatPage {
                chat_id: chat.chat_id,
                updates: seen_from(chat.visible_from_seq, updates),
                head_seq,
                epoch: chat.epoch.to_string(),
                has_more: reached < head_seq,
                reset: false,
            });
            if reached < head_seq {
                return Ok(Answer::IsFull);
            }
        }
        Ok(Answer::HasRoom)
    }
}

/// As many of the chats as it takes to fill the places.
fn fitting(changed: &[ChangedChat], places: u32) -> &[ChangedChat] {
    let mut planned: u64 = 0;
    for (index, chat) in changed.iter().enumerate() {
        planned += chat.last_seq.get() - chat.from_seq.get() + 1;
        if planned >= u64::from(places) {
            return changed.get(..=index).unwrap_or(changed);
        }
    }
    changed
}
