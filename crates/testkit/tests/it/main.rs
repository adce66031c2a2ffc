//! The kit against the real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use godwit_pg::Schema;
use godwit_testkit::{TestDb, eventually};

const MIGRATIONS: diesel_migrations::EmbeddedMigrations = diesel_migrations::embed_migrations!("tests/it/migrations");
const SCHEMA: Schema = Schema { name: "testkit", migrations: || MIGRATIONS, extensions: &[] };

async fn count_rows(database: &TestDb) -> usize {
    let mut conn = database.pool(&SCHEMA).get().await.unwrap();
    diesel::sql_query("SELECT * FROM things").execute(&mut *conn).await.unwrap()
}

#[tokio::test]
async fn each_test_has_a_database_of_its_own() {
    let (first, second) = (TestDb::new(&[&SCHEMA]).await, TestDb::new(&[&SCHEMA]).await);
    let mut conn = first.pool(&SCHEMA).get().await.unwrap();
    conn.batch_execute("INSERT INTO things VALUES (1)").await.unwrap();
    assert_eq!(count_rows(&first).await, 1);
    assert_eq!(count_rows(&second).await, 0);
}

#[tokio::test]
async fn a_database_goes_with_its_value() {
    let database = TestDb::new(&[&SCHEMA]).await;
    let pool = database.pool(&SCHEMA);
    pool.check().await.unwrap();
    drop(database);
    eventually(Duration::from_secs(20), || async { pool.check().await.is_err() }).await;
}
