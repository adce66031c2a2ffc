use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

use crate::domain::Provider;

/// What waits for a push service.
#[derive(QueryableByName)]
pub struct Backlog {
    /// How many deliveries are due or wait for another try; a hundred thousand is the most that is counted.
    #[diesel(sql_type = BigInt)]
    pub count: i64,
    /// Since when the oldest of those is due that nobody has taken.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub oldest_due_at: Option<OffsetDateTime>,
}

/// Measures what waits for a push service at an instant.
///
/// # Errors
/// When the database does.
pub async fn backlog(conn: &mut Connection, provider: Provider, now: OffsetDateTime) -> Result<Backlog, Error> {
    let query = "SELECT \
         (SELECT count(*) FROM \
             (SELECT FROM deliveries WHERE provider = $1 AND state = 'pending' LIMIT 100000) AS pending) AS count, \
         (SELECT min(due_at) FROM deliveries WHERE provider = $1 AND state = 'pending' AND due_at <= $2) \
             AS oldest_due_at";
    Ok(sql_query(query).bind::<Text, _>(provider.as_str()).bind::<Timestamptz, _>(now).get_result(conn).await?)
}
