use diesel::prelude::{ExpressionMethods as _, QueryDsl as _};
use diesel::sql_types::{Array, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, UserId};
use godwit_pg::{Connection, Error};
use uuid::Uuid;

use super::chats::IdRow;
use super::schema::folders;
use crate::domain::{Folder, FolderId};

/// The folders of a person, in their order.
///
/// # Errors
/// When the database does.
pub async fn folders_of(conn: &mut Connection, user_id: UserId) -> Result<Vec<Folder>, Error> {
    let rows: Vec<(Uuid, String, Vec<Uuid>)> = folders::table
        .filter(folders::user_id.eq(user_id.as_uuid()))
        .order(folders::place)
        .select((folders::id, folders::title, folders::chat_ids))
        .load(conn)
        .await?;
    let decode = |(id, title, chat_ids): (Uuid, String, Vec<Uuid>)| Folder {
        id: FolderId::from_uuid(id),
        title,
        chat_ids: chat_ids.into_iter().map(ChatId::from_uuid).collect(),
    };
    Ok(rows.into_iter().map(decode).collect())
}

/// Keeps the folders of a person as they are, in this order; at most 20. Those that are not among them stay: see
/// [`delete_folder`].
///
/// # Errors
/// When the database does.
pub async fn save_folders(conn: &mut Connection, user_id: UserId, all: &[Folder]) -> Result<(), Error> {
    for (place, folder) in (0i32..).zip(all) {
        let chat_ids: Vec<Uuid> = folder.chat_ids.iter().map(ChatId::as_uuid).collect();
        diesel::insert_into(folders::table)
            .values((
                folders::id.eq(folder.id.as_uuid()),
                folders::user_id.eq(user_id.as_uuid()),
                folders::title.eq(&folder.title),
                folders::chat_ids.eq(&chat_ids),
                folders::place.eq(place),
            ))
            .on_conflict(folders::id)
            .do_update()
            .set((folders::title.eq(&folder.title), folders::chat_ids.eq(&chat_ids), folders::place.eq(place)))
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Forgets a folder of a person.
///
/// # Errors
/// When the database does.
pub async fn delete_folder(conn: &mut Connection, user_id: UserId, folder_id: FolderId) -> Result<(), Error> {
    let row = folders::table.find(folder_id.as_uuid()).filter(folders::user_id.eq(user_id.as_uuid()));
    diesel::delete(row).execute(conn).await?;
    Ok(())
}

/// Takes a chat from the folders of some people, and tells whose folders are others now.
///
/// # Errors
/// When the database does.
pub async fn take_from_folders(
    conn: &mut Connection,
    chat_id: ChatId,
    user_ids: &[UserId],
) -> Result<Vec<UserId>, Error> {
    let ids: Vec<Uuid> = user_ids.iter().map(UserId::as_uuid).collect();
    let rows: Vec<IdRow> = diesel::sql_query(
        "WITH changed AS (
             UPDATE folders SET chat_ids = array_remove(chat_ids, $1)
             WHERE user_id = ANY($2) AND $1 = ANY(chat_ids) RETURNING user_id
         )
         SELECT DISTINCT user_id AS id FROM changed",
    )
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .bind::<Array<SqlUuid>, _>(ids)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| UserId::from_uuid(row.id)).collect())
}
