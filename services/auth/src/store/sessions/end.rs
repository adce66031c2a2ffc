use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_kernel::{SessionId, UserId};
use godwit_pg::{Connection, Error};
use uuid::Uuid;

use crate::domain::{EndedSession, Fact, Revocation, SessionEnd};
use crate::store::schema::{revocations, sessions};
use crate::store::{Occasion, Store, accounts};

impl Store {
    /// Ends a session of this user; `None` when it is none of theirs, or over already.
    pub async fn end_session(
        &self,
        user_id: UserId,
        id: SessionId,
        cause: SessionEnd,
        occasion: &Occasion,
    ) -> Result<Option<EndedSession>, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            accounts::lock(conn, user_id).await?;
            let theirs = sessions::table.find(id.as_uuid()).filter(sessions::user_id.eq(user_id.as_uuid()));
            let is_theirs: bool = diesel::select(diesel::dsl::exists(theirs)).get_result(conn).await?;
            if is_theirs { end_one(conn, id, cause, occasion).await } else { Ok(None) }
        })
        .await
    }

    /// Ends all sessions of this user.
    pub async fn end_sessions(
        &self,
        user_id: UserId,
        cause: SessionEnd,
        occasion: &Occasion,
    ) -> Result<Vec<EndedSession>, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            accounts::lock(conn, user_id).await?;
            end_all(conn, user_id, None, cause, occasion).await
        })
        .await
    }
}

/// Ends all sessions of a user whose account is locked, but for one.
pub(in crate::store) async fn end_all(
    conn: &mut Connection,
    user_id: UserId,
    but: Option<SessionId>,
    cause: SessionEnd,
    occasion: &Occasion,
) -> Result<Vec<EndedSession>, Error> {
    let ids: Vec<Uuid> = sessions::table
        .filter(sessions::user_id.eq(user_id.as_uuid()))
        .order(sessions::id)
        .select(sessions::id)
        .load(conn)
        .await?;
    let mut ended = Vec::new();
    for id in ids.into_iter().map(SessionId::from_uuid).filter(|id| Some(*id) != but) {
        ended.extend(end_one(conn, id, cause, occasion).await?);
    }
    Ok(ended)
}

/// Takes a session away, leaves a revocation and tells of it; `None` when it is gone already. The account is locked.
pub(in crate::store) async fn end_one(
    conn: &mut Connection,
    id: SessionId,
    cause: SessionEnd,
    occasion: &Occasion,
) -> Result<Option<EndedSession>, Error> {
    let user_id: Option<Uuid> = diesel::delete(sessions::table.find(id.as_uuid()))
        .returning(sessions::user_id)
        .get_result(conn)
        .await
        .optional()?;
    let Some(user_id) = user_id.map(UserId::from_uuid) else { return Ok(None) };
    diesel::insert_into(revocations::table)
        .values((
            revocations::session_id.eq(id.as_uuid()),
            revocations::user_id.eq(user_id.as_uuid()),
            revocations::revoked_at.eq(occasion.now),
            revocations::expires_at.eq(occasion.revocation_ends_at),
        ))
        .execute(conn)
        .await?;
    occasion.tell(conn, user_id, &[Fact::SessionEnded { session_id: id, cause }]).await?;
    Ok(Some(EndedSession { revocation: Revocation { session_id: id, user_id, revoked_at: occasion.now }, cause }))
}
