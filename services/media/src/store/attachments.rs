use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use godwit_kernel::{ChatId, MediaId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::attachments;
use crate::domain::{Carrier, MessageMedia, PICTURE_SEQ};

/// Takes what messages carry now, in order of their versions. What is not newer than what is known changes nothing.
/// Uploads that nothing refers to any more are removed at `collect_at`.
///
/// # Errors
/// When the database does.
pub async fn apply(conn: &mut Connection, messages: &[MessageMedia], collect_at: OffsetDateTime) -> Result<(), Error> {
    if messages.is_empty() {
        return Ok(());
    }
    conn.transaction(async |conn| {
        let mut touched = detach_what_is_left_out(conn, messages).await?;
        upsert(conn, messages).await?;
        touched.extend(messages.iter().flat_map(|message| message.media.keys()).map(MediaId::as_uuid));
        touched.sort_unstable();
        touched.dedup();
        mark_use(conn, &touched, collect_at).await
    })
    .await
}

/// Takes away everything that a chat carries.
///
/// # Errors
/// When the database does.
pub async fn delete_chats(conn: &mut Connection, chats: &[ChatId], collect_at: OffsetDateTime) -> Result<(), Error> {
    let chats: Vec<Uuid> = chats.iter().map(ChatId::as_uuid).collect();
    conn.transaction(async |conn| {
        // It is the last that is told of a chat: nothing is newer.
        let there = attachments::chat_id.eq_any(&chats).and(attachments::is_gone.eq(false));
        let mut touched: Vec<Uuid> = diesel::update(attachments::table.filter(there))
            .set((attachments::is_gone.eq(true), attachments::version.eq(i64::MAX)))
            .returning(attachments::media_id)
            .get_results(conn)
            .await?;
        touched.sort_unstable();
        touched.dedup();
        mark_use(conn, &touched, collect_at).await
    })
    .await
}

/// At most `limit` chats that carry an upload now, first those whose picture it is, then in id order.
///
/// # Errors
/// When the database does.
pub async fn carriers(conn: &mut Connection, media: MediaId, limit: i64) -> Result<Vec<Carrier>, Error> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        chat_id: Uuid,
        #[diesel(sql_type = Bool)]
        is_picture: bool,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT chat_id, bool_or(message_seq = $2) AS is_picture FROM attachments \
         WHERE media_id = $1 AND NOT is_gone GROUP BY chat_id ORDER BY is_picture DESC, chat_id LIMIT $3",
    )
    .bind::<SqlUuid, _>(media.as_uuid())
    .bind::<BigInt, _>(PICTURE_SEQ)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    let carrier = |row: Row| Carrier { chat_id: ChatId::from_uuid(row.chat_id), is_picture: row.is_picture };
    Ok(rows.into_iter().map(carrier).collect())
}

/// Whether one of these chats carries an upload now.
///
/// # Errors
/// When the database does.
pub async fn is_carried_by(conn: &mut Connection, media: MediaId, chats: &[ChatId]) -> Result<bool, Error> {
    let chats: Vec<Uuid> = chats.iter().map(ChatId::as_uuid).collect();
    let carried = attachments::media_id.eq(media.as_uuid()).and(attachments::is_gone.eq(false));
    let carried = attachments::table.filter(carried.and(attachments::chat_id.eq_any(chats)));
    Ok(diesel::select(diesel::dsl::exists(carried)).get_result(conn).await?)
}

/// What these messages carried and do not any more; returns which uploads.
async fn detach_what_is_left_out(conn: &mut Connection, messages: &[MessageMedia]) -> Result<Vec<Uuid>, Error> {
    #[derive(QueryableByName)]
    struct Detached {
        #[diesel(sql_type = SqlUuid)]
        media_id: Uuid,
    }
    let rows: Vec<Detached> = diesel::sql_query(
        "UPDATE attachments a SET is_gone = true, version = m.version \
         FROM unnest($1, $2, $3) AS m (chat_id, message_seq, version) \
         WHERE a.chat_id = m.chat_id AND a.message_seq = m.message_seq AND a.version < m.version \
         RETURNING a.media_id",
    )
    .bind::<Array<SqlUuid>, _>(messages.iter().map(|message| message.chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(messages.iter().map(|message| message.message_seq).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(messages.iter().map(|message| message.version).collect::<Vec<_>>())
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.media_id).collect())
}

async fn upsert(conn: &mut Connection, messages: &[MessageMedia]) -> Result<(), Error> {
    let (mut chats, mut seqs, mut media, mut versions, mut gone) = (vec![], vec![], vec![], vec![], vec![]);
    for message in messages {
        for (media_id, is_carried) in &message.media {
            chats.push(message.chat_id.as_uuid());
            seqs.push(message.message_seq);
            media.push(media_id.as_uuid());
            versions.push(message.version);
            gone.push(!is_carried);
        }
    }
    diesel::sql_query(
        "INSERT INTO attachments AS a (chat_id, message_seq, media_id, version, is_gone) \
         SELECT * FROM unnest($1, $2, $3, $4, $5) \
         ON CONFLICT (chat_id, message_seq, media_id) DO UPDATE \
         SET version = excluded.version, is_gone = excluded.is_gone WHERE a.version <= excluded.version",
    )
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs)
    .bind::<Array<SqlUuid>, _>(media)
    .bind::<Array<BigInt>, _>(versions)
    .bind::<Array<Bool>, _>(gone)
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps what is carried from being removed, and has removed what no longer is.
async fn mark_use(conn: &mut Connection, media: &[Uuid], collect_at: OffsetDateTime) -> Result<(), Error> {
    diesel::sql_query(
        "UPDATE media SET collect_at = CASE WHEN u.is_used THEN NULL ELSE coalesce(media.collect_at, $2) END \
         FROM (SELECT id, EXISTS (SELECT FROM attachments a WHERE a.media_id = id AND NOT a.is_gone) AS is_used \
               FROM unnest($1) AS id ORDER BY id) u \
         WHERE media.id = u.id AND media.state = 'ready'",
    )
    .bind::<Array<SqlUuid>, _>(media)
    .bind::<Nullable<Timestamptz>, _>(Some(collect_at))
    .execute(conn)
    .await?;
    Ok(())
}
