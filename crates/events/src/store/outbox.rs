use diesel::sql_types::{Array, BigInt, Binary, Bool, Double, Jsonb, Nullable, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use godwit_pg::{Connection, Error};

use super::{headers_from_json, headers_to_json};
use crate::topics::Topic;
use crate::{NewRecord, topics};

/// The bytes of payload after which a batch ends, whatever the number of its rows.
const BATCH_BYTES_MAX: i64 = 4 * 1024 * 1024;
/// Counting stops here: a larger backlog is one all the same.
const COUNT_MAX: i64 = 100_000;

/// How a record that may not be published is refused to the caller of the transaction.
pub(crate) fn refused(error: crate::Error) -> Error {
    diesel::result::Error::SerializationError(error.into()).into()
}

pub(crate) async fn insert(connection: &mut Connection, records: &[NewRecord]) -> Result<(), Error> {
    let topics: Vec<&str> = records.iter().map(|record| record.topic.name).collect();
    let keys: Vec<&[u8]> = records.iter().map(|record| record.key.as_ref()).collect();
    let payloads: Vec<&[u8]> = records.iter().map(|record| record.payload.as_ref()).collect();
    let headers: Vec<serde_json::Value> = records.iter().map(|record| headers_to_json(&record.headers)).collect();
    sql_query(
        "INSERT INTO outbox (topic, key, payload, headers) \
         SELECT topic, key, payload, headers \
         FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS r (topic, key, payload, headers, place) ORDER BY place",
    )
    .bind::<Array<Text>, _>(topics)
    .bind::<Array<Binary>, _>(keys)
    .bind::<Array<Binary>, _>(payloads)
    .bind::<Array<Jsonb>, _>(headers)
    .execute(connection)
    .await?;
    Ok(())
}

/// The schema whose outbox the connection reaches.
pub(crate) async fn schema_name(connection: &mut Connection) -> Result<String, Error> {
    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let row: Name = sql_query("SELECT coalesce(current_schema(), '')::text AS name").get_result(connection).await?;
    Ok(row.name)
}

/// Makes the connection the only one that relays the schema's outbox, until it is closed; false when another is.
pub(crate) async fn try_lock(connection: &mut Connection) -> Result<bool, Error> {
    #[derive(QueryableByName)]
    struct Locked {
        #[diesel(sql_type = Bool)]
        locked: bool,
    }
    let row: Locked =
        sql_query("SELECT pg_try_advisory_lock(hashtextextended('godwit.outbox.' || current_schema(), 0)) AS locked")
            .get_result(connection)
            .await?;
    Ok(row.locked)
}

/// The first rows, in the order they were put in.
pub(crate) async fn first(connection: &mut Connection, limit: i64) -> Result<Vec<(i64, NewRecord)>, Error> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = Text)]
        topic: String,
        #[diesel(sql_type = Binary)]
        key: Vec<u8>,
        #[diesel(sql_type = Binary)]
        payload: Vec<u8>,
        #[diesel(sql_type = Jsonb)]
        headers: serde_json::Value,
    }
    let known: Vec<&str> = topics::ALL.iter().map(|topic| topic.name).collect();
    // Rows of a topic that a newer release knows wait for that release, and hold up nobody.
    let rows: Vec<Row> = sql_query(
        "SELECT id, topic, key, payload, headers FROM ( \
             SELECT *, sum(octet_length(payload)) OVER (ORDER BY id) - octet_length(payload) AS before \
             FROM (SELECT * FROM outbox WHERE topic = ANY ($1) ORDER BY id LIMIT $2) first \
         ) r WHERE before < $3 ORDER BY id",
    )
    .bind::<Array<Text>, _>(known)
    .bind::<BigInt, _>(limit)
    .bind::<BigInt, _>(BATCH_BYTES_MAX)
    .load(connection)
    .await?;
    let records = rows.into_iter().filter_map(|row| {
        let topic: &'static Topic = topics::by_name(&row.topic)?;
        let headers = headers_from_json(row.headers);
        Some((row.id, NewRecord { topic, key: row.key.into(), payload: row.payload.into(), headers }))
    });
    Ok(records.collect())
}

pub(crate) async fn delete(connection: &mut Connection, ids: &[i64]) -> Result<(), Error> {
    sql_query("DELETE FROM outbox WHERE id = ANY ($1)").bind::<Array<BigInt>, _>(ids).execute(connection).await?;
    Ok(())
}

/// How much waits in an outbox.
#[derive(QueryableByName)]
pub(crate) struct Backlog {
    /// Exact up to [`COUNT_MAX`].
    #[diesel(sql_type = BigInt)]
    pub rows: i64,
    /// The age of the oldest row.
    #[diesel(sql_type = Nullable<Double>)]
    pub oldest_secs: Option<f64>,
}

pub(crate) async fn backlog(connection: &mut Connection) -> Result<Backlog, Error> {
    let row = sql_query(
        "SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) counted) AS rows, \
                (SELECT extract(epoch FROM clock_timestamp() - created_at)::float8 \
                 FROM outbox ORDER BY id LIMIT 1) AS oldest_secs",
    )
    .bind::<BigInt, _>(COUNT_MAX)
    .get_result(connection)
    .await?;
    Ok(row)
}
