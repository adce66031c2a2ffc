use std::time::Duration;

use diesel::sql_types::{Array, BigInt, Bool, Integer, Text, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use godwit_pg::{Connection, Error, Prepared};
use uuid::Uuid;

use super::Position;

/// One member of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub group: &'static str,
    pub id: Uuid,
}

/// A partition that a member holds.
#[derive(QueryableByName, Debug)]
pub(crate) struct Lease {
    #[diesel(sql_type = Text)]
    pub topic: String,
    #[diesel(sql_type = Integer)]
    pub partition: i32,
    /// Where the group continues.
    #[diesel(sql_type = BigInt)]
    pub next_offset: i64,
    /// How many records it has yet to take.
    #[diesel(sql_type = BigInt)]
    pub lag: i64,
    #[diesel(sql_type = Integer)]
    share: i32,
}

/// What a member holds, and how much it should hold at most.
pub(crate) struct Share {
    pub leases: Vec<Lease>,
    pub most: usize,
}

/// Tells the group that the member lives, and leases it what nobody has up to its share.
pub(crate) async fn report(
    connection: &mut Connection,
    member: Member,
    lease: Duration,
    topics: &[&'static str],
) -> Result<Share, Error> {
    let leases: Vec<Lease> = sql_query("SELECT * FROM report_member($1, $2, $3, $4)")
        .bind::<Text, _>(member.group)
        .bind::<SqlUuid, _>(member.id)
        .bind::<BigInt, _>(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
        .bind::<Array<Text>, _>(topics)
        .load(connection)
        .await?;
    let most = leases.as_slice().first().map_or(0, |lease| usize::try_from(lease.share).unwrap_or(0));
    Ok(Share { leases, most })
}

/// Keeps that the group has taken all before `next`; false when the member no longer holds the partition.
pub(crate) async fn commit_offset(connection: &mut Connection, member: Member, next: Position) -> Result<bool, Error> {
    #[derive(QueryableByName)]
    struct Kept {
        #[diesel(sql_type = Bool)]
        kept: bool,
    }
    let query = sql_query("SELECT commit_offset($1, $2, $3, $4, $5) AS kept")
        .bind::<Text, _>(member.group)
        .bind::<SqlUuid, _>(member.id)
        .bind::<Text, _>(next.topic)
        .bind::<Integer, _>(next.partition)
        .bind::<BigInt, _>(next.offset);
    let row: Kept = Prepared(query).get_result(connection).await?;
    Ok(row.kept)
}

/// Gives partitions back for others to lease.
pub(crate) async fn release(
    connection: &mut Connection,
    member: Member,
    partitions: &[(&'static str, i32)],
) -> Result<(), Error> {
    let (topics, numbers): (Vec<&str>, Vec<i32>) = partitions.iter().copied().unzip();
    sql_query(
        "UPDATE group_partitions SET owner_id = NULL, leased_until = NULL \
         WHERE group_name = $1 AND owner_id = $2 \
           AND (topic, partition) IN (SELECT * FROM unnest($3, $4))",
    )
    .bind::<Text, _>(member.group)
    .bind::<SqlUuid, _>(member.id)
    .bind::<Array<Text>, _>(topics)
    .bind::<Array<Integer>, _>(numbers)
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives everything back and takes the member off the group's list.
pub(crate) async fn leave(connection: &mut Connection, member: Member) -> Result<(), Error> {
    sql_query(
        "WITH gone AS (DELETE FROM group_members WHERE group_name = $1 AND member_id = $2) \
         UPDATE group_partitions SET owner_id = NULL, leased_until = NULL WHERE group_name = $1 AND owner_id = $2",
    )
    .bind::<Text, _>(member.group)
    .bind::<SqlUuid, _>(member.id)
    .execute(connection)
    .await?;
    Ok(())
}
