use diesel::sql_types::Text;
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg::{Connection, Schema};
use godwit_testkit::TestDb;

const SHOP_MIGRATIONS: EmbeddedMigrations = embed_migrations!("tests/it/migrations/shop");
const DESK_MIGRATIONS: EmbeddedMigrations = embed_migrations!("tests/it/migrations/desk");
const BROKEN_MIGRATIONS: EmbeddedMigrations = embed_migrations!("tests/it/migrations/broken");

pub const SHOP: Schema = Schema { name: "pgtest_shop", migrations: || SHOP_MIGRATIONS, extensions: &[] };
pub const DESK: Schema = Schema { name: "pgtest_desk", migrations: || DESK_MIGRATIONS, extensions: &[] };

/// Schemas whose role no other test uses, made of the same migrations; [`drop_role`] takes the role away.
pub fn own_schema(migrations: fn() -> EmbeddedMigrations) -> Schema {
    let name = format!("pgtest_{}", uuid::Builder::from_random_bytes(random()).into_uuid().simple());
    Schema { name: Box::leak(name.into_boxed_str()), migrations, extensions: &[] }
}

pub fn shop_migrations() -> EmbeddedMigrations {
    SHOP_MIGRATIONS
}

pub fn broken_migrations() -> EmbeddedMigrations {
    BROKEN_MIGRATIONS
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    let (id, time) = (std::process::id(), std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos());
    let (head, tail) = bytes.split_at_mut(4);
    head.copy_from_slice(&id.to_be_bytes());
    tail.copy_from_slice(&time.to_be_bytes()[4..]);
    bytes
}

pub async fn admin(db: &TestDb) -> Connection {
    Connection::establish(db.url()).await.unwrap()
}

/// A role belongs to the whole server, so a test that made one of its own takes it away.
pub async fn drop_role(databases: &[TestDb], schema: &Schema) {
    for db in databases {
        admin(db).await.batch_execute(&format!("DROP OWNED BY {} CASCADE", schema.role())).await.unwrap();
    }
    let last = databases.last().unwrap();
    admin(last).await.batch_execute(&format!("DROP ROLE {}", schema.role())).await.unwrap();
}

#[derive(diesel::QueryableByName)]
struct Value {
    #[diesel(sql_type = Text)]
    value: String,
}

/// The one text that `sql` selects as `value`.
pub async fn text(connection: &mut Connection, sql: &str) -> Result<String, diesel::result::Error> {
    let row: Value = diesel::sql_query(sql).get_result(connection).await?;
    Ok(row.value)
}
