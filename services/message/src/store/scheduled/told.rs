use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, EventId, UserId};
use godwit_pg::{Connection, Error};
use uuid::Uuid;

use super::super::prepared::Prepared;

/// A change of what somebody has scheduled, of which their devices were not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UntoldChange {
    /// Whose.
    pub sender_id: UserId,
    /// Where.
    pub chat_id: ChatId,
    /// Names the event that tells; changes that are made together are told together.
    pub event_id: EventId,
}

/// Changes that are to be told for more than a second: whoever made them did not come to it.
///
/// # Errors
/// When the database does.
pub async fn untold_changes(conn: &mut Connection, limit: i64) -> Result<Vec<UntoldChange>, Error> {
    #[derive(QueryableByName)]
    struct Untold {
        #[diesel(sql_type = SqlUuid)]
        sender_id: Uuid,
        #[diesel(sql_type = SqlUuid)]
        chat_id: Uuid,
        #[diesel(sql_type = SqlUuid)]
        untold_event_id: Uuid,
    }
    let query = sql_query(
        "SELECT sender_id, chat_id, untold_event_id FROM scheduled_messages
         WHERE untold_event_id IS NOT NULL AND changed_at < clock_timestamp() - interval '1 second'
         GROUP BY sender_id, chat_id, untold_event_id ORDER BY min(changed_at) LIMIT $1",
    )
    .bind::<BigInt, _>(limit);
    let rows: Vec<Untold> = Prepared(query).load(conn).await?;
    let change = |row: Untold| UntoldChange {
        sender_id: UserId::from_uuid(row.sender_id),
        chat_id: ChatId::from_uuid(row.chat_id),
        event_id: EventId::from_uuid(row.untold_event_id),
    };
    Ok(rows.into_iter().map(change).collect())
}

/// Notes that devices were told of a change, where there is no newer one.
///
/// # Errors
/// When the database does.
pub async fn change_told(conn: &mut Connection, change: UntoldChange) -> Result<(), Error> {
    let query = sql_query(
        "UPDATE scheduled_messages SET untold_event_id = NULL
         WHERE chat_id = $1 AND sender_id = $2 AND untold_event_id = $3",
    )
    .bind::<SqlUuid, _>(change.chat_id.as_uuid())
    .bind::<SqlUuid, _>(change.sender_id.as_uuid())
    .bind::<SqlUuid, _>(change.event_id.as_uuid());
    Prepared(query).execute(conn).await?;
    Ok(())
}

/// Has a change wait for another half minute that cannot be told now.
///
/// # Errors
/// When the database does.
pub async fn tell_later(conn: &mut Connection, change: UntoldChange) -> Result<(), Error> {
    let query = sql_query(
        "UPDATE scheduled_messages SET changed_at = clock_timestamp() + interval '30 seconds'
         WHERE chat_id = $1 AND sender_id = $2 AND untold_event_id = $3",
    )
    .bind::<SqlUuid, _>(change.chat_id.as_uuid())
    .bind::<SqlUuid, _>(change.sender_id.as_uuid())
    .bind::<SqlUuid, _>(change.event_id.as_uuid());
    Prepared(query).execute(conn).await?;
    Ok(())
}
