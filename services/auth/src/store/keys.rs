use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use godwit_pg::Error;
use time::OffsetDateTime;

use super::Store;
use super::schema::{secrets, token_keys};

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

impl Store {
    /// The keys that sign access tokens, newest first; when there is none, `candidate` becomes the first. Replicas that
    /// start at once agree on one.
    pub async fn token_keys(&self, candidate: &StoredSecret, now: OffsetDateTime) -> Result<Vec<StoredSecret>, Error> {
        let mut conn = self.pool.get().await?;
        let rows: Vec<Row> = conn
            .transaction::<_, Error, _>(async |conn| {
                conn.batch_execute("LOCK TABLE token_keys IN EXCLUSIVE MODE").await?;
                let known: i64 = token_keys::table.count().get_result(conn).await?;
                if known == 0 {
                    diesel::insert_into(token_keys::table)
                        .values((
                            token_keys::id.eq(&candidate.name),
                            token_keys::secret.eq(&candidate.bytes),
                            token_keys::is_sealed.eq(candidate.is_sealed),
                            token_keys::created_at.eq(now),
                        ))
                        .execute(conn)
                        .await?;
                }
                let rows = token_keys::table
                    .order((token_keys::created_at.desc(), token_keys::id))
                    .select((token_keys::id, token_keys::secret, token_keys::is_sealed))
                    .load(conn)
                    .await?;
                Ok(rows)
            })
            .await?;
        Ok(rows.into_iter().map(StoredSecret::from).collect())
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
