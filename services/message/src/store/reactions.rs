use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{MessageId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::prepared::Prepared;
use crate::domain::Emoji;

/// What somebody reacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenReaction {
    /// Who.
    pub user_id: UserId,
    /// What.
    pub emoji: Emoji,
    /// When.
    pub reacted_at: OffsetDateTime,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Text)]
    emoji: String,
    #[diesel(sql_type = Timestamptz)]
    reacted_at: OffsetDateTime,
}

/// At most `limit` reactions to a message behind a place, the newest first.
///
/// # Errors
/// When the database does.
pub async fn list_reactions(
    conn: &mut Connection,
    id: MessageId,
    emoji: Option<&Emoji>,
    after: Option<(OffsetDateTime, UserId)>,
    limit: u32,
) -> Result<Vec<GivenReaction>, Error> {
    let query = sql_query(
        "SELECT user_id, emoji, reacted_at FROM reactions
         WHERE chat_id = $1 AND seq = $2 AND ($3 IS NULL OR emoji = $3)
             AND (reacted_at, user_id) < (coalesce($4, 'infinity'), coalesce($5, $1))
         ORDER BY chat_id DESC, seq DESC, reacted_at DESC, user_id DESC LIMIT $6",
    )
    .bind::<SqlUuid, _>(id.chat_id.as_uuid())
    .bind::<BigInt, _>(id.seq.as_i64())
    .bind::<Nullable<Text>, _>(emoji.map(Emoji::as_str))
    .bind::<Nullable<Timestamptz>, _>(after.map(|(at, _)| at))
    .bind::<Nullable<SqlUuid>, _>(after.map(|(_, user)| user.as_uuid()))
    .bind::<BigInt, _>(i64::from(limit));
    let rows: Vec<Row> = Prepared(query).load(conn).await?;
    let given = rows.into_iter().map(|row| GivenReaction {
        user_id: UserId::from_uuid(row.user_id),
        emoji: Emoji::from_store(row.emoji),
        reacted_at: row.reacted_at,
    });
    Ok(given.collect())
}
