//! What a batch must know. Read once the heads are locked, in statements of their own: they must see what was committed
//! while the locks were waited for.

use std::collections::{HashMap, HashSet};

use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, MessageId, Seq, UserId};
use godwit_pg::Connection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{AppendError, erase};
use crate::domain::{Act, Action, Change, ContentHash, EarlierResult, Emoji, Entry, Known, Message, Participant, Pin};
use crate::store::message_row::OptionalMessageRow;
use crate::store::prepared::Prepared;

/// One statement for each of messages, reactions, members and pins, when an entry needs any.
pub(super) async fn load(conn: &mut Connection, entries: &[Entry], mut known: Known) -> Result<Known, AppendError> {
    let needs = Needs::of(entries);
    if !needs.targets.is_empty() {
        known.targets = targets(conn, &needs).await?;
    }
    if !needs.reactors.is_empty() {
        known.reactions = reactions(conn, &needs.reactors).await?;
    }
    if !(needs.participants.is_empty() && needs.all_participants.is_empty()) {
        known.participants = participants(conn, &needs).await?;
        let is_new = |key: &(ChatId, UserId)| known.participants.get(key).is_some_and(|one| one.last_sent_at.is_none());
        let new: Vec<Paced> = needs.paced.into_iter().filter(|(key, _)| is_new(key)).collect();
        if !new.is_empty() {
            recall_last_sent(conn, &new, &mut known.participants).await?;
        }
    }
    if !needs.pins.is_empty() {
        known.pins = pins(conn, &needs.pins).await?;
    }
    Ok(known)
}

#[derive(Default)]
struct Needs {
    targets: HashSet<MessageId>,
    /// Those of them that are edited: told again with what they quote.
    edited: HashSet<MessageId>,
    reactors: HashSet<(MessageId, UserId)>,
    participants: HashSet<(ChatId, UserId)>,
    /// Those of them who send in slow mode, and its pause in seconds.
    paced: HashMap<(ChatId, UserId), u32>,
    /// The groups that come down to 200 members.
    all_participants: HashSet<ChatId>,
    pins: HashSet<ChatId>,
}

impl Needs {
    fn of(entries: &[Entry]) -> Self {
        let mut needs = Self::default();
        for entry in entries {
            needs.targets.extend(entry.target());
            match &entry.change {
                Change::Message(message) if message.slow_mode_secs > 0 => {
                    needs.participants.insert((entry.chat_id, message.sender_id));
                    needs.paced.insert((entry.chat_id, message.sender_id), message.slow_mode_secs);
                }
                Change::Action(action) => needs.act(entry.chat_id, action),
                Change::Event(event) if event.membership.are_receipts_told_again => {
                    needs.all_participants.insert(entry.chat_id);
                }
                Change::Message(_) | Change::Event(_) | Change::Preview(_) => {}
            }
        }
        needs
    }

    fn act(&mut self, chat_id: ChatId, action: &Action) {
        self.participants.insert((chat_id, action.actor_id));
        match &action.act {
            Act::Edit(edit) => {
                self.edited.insert(MessageId { chat_id, seq: edit.seq });
            }
            Act::React { seq, .. } => {
                self.reactors.insert((MessageId { chat_id, seq: *seq }, action.actor_id));
            }
            Act::Pin { .. } | Act::Unpin { .. } => {
                self.pins.insert(chat_id);
            }
            _ => {}
        }
    }
}

#[derive(QueryableByName)]
struct EarlierRow {
    #[diesel(sql_type = Timestamptz)]
    now: OffsetDateTime,
    #[diesel(sql_type = Nullable<Integer>)]
    place: Option<i32>,
    #[diesel(sql_type = Nullable<BigInt>)]
    seq: Option<i64>,
    #[diesel(sql_type = Nullable<Binary>)]
    content_hash: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    sent_at: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<Bool>)]
    is_deleted: Option<bool>,
}

#[derive(Default)]
struct Keys<'a> {
    message_places: Vec<i32>,
    message_chats: Vec<Uuid>,
    senders: Vec<Uuid>,
    client_message_ids: Vec<&'a str>,
    event_places: Vec<i32>,
    event_chats: Vec<Uuid>,
    events: Vec<Uuid>,
}

impl<'a> Keys<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        let mut keys = Self::default();
        for (place, entry) in (0..).zip(entries) {
            let chat_id = entry.chat_id.as_uuid();
            match &entry.change {
                Change::Message(message) => {
                    keys.message_places.push(place);
                    keys.message_chats.push(chat_id);
                    keys.senders.push(message.sender_id.as_uuid());
                    keys.client_message_ids.push(message.client_message_id.as_str());
                }
                Change::Event(event) => {
                    keys.event_places.push(place);
                    keys.event_chats.push(chat_id);
                    keys.events.push(event.event_id.as_uuid());
                }
                // What they leave behind tells whether they were done.
                Change::Action(_) | Change::Preview(_) => {}
            }
        }
        keys
    }
}

/// The log's clock, and what is known of entries by their place in the batch.
pub(super) async fn find_earlier(
    mut conn: &Connection,
    entries: &[Entry],
) -> Result<(OffsetDateTime, HashMap<usize, EarlierResult>), AppendError> {
    let keys = Keys::of(entries);
    let query = sql_query(
        "SELECT clock.now, earlier.place, earlier.seq, earlier.content_hash, earlier.sent_at, earlier.is_deleted
         FROM (SELECT clock_timestamp() AS now) AS clock LEFT JOIN (
             SELECT k.place, m.seq, m.content_hash, m.sent_at, m.deleted_at IS NOT NULL AS is_deleted
             FROM unnest($1, $2, $3, $4) AS k (place, chat_id, sender_id, client_message_id)
             JOIN messages m ON m.chat_id = k.chat_id AND m.sender_id = k.sender_id
                 AND m.client_message_id = k.client_message_id COLLATE \"C\"
             UNION ALL
             SELECT k.place, e.seq, NULL, NULL, false
             FROM unnest($5, $6, $7) AS k (place, chat_id, event_id)
             JOIN applied_events e ON e.chat_id = k.chat_id AND e.event_id = k.event_id
         ) AS earlier ON true",
    )
    .bind::<Array<Integer>, _>(keys.message_places)
    .bind::<Array<SqlUuid>, _>(keys.message_chats)
    .bind::<Array<SqlUuid>, _>(keys.senders)
    .bind::<Array<Text>, _>(keys.client_message_ids)
    .bind::<Array<Integer>, _>(keys.event_places)
    .bind::<Array<SqlUuid>, _>(keys.event_chats)
    .bind::<Array<SqlUuid>, _>(keys.events);
    let rows: Vec<EarlierRow> = Prepared(query).load(&mut conn).await?;
    let now = rows.as_slice().first().map(|row| row.now).ok_or(diesel::result::Error::NotFound)?;
    let earlier = rows.into_iter().filter_map(|row| {
        let place = usize::try_from(row.place?).ok()?;
        let result = EarlierResult {
            seq: Seq::from_i64(row.seq?),
            occurred_at: row.sent_at,
            content_hash: row.content_hash.and_then(|bytes| ContentHash::from_store(&bytes)),
            is_deleted: row.is_deleted.unwrap_or(false),
        };
        Some((place, result))
    });
    Ok((now, earlier.collect()))
}

#[derive(QueryableByName)]
struct TargetRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(embed)]
    message: OptionalMessageRow,
    #[diesel(sql_type = Bool)]
    quotes_deleted: bool,
}

/// What is edited while it still quotes a deleted message, as one of very many replies to it, loses the quotation first.
async fn targets(conn: &mut Connection, needs: &Needs) -> Result<Vec<Message>, AppendError> {
    let ids = &needs.targets;
    let (chats, seqs): (Vec<Uuid>, Vec<i64>) = ids.iter().map(|id| (id.chat_id.as_uuid(), id.seq.as_i64())).unzip();
    let query = sql_query(
        "SELECT m.chat_id, m.seq, m.sender_id, m.client_message_id, m.text, m.sent_at, m.extras, m.reactions,
             m.edited_at, m.edit_count, m.deleted_at, NULL::text AS my_reaction,
             EXISTS (SELECT FROM scrubs s WHERE s.chat_id = m.chat_id AND s.seq = m.reply_to_seq) AS quotes_deleted
         FROM unnest($1, $2) AS k (chat_id, seq) JOIN messages m ON m.chat_id = k.chat_id AND m.seq = k.seq",
    )
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs);
    let rows: Vec<TargetRow> = Prepared(query).load(conn).await?;
    let (mut messages, mut quoting) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let Some(mut message) = row.message.into_message(ChatId::from_uuid(row.chat_id)) else { continue };
        if row.quotes_deleted && needs.edited.contains(&message.id()) {
            quoting.push(message.clone());
            message.forget_snippet();
        }
        messages.push(message);
    }
    if !quoting.is_empty() {
        erase::erase_quotations(conn, &quoting).await?;
    }
    Ok(messages)
}

#[derive(QueryableByName)]
struct ReactionRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Text)]
    emoji: String,
}

async fn reactions(
    conn: &mut Connection,
    keys: &HashSet<(MessageId, UserId)>,
) -> Result<HashMap<(MessageId, UserId), Emoji>, AppendError> {
    let query = sql_query(
        "SELECT r.chat_id, r.seq, r.user_id, r.emoji
         FROM unnest($1, $2, $3) AS k (chat_id, seq, user_id)
         JOIN reactions r ON r.chat_id = k.chat_id AND r.seq = k.seq AND r.user_id = k.user_id",
    )
    .bind::<Array<SqlUuid>, _>(keys.iter().map(|(id, _)| id.chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(keys.iter().map(|(id, _)| id.seq.as_i64()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(keys.iter().map(|(_, user)| user.as_uuid()).collect::<Vec<_>>());
    let rows: Vec<ReactionRow> = Prepared(query).load(conn).await?;
    let reactions = rows.into_iter().map(|row| {
        let id = MessageId { chat_id: ChatId::from_uuid(row.chat_id), seq: Seq::from_i64(row.seq) };
        ((id, UserId::from_uuid(row.user_id)), Emoji::from_store(row.emoji))
    });
    Ok(reactions.collect())
}

#[derive(QueryableByName)]
struct ParticipantRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = BigInt)]
    joined_seq: i64,
    #[diesel(sql_type = BigInt)]
    visible_from_seq: i64,
    #[diesel(sql_type = BigInt)]
    read_seq: i64,
    #[diesel(sql_type = BigInt)]
    delivered_seq: i64,
    #[diesel(sql_type = BigInt)]
    cleared_seq: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    last_sent_at: Option<OffsetDateTime>,
}

async fn participants(
    conn: &mut Connection,
    needs: &Needs,
) -> Result<HashMap<(ChatId, UserId), Participant>, AppendError> {
    let Needs { participants: keys, all_participants: whole, .. } = needs;
    let query = sql_query(
        "SELECT p.* FROM unnest($1, $2) AS k (chat_id, user_id)
         JOIN participants p ON p.chat_id = k.chat_id AND p.user_id = k.user_id
         UNION ALL SELECT p.* FROM participants p WHERE p.chat_id = ANY ($3)",
    )
    .bind::<Array<SqlUuid>, _>(keys.iter().map(|(chat_id, _)| chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(keys.iter().map(|(_, user)| user.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(whole.iter().map(ChatId::as_uuid).collect::<Vec<_>>());
    let rows: Vec<ParticipantRow> = Prepared(query).load(conn).await?;
    let participants = rows.into_iter().map(|row| {
        let participant = Participant {
            joined_seq: Seq::from_i64(row.joined_seq),
            visible_from_seq: Seq::from_i64(row.visible_from_seq),
            read_seq: Seq::from_i64(row.read_seq),
            delivered_seq: Seq::from_i64(row.delivered_seq),
            cleared_seq: Seq::from_i64(row.cleared_seq),
            last_sent_at: row.last_sent_at,
        };
        ((ChatId::from_uuid(row.chat_id), UserId::from_uuid(row.user_id)), participant)
    });
    Ok(participants.collect())
}

#[derive(QueryableByName)]
struct LastSentRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    last_sent_at: OffsetDateTime,
}

/// Who sends to which chat, and the pause of its slow mode in seconds.
type Paced = ((ChatId, UserId), u32);

/// Of who sends for the first time since they came, or since the chat has slow mode, it is not known when they sent last: the
/// chat's messages of the pause tell, so that leaving and coming back ends none.
async fn recall_last_sent(
    conn: &mut Connection,
    paced: &[Paced],
    participants: &mut HashMap<(ChatId, UserId), Participant>,
) -> Result<(), AppendError> {
    let query = sql_query(
        "SELECT k.chat_id, k.user_id, max(m.sent_at) AS last_sent_at
         FROM unnest($1, $2, $3) AS k (chat_id, user_id, pause_secs)
         JOIN chat_heads h ON h.chat_id = k.chat_id
         CROSS JOIN LATERAL first_seq_after(h.chat_id, h.first_seq, h.last_seq,
             clock_timestamp() - make_interval(secs => k.pause_secs)) AS of_pause (first_seq)
         JOIN messages m ON m.chat_id = k.chat_id AND m.seq >= of_pause.first_seq AND m.sender_id = k.user_id
         GROUP BY k.chat_id, k.user_id",
    )
    .bind::<Array<SqlUuid>, _>(paced.iter().map(|((chat_id, _), _)| chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(paced.iter().map(|((_, user), _)| user.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(paced.iter().map(|(_, secs)| i64::from(*secs)).collect::<Vec<_>>());
    let rows: Vec<LastSentRow> = Prepared(query).load(conn).await?;
    for row in rows {
        let key = (ChatId::from_uuid(row.chat_id), UserId::from_uuid(row.user_id));
        if let Some(participant) = participants.get_mut(&key) {
            participant.last_sent_at = Some(row.last_sent_at);
        }
    }
    Ok(())
}

#[derive(QueryableByName)]
struct PinRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = BigInt)]
    pinned_seq: i64,
}

async fn pins(conn: &mut Connection, chats: &HashSet<ChatId>) -> Result<HashMap<ChatId, Vec<Pin>>, AppendError> {
    let query = sql_query("SELECT chat_id, seq, pinned_seq FROM pins WHERE chat_id = ANY ($1) ORDER BY pinned_seq")
        .bind::<Array<SqlUuid>, _>(chats.iter().map(ChatId::as_uuid).collect::<Vec<_>>());
    let rows: Vec<PinRow> = Prepared(query).load(conn).await?;
    let mut pins: HashMap<ChatId, Vec<Pin>> = HashMap::new();
    for row in rows {
        let pin = Pin { seq: Seq::from_i64(row.seq), pinned_seq: Seq::from_i64(row.pinned_seq) };
        pins.entry(ChatId::from_uuid(row.chat_id)).or_default().push(pin);
    }
    Ok(pins)
}
