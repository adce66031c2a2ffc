use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use godwit_kernel::{ChatId, UserId};
use godwit_pg::{Connection, Error};
use uuid::Uuid;

use super::schema::{chats, direct_chats, members};
use crate::domain::{DirectChat, DirectPair, MembershipVersion};

/// What became of the wish for a direct chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The two had none; this one was made.
    Made(ChatId),
    /// The two have this one.
    Existing(ChatId),
}

/// Makes the direct chat of a pair with its members, unless they have one. Of two transactions that ask at once one
/// makes it; the other waits for its commit and finds it.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn claim_direct_chat(
    connection: &mut Connection,
    pair: DirectPair,
    chat: &DirectChat,
) -> Result<Claimed, Error> {
    let claimed = diesel::insert_into(direct_chats::table)
        .values((
            direct_chats::least_user_id.eq(pair.least().as_uuid()),
            direct_chats::greatest_user_id.eq(pair.greatest().as_uuid()),
            direct_chats::chat_id.eq(chat.id.as_uuid()),
        ))
        .on_conflict((direct_chats::least_user_id, direct_chats::greatest_user_id))
        .do_nothing()
        .execute(connection)
        .await?;
    if claimed == 0 {
        let key = (pair.least().as_uuid(), pair.greatest().as_uuid());
        let existing: Uuid = direct_chats::table.find(key).select(direct_chats::chat_id).first(connection).await?;
        return Ok(Claimed::Existing(ChatId::from_uuid(existing)));
    }
    diesel::insert_into(chats::table)
        .values((
            chats::id.eq(chat.id.as_uuid()),
            chats::kind.eq("direct"),
            chats::membership_version.eq(MembershipVersion::FIRST.as_i64()),
            chats::created_at.eq(chat.created_at),
        ))
        .execute(connection)
        .await?;
    let rows = pair.user_ids().map(|user_id| {
        (
            members::chat_id.eq(chat.id.as_uuid()),
            members::user_id.eq(user_id.as_uuid()),
            members::joined_at.eq(chat.created_at),
        )
    });
    diesel::insert_into(members::table).values(rows.to_vec()).execute(connection).await?;
    Ok(Claimed::Made(chat.id))
}

const LIST_PEERS: &str = "\
SELECT user_id FROM (
    (SELECT greatest_user_id AS user_id FROM direct_chats
     WHERE least_user_id = $1 AND ($2 IS NULL OR greatest_user_id > $2) ORDER BY greatest_user_id LIMIT $3)
    UNION ALL
    (SELECT least_user_id AS user_id FROM direct_chats
     WHERE greatest_user_id = $1 AND ($2 IS NULL OR least_user_id > $2) ORDER BY least_user_id LIMIT $3)
) AS peers
ORDER BY user_id LIMIT $3";

#[derive(QueryableByName)]
struct Peer {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
}

/// The other parties of a user's direct chats above an id, in id order.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn list_direct_peers(
    connection: &mut Connection,
    user_id: UserId,
    above: Option<UserId>,
    limit: u32,
) -> Result<Vec<UserId>, Error> {
    let peers: Vec<Peer> = sql_query(LIST_PEERS)
        .bind::<SqlUuid, _>(user_id.as_uuid())
        .bind::<Nullable<SqlUuid>, _>(above.map(|id| id.as_uuid()))
        .bind::<BigInt, _>(i64::from(limit))
        .load(connection)
        .await?;
    Ok(peers.into_iter().map(|peer| UserId::from_uuid(peer.user_id)).collect())
}
