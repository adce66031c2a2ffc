use godwit_kernel::{ChatId, Seq, UserId};

use super::App;
use crate::domain::{ANSWER_BYTES_MAX, StoredUpdate};
use crate::error::Error;
use crate::store::{self, ChatLog, LogPage};
use crate::wire::for_who_came_at;

/// How far a client has come in a chat.
#[derive(Clone, Debug)]
pub struct ChatCursor {
    /// The chat.
    pub chat_id: ChatId,
    /// The last update that the client has applied.
    pub after: Seq,
    /// The log's name as the client has it; empty when it has none.
    pub epoch: String,
    /// The most updates in the answer.
    pub limit: u32,
}

/// A page of a chat's updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatPage {
    /// The chat.
    pub chat_id: ChatId,
    /// In order and without gap.
    pub updates: Vec<StoredUpdate>,
    /// The newest update of the chat.
    pub head_seq: Seq,
    /// The log's name; empty when there is no log yet.
    pub epoch: String,
    /// There are updates behind these.
    pub has_more: bool,
    /// The cursor cannot be continued.
    pub reset: bool,
}

impl App {
    /// The updates of a chat after a cursor, for its members.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] for who is not one; [`Error::Damaged`] when an update is missing.
    #[tracing::instrument(
        name = "message.sync_chat",
        skip_all,
        fields(chat.id = %cursor.chat_id, after = cursor.after.get()),
        err(level = "debug")
    )]
    pub async fn sync_chat(&self, caller: UserId, cursor: ChatCursor) -> Result<ChatPage, Error> {
        let policy = self.policies.get(cursor.chat_id, caller).await?;
        let mut conn = self.pool.get().await?;
        let part = LogPage {
            chat_id: cursor.chat_id,
            viewer: caller,
            after: cursor.after,
            limit: cursor.limit,
            max_bytes: ANSWER_BYTES_MAX,
        };
        let log = store::chat_log(&mut conn, part).await?;
        drop(conn);
        let page = match log {
            Some(log) => {
                let policy = self.policies.confirm(cursor.chat_id, caller, policy, log.membership_version).await?;
                policy.check_known(log.is_participant)?;
                page_of(cursor, log)?
            }
            None => page_without_log(cursor),
        };
        let kind = if page.reset { "chat_reset" } else { "chat" };
        metrics::counter!("godwit_message_syncs_total", "kind" => kind).increment(1);
        metrics::counter!("godwit_message_synced_updates_total").increment(page.updates.len() as u64);
        Ok(page)
    }
}

fn page_of(cursor: ChatCursor, log: ChatLog) -> Result<ChatPage, Error> {
    let ChatLog { last_seq, first_seq, visible_from_seq, epoch, updates, .. } = log;
    let first_seq = first_seq.max(visible_from_seq);
    let is_of_this_log = cursor.epoch.is_empty() || cursor.epoch == epoch.as_str();
    let is_within = cursor.after <= last_seq && cursor.after.next() >= first_seq;
    if !(is_of_this_log && is_within) {
        return Ok(ChatPage {
            chat_id: cursor.chat_id,
            updates: Vec::new(),
            head_seq: last_seq,
            epoch: epoch.to_string(),
            has_more: false,
            reset: true,
        });
    }
    let reached = check_gapless(cursor.chat_id, cursor.after, &updates)?;
    if updates.is_empty() && reached < last_seq {
        return Err(Error::Damaged { chat_id: cursor.chat_id, problem: "updates before the head are missing" });
    }
    Ok(ChatPage {
        chat_id: cursor.chat_id,
        updates: seen_from(visible_from_seq, updates),
        head_seq: last_seq,
        epoch: epoch.to_string(),
        has_more: reached < last_seq,
        reset: false,
    })
}

/// The updates as they are for who sees nothing before `visible_from_seq`.
pub(super) fn seen_from(visible_from_seq: Seq, updates: Vec<StoredUpdate>) -> Vec<StoredUpdate> {
    if visible_from_seq == Seq::ZERO {
        return updates;
    }
    let seen =
        |update: StoredUpdate| StoredUpdate { payload: for_who_came_at(update.payload, visible_from_seq), ..update };
    updates.into_iter().map(seen).collect()
}

/// A member of a chat whose first update is on its way.
fn page_without_log(cursor: ChatCursor) -> ChatPage {
    let reset = cursor.after > Seq::ZERO || !cursor.epoch.is_empty();
    ChatPage {
        chat_id: cursor.chat_id,
        updates: Vec::new(),
        head_seq: Seq::ZERO,
        epoch: String::new(),
        has_more: false,
        reset,
    }
}

/// The last seq of updates that follow `after` one by one. A client could not tell a gap from an update on its way,
/// so none is ever given.
pub(super) fn check_gapless(chat_id: ChatId, after: Seq, updates: &[StoredUpdate]) -> Result<Seq, Error> {
    let mut reached = after;
    for update in updates {
        if update.seq != reached.next() {
            return Err(Error::Damaged { chat_id, problem: "an update is missing" });
        }
        reached = update.seq;
    }
    Ok(reached)
}
