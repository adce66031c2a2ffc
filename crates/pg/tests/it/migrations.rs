use diesel_async::SimpleAsyncConnection;
use godwit_pg::{Error, Pool, PoolOptions, Schema, migrate, pending_migrations, role_url};
use godwit_testkit::{ROLE_PASSWORD, TestDb};

use crate::fixture::{DESK, SHOP, admin, broken_migrations, drop_role, own_schema, shop_migrations, text};

fn pool(db: &TestDb, schema: &Schema, password: &str) -> Pool {
    Pool::connect(&role_url(db.url(), schema, password).unwrap(), PoolOptions::default()).unwrap()
}

#[tokio::test]
async fn a_service_sees_its_own_schema_unqualified() {
    let db = TestDb::empty().await;
    migrate(db.url(), &[&SHOP, &DESK], ROLE_PASSWORD).await.unwrap();
    let pool = pool(&db, &SHOP, ROLE_PASSWORD);
    let mut conn = pool.get().await.unwrap();
    conn.batch_execute("INSERT INTO items (id, name, note) VALUES (1, 'lamp', 'x')").await.unwrap();
    let place = text(&mut conn, "SELECT 'items'::regclass::oid::regclass::text || ' ' || current_user AS value").await;
    assert_eq!(place.unwrap(), "items godwit_pgtest_shop");
    let count = text(&mut admin(&db).await, "SELECT count(*)::text AS value FROM pgtest_shop.items").await;
    assert_eq!(count.unwrap(), "1");
}

#[tokio::test]
async fn a_service_cannot_touch_another_schema() {
    let db = TestDb::empty().await;
    migrate(db.url(), &[&SHOP, &DESK], ROLE_PASSWORD).await.unwrap();
    let pool = pool(&db, &SHOP, ROLE_PASSWORD);
    let mut conn = pool.get().await.unwrap();
    for statement in [
        "SELECT * FROM pgtest_desk.items",
        "INSERT INTO pgtest_desk.items (id, name) VALUES (1, 'x')",
        "CREATE TABLE pgtest_desk.mine (id int)",
        "CREATE TABLE public.mine (id int)",
        "CREATE SCHEMA mine",
        "SET ROLE godwit_pgtest_desk",
    ] {
        let error = conn.batch_execute(statement).await.unwrap_err();
        assert!(error.to_string().contains("permission denied"), "{statement}: {error}");
    }
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let db = TestDb::empty().await;
    migrate(db.url(), &[&SHOP], ROLE_PASSWORD).await.unwrap();
    admin(&db).await.batch_execute("INSERT INTO pgtest_shop.items VALUES (1, 'lamp')").await.unwrap();
    migrate(db.url(), &[&SHOP], ROLE_PASSWORD).await.unwrap();
    let kept = text(&mut admin(&db).await, "SELECT name AS value FROM pgtest_shop.items").await;
    assert_eq!(kept.unwrap(), "lamp");
}

#[tokio::test]
async fn processes_that_migrate_at_once_take_turns() {
    let db = TestDb::empty().await;
    let schemas = [&SHOP, &DESK];
    let one = || migrate(db.url(), &schemas, ROLE_PASSWORD);
    let results = tokio::join!(one(), one(), one(), one());
    assert!(matches!(results, (Ok(()), Ok(()), Ok(()), Ok(()))), "{results:?}");
    assert_eq!(pending_migrations(&db.role_url(&SHOP), &SHOP).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn databases_that_are_set_up_at_once_may_share_a_new_role() {
    let schema = own_schema(shop_migrations);
    let mut databases = Vec::new();
    for _ in 0..5 {
        databases.push(TestDb::empty().await);
    }
    let [a, b, c, d, e] = databases.as_slice() else { unreachable!() };
    let schemas = [&schema];
    let one = |db: &TestDb| {
        let url = db.url().to_owned();
        async move { migrate(&url, &schemas, "the same").await }
    };
    let results = tokio::join!(one(a), one(b), one(c), one(d), one(e));
    assert!(matches!(results, (Ok(()), Ok(()), Ok(()), Ok(()), Ok(()))), "{results:?}");
    for db in &databases {
        pool(db, &schema, "the same").check().await.unwrap();
    }
    drop_role(&databases, &schema).await;
}

#[tokio::test]
async fn pending_migrations_are_named_until_they_are_run() {
    let db = TestDb::empty().await;
    let schema = own_schema(shop_migrations);
    let role = schema.role();
    let prepare = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'p'; CREATE SCHEMA {0} AUTHORIZATION {role};
         GRANT CONNECT ON DATABASE {1} TO {role}; ALTER ROLE {role} SET search_path = {0}",
        schema.name,
        db.url().rsplit('/').next().unwrap()
    );
    admin(&db).await.batch_execute(&prepare).await.unwrap();
    let url = role_url(db.url(), &schema, "p").unwrap();
    let all = pending_migrations(&url, &schema).await.unwrap();
    assert_eq!(all, ["20260101000000_create_items", "20260102000000_add_note"]);
    migrate(db.url(), &[&schema], "p").await.unwrap();
    assert_eq!(pending_migrations(&url, &schema).await.unwrap(), Vec::<String>::new());
    drop_role(&[db], &schema).await;
}

#[tokio::test]
async fn a_migration_that_fails_names_its_schema_and_leaves_the_others() {
    let db = TestDb::empty().await;
    let broken = own_schema(broken_migrations);
    let error = migrate(db.url(), &[&SHOP, &broken], ROLE_PASSWORD).await.unwrap_err();
    assert!(matches!(&error, Error::Migration { schema, .. } if *schema == broken.name), "{error:?}");
    assert!(!error.is_unavailable());
    pool(&db, &SHOP, ROLE_PASSWORD).check().await.unwrap();
    // The lock is free again.
    migrate(db.url(), &[&SHOP], ROLE_PASSWORD).await.unwrap();
    drop_role(&[db], &broken).await;
}

#[tokio::test]
async fn an_administrator_need_not_be_superuser() {
    let db = TestDb::empty().await;
    let schema = Schema { extensions: &["pg_trgm"], ..own_schema(shop_migrations) };
    let boss = format!("{}_boss", schema.role());
    let name = db.url().rsplit('/').next().unwrap();
    let prepare = format!("CREATE ROLE {boss} LOGIN CREATEROLE PASSWORD 'b'; ALTER DATABASE {name} OWNER TO {boss}");
    admin(&db).await.batch_execute(&prepare).await.unwrap();
    let (_, rest) = db.url().split_once('@').unwrap();
    let url = format!("postgres://{boss}:b@{rest}");
    migrate(&url, &[&schema], "p").await.unwrap();
    migrate(&url, &[&schema], "p").await.unwrap();
    let likeness = "SELECT similarity('lamp', 'lamp')::text AS value";
    let likeness = text(&mut pool(&db, &schema, "p").get().await.unwrap(), likeness).await;
    assert_eq!(likeness.unwrap(), "1", "an extension that the schema names is the service's to use");
    let undo = format!("ALTER DATABASE {name} OWNER TO CURRENT_USER; DROP OWNED BY {boss}");
    admin(&db).await.batch_execute(&undo).await.unwrap();
    let mut connection = admin(&db).await;
    drop_role(&[db], &schema).await;
    connection.batch_execute(&format!("DROP ROLE {boss}")).await.unwrap();
}
