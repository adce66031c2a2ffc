use std::time::Duration;

use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use godwit_pg::{Error, Pool, PoolOptions};
use godwit_testkit::TestDb;

use crate::fixture::{SHOP, admin, text};

fn pool_with(db: &TestDb, change: impl FnOnce(&mut PoolOptions)) -> Pool {
    let mut options = PoolOptions { max_size: 1, ..PoolOptions::default() };
    change(&mut options);
    Pool::connect(&db.role_url(&SHOP), options).unwrap()
}

#[tokio::test]
async fn an_answered_commit_is_on_disk_whatever_the_role_says() {
    let db = TestDb::new(&[&SHOP]).await;
    let weaken = format!(
        "ALTER ROLE {} IN DATABASE {} SET synchronous_commit = off",
        SHOP.role(),
        db.url().rsplit('/').next().unwrap()
    );
    admin(&db).await.batch_execute(&weaken).await.unwrap();
    let mut conn = pool_with(&db, |_| {}).get().await.unwrap();
    let sql = "SELECT current_setting('synchronous_commit') AS value";
    assert_eq!(text(&mut conn, sql).await.unwrap(), "on");
    let sql = "SELECT current_setting('application_name') AS value";
    assert_eq!(text(&mut conn, sql).await.unwrap(), "godwit_pgtest_shop");
}

#[tokio::test]
async fn a_statement_that_runs_too_long_is_stopped() {
    let db = TestDb::new(&[&SHOP]).await;
    let pool = pool_with(&db, |options| options.statement_timeout = Duration::from_millis(50));
    let error = Error::from(pool.get().await.unwrap().batch_execute("SELECT pg_sleep(30)").await.unwrap_err());
    assert!(error.is_unavailable(), "{error:?}");
    pool.check().await.unwrap();
}

#[tokio::test]
async fn a_unique_violation_names_its_constraint() {
    let db = TestDb::new(&[&SHOP]).await;
    let mut conn = pool_with(&db, |_| {}).get().await.unwrap();
    conn.batch_execute("INSERT INTO items VALUES (1, 'lamp')").await.unwrap();
    let error = Error::from(conn.batch_execute("INSERT INTO items VALUES (2, 'lamp')").await.unwrap_err());
    assert_eq!(error.is_unique_violation(), Some("items_name_key"));
    assert!(!error.is_unavailable());
    let other = Error::from(conn.batch_execute("SELECT nothing").await.unwrap_err());
    assert_eq!(other.is_unique_violation(), None);
}

#[tokio::test]
async fn a_full_pool_makes_the_next_caller_wait_only_so_long() {
    let db = TestDb::new(&[&SHOP]).await;
    let pool = pool_with(&db, |options| options.wait_timeout = Duration::from_millis(100));
    let held = pool.get().await.unwrap();
    let error = pool.get().await.err().unwrap();
    assert!(matches!(error, Error::PoolTimeout(_)) && error.is_unavailable(), "{error:?}");
    drop(held);
    pool.check().await.unwrap();
}

#[tokio::test]
async fn a_lost_connection_is_told_and_replaced() {
    let db = TestDb::new(&[&SHOP]).await;
    let pool = pool_with(&db, |_| {});
    let mut conn = pool.get().await.unwrap();
    let kill = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{}' AND datname = current_database()",
        SHOP.role()
    );
    admin(&db).await.batch_execute(&kill).await.unwrap();
    let error = Error::from(conn.batch_execute("SELECT 1").await.unwrap_err());
    assert!(error.is_unavailable(), "{error:?}");
    drop(conn);
    // The server's last words may be read before its end of the connection is: then the next caller is told as well.
    let replaced = async {
        while let Err(error) = pool.check().await {
            assert!(error.is_unavailable(), "{error:?}");
        }
    };
    tokio::time::timeout(Duration::from_secs(10), replaced).await.unwrap();
}

#[tokio::test]
async fn an_abandoned_transaction_is_rolled_back() {
    let db = TestDb::new(&[&SHOP]).await;
    let pool = pool_with(&db, |_| {});
    let mut conn = pool.get().await.unwrap();
    let pid = text(&mut conn, "SELECT pg_backend_pid()::text AS value").await.unwrap();
    let never_ends = conn.transaction(async |conn| {
        conn.batch_execute("INSERT INTO items VALUES (1, 'lamp')").await?;
        std::future::pending::<Result<(), Error>>().await
    });
    assert!(tokio::time::timeout(Duration::from_millis(200), never_ends).await.is_err());
    drop(conn);
    let mut conn = pool.get().await.unwrap();
    assert_ne!(text(&mut conn, "SELECT pg_backend_pid()::text AS value").await.unwrap(), pid);
    assert_eq!(text(&mut conn, "SELECT count(*)::text AS value FROM items").await.unwrap(), "0");
}

#[tokio::test]
async fn transactions_commit_and_roll_back() {
    let db = TestDb::new(&[&SHOP]).await;
    let mut conn = pool_with(&db, |_| {}).get().await.unwrap();
    let kept = conn.transaction(async |conn| {
        conn.batch_execute("INSERT INTO items VALUES (1, 'lamp')").await?;
        Ok::<_, Error>(7)
    });
    assert_eq!(kept.await.unwrap(), 7);
    let undone = conn.transaction(async |conn| {
        conn.batch_execute("DELETE FROM items").await?;
        Err::<(), _>(Error::PoolClosed)
    });
    assert!(matches!(undone.await, Err(Error::PoolClosed)));
    assert_eq!(text(&mut conn, "SELECT count(*)::text AS value FROM items").await.unwrap(), "1");
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let url = "postgres://someone:secret@127.0.0.1:1/godwit";
    let pool = Pool::connect(url, PoolOptions::default()).unwrap();
    let error = pool.get().await.err().unwrap();
    assert!(matches!(error, Error::Connect(_)) && error.is_unavailable(), "{error:?}");
    assert!(!format!("{error:?}").contains("secret"));
}

#[tokio::test]
async fn a_closed_pool_gives_nothing() {
    let db = TestDb::new(&[&SHOP]).await;
    let pool = pool_with(&db, |_| {});
    pool.check().await.unwrap();
    pool.close();
    assert!(matches!(pool.get().await.err(), Some(Error::PoolClosed)));
}
