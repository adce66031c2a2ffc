use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

use super::Store;
use super::schema::{secrets, token_keys};
use crate::domain::{KeyPlan, KeyRule, KeyTimes};

/// A secret of the service as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// What it is; also what it is sealed for.
    pub name: String,
    /// The bytes, sealed or not.
    pub bytes: Vec<u8>,
    /// Whether they are.
    pub is_sealed: bool,
}

type Row = (String, Vec<u8>, bool);

impl From<Row> for StoredSecret {
    fn from((name, bytes, is_sealed): Row) -> Self {
        Self { name, bytes, is_sealed }
    }
}

/// A key that signs access tokens, as it is stored.
#[derive(Clone)]
pub struct StoredKey {
    /// The key; its name is its PASERK id.
    pub secret: StoredSecret,
    /// When it was made and from when it signs.
    pub times: KeyTimes,
}

type KeyRow = (String, Vec<u8>, bool, OffsetDateTime, OffsetDateTime);

impl From<KeyRow> for StoredKey {
    fn from((id, bytes, is_sealed, created_at, signs_from): KeyRow) -> Self {
        let times = KeyTimes { id: id.clone(), created_at, signs_from };
        Self { secret: StoredSecret { name: id, bytes, is_sealed }, times }
    }
}

impl Store {
    /// The keys that sign and verify access tokens, newest first.
    pub async fn token_keys(&self) -> Result<Vec<StoredKey>, Error> {
        let mut conn = self.pool.get().await?;
        load_keys(&mut conn).await
    }

    /// Makes the candidate a key, if one is due, and deletes those that are over; true when the candidate was taken.
    /// Replicas take turns, and each looks again when it is its turn.
    pub async fn rotate_token_keys(
        &self,
        candidate: &StoredSecret,
        rule: KeyRule,
        now: OffsetDateTime,
    ) -> Result<bool, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            conn.batch_execute("LOCK TABLE token_keys IN EXCLUSIVE MODE").await?;
            let times: Vec<KeyTimes> = load_keys(conn).await?.into_iter().map(|key| key.times).collect();
            let plan = KeyPlan::of(&times, rule, now);
            diesel::delete(token_keys::table.filter(token_keys::id.eq_any(&plan.retire))).execute(conn).await?;
            let Some(signs_from) = plan.make_signing_from else { return Ok(false) };
            diesel::insert_into(token_keys::table)
                .values((
                    token_keys::id.eq(&candidate.name),
                    token_keys::secret.eq(&candidate.bytes),
                    token_keys::is_sealed.eq(candidate.is_sealed),
                    token_keys::created_at.eq(now),
                    token_keys::signs_from.eq(signs_from),
                ))
                .execute(conn)
                .await?;
            Ok(true)
        })
        .await
    }

    /// Stores a token key sealed that was stored open.
    pub async fn seal_token_key(&self, key: &StoredSecret) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        diesel::update(token_keys::table.find(&key.name).filter(token_keys::is_sealed.eq(false)))
            .set((token_keys::secret.eq(&key.bytes), token_keys::is_sealed.eq(key.is_sealed)))
            .execute(&mut conn)
            .await?;
        Ok(())
    }

    /// The secret with the candidate's name; when there is none, the candidate becomes it.
    pub async fn secret(&self, candidate: &StoredSecret, now: OffsetDateTime) -> Result<StoredSecret, Error> {
        let mut conn = self.pool.get().await?;
        diesel::insert_into(secrets::table)
            .values((
                secrets::name.eq(&candidate.name),
                secrets::secret.eq(&candidate.bytes),
                secrets::is_sealed.eq(candidate.is_sealed),
                secrets::created_at.eq(now),
            ))
            .on_conflict_do_nothing()
            .execute(&mut conn)
            .await?;
        let row: Row = secrets::table
            .find(&candidate.name)
            .select((secrets::name, secrets::secret, secrets::is_sealed))
            .get_result(&mut conn)
            .await?;
        Ok(row.into())
    }

    /// Stores a secret sealed that was stored open.
    pub async fn seal_secret(&self, secret: &StoredSecret) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        diesel::update(secrets::table.find(&secret.name).filter(secrets::is_sealed.eq(false)))
            .set((secrets::secret.eq(&secret.bytes), secrets::is_sealed.eq(secret.is_sealed)))
            .execute(&mut conn)
            .await?;
        Ok(())
    }
}

async fn load_keys(conn: &mut Connection) -> Result<Vec<StoredKey>, Error> {
    // Keys of the release before have signed "since ever", which only PostgreSQL can say.
    let signs_from = sql::<Timestamptz>("greatest(signs_from, created_at)");
    let rows: Vec<KeyRow> = token_keys::table
        .order((token_keys::created_at.desc(), token_keys::id))
        .select((token_keys::id, token_keys::secret, token_keys::is_sealed, token_keys::created_at, signs_from))
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(StoredKey::from).collect())
}
