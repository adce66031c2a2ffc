use diesel::sql_query;
use diesel::sql_types::{BigInt, Integer, Text};
use diesel_async::RunQueryDsl as _;
use godwit_pg::{Connection, Error};

use crate::topics::Topic;

/// How many records one statement looks at.
const CHUNK: i64 = 5_000;

/// Deletes the records of a topic that are past its retention, oldest first, and tells how many they were. Whether
/// every group has taken them does not matter, as in Kafka.
pub(crate) async fn delete_old(connection: &mut Connection, topic: &Topic) -> Result<usize, Error> {
    let mut deleted = 0;
    for partition in 0..topic.partitions {
        loop {
            let count = delete_chunk(connection, topic, partition).await?;
            deleted += count;
            if i64::try_from(count).unwrap_or(i64::MAX) < CHUNK {
                break;
            }
        }
    }
    Ok(deleted)
}

async fn delete_chunk(connection: &mut Connection, topic: &Topic, partition: i32) -> Result<usize, Error> {
    let count = sql_query(
        "DELETE FROM records r \
         USING (SELECT record_offset FROM records WHERE topic = $1 AND partition = $2 \
                ORDER BY record_offset LIMIT $3) oldest \
         WHERE r.topic = $1 AND r.partition = $2 AND r.record_offset = oldest.record_offset \
           AND r.published_at < now() - $4 * interval '1 millisecond'",
    )
    .bind::<Text, _>(topic.name)
    .bind::<Integer, _>(partition)
    .bind::<BigInt, _>(CHUNK)
    .bind::<BigInt, _>(topic.retention_ms)
    .execute(connection)
    .await?;
    Ok(count)
}
