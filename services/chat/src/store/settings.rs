use diesel::prelude::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel::sql_types::{Bool, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::chat_settings;
use crate::domain::{Mute, Settings};

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = Bool)]
    is_archived: bool,
    #[diesel(sql_type = Bool)]
    is_muted_forever: bool,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    muted_until: Option<OffsetDateTime>,
}

/// The database's infinity is no instant here, so it comes apart from the instants.
pub(super) fn decode_settings(
    is_archived: bool,
    is_muted_forever: bool,
    muted_until: Option<OffsetDateTime>,
) -> Settings {
    let mute = if is_muted_forever { Mute::Forever } else { muted_until.map_or(Mute::Off, Mute::Until) };
    Settings { mute, is_archived }
}

/// What somebody has set for a chat.
///
/// # Errors
/// When the database does.
pub async fn settings_of(conn: &mut Connection, user_id: UserId, chat_id: ChatId) -> Result<Settings, Error> {
    let row: Option<Row> = diesel::sql_query(
        "SELECT is_archived, coalesce(muted_until = 'infinity', false) AS is_muted_forever,
             CASE WHEN isfinite(muted_until) THEN muted_until END AS muted_until
         FROM chat_settings WHERE user_id = $1 AND chat_id = $2",
    )
    .bind::<SqlUuid, _>(user_id.as_uuid())
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map(|row| decode_settings(row.is_archived, row.is_muted_forever, row.muted_until)).unwrap_or_default())
}

/// Keeps what somebody has set for a chat.
///
/// # Errors
/// When the database does.
pub async fn set_settings(
    conn: &mut Connection,
    user_id: UserId,
    chat_id: ChatId,
    settings: Settings,
) -> Result<(), Error> {
    let muted_until = if let Mute::Until(until) = settings.mute { Some(until) } else { None };
    diesel::sql_query(
        "INSERT INTO chat_settings (user_id, chat_id, muted_until, is_archived)
         VALUES ($1, $2, CASE WHEN $3 THEN 'infinity' ELSE $4 END, $5)
         ON CONFLICT (user_id, chat_id)
         DO UPDATE SET muted_until = excluded.muted_until, is_archived = excluded.is_archived",
    )
    .bind::<SqlUuid, _>(user_id.as_uuid())
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .bind::<Bool, _>(settings.mute == Mute::Forever)
    .bind::<Nullable<Timestamptz>, _>(muted_until)
    .bind::<Bool, _>(settings.is_archived)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets what some people have set for a chat.
///
/// # Errors
/// When the database does.
pub async fn forget_settings(conn: &mut Connection, chat_id: ChatId, user_ids: &[UserId]) -> Result<(), Error> {
    let ids: Vec<Uuid> = user_ids.iter().map(UserId::as_uuid).collect();
    let rows = chat_settings::table
        .filter(chat_settings::user_id.eq_any(ids))
        .filter(chat_settings::chat_id.eq(chat_id.as_uuid()));
    diesel::delete(rows).execute(conn).await?;
    Ok(())
}
