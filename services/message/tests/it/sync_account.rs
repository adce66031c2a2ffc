use std::collections::BTreeSet;

use diesel::sql_types::{Array, BigInt, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use godwit_kernel::{ChatId, SystemClock, SystemEntropy};
use godwit_message::domain::AccountCursor;
use godwit_message::store;
use godwit_testkit::eventually;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use time::{Duration, OffsetDateTime};
use tonic::Code;

use crate::harness::{Bed, PATIENCE, reason, seqs, user};

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_cursor_gives_only_a_cursor() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    bed.chat(&replica, &[ada, bob]).await;
    let page = replica.client(ada).sync("", 0).await.unwrap();
    assert!(page.chats.is_empty() && !page.has_more && !page.reset && !page.next_cursor.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_gives_the_changed_chats_only_whatever_the_number_of_chats() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let mut chats = Vec::new();
    for _ in 0..300 {
        chats.push(bed.chat(&replica, &[ada, bob]).await);
    }
    for chat_id in &chats[..20] {
        replica.client(bob).send(*chat_id, "old", "old").await.unwrap();
    }
    bed.age("1 hour").await;
    let cursor = replica.client(ada).sync("", 0).await.unwrap().next_cursor;

    let changed: BTreeSet<String> = [7, 100, 299].iter().map(|index| chats[*index].to_string()).collect();
    for index in [7, 100, 299] {
        for name in 0..3 {
            replica.client(bob).send(chats[index], &name.to_string(), "new").await.unwrap();
        }
    }
    let id_reads = bed.chats.id_reads();
    let page = replica.client(ada).sync(&cursor, 0).await.unwrap();
    assert!(!page.has_more);
    assert_eq!(page.chats.iter().map(|chat| chat.chat_id.clone()).collect::<BTreeSet<_>>(), changed);
    for chat in &page.chats {
        let first_new = if chat.chat_id == chats[7].to_string() { 3 } else { 2 };
        assert_eq!(seqs(&chat.updates), [first_new, first_new + 1, first_new + 2], "older updates are not given again");
        assert_eq!((chat.head_seq, chat.has_more), (first_new + 2, false));
    }
    assert_eq!(bed.chats.id_reads() - id_reads, 1);

    // A moment later, a synced account with nothing new gets nothing.
    bed.age("5 seconds").await;
    let page = replica.client(ada).sync(&page.next_cursor, 0).await.unwrap();
    assert!(page.chats.is_empty() && !page.has_more);
}

/// The ids of what has not changed are read once a round, and not once a page of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_round_of_many_pages_does_not_read_all_chat_ids_for_each() {
    const UNCHANGED: u64 = 5_000;
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let cursor = replica.client(ada).sync("", 0).await.unwrap().next_cursor;
    let changed = bed.chat(&replica, &[ada, bob]).await;
    for name in 0..40 {
        replica.client(bob).send(changed, &name.to_string(), "new").await.unwrap();
    }
    for _ in 0..UNCHANGED {
        bed.chats.put(ChatId::generate(&SystemClock, &SystemEntropy), &[ada, bob], 1);
    }
    let before = bed.chats.ids_read();
    let (pages, _) = replica.client(ada).sync_all(&cursor, 5).await;
    let given: Vec<u64> = pages.iter().flat_map(|page| seqs(&page.updates)).collect();
    assert_eq!(given, (1..=41).collect::<Vec<u64>>());
    let read = bed.chats.ids_read() - before;
    assert!(pages.len() > 8 && read > UNCHANGED, "{} pages, {read} ids", pages.len());
    assert!(read < 2 * UNCHANGED + 1_000, "{} pages, {read} ids", pages.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_size_give_everything_in_order() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let cursor = replica.client(ada).sync("", 0).await.unwrap().next_cursor;
    let mut chats = Vec::new();
    for count in [1, 9, 1, 30, 2, 2, 5, 1] {
        let chat_id = bed.chat(&replica, &[ada, bob]).await;
        for name in 1..count {
            replica.client(bob).send(chat_id, &name.to_string(), "new").await.unwrap();
        }
        chats.push((chat_id, count));
    }
    for limit in [1, 2, 3, 7, 10, 51, 52, 1_000] {
        let (pages, _) = replica.client(ada).sync_all(&cursor, limit).await;
        for (chat_id, count) in &chats {
            let given: Vec<u64> = pages
                .iter()
                .filter(|page| page.chat_id == chat_id.to_string())
                .flat_map(|page| seqs(&page.updates))
                .collect();
            assert_eq!(given, (1..=*count).collect::<Vec<u64>>(), "limit {limit}");
        }
        let ids: Vec<&String> = pages.iter().map(|page| &page.chat_id).collect();
        assert!(ids.is_sorted(), "chats come in id order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_during_a_round_is_given_by_it_or_by_the_next() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let mut cursor = replica.client(ada).sync("", 0).await.unwrap().next_cursor;
    let mut chats = Vec::new();
    for _ in 0..10 {
        chats.push(bed.chat(&replica, &[ada, bob]).await);
    }
    let mut given: BTreeSet<(String, u64)> = BTreeSet::new();
    for round in 0..40 {
        let page = replica.client(ada).sync(&cursor, 3).await.unwrap();
        given.extend(
            page.chats.iter().flat_map(|chat| {
                chat.updates.iter().map(|update| (chat.chat_id.clone(), update.seq)).collect::<Vec<_>>()
            }),
        );
        cursor = page.next_cursor;
        replica.client(bob).send(chats[round % 10], &round.to_string(), "new").await.unwrap();
    }
    let (pages, _) = replica.client(ada).sync_all(&cursor, 100).await;
    given.extend(
        pages
            .iter()
            .flat_map(|chat| chat.updates.iter().map(|update| (chat.chat_id.clone(), update.seq)).collect::<Vec<_>>()),
    );
    let expected: BTreeSet<_> =
        chats.iter().flat_map(|chat_id| (1..=5).map(|seq| (chat_id.to_string(), seq))).collect();
    assert_eq!(given, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_garbage_is_refused_and_an_old_one_reset() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let ada = user();
    let client = replica.client(ada);
    for garbage in ["x", "AAAA", "!!!", &"A".repeat(5_000)] {
        let refused = client.sync(garbage, 0).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "INVALID_CURSOR"));
    }
    let mut cursor = AccountCursor::decode(&client.sync("", 0).await.unwrap().next_cursor).unwrap();
    cursor.given_until -= Duration::days(31);
    let page = client.sync(&cursor.encode(), 0).await.unwrap();
    assert!(page.reset && page.chats.is_empty());
    let page = client.sync(&page.next_cursor, 0).await.unwrap();
    assert!(!page.reset, "the cursor of a reset is a beginning");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_is_not_given_again_a_moment_later() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let client = replica.client(ada);
    replica.client(bob).send(chat_id, "old", "old").await.unwrap();
    bed.age("5 seconds").await;
    let cursor = client.sync("", 0).await.unwrap().next_cursor;
    let page = client.sync(&cursor, 0).await.unwrap();
    assert!(page.chats.is_empty(), "{page:?}");

    replica.client(bob).send(chat_id, "new", "new").await.unwrap();
    let page = client.sync(&page.next_cursor, 0).await.unwrap();
    assert_eq!((page.chats.len(), seqs(&page.chats[0].updates)), (1, vec![3]));
    bed.age("5 seconds").await;
    let page = client.sync(&page.next_cursor, 0).await.unwrap();
    assert!(page.chats.is_empty(), "{page:?}");
}

/// Longer than what a cursor goes back by when nothing is open.
const HELD: &str = "interval '3 seconds'";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_long_after_its_date_is_given_by_the_next_sync() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    // The next place of the log is taken by somebody who gives it up later: the append is dated, and waits.
    let mut admin = AsyncPgConnection::establish(bed.db.url()).await.unwrap();
    let take = format!("BEGIN; INSERT INTO message.sync_log VALUES ('{chat_id}', 2, '', now())");
    admin.batch_execute(&take).await.unwrap();
    let client = replica.client(ada);
    let syncing = async {
        let held = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
             AND wait_event_type = 'Lock' AND xact_start < clock_timestamp() - {HELD}"
        );
        eventually(PATIENCE, || async { bed.number(&held).await == 1 }).await;
        let page = client.sync("", 0).await.unwrap();
        admin.batch_execute("ROLLBACK").await.unwrap();
        page.next_cursor
    };
    let writer = replica.client(bob);
    let (sent, cursor) = tokio::join!(writer.send(chat_id, "late", "late"), syncing);
    assert_eq!(sent.unwrap().seq, 2);
    let page = client.sync(&cursor, 0).await.unwrap();
    assert!(page.chats.iter().any(|chat| seqs(&chat.updates).contains(&2)), "{page:?}");
}

/// An append that knows its date before it has written or locked anything has no transaction id yet.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_dated_before_it_had_a_transaction_id_is_given_by_the_next_sync() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let mut appender = AsyncPgConnection::establish(&bed.db.role_url(&store::SCHEMA)).await.unwrap();
    appender.batch_execute("BEGIN; SELECT now()").await.unwrap();
    wait_until_held(&bed).await;
    let client = replica.client(ada);
    let cursor = client.sync("", 0).await.unwrap().next_cursor;
    let append = format!(
        "INSERT INTO sync_log VALUES ('{chat_id}', 2, '', now());
         UPDATE chat_heads SET last_seq = 2, changed_at = now() WHERE chat_id = '{chat_id}';
         COMMIT"
    );
    appender.batch_execute(&append).await.unwrap();
    let page = client.sync(&cursor, 0).await.unwrap();
    assert!(page.chats.iter().any(|chat| chat.head_seq == 2), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_another_role_holds_no_cursor_back() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let mut admin = AsyncPgConnection::establish(bed.db.url()).await.unwrap();
    admin.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    bed.chat(&replica, &[ada, bob]).await;
    wait_until_held(&bed).await;
    let client = replica.client(ada);
    let cursor = client.sync("", 0).await.unwrap().next_cursor;
    let page = client.sync(&cursor, 0).await.unwrap();
    assert!(page.chats.is_empty(), "{page:?}");
}

/// Waits until the newest update is older than what a cursor goes back by when nothing is open.
async fn wait_until_held(bed: &Bed) {
    let is_old = format!("SELECT (max(occurred_at) < clock_timestamp() - {HELD})::integer FROM sync_log");
    eventually(PATIENCE, || async { bed.number(&is_old).await == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_sessions_do_not_tell_what_they_do_a_cursor_goes_back_by_the_whole_margin() {
    let bed = Bed::new().await;
    let telling = bed.replica();
    let (ada, bob) = (user(), user());
    let old = bed.chat(&telling, &[ada, bob]).await;
    bed.age("35 seconds").await;
    let lately = bed.chat(&telling, &[ada, bob]).await;
    bed.age("10 seconds").await;
    let cursor = telling.client(ada).sync("", 0).await.unwrap().next_cursor;
    assert!(telling.client(ada).sync(&cursor, 0).await.unwrap().chats.is_empty());

    let mut admin = AsyncPgConnection::establish(bed.db.url()).await.unwrap();
    let stop_telling = "DO $$ BEGIN
        EXECUTE format('ALTER ROLE godwit_message IN DATABASE %I SET track_activities = off', current_database());
    END $$";
    admin.batch_execute(stop_telling).await.unwrap();
    // Sessions that begin from now on. One of them is enough that nobody knows.
    let silent = bed.replica();
    for replica in [&silent, &telling] {
        let cursor = replica.client(ada).sync("", 0).await.unwrap().next_cursor;
        let page = replica.client(ada).sync(&cursor, 0).await.unwrap();
        let given: Vec<&String> = page.chats.iter().map(|chat| &chat.chat_id).collect();
        assert_eq!(given, [&lately.to_string()], "and not {old}");
    }
}

#[derive(diesel::QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

/// The search for the first update after an instant against a plain look at all of them.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_update_after_an_instant_is_found() {
    let bed = Bed::new().await;
    let start = OffsetDateTime::from_unix_timestamp(1_780_000_000).unwrap();
    let cases = prop::collection::vec(0..4_i64, 1..70);
    let runtime = tokio::runtime::Handle::current();
    let search = |steps: Vec<i64>, ago: i64| {
        let chat_id = ChatId::generate(&SystemClock, &SystemEntropy).as_uuid();
        let bed = &bed;
        async move {
            let mut conn = bed.pool.get().await.unwrap();
            let mut at = start;
            let mut dates = Vec::new();
            for step in &steps {
                at += Duration::seconds(*step);
                dates.push(at);
            }
            diesel::sql_query(
                "INSERT INTO sync_log (chat_id, seq, payload, occurred_at)
                 SELECT $1, r.seq, '', r.at FROM unnest($2, $3) AS r (seq, at)",
            )
            .bind::<SqlUuid, _>(chat_id)
            .bind::<Array<BigInt>, _>((0..steps.len()).map(seq_at).collect::<Vec<_>>())
            .bind::<Array<Timestamptz>, _>(dates.clone())
            .execute(&mut conn)
            .await
            .unwrap();
            let since = at - Duration::seconds(ago) - Duration::milliseconds(500);
            let found = diesel::sql_query("SELECT first_seq_after($1, 1, $2, $3) AS seq")
                .bind::<SqlUuid, _>(chat_id)
                .bind::<BigInt, _>(seq_at(steps.len() - 1))
                .bind::<Timestamptz, _>(since)
                .get_result::<Found>(&mut conn)
                .await
                .unwrap();
            let expected = seq_at(dates.iter().position(|date| *date > since).unwrap());
            (found.seq, expected)
        }
    };
    let mut runner = TestRunner::new(ProptestConfig { cases: 60, ..ProptestConfig::default() });
    tokio::task::block_in_place(|| {
        runner
            .run(&(cases, 0..120_i64), |(steps, ago)| {
                let (found, expected) = runtime.block_on(search(steps, ago));
                prop_assert_eq!(found, expected);
                Ok(())
            })
            .unwrap();
    });
}

fn seq_at(index: usize) -> i64 {
    i64::try_from(index).unwrap() + 1
}
