use diesel::prelude::{BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel::sql_types::{BigInt, Bool, Text, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use godwit_kernel::{ChatId, EventId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::pending_updates::insert_pending_update;
use super::schema::{chats, direct_chats, pending_updates};
use crate::domain::{BlockState, DirectBlock, DirectPair, MembershipVersion, PendingUpdate};

/// Keeps a block, or its end, in one transaction; when the two have a chat, raises the version of its member list and
/// keeps, under this id, that the message service must be told. False when the change is not newer than the last.
///
/// # Errors
/// When the database does.
pub async fn set_direct_block(
    conn: &mut Connection,
    block: DirectBlock,
    event_id: EventId,
    now: OffsetDateTime,
) -> Result<bool, Error> {
    conn.transaction(async |conn| {
        lock_pair(conn, block.pair).await?;
        if !keep(conn, block).await? {
            return Ok(false);
        }
        if let Some(raise) = raise_version(conn, block.pair, event_id).await? {
            // Of several raises only the last matters, so one row a chat is enough.
            let earlier = pending_updates::chat_id.eq(raise.chat_id.as_uuid()).and(pending_updates::payload.is_null());
            diesel::delete(pending_updates::table.filter(earlier)).execute(conn).await?;
            insert_pending_update(conn, &raise, now).await?;
        }
        Ok(true)
    })
    .await
}

/// Makes what touches a pair's block or begins its chat happen one after the other until the transaction ends: a chat is
/// either there when a block looks for it, or begins with the block in force.
///
/// # Errors
/// When the database does.
pub(super) async fn lock_pair(conn: &mut Connection, pair: DirectPair) -> Result<(), Error> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind::<Text, _>(format!("{}{}", pair.least(), pair.greatest()))
        .execute(conn)
        .await?;
    Ok(())
}

async fn keep(conn: &mut Connection, block: DirectBlock) -> Result<bool, Error> {
    let kept = diesel::sql_query(
        "INSERT INTO direct_blocks AS known (low_id, high_id, is_blocked, version) VALUES ($1, $2, $3, $4)
         ON CONFLICT (low_id, high_id) DO UPDATE SET is_blocked = excluded.is_blocked, version = excluded.version
         WHERE known.version < excluded.version",
    )
    .bind::<SqlUuid, _>(block.pair.least().as_uuid())
    .bind::<SqlUuid, _>(block.pair.greatest().as_uuid())
    .bind::<Bool, _>(block.state == BlockState::Blocked)
    .bind::<BigInt, _>(block.version.as_i64())
    .execute(conn)
    .await?;
    Ok(kept > 0)
}

/// Raises the version of the pair's chat; `None` when they have none.
async fn raise_version(
    conn: &mut Connection,
    pair: DirectPair,
    event_id: EventId,
) -> Result<Option<PendingUpdate>, Error> {
    let chat_id: Option<Uuid> = direct_chats::table
        .find((pair.least().as_uuid(), pair.greatest().as_uuid()))
        .select(direct_chats::chat_id)
        .first(conn)
        .await
        .optional()?;
    let Some(chat_id) = chat_id else {
        return Ok(None);
    };
    let version: i64 = diesel::update(chats::table.find(chat_id))
        .set(chats::membership_version.eq(chats::membership_version + 1))
        .returning(chats::membership_version)
        .get_result(conn)
        .await?;
    Ok(Some(PendingUpdate {
        event_id,
        chat_id: ChatId::from_uuid(chat_id),
        payload: None,
        membership_version: MembershipVersion::from_i64(version),
        joined: Vec::new(),
        left: Vec::new(),
    }))
}
