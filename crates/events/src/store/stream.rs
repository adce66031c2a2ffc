use diesel::sql_types::{Array, BigInt, Binary, Integer, Jsonb, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use godwit_pg::{Connection, Error, Prepared};
use time::OffsetDateTime;

use super::{headers_from_json, headers_to_json};
use crate::topics::Topic;
use crate::{Headers, NewRecord};

/// The notification channel of the schema; a notification's payload is the process that sent it.
const CHANNEL: &str = "godwit_events";
/// The bytes of payload after which a partition's batch ends, whatever the number of its records.
const FETCH_BYTES_MAX: i64 = 1024 * 1024;

/// Makes the partitions of a topic that are missing.
pub(crate) async fn create_partitions(connection: &mut Connection, topic: &Topic) -> Result<(), Error> {
    sql_query("INSERT INTO partitions (topic, partition) SELECT $1, generate_series(0, $2 - 1) ON CONFLICT DO NOTHING")
        .bind::<Text, _>(topic.name)
        .bind::<Integer, _>(topic.partitions)
        .execute(connection)
        .await?;
    Ok(())
}

/// Appends records in their order, in one transaction.
pub(crate) async fn publish(connection: &mut Connection, records: &[NewRecord]) -> Result<(), Error> {
    let topics: Vec<&str> = records.iter().map(|record| record.topic.name).collect();
    let partitions: Vec<i32> = records.iter().map(|record| partition_of(record.topic, &record.key)).collect();
    let keys: Vec<&[u8]> = records.iter().map(|record| record.key.as_ref()).collect();
    let payloads: Vec<&[u8]> = records.iter().map(|record| record.payload.as_ref()).collect();
    let headers: Vec<serde_json::Value> = records.iter().map(|record| headers_to_json(&record.headers)).collect();
    let query = sql_query("SELECT publish($1, $2, $3, $4, $5)")
        .bind::<Array<Text>, _>(topics)
        .bind::<Array<Integer>, _>(partitions)
        .bind::<Array<Binary>, _>(keys)
        .bind::<Array<Binary>, _>(payloads)
        .bind::<Array<Jsonb>, _>(headers);
    Prepared(query).execute(connection).await?;
    Ok(())
}

/// FNV-1a, 64 bits: the partition of a key must be the same in every release.
fn partition_of(topic: &Topic, key: &[u8]) -> i32 {
    let hash = key
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let count = u64::try_from(topic.partitions).unwrap_or(1).max(1);
    // The low bits of FNV are its weakest.
    i32::try_from(((hash >> 32) ^ hash) % count).unwrap_or(0)
}

/// Tells other processes that there are new records. In a transaction of its own that does not wait for the disk:
/// transactions that notify commit one after the other, and publishers must not.
pub(crate) async fn notify(connection: &mut Connection, process: &str) -> Result<(), Error> {
    sql_query("SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)")
        .bind::<Text, _>(CHANNEL)
        .bind::<Text, _>(process)
        .execute(connection)
        .await?;
    Ok(())
}

/// From now on the connection receives what [`notify`] sends.
pub(crate) async fn listen(connection: &mut Connection) -> Result<(), Error> {
    sql_query(format!("LISTEN {CHANNEL}")).execute(connection).await?;
    Ok(())
}

/// A place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub topic: &'static str,
    pub partition: i32,
    pub offset: i64,
}

/// A record as it is stored.
#[derive(QueryableByName)]
pub(crate) struct StoredRecord {
    #[diesel(sql_type = Text)]
    pub topic: String,
    #[diesel(sql_type = Integer)]
    pub partition: i32,
    #[diesel(sql_type = BigInt)]
    pub record_offset: i64,
    #[diesel(sql_type = Binary)]
    pub key: Vec<u8>,
    #[diesel(sql_type = Binary)]
    pub payload: Vec<u8>,
    #[diesel(sql_type = Jsonb)]
    headers: serde_json::Value,
    #[diesel(sql_type = Timestamptz)]
    pub published_at: OffsetDateTime,
}

impl StoredRecord {
    pub(crate) fn take_headers(&mut self) -> Headers {
        headers_from_json(self.headers.take())
    }
}

/// The records from each position on, at most `limit` of a partition and about [`FETCH_BYTES_MAX`], in offset order.
pub(crate) async fn fetch(
    connection: &mut Connection,
    from: &[Position],
    limit: i64,
) -> Result<Vec<StoredRecord>, Error> {
    let topics: Vec<&str> = from.iter().map(|position| position.topic).collect();
    let partitions: Vec<i32> = from.iter().map(|position| position.partition).collect();
    let offsets: Vec<i64> = from.iter().map(|position| position.offset).collect();
    let query = sql_query(
        "SELECT r.topic, r.partition, r.record_offset, r.key, r.payload, r.headers, r.published_at \
         FROM unnest($1, $2, $3) AS wanted (topic, partition, start) \
         CROSS JOIN LATERAL ( \
             SELECT *, sum(octet_length(payload)) OVER (ORDER BY record_offset) - octet_length(payload) AS before \
             FROM (SELECT * FROM records f \
                   WHERE f.topic = wanted.topic AND f.partition = wanted.partition \
                     AND f.record_offset >= wanted.start \
                   ORDER BY f.record_offset LIMIT $4) first \
         ) r \
         WHERE r.before < $5 \
         ORDER BY r.topic, r.partition, r.record_offset",
    )
    .bind::<Array<Text>, _>(topics)
    .bind::<Array<Integer>, _>(partitions)
    .bind::<Array<BigInt>, _>(offsets)
    .bind::<BigInt, _>(limit)
    .bind::<BigInt, _>(FETCH_BYTES_MAX);
    Ok(Prepared(query).load(connection).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::CHAT_UPDATES;

    #[test]
    fn keys_spread_over_all_partitions() {
        let mut counts = vec![0_u32; 12];
        for key in 0_u128..12_000 {
            let partition = partition_of(&CHAT_UPDATES, &key.to_be_bytes());
            counts[usize::try_from(partition).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (500..2_000).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_partition_of_a_key_never_changes() {
        assert_eq!(partition_of(&CHAT_UPDATES, b"0123456789abcdef"), partition_of(&CHAT_UPDATES, b"0123456789abcdef"));
    }
}
