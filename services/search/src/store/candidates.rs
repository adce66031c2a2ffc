use diesel::pg::Pg;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use godwit_kernel::{ChatId, MessageId, Seq};
use godwit_pg::{Connection, Error, Prepared};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::Place;
use crate::domain::term::{Term, chat_term};

/// In more chats the index finds by words alone: to look for that many chats in it costs more than to leave out what is
/// of others.
const CHAT_TERMS_MAX: usize = 64;

/// What the index can tell of a message.
#[derive(Clone, Debug, Default)]
pub struct Criteria {
    /// It has a term of each group.
    pub terms: Vec<Vec<Term>>,
    /// It was sent then or later.
    pub from: Option<OffsetDateTime>,
    /// It was sent before then.
    pub to: Option<OffsetDateTime>,
    /// It comes after this one, newest first.
    pub before: Option<Place>,
}

/// How far a chat has been walked through, from its newest message back.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The chat.
    pub chat_id: ChatId,
    /// Messages before it are next.
    pub before_seq: i64,
}

/// Some messages of a chat that were walked past.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// The chat.
    pub chat_id: ChatId,
    /// How many there were.
    pub count: i64,
    /// The oldest of them.
    pub oldest_seq: i64,
    /// When it was sent.
    pub oldest_at: OffsetDateTime,
    /// Those that meet the criteria.
    pub found: Vec<Place>,
}

#[derive(QueryableByName)]
struct StretchRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = BigInt)]
    oldest_seq: i64,
    #[diesel(sql_type = Timestamptz)]
    oldest_at: OffsetDateTime,
    #[diesel(sql_type = Array<BigInt>)]
    seqs: Vec<i64>,
    #[diesel(sql_type = Array<Timestamptz>)]
    sent_at: Vec<OffsetDateTime>,
}

#[derive(QueryableByName)]
struct PlaceRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Timestamptz)]
    sent_at: OffsetDateTime,
}

#[derive(QueryableByName)]
struct StartRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    before_seq: i64,
}

/// Where to begin to walk through chats: at their ends, or at what was sent up to an instant.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn starts(
    connection: &mut Connection,
    chats: &[ChatId],
    up_to: Option<OffsetDateTime>,
) -> Result<Vec<Step>, Error> {
    let Some(up_to) = up_to else {
        return Ok(chats.iter().map(|chat_id| Step { chat_id: *chat_id, before_seq: i64::MAX }).collect());
    };
    let query = sql_query(
        "SELECT c.chat_id, coalesce((
             SELECT e.seq FROM entries e WHERE e.chat_id = c.chat_id AND e.sent_at > $2 AND NOT e.is_deleted
             ORDER BY e.sent_at, e.seq LIMIT 1
         ), 9223372036854775807) AS before_seq
         FROM unnest($1) AS c (chat_id)",
    )
    .bind::<Array<SqlUuid>, _>(uuids(chats))
    .bind::<Timestamptz, _>(up_to);
    let rows: Vec<StartRow> = Prepared(query).load(connection).await?;
    let steps =
        rows.into_iter().map(|row| Step { chat_id: ChatId::from_uuid(row.chat_id), before_seq: row.before_seq });
    Ok(steps.collect())
}

/// Walks past at most `depth` messages of each chat, newest first. Chats without any are absent.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn walk(
    connection: &mut Connection,
    steps: &[Step],
    depth: i64,
    criteria: &Criteria,
) -> Result<Vec<Stretch>, Error> {
    let met = conditions("e", criteria, 4);
    let sql = format!(
        "SELECT c.chat_id, w.count, w.oldest_seq, w.oldest_at, w.seqs, w.sent_at
         FROM unnest($1, $2) AS c (chat_id, before_seq)
         CROSS JOIN LATERAL (
             SELECT count(*) AS count, min(x.seq) AS oldest_seq, min(x.sent_at) AS oldest_at,
                 coalesce(array_agg(x.seq) FILTER (WHERE x.is_met), '{{}}') AS seqs,
                 coalesce(array_agg(x.sent_at) FILTER (WHERE x.is_met), '{{}}') AS sent_at
             FROM (
                 SELECT e.seq, e.sent_at, {met} AS is_met FROM entries e
                 WHERE e.chat_id = c.chat_id AND e.seq < c.before_seq ORDER BY e.seq DESC LIMIT $3
             ) AS x
         ) AS w
         WHERE w.count > 0"
    );
    let query = sql_query(sql)
        .into_boxed::<Pg>()
        .bind::<Array<SqlUuid>, _>(steps.iter().map(|step| step.chat_id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(steps.iter().map(|step| step.before_seq).collect::<Vec<_>>())
        .bind::<BigInt, _>(depth);
    // The text differs by the number of groups alone.
    let rows: Vec<StretchRow> = Prepared(bind_conditions(query, criteria)).load(connection).await?;
    Ok(rows.into_iter().map(Stretch::from).collect())
}

/// The newest messages of chats that meet the criteria, by the index of terms.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn look_up(
    connection: &mut Connection,
    chats: &[ChatId],
    criteria: &Criteria,
    limit: i64,
) -> Result<Vec<Place>, Error> {
    let met = conditions("e", criteria, 4);
    // That it is true keeps the planner from looking up every message of the chats by the primary key. It takes arrays that
    // overlap for as cheap as numbers that are equal: so it is also kept from trying them on all rows.
    let sql = format!(
        "SELECT e.chat_id, e.seq, e.sent_at FROM entries e
         WHERE (e.chat_id = ANY ($1)) IS TRUE AND ($2 IS NULL OR e.terms && $2) AND {met}
         ORDER BY e.sent_at DESC, e.chat_id DESC, e.seq DESC LIMIT $3"
    );
    let of_chats: Option<Vec<Term>> =
        (chats.len() <= CHAT_TERMS_MAX).then(|| chats.iter().map(|chat_id| chat_term(*chat_id)).collect());
    let query = sql_query(sql)
        .into_boxed::<Pg>()
        .bind::<Array<SqlUuid>, _>(uuids(chats))
        .bind::<Nullable<Array<Integer>>, _>(of_chats)
        .bind::<BigInt, _>(limit);
    let query = bind_conditions(query, criteria);
    let rows: Vec<PlaceRow> = connection
        .transaction(async |connection| {
            sql_query("SET LOCAL enable_seqscan = off").execute(connection).await?;
            Ok::<_, Error>(query.load(connection).await?)
        })
        .await?;
    Ok(rows.into_iter().map(|row| place(row.chat_id, row.seq, row.sent_at)).collect())
}

/// What must be true of `alias`, with parameters from `first` on; [`bind_conditions`] binds them. Terms come last: to
/// compare them costs most.
fn conditions(alias: &str, criteria: &Criteria, first: usize) -> String {
    let [from, to, sent_at, chat_id, seq] = [first, first + 1, first + 2, first + 3, first + 4];
    let groups = criteria.terms.iter().enumerate();
    let terms: String = groups.map(|(place, _)| format!(" AND {alias}.terms && ${}", first + 5 + place)).collect();
    format!(
        "(NOT {alias}.is_deleted AND (${from} IS NULL OR {alias}.sent_at >= ${from})
         AND (${to} IS NULL OR {alias}.sent_at < ${to})
         AND (${sent_at} IS NULL OR ({alias}.sent_at, {alias}.chat_id, {alias}.seq) < (${sent_at}, ${chat_id}, ${seq}))
         {terms})"
    )
}

type Boxed<'a> = BoxedSqlQuery<'a, Pg, SqlQuery>;

fn bind_conditions<'a>(query: Boxed<'a>, criteria: &Criteria) -> Boxed<'a> {
    let before = criteria.before;
    let mut query = query
        .bind::<Nullable<Timestamptz>, _>(criteria.from)
        .bind::<Nullable<Timestamptz>, _>(criteria.to)
        .bind::<Nullable<Timestamptz>, _>(before.map(|place| place.sent_at))
        .bind::<Nullable<SqlUuid>, _>(before.map(|place| place.message_id.chat_id.as_uuid()))
        .bind::<Nullable<BigInt>, _>(before.map(|place| place.message_id.seq.as_i64()));
    for group in &criteria.terms {
        query = query.bind::<Array<Integer>, _>(group.clone());
    }
    query
}

fn uuids(chats: &[ChatId]) -> Vec<Uuid> {
    chats.iter().map(ChatId::as_uuid).collect()
}

fn place(chat_id: Uuid, seq: i64, sent_at: OffsetDateTime) -> Place {
    Place { sent_at, message_id: MessageId { chat_id: ChatId::from_uuid(chat_id), seq: Seq::from_i64(seq) } }
}

impl From<StretchRow> for Stretch {
    fn from(row: StretchRow) -> Self {
        let found = row.seqs.iter().zip(&row.sent_at).map(|(seq, sent_at)| place(row.chat_id, *seq, *sent_at));
        Self {
            chat_id: ChatId::from_uuid(row.chat_id),
            count: row.count,
            oldest_seq: row.oldest_seq,
            oldest_at: row.oldest_at,
            found: found.collect(),
        }
    }
}
