use godwit_contract::v1 as pb;
use godwit_message::Config;
use godwit_message::domain::AccountCursor;
use godwit_testkit::eventually;

use crate::harness::{Bed, PATIENCE, append, config, seqs, user};

#[tokio::test(flavor = "multi_thread")]
async fn updates_older_than_the_retention_are_gone_and_cursors_before_them_are_reset() {
    let bed = Bed::new().await;
    let first = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&first, &[ada, bob]).await;
    let silent = bed.chat(&first, &[ada, bob]).await;
    for name in 0..20 {
        first.client(ada).send(chat_id, &name.to_string(), "old").await.unwrap();
    }
    bed.drained().await;
    bed.age("3 days").await;
    for name in 20..25 {
        first.client(ada).send(chat_id, &name.to_string(), "new").await.unwrap();
    }
    bed.drained().await;
    assert_eq!(bed.number("SELECT count(*) FROM sync_log").await, 27, "logs are kept for ever by default");

    let keeping = bed.replica_with(&Config { log_retention_days: 2, clean_interval_ms: 20, ..config(2) });
    eventually(PATIENCE, || async {
        match bed.number("SELECT count(*) FROM sync_log").await {
            5 => Ok(()),
            rows => Err(format!("{rows} updates are kept")),
        }
    })
    .await;
    assert_eq!(bed.number("SELECT count(*) FROM applied_events").await, 0, "the beginnings of two logs");
    let reader = keeping.client(bob);
    assert!(reader.sync_chat(chat_id, 0, 0, "").await.unwrap().reset);
    assert!(reader.sync_chat(chat_id, 20, 0, "").await.unwrap().reset);
    let page = reader.sync_chat(chat_id, 21, 0, "").await.unwrap();
    assert_eq!((page.reset, seqs(&page.updates)), (false, (22..=26).collect::<Vec<u64>>()));
    let page = reader.sync_chat(silent, 1, 0, "").await.unwrap();
    assert_eq!((page.reset, page.head_seq, page.updates.len()), (false, 1, 0), "who has everything goes on");
    assert_eq!(reader.messages(chat_id).await.len(), 25, "messages stay");
    keeping.client(ada).send(silent, "m", "hi").await.unwrap();
    assert_eq!(seqs(&reader.sync_chat(silent, 1, 0, "").await.unwrap().updates), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stream_has_not_got_is_kept_however_old_it_is() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let deleted = bed.chat(&replica, &[ada, bob]).await;
    bed.drained().await;
    bed.stream.take_down();
    replica.client(ada).send(chat_id, "m", "waits").await.unwrap();
    let change = pb::update::Change::ChatDeleted(pb::ChatDeleted {});
    replica.app.append_update(append(deleted, change, 2)).await.unwrap();
    bed.run_sql("UPDATE outbox_batches SET begun_at = begun_at - interval '3 days'").await;
    bed.age("3 days").await;

    // Both chats' beginnings are on the stream.
    let _keeping = bed.replica_with(&Config { log_retention_days: 2, clean_interval_ms: 20, ..config(2) });
    eventually(PATIENCE, || async {
        match bed.number("SELECT count(*) FROM sync_log").await {
            2 => Ok(()),
            rows => Err(format!("{rows} updates are kept")),
        }
    })
    .await;
    bed.stream.take_published();
    bed.stream.bring_up();
    bed.drained().await;
    assert_eq!(bed.stream.take_published().len(), 2);
    eventually(PATIENCE, || async {
        match bed.number(&format!("SELECT count(*) FROM sync_log WHERE chat_id = '{deleted}'")).await {
            0 => Ok(()),
            rows => Err(format!("{rows} updates of a deleted chat are kept")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_chat_that_waits_for_the_stream_does_not_keep_others_waiting() {
    let bed = Bed::new().await;
    let replica = bed.replica_with(&Config { clean_interval_ms: 20, ..config(2) });
    let members = [user(), user()];
    let mut chats = Vec::new();
    for _ in 0..3 {
        chats.push(bed.chat(&replica, &members).await);
    }
    bed.drained().await;
    bed.stream.take_down();
    for chat_id in &chats {
        replica.client(members[0]).send(*chat_id, "m", "text").await.unwrap();
        let change = pb::update::Change::ChatDeleted(pb::ChatDeleted {});
        replica.app.append_update(append(*chat_id, change, 2)).await.unwrap();
    }
    eventually(PATIENCE, || async {
        match bed.number("SELECT count(*) FROM messages").await {
            0 => Ok(()),
            rows => Err(format!("{rows} messages of deleted chats are kept")),
        }
    })
    .await;
    assert!(bed.number("SELECT count(*) FROM sync_log").await >= 6, "what the stream has not got is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_is_older_than_the_logs_begins_anew() {
    let bed = Bed::new().await;
    let replica = bed.replica_with(&Config { log_retention_days: 2, ..config(2) });
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let reader = replica.client(bob);
    replica.client(ada).send(chat_id, "m", "text").await.unwrap();
    let now = AccountCursor::decode(&reader.sync("", 0).await.unwrap().next_cursor).unwrap();
    let of_days_ago =
        |days| AccountCursor { given_until: now.given_until - time::Duration::days(days), ..now }.encode();
    let young = reader.sync(&of_days_ago(1), 0).await.unwrap();
    assert!(!young.reset && young.chats.len() == 1, "{young:?}");
    assert!(reader.sync(&of_days_ago(3), 0).await.unwrap().reset);
    assert!(!bed.replica().client(bob).sync(&of_days_ago(3), 0).await.unwrap().reset, "where logs are kept for ever");
}
