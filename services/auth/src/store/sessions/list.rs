use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use godwit_kernel::{SessionId, UserId};
use godwit_pg::Error;
use time::OffsetDateTime;
use uuid::Uuid;

use super::SessionRow;
use crate::domain::{Revocation, Session};
use crate::store::Store;
use crate::store::schema::{revocations, sessions};

impl Store {
    /// A user's sessions, the one used last first.
    pub async fn sessions(&self, user_id: UserId, now: OffsetDateTime) -> Result<Vec<Session>, Error> {
        let mut conn = self.pool.get().await?;
        let rows: Vec<SessionRow> = sessions::table
            .filter(sessions::user_id.eq(user_id.as_uuid()).and(sessions::expires_at.gt(now)))
            .order((sessions::refreshed_at.desc(), sessions::id.desc()))
            .limit(Session::MAX)
            .select(SessionRow::as_select())
            .load(&mut conn)
            .await?;
        Ok(rows.into_iter().map(Session::from).collect())
    }

    /// The sessions that ended, not before `since`, while access tokens of theirs may still be within their life: by
    /// session id, `limit` of those behind `after`.
    pub async fn revocations(
        &self,
        since: Option<OffsetDateTime>,
        after: Option<SessionId>,
        limit: i64,
        now: OffsetDateTime,
    ) -> Result<Vec<Revocation>, Error> {
        let mut conn = self.pool.get().await?;
        let after = after.map_or(Uuid::nil(), |id| id.as_uuid());
        // PostgreSQL knows no year as early as a protobuf timestamp does.
        let since = since.map_or(OffsetDateTime::UNIX_EPOCH, |since| since.max(OffsetDateTime::UNIX_EPOCH));
        let rows: Vec<(Uuid, Uuid, OffsetDateTime)> = revocations::table
            .filter(revocations::expires_at.gt(now).and(revocations::revoked_at.ge(since)))
            .filter(revocations::session_id.gt(after))
            .order(revocations::session_id)
            .limit(limit)
            .select((revocations::session_id, revocations::user_id, revocations::revoked_at))
            .load(&mut conn)
            .await?;
        let revocation = |(session_id, user_id, revoked_at)| Revocation {
            session_id: SessionId::from_uuid(session_id),
            user_id: UserId::from_uuid(user_id),
            revoked_at,
        };
        Ok(rows.into_iter().map(revocation).collect())
    }
}
