use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use godwit_kernel::{ChatId, UserId};
use godwit_pg::{Connection, Error};
use uuid::Uuid;

use super::entries::bar_no_chat;
use crate::domain::{ChannelEntry, NameQuery, PersonEntry};

/// Of one name, so many that resemble it are compared. More resemble only what is short.
const COMPARED_MAX: i64 = 2_000;
/// How much of the trigrams of what is looked for a name must have: one letter of six may be wrong.
const RESEMBLANCE_MIN: &str = "0.4";

/// Writes who can be found from now on, and takes out who cannot.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn write_people(connection: &mut Connection, people: &[PersonEntry], gone: &[UserId]) -> Result<(), Error> {
    connection
        .transaction(async |connection| {
            let query = sql_query(
                "INSERT INTO people (user_id, username, names)
                 SELECT DISTINCT ON (user_id) user_id, username, names
                 FROM unnest($1, $2, $3) AS p (user_id, username, names) ORDER BY user_id
                 ON CONFLICT (user_id) DO UPDATE SET username = excluded.username, names = excluded.names
                 WHERE (people.username, people.names) <> (excluded.username, excluded.names)",
            )
            .bind::<Array<SqlUuid>, _>(people.iter().map(|person| person.user_id.as_uuid()).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(people.iter().map(|person| person.username.as_str()).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(people.iter().map(|person| person.names.as_str()).collect::<Vec<_>>());
            query.execute(connection).await?;
            let query = sql_query("DELETE FROM people WHERE user_id = ANY ($1)")
                .bind::<Array<SqlUuid>, _>(gone.iter().map(UserId::as_uuid).collect::<Vec<_>>());
            query.execute(connection).await?;
            Ok(())
        })
        .await
}

/// Writes what channels are called, one entry a channel, as far as it is newer than what is there. Of a chat that never
/// was public nothing is kept.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn write_channels(connection: &mut Connection, channels: &[ChannelEntry]) -> Result<(), Error> {
    connection
        .transaction(async |connection| {
            bar_no_chat(connection).await?;
            let query = sql_query(
                "INSERT INTO channels AS k (chat_id, version, handle, names)
                 SELECT c.chat_id, c.version, c.handle, c.names
                 FROM unnest($1, $2, $3, $4) AS c (chat_id, version, handle, names)
                 WHERE (c.handle <> '' OR EXISTS (SELECT FROM channels o WHERE o.chat_id = c.chat_id))
                   AND NOT EXISTS (SELECT FROM deleted_chats d WHERE d.chat_id = c.chat_id)
                 ON CONFLICT (chat_id) DO UPDATE
                 SET version = excluded.version, handle = excluded.handle, names = excluded.names
                 WHERE excluded.version > k.version",
            )
            .bind::<Array<SqlUuid>, _>(channels.iter().map(|channel| channel.chat_id.as_uuid()).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(channels.iter().map(|channel| channel.version.as_i64()).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(channels.iter().map(|channel| channel.handle.as_str()).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(channels.iter().map(|channel| channel.names.as_str()).collect::<Vec<_>>());
            query.execute(connection).await?;
            Ok(())
        })
        .await
}

/// Takes a channel out.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn remove_channel(connection: &mut Connection, chat_id: ChatId) -> Result<(), Error> {
    let query = sql_query("DELETE FROM channels WHERE chat_id = $1").bind::<SqlUuid, _>(chat_id.as_uuid());
    query.execute(connection).await?;
    Ok(())
}

#[derive(QueryableByName)]
struct PersonRow {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
}

#[derive(QueryableByName)]
struct ChannelRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = Text)]
    handle: String,
}

/// The nearest first: the name itself, then names that begin so, then those that resemble it most, the shorter before
/// the longer. What has fewer than three characters must begin a word of the name: it has too few trigrams to resemble
/// anything.
macro_rules! nearest {
    ($columns:literal, $name:literal, $table:literal, $there:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM (
                 (SELECT * FROM ",
            $table,
            " WHERE ",
            $name,
            " = $1 AND ",
            $there,
            " LIMIT 1)
                 UNION
                 (SELECT * FROM ",
            $table,
            " WHERE ",
            $there,
            "
                      AND (names LIKE $2 || '%' OR names LIKE '% ' || $2 || '%' OR length($1) >= 3 AND $1 <% names)
                  LIMIT $3)
             ) AS n
             ORDER BY ",
            $name,
            " = $1 DESC, names LIKE $2 || '%' DESC, word_similarity($1, names) DESC, length(names), ",
            $columns,
            " LIMIT $4"
        )
    };
}

const NEAREST_PEOPLE: &str = nearest!("user_id", "username", "people", "true");
const NEAREST_CHANNELS: &str = nearest!("handle, chat_id", "handle", "channels", "handle <> ''");

/// The people whose names come nearest.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn nearest_people(connection: &mut Connection, name: &NameQuery, limit: i64) -> Result<Vec<UserId>, Error> {
    connection
        .transaction(async |connection| {
            accept_resemblance(connection).await?;
            let query = sql_query(NEAREST_PEOPLE)
                .bind::<Text, _>(name.as_str())
                .bind::<Text, _>(like_pattern(name))
                .bind::<BigInt, _>(COMPARED_MAX)
                .bind::<BigInt, _>(limit);
            let rows: Vec<PersonRow> = query.load(connection).await?;
            Ok(rows.into_iter().map(|row| UserId::from_uuid(row.user_id)).collect())
        })
        .await
}

/// The public channels whose names come nearest, with their handles.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn nearest_channels(
    connection: &mut Connection,
    name: &NameQuery,
    limit: i64,
) -> Result<Vec<(ChatId, String)>, Error> {
    connection
        .transaction(async |connection| {
            accept_resemblance(connection).await?;
            let query = sql_query(NEAREST_CHANNELS)
                .bind::<Text, _>(name.as_str())
                .bind::<Text, _>(like_pattern(name))
                .bind::<BigInt, _>(COMPARED_MAX)
                .bind::<BigInt, _>(limit);
            let rows: Vec<ChannelRow> = query.load(connection).await?;
            Ok(rows.into_iter().map(|row| (ChatId::from_uuid(row.chat_id), row.handle)).collect())
        })
        .await
}

/// How alike names must be, and that they are looked up in the index: to compare them costs more than the planner thinks,
/// so that for a common name it would compare them all.
async fn accept_resemblance(connection: &mut Connection) -> Result<(), Error> {
    let query = sql_query(
        "SELECT set_config('pg_trgm.word_similarity_threshold', $1, true), set_config('enable_seqscan', 'off', true)",
    );
    query.bind::<Text, _>(RESEMBLANCE_MIN).execute(connection).await?;
    Ok(())
}

/// The name as the beginning of a LIKE pattern, which means nothing but itself.
fn like_pattern(name: &NameQuery) -> String {
    name.as_str().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
