use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::{Bed, seqs, user};

#[tokio::test(flavor = "multi_thread")]
async fn sync_gives_what_follows_the_cursor_in_bounded_pages() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    for name in 0..9 {
        replica.client(ada).send(chat_id, &name.to_string(), "hi").await.unwrap();
    }
    let client = replica.client(bob);
    let page = client.sync_chat(chat_id, 3, 4, "").await.unwrap();
    assert_eq!((seqs(&page.updates), page.head_seq, page.has_more, page.reset), (vec![4, 5, 6, 7], 10, true, false));
    let epoch = page.epoch;
    let page = client.sync_chat(chat_id, 7, 4, &epoch).await.unwrap();
    assert_eq!((seqs(&page.updates), page.has_more), (vec![8, 9, 10], false));
    let page = client.sync_chat(chat_id, 10, 4, &epoch).await.unwrap();
    assert_eq!((page.updates.len(), page.head_seq, page.has_more, page.reset), (0, 10, false, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_cannot_be_continued_is_reset() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    replica.client(ada).send(chat_id, "m", "hi").await.unwrap();
    let client = replica.client(bob);
    for (after, epoch) in [(1, "another"), (3, ""), (i64::MAX.cast_unsigned(), "")] {
        let page = client.sync_chat(chat_id, after, 0, epoch).await.unwrap();
        assert!(page.reset && page.updates.is_empty(), "{after} {epoch}");
        assert_eq!(page.head_seq, 2);
    }
    assert!(client.sync_chat(chat_id, u64::MAX, 0, "").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_bounded_in_bytes() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let cursor = replica.client(bob).sync("", 0).await.unwrap().next_cursor;
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let text = "🐦".repeat(4_096);
    // A page of one chat has a MiB, one of an account that was here just now four.
    for name in 0..300 {
        replica.client(ada).send(chat_id, &name.to_string(), &text).await.unwrap();
    }
    let page = replica.client(bob).sync_chat(chat_id, 0, 1_000, "").await.unwrap();
    assert!(page.has_more && page.updates.len() > 50 && page.updates.len() < 80, "{}", page.updates.len());
    assert_eq!(replica.client(bob).whole_log(chat_id, 1_000).await.len(), 301);
    let (chats, _) = replica.client(bob).sync_all(&cursor, 500).await;
    assert!(chats.len() > 1, "an account's page is bounded too");
    assert_eq!(chats.iter().map(|chat| chat.updates.len()).sum::<usize>(), 301);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_never_finds_a_gap_while_others_write() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let is_done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (client, is_done) = (replica.client(bob), Arc::clone(&is_done));
        async move {
            let mut logs = 0;
            while !is_done.load(Ordering::Relaxed) {
                let log = client.whole_log(chat_id, 1_000).await;
                assert_eq!(seqs(&log), (1..=log.len() as u64).collect::<Vec<u64>>());
                logs += 1;
            }
            logs
        }
    };
    let writer = async {
        for name in 0..300 {
            replica.client(ada).send(chat_id, &name.to_string(), "hi").await.unwrap();
        }
        bed.drained().await;
        is_done.store(true, Ordering::Relaxed);
    };
    let (logs, ()) = tokio::join!(reader, writer);
    assert!(logs > 10, "{logs}");
    assert_eq!(seqs(&replica.client(bob).whole_log(chat_id, 0).await), (1..=301).collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_every_cursor_is_reset_and_the_logs_go_on() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    replica.client(ada).send(chat_id, "m", "before").await.unwrap();
    let client = replica.client(bob);
    let old_epoch = client.sync_chat(chat_id, 0, 0, "").await.unwrap().epoch;
    let (_, cursor) = client.sync_all("", 100).await;

    bed.run_sql("SELECT renew_logs()").await;
    for (after, epoch) in [(2, old_epoch.as_str()), (0, "")] {
        assert!(client.sync_chat(chat_id, after, 0, epoch).await.unwrap().reset);
    }
    let page = client.sync(&cursor, 0).await.unwrap();
    assert!(page.reset && page.chats.is_empty());

    replica.client(ada).send(chat_id, "n", "after").await.unwrap();
    let page = client.sync_chat(chat_id, 2, 0, "").await.unwrap();
    assert_eq!((seqs(&page.updates), page.reset), (vec![3], false));
    assert_ne!(page.epoch, old_epoch);
    assert_eq!(page.updates[0].epoch, page.epoch);
}
