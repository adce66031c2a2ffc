use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{Array, Uuid as SqlUuid};
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_events::{NewRecord, outbox};
use godwit_kernel::{UserId, limits};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Store;
use super::people::PersonRow;
use super::schema::{relationships, users};
use crate::domain::access::{Refusal, Relation, judge};
use crate::domain::{Blocks, Bond, Change, Pair, Person, Relationship, Side, Step};

/// What there is between pairs; a pair that is not here never had anything between them.
pub type Relationships = HashMap<Pair, Relationship>;

/// What one person wants to do about another.
#[derive(Clone, Copy, Debug)]
pub struct RelationshipStep {
    /// Who.
    pub actor: UserId,
    /// They and the other.
    pub pair: Pair,
    /// What.
    pub step: Step,
    /// When.
    pub at: OffsetDateTime,
}

/// What became of it.
#[derive(Debug)]
pub enum StepOutcome {
    /// This is between them now.
    Taken(Relationship),
    /// It may not be done.
    Refused(Refusal),
    /// One of the two has as many as may be.
    Full(Bound),
}

/// What there is a bound for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Friends of either.
    Friends,
    /// Requests of the actor that wait for an answer.
    Requests,
    /// People that the actor blocks.
    Blocks,
}

#[derive(Queryable, Selectable, QueryableByName, Insertable, AsChangeset)]
#[diesel(table_name = relationships, primary_key(low_id, high_id), treat_none_as_null = true)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub(super) struct RelationshipRow {
    low_id: Uuid,
    high_id: Uuid,
    low_requested_at: Option<OffsetDateTime>,
    high_requested_at: Option<OffsetDateTime>,
    friends_since: Option<OffsetDateTime>,
    low_blocked_at: Option<OffsetDateTime>,
    high_blocked_at: Option<OffsetDateTime>,
    block_version: i64,
    told_block_version: i64,
}

impl RelationshipRow {
    fn new(pair: Pair, relationship: &Relationship) -> Self {
        let Relationship { bond, block_version, told_block_version } = *relationship;
        let asked = |side| match bond {
            Bond::Requested { by, at } if by == side => Some(at),
            _ => None,
        };
        let blocks = match bond {
            Bond::Blocked(blocks) => blocks,
            Bond::Nothing | Bond::Requested { .. } | Bond::Friends { .. } => Blocks::default(),
        };
        Self {
            low_id: pair.low().as_uuid(),
            high_id: pair.high().as_uuid(),
            low_requested_at: asked(Side::Low),
            high_requested_at: asked(Side::High),
            friends_since: if let Bond::Friends { since } = bond { Some(since) } else { None },
            low_blocked_at: blocks.low_at,
            high_blocked_at: blocks.high_at,
            block_version,
            told_block_version,
        }
    }

    fn bond(&self) -> Bond {
        let blocks = Blocks { low_at: self.low_blocked_at, high_at: self.high_blocked_at };
        if blocks != Blocks::default() {
            return Bond::Blocked(blocks);
        }
        match (self.friends_since, self.low_requested_at, self.high_requested_at) {
            (Some(since), _, _) => Bond::Friends { since },
            (None, Some(at), _) => Bond::Requested { by: Side::Low, at },
            (None, None, Some(at)) => Bond::Requested { by: Side::High, at },
            (None, None, None) => Bond::Nothing,
        }
    }

    pub(super) fn pair(&self) -> Option<Pair> {
        Pair::of(UserId::from_uuid(self.low_id), UserId::from_uuid(self.high_id))
    }
}

impl From<&RelationshipRow> for Relationship {
    fn from(row: &RelationshipRow) -> Self {
        Self { bond: row.bond(), block_version: row.block_version, told_block_version: row.told_block_version }
    }
}

impl Store {
    /// Takes a step if it may be taken, and puts the records that `events` makes of the change into the outbox. Both
    /// people's rows are locked, so that steps that concern the same person take turns: counts are exact, and a
    /// person's events are in the order of what they tell.
    pub async fn take_step(
        &self,
        step: RelationshipStep,
        events: impl Fn(Change) -> Vec<NewRecord> + Send + Sync,
    ) -> Result<StepOutcome, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let RelationshipStep { actor, pair, step, at } = step;
            let people = lock_people(conn, pair).await?;
            let find = |id| people.iter().find(|person| person.user.id == id && !person.user.is_deleted);
            let (Some(_), Some(target)) = (find(actor), find(pair.other_than(actor))) else {
                return Ok(StepOutcome::Refused(Refusal::UserNotFound));
            };
            let mut relationship = lock_pair(conn, pair).await?;
            let relation = Relation::of(actor, target, &relationship);
            if let Err(refusal) = judge(step.action(), relation, &target.privacy) {
                return Ok(StepOutcome::Refused(refusal));
            }
            let change = match relationship.apply(pair.side_of(actor), step, at) {
                Ok(Change::Nothing) => return Ok(StepOutcome::Taken(relationship)),
                Ok(change) => change,
                Err(refusal) => return Ok(StepOutcome::Refused(refusal)),
            };
            if let Some(bound) = reached(conn, pair, actor, change).await? {
                return Ok(StepOutcome::Full(bound));
            }
            save(conn, pair, &relationship).await?;
            outbox::enqueue(conn, events(change)).await?;
            Ok(StepOutcome::Taken(relationship))
        })
        .await
    }

    /// The chat service knows of the blocks of this version.
    pub async fn block_told(&self, pair: Pair, version: i64) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        diesel::update(relationships::table.find((pair.low().as_uuid(), pair.high().as_uuid())))
            .filter(relationships::told_block_version.lt(version))
            .set(relationships::told_block_version.eq(version))
            .execute(&mut conn)
            .await?;
        Ok(())
    }

    /// Pairs of whose blocks the chat service does not know all, behind a pair.
    pub async fn untold_blocks(&self, after: Option<Pair>, limit: i64) -> Result<Vec<(Pair, Relationship)>, Error> {
        let (low, high) =
            after.map_or((Uuid::nil(), Uuid::nil()), |pair| (pair.low().as_uuid(), pair.high().as_uuid()));
        let mut conn = self.pool.get().await?;
        let rows: Vec<RelationshipRow> = relationships::table
            .filter(relationships::told_block_version.lt(relationships::block_version))
            .filter(
                relationships::low_id.gt(low).or(relationships::low_id.eq(low).and(relationships::high_id.gt(high))),
            )
            .order((relationships::low_id, relationships::high_id))
            .limit(limit)
            .select(RelationshipRow::as_select())
            .load(&mut conn)
            .await?;
        Ok(rows.iter().filter_map(|row| Some((row.pair()?, row.into()))).collect())
    }
}

/// Both people, the lower id first, who are then nobody else's to change anything about.
async fn lock_people(conn: &mut Connection, pair: Pair) -> Result<Vec<Person>, Error> {
    let rows: Vec<PersonRow> = users::table
        .filter(users::id.eq_any([pair.low().as_uuid(), pair.high().as_uuid()]))
        .order(users::id)
        .select(PersonRow::as_select())
        .for_no_key_update()
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(Person::from).collect())
}

/// Locked against the worker that tells chat of blocks, too.
async fn lock_pair(conn: &mut Connection, pair: Pair) -> Result<Relationship, Error> {
    let row: Option<RelationshipRow> = relationships::table
        .find((pair.low().as_uuid(), pair.high().as_uuid()))
        .select(RelationshipRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()?;
    Ok(row.as_ref().map(Relationship::from).unwrap_or_default())
}

pub(super) async fn read_pair(conn: &mut Connection, pair: Pair) -> Result<Relationship, Error> {
    let row: Option<RelationshipRow> = relationships::table
        .find((pair.low().as_uuid(), pair.high().as_uuid()))
        .select(RelationshipRow::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(row.as_ref().map(Relationship::from).unwrap_or_default())
}

pub(super) async fn read_pairs(conn: &mut Connection, pairs: &[Pair]) -> Result<Relationships, Error> {
    if pairs.is_empty() {
        return Ok(Relationships::new());
    }
    let (lows, highs): (Vec<Uuid>, Vec<Uuid>) =
        pairs.iter().map(|pair| (pair.low().as_uuid(), pair.high().as_uuid())).unzip();
    let query = diesel::sql_query(
        "SELECT r.* FROM (SELECT DISTINCT low_id, high_id FROM unnest($1, $2) AS asked (low_id, high_id)) AS asked
         JOIN relationships r USING (low_id, high_id)",
    );
    let rows: Vec<RelationshipRow> =
        query.bind::<Array<SqlUuid>, _>(lows).bind::<Array<SqlUuid>, _>(highs).load(conn).await?;
    Ok(rows.iter().filter_map(|row| Some((row.pair()?, row.into()))).collect())
}

/// The row stays when nothing is between them any more: its version must not be used twice.
async fn save(conn: &mut Connection, pair: Pair, relationship: &Relationship) -> Result<(), Error> {
    let row = RelationshipRow::new(pair, relationship);
    diesel::insert_into(relationships::table)
        .values(&row)
        .on_conflict((relationships::low_id, relationships::high_id))
        .do_update()
        .set(&row)
        .execute(conn)
        .await?;
    Ok(())
}

/// The bound that a change would go over, if any.
async fn reached(conn: &mut Connection, pair: Pair, actor: UserId, change: Change) -> Result<Option<Bound>, Error> {
    match change {
        Change::FriendshipMade => {
            for user_id in [pair.low(), pair.high()] {
                if friend_count(conn, user_id).await? >= limits::FRIENDS_MAX {
                    return Ok(Some(Bound::Friends));
                }
            }
            Ok(None)
        }
        Change::RequestMade if request_count(conn, actor).await? >= limits::FRIEND_REQUESTS_MAX => {
            Ok(Some(Bound::Requests))
        }
        Change::BlockSet { .. } if block_count(conn, actor).await? >= limits::BLOCKS_MAX => Ok(Some(Bound::Blocks)),
        _ => Ok(None),
    }
}

async fn friend_count(conn: &mut Connection, user_id: UserId) -> Result<i64, Error> {
    let id = user_id.as_uuid();
    let rows = relationships::table
        .filter(relationships::friends_since.is_not_null())
        .filter(relationships::low_id.eq(id).or(relationships::high_id.eq(id)));
    Ok(rows.count().get_result(conn).await?)
}

async fn request_count(conn: &mut Connection, user_id: UserId) -> Result<i64, Error> {
    let id = user_id.as_uuid();
    let as_low = relationships::low_id.eq(id).and(relationships::low_requested_at.is_not_null());
    let as_high = relationships::high_id.eq(id).and(relationships::high_requested_at.is_not_null());
    Ok(relationships::table.filter(as_low.or(as_high)).count().get_result(conn).await?)
}

async fn block_count(conn: &mut Connection, user_id: UserId) -> Result<i64, Error> {
    let id = user_id.as_uuid();
    let as_low = relationships::low_id.eq(id).and(relationships::low_blocked_at.is_not_null());
    let as_high = relationships::high_id.eq(id).and(relationships::high_blocked_at.is_not_null());
    Ok(relationships::table.filter(as_low.or(as_high)).count().get_result(conn).await?)
}
