//! What a batch changes beside the rows that every batch writes; each statement at most once, and only when there is
//! something for it.

use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::MessageId;
use godwit_pg::Connection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{AppendError, erase};
use crate::domain::{Changes, Message, Participant};
use crate::store::prepared::Prepared;
use crate::wire::{encode_extras, encode_reactions, encode_version_entities};

pub(super) async fn changes(conn: &mut Connection, changes: &Changes) -> Result<(), AppendError> {
    if !changes.messages.is_empty() {
        messages(conn, changes).await?;
    }
    if !changes.versions.is_empty() {
        versions(conn, changes).await?;
    }
    if !changes.content_updates.is_empty() {
        content_updates(conn, changes).await?;
    }
    if !changes.mentions.is_empty() {
        mentions(conn, changes).await?;
    }
    if !changes.erased.is_empty() {
        erase::erase(conn, changes).await?;
    }
    if !changes.reactions.is_empty() {
        reactions(conn, changes).await?;
    }
    if !changes.participants.is_empty() {
        participants(conn, changes).await?;
    }
    if !changes.pins.is_empty() {
        pins(conn, changes).await?;
    }
    if !changes.hidden.is_empty() {
        hidden(conn, changes).await?;
    }
    if !changes.hidden_until.is_empty() {
        hidden_until(conn, changes).await?;
    }
    if !changes.purges.is_empty() {
        purges(conn, changes).await?;
    }
    Ok(())
}

/// The columns of keys.
pub(super) fn keys<'a>(ids: impl IntoIterator<Item = &'a MessageId>) -> (Vec<Uuid>, Vec<i64>) {
    ids.into_iter().map(|id| (id.chat_id.as_uuid(), id.seq.as_i64())).unzip()
}

#[derive(Default)]
struct MessageColumns<'a> {
    texts: Vec<&'a str>,
    extras: Vec<Option<Vec<u8>>>,
    reactions: Vec<Option<Vec<u8>>>,
    edited_ats: Vec<Option<OffsetDateTime>>,
    edit_counts: Vec<i32>,
    replies: Vec<Option<i64>>,
    are_deleted: Vec<bool>,
}

impl<'a> MessageColumns<'a> {
    fn push(&mut self, message: &'a Message, changes: &Changes) {
        self.texts.push(message.text.as_str());
        self.reactions.push(encode_reactions(&message.reactions));
        self.edited_ats.push(message.edit.map(|edit| edit.edited_at));
        self.edit_counts.push(i32::try_from(message.edit_count()).unwrap_or(i32::MAX));
        self.are_deleted.push(message.is_deleted);
        let reply = message.reply_to_seq();
        let is_orphan = reply.is_some_and(|seq| changes.erased.contains(&MessageId { chat_id: message.chat_id, seq }));
        self.replies.push(reply.filter(|_| !is_orphan).map(godwit_kernel::Seq::as_i64));
        self.extras.push(message.extras.as_ref().map(|extras| {
            let mut extras = extras.as_ref().clone();
            if is_orphan {
                extras.forget_snippet();
            }
            encode_extras(&extras)
        }));
    }
}

async fn messages(conn: &mut Connection, changes: &Changes) -> Result<(), AppendError> {
    let (chats, seqs) = keys(changes.messages.keys());
    let mut columns = MessageColumns::default();
    for message in changes.messages.values() {
        columns.push(message, changes);
    }
    let query = sql_query(
        "UPDATE messages m SET text = n.text, extras = n.extras, reactions = n.reactions, edited_at = n.edited_at,
             edit_count = n.edit_count, reply_to_seq = n.reply_to_seq,
             content_hash = CASE WHEN n.is_deleted THEN ''::bytea ELSE m.content_hash END,
             deleted_at = CASE WHEN n.is_deleted THEN coalesce(m.deleted_at, clock_timestamp()) END
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)
             AS n (chat_id, seq, text, extras, reactions, edited_at, edit_count, reply_to_seq, is_deleted)
         WHERE m.chat_id = n.chat_id AND m.seq = n.seq",
    )
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs)
    .bind::<Array<Text>, _>(columns.texts)
    .bind::<Array<Nullable<Binary>>, _>(columns.extras)
    .bind::<Array<Nullable<Binary>>, _>(columns.reactions)
    .bind::<Array<Nullable<Timestamptz>>, _>(columns.edited_ats)
    .bind::<Array<Integer>, _>(columns.edit_counts)
    .bind::<Array<Nullable<BigInt>>, _>(columns.replies)
    .bind::<Array<Bool>, _>(columns.are_deleted);
    Prepared(query).execute(conn).await?;
    Ok(())
}

async fn versions(conn: &mut Connection, changes: &Changes) -> Result<(), AppendError> {
    let rows = &changes.versions;
    let (chats, seqs) = keys(rows.iter().map(|row| &row.id));
    let query = sql_query(
        "INSERT INTO message_versions (chat_id, seq, version, text, entities, written_at)
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6)",
    )
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs)
    .bind::<Array<Integer>, _>(
        rows.iter().map(|row| i32::try_from(row.version).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.text.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Binary>>, _>(
        rows.iter().map(|row| encode_version_entities(&row.entities)).collect::<Vec<_>>(),
    )
    .bind::<Array<Timestamptz>, _>(rows.iter().map(|row| row.written_at).collect::<Vec<_>>());
    Prepared(query).execute(conn).await?;
    Ok(())
}

async fn content_updates(conn: &mut Connection, changes: &Changes) -> Result<(), AppendError> {
    let (chats, seqs) = keys(changes.content_updates.iter().map(|(id, _)| id));
    let query = sql_query(
        "INSERT INTO content_updates (chat_id, seq, update_seq) SELECT * FROM unnest($1, $2, $3)
         ON CONFLICT DO NOTHING",
    )
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs)
    .bind::<Array<BigInt>, _>(changes.content_updates.iter().map(|(_, seq)| seq.as_i64()).collect::<Vec<_>>());
    Prepared(query).execute(conn).await?;
    Ok(())
}

/// The rows of a message that stay are left alone: a row is not deleted and inserted by one statement.
async fn mentions(conn: &mut Connection, changes: &Changes) -> Result<(), AppendError> {
    let (chats, seqs) = keys(changes.mentions.keys());
    let pairs = changes.mentions.iter().flat_map(|(id, users)| users.iter().map(move |user| (id, user)));
    let (mut new_chats, mut new_seqs, mut users) = (Vec::new(), Vec::new(), Vec::new());
    for (id, user) in pairs {
        new_chats.push(id.chat_id.as_uuid());
        new_seqs.push(id.seq.as_i64());
        users.push(user.as_uuid());
    }
    let query = sql_query(
        "WITH wanted AS (
             SELECT * FROM unnest($3, $4, $5) AS w (chat_id, seq, user_id)
         ), gone AS (
             DELETE FROM mentions m USING unnest($1, $2) AS k (chat_id, seq)
             WHERE m.chat_id = k.chat_id AND m.seq = k.seq AND NOT EXISTS (
                 SELECT FROM wanted w WHERE w.chat_id = m.chat_id AND w.seq = m.seq AND w.user_id = m.user_id
             )
         )
         INSERT INTO mentions (chat_id, seq, user_id) SELECT * FROM wanted ON CONFLICT DO NOTHING",
    )
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs)
    .bind::<Array<SqlUuid>, _>(new_chats)
    .bind::<Array<BigInt>, _>(new_seqs)
    .bind::<Array<SqlUuid>, _>(users);
    Prepared(query).execute(conn).await?;
    Ok(())
}

async fn reactions(conn: &mut Connection, changes: &Changes) -> Result<(), AppendError> {
    let (mut chats, mut seqs, mut users) = (Vec::new(), Vec::new(), Vec::new());
    let (mut emoji, mut ats) = (Vec::new(), Vec::new());
    for ((id, user), change) in &changes.reactions {
        chats.push(id.chat_id.as_uuid());
        seqs.push(id.seq.as_i64());
        users.push(user.as_uuid());
        emoji.push(change.emoji.as_ref().map(|emoji| emoji.as_str()));
        ats.push(change.at);
    }
    let query = sql_query(
        "WITH wanted AS (
             SELECT * FROM unnest($1, $2, $3, $4, $5) AS w (chat_id, seq, user_id, emoji, reacted_at)
         ), gone AS (
             DELETE FROM reactions r USING wanted w
             WHERE r.chat_id = w.chat_id AND r.seq = w.seq AND r.user_id = w.user_id AND w.emoji IS NULL
         )
         INSERT INTO reactions (chat_id, seq, user_id, emoji, reacted_at)
         SELECT * FROM wanted WHERE emoji IS NOT NULL
         ON CONFLICT (chat_id, seq, user_id) DO UPDATE SET emoji = excluded.emoji, reacted_at = excluded.reacted_at",
    )
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs)
    .bind::<Array<SqlUuid>, _>(users)
    .bind::<Array<Nullable<Text>>, _>(emoji)
    .bind::<Array<Timestamptz>, _>(ats);
    Prepared(query).execute(conn).await?;
    Ok(())
}

async fn participants(conn: &mut Connection, changes: &Changes) -> Result<(), AppendError> {
    let mut stay: Vec<(Uuid, Uuid, Participant)> = Vec::new();
    let (mut gone_chats, mut gone_users) = (Vec::new(), Vec::new());
    for ((chat_id, user_id), participant) in &changes.participants {
        match participant {
            Some(participant) => stay.push((chat_id.as_uuid(), user_id.as_uuid(), *participant)),
            None => {
                gone_chats.push(chat_id.as_uuid());
                gone_users.push(user_id.as_uuid());
            }
        }
    }
    let seqs = |of: fn(&Participant) -> godwit_kernel::Seq| -> Vec<i64> {
        stay.iter().map(|(_, _, participant)| of(participant).as_i64()).collect()
    };
    let query = sql_query(
        "WITH gone AS (
             DELETE FROM participants p USING unnest($9, $10) AS g (chat_id, user_id)
             WHERE p.chat_id = g.chat_id AND p.user_id = g.user_id
         )
         INSERT INTO participants AS p (chat_id, user_id, joined_seq, visible_from_seq, read_seq, delivered_seq,
             cleared_seq, last_sent_at)
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (chat_id, user_id) DO UPDATE SET
             joined_seq = greatest(p.joined_seq, excluded.joined_seq),
             visible_from_seq = greatest(p.visible_from_seq, excluded.visible_from_seq),
             read_seq = greatest(p.read_seq, excluded.read_seq),
             delivered_seq = greatest(p.delivered_seq, excluded.delivered_seq),
             cleared_seq = greatest(p.cleared_seq, excluded.cleared_seq),
             last_sent_at = greatest(p.last_sent_at, excluded.last_sent_at)",
    )
    .bind::<Array<SqlUuid>, _>(stay.iter().map(|(chat_id, _, _)| *chat_id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(stay.iter().map(|(_, user_id, _)| *user_id).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(seqs(|participant| participant.joined_seq))
    .bind::<Array<BigInt>, _>(seqs(|participant| participant.visible_from_seq))
    .bind::<Array<BigInt>, _>(seqs(|participant| participant.read_seq))
    .bind::<Array<BigInt>, _>(seqs(|participant| participant.delivered_seq))
    .bind::<Array<BigInt>, _>(seqs(|participant| participant.cleared_seq))
    .bind::<Array<Nullable<Timestamptz>>, _>(
        stay.iter().map(|(_, _, participant)| participant.last_sent_at).collect::<Vec<_>>(),
    )
    .bind::<Array<SqlUuid>, _>(gone_chats)
    .bind::<Array<SqlUuid>, _>(gone_users);
    Prepared(query).execute(conn).await?;
    Ok(())
}

async fn pins(conn: &mut Connection, changes: &Changes) -> Result<(), AppendError> {
    let (chats, seqs) = keys(changes.pins.keys());
    let query = sql_query(
        "WITH wanted AS (
             SELECT * FROM unnest($1, $2, $3) AS w (chat_id, seq, pinned_seq)
         ), gone AS (
             DELETE FROM pins p USING wanted w
             WHERE p.chat_id = w.chat_id AND p.seq = w.seq AND w.pinned_seq IS NULL
         )
         INSERT INTO pins (chat_id, seq, pinned_seq) SELECT * FROM wanted WHERE pinned_seq IS NOT NULL
         ON CONFLICT (chat_id, seq) DO UPDATE SET pinned_seq = excluded.pinned_seq",
    )
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs)
    .bind::<Array<Nullable<BigInt>>, _>(
        changes.pins.values().map(|pinned| pinned.map(godwit_kernel::Seq::as_i64)).collect::<Vec<_>>(),
    );
    Prepared(query).execute(conn).await?;
    Ok(())
}

async fn hidden(conn: &mut Connection, changes: &Changes) -> Result<(), AppendError> {
    let (chats, seqs) = keys(changes.hidden.iter().map(|(id, _)| id));
    let query = sql_query(
        "INSERT INTO hidden_messages (chat_id, seq, user_id) SELECT * FROM unnest($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs)
    .bind::<Array<SqlUuid>, _>(changes.hidden.iter().map(|(_, user)| user.as_uuid()).collect::<Vec<_>>());
    Prepared(query).execute(conn).await?;
    Ok(())
}

async fn hidden_until(conn: &mut Connection, changes: &Changes) -> Result<(), AppendError> {
    let (chats, seqs): (Vec<Uuid>, Vec<i64>) =
        changes.hidden_until.iter().map(|(chat_id, seq)| (chat_id.as_uuid(), seq.as_i64())).unzip();
    let query = sql_query(
        "UPDATE chat_heads h SET hidden_until_seq = n.seq FROM unnest($1, $2) AS n (chat_id, seq)
         WHERE h.chat_id = n.chat_id",
    )
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs);
    Prepared(query).execute(conn).await?;
    Ok(())
}

async fn purges(conn: &mut Connection, changes: &Changes) -> Result<(), AppendError> {
    let query = sql_query(
        "INSERT INTO purges (chat_id, requested_at) SELECT chat_id, clock_timestamp() FROM unnest($1) AS p (chat_id)
         ON CONFLICT DO NOTHING",
    )
    .bind::<Array<SqlUuid>, _>(changes.purges.iter().map(|chat_id| chat_id.as_uuid()).collect::<Vec<_>>());
    Prepared(query).execute(conn).await?;
    Ok(())
}
