//! What follows a commit: live, the stream, and the sweeper for what nobody got through.

use std::collections::BTreeSet;

use godwit_contract::v1 as pb;
use godwit_live::Channel;
use godwit_message::store;
use godwit_testkit::eventually;
use prost::Message as _;

use crate::append::{beginning, commit, message};
use crate::harness::{Bed, PATIENCE, created, seqs, user};

#[tokio::test(flavor = "multi_thread")]
async fn updates_are_published_live_and_to_the_stream_in_order() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let mut listener = bed.listen(&[Channel::Chat(chat_id)]).await;
    for name in 0..50 {
        replica.client(ada).send(chat_id, &name.to_string(), "hi").await.unwrap();
    }
    let log = replica.client(bob).whole_log(chat_id, 0).await;
    for update in &log[1..] {
        // An update that was there before, or that the sweeper sends again, is no harm; one that comes early is.
        let mut delivered = listener.update().await;
        while delivered.1.seq < update.seq {
            delivered = listener.update().await;
        }
        assert_eq!(delivered, (Channel::Chat(chat_id), update.clone()));
    }
    bed.drained().await;
    let published = bed.stream.take_published().into_iter().map(|bytes| pb::Update::decode(bytes).unwrap());
    let mut published: Vec<pb::Update> = published.filter(|update| update.chat_id == chat_id.to_string()).collect();
    published.dedup_by_key(|update| update.seq);
    assert_eq!(published, log, "the stream has the bytes of the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_begins_is_announced_to_its_members() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let mut listener = bed.listen(&[Channel::User(bob)]).await;
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let (_, update) = listener.update().await;
    assert_eq!((update.chat_id, update.seq), (chat_id.to_string(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweeper_publishes_what_a_killed_process_left() {
    let bed = Bed::new().await;
    let replicas = [bed.replica(), bed.replica()];
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replicas[0], &[ada, bob]).await;
    bed.drained().await;
    let mut listener = bed.listen(&[Channel::Chat(chat_id)]).await;

    let mut conn = bed.pool.get().await.unwrap();
    let entries: Vec<_> = (0..20).map(|number| message(chat_id, ada, &number.to_string(), "left behind")).collect();
    commit(&mut conn, &entries).await;
    drop(conn);

    for seq in 2..=21 {
        let mut delivered = listener.update().await.1.seq;
        while delivered < seq {
            delivered = listener.update().await.1.seq;
        }
        assert_eq!(delivered, seq);
    }
    bed.drained().await;
    assert_eq!(seqs(&replicas[1].client(bob).whole_log(chat_id, 0).await), (1..=21).collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_whose_beginning_was_left_behind_is_announced_by_the_sweeper() {
    let bed = Bed::new().await;
    let (ada, bob) = (user(), user());
    let mut listener = bed.listen(&[Channel::User(bob)]).await;
    let replica = bed.replica();
    let update = created(godwit_kernel::ChatId::from_uuid(uuid::Uuid::from_u128(77)), &[ada, bob]);
    let mut entry = beginning(update.chat_id);
    if let godwit_message::domain::Change::Event(event) = &mut entry.change {
        event.partial_update = update.partial_update;
    }
    commit(&mut bed.pool.get().await.unwrap(), &[entry]).await;
    assert_eq!(listener.update().await.1.seq, 1);
    drop(replica);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_sweeps_at_a_time() {
    let bed = Bed::new().await;
    let lease =
        |number| store::Lease { holder: uuid::Uuid::from_u128(number), ttl: std::time::Duration::from_millis(300) };
    let mut conn = bed.pool.get().await.unwrap();
    assert!(store::renew_lease(&mut conn, lease(1)).await.unwrap());
    assert!(!store::renew_lease(&mut conn, lease(2)).await.unwrap());
    assert!(store::renew_lease(&mut conn, lease(1)).await.unwrap());
    drop(conn);
    eventually(PATIENCE, || async {
        let mut conn = bed.pool.get().await.unwrap();
        store::renew_lease(&mut conn, lease(2)).await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_stream_is_down_sends_live_and_sync_go_on_and_then_everything_is_published() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    bed.drained().await;
    bed.stream.take_down();

    let mut listener = bed.listen(&[Channel::Chat(chat_id)]).await;
    for name in 0..30 {
        replica.client(ada).send(chat_id, &name.to_string(), "hi").await.unwrap();
    }
    assert_eq!(listener.update().await.1.seq, 2);
    assert_eq!(seqs(&replica.client(bob).whole_log(chat_id, 7).await), (1..=31).collect::<Vec<u64>>());
    assert_eq!(bed.number("SELECT sum(cardinality(seqs)) FROM outbox_batches").await, 30);
    assert_eq!(store::backlog(&mut bed.pool.get().await.unwrap()).await.unwrap().update_count, 30);

    bed.stream.take_published();
    bed.stream.bring_up();
    bed.drained().await;
    let published = bed.stream.take_published().into_iter().map(|bytes| pb::Update::decode(bytes).unwrap().seq);
    assert_eq!(published.collect::<BTreeSet<u64>>(), (2..=31).collect());
    assert_eq!(seqs(&replica.client(bob).whole_log(chat_id, 0).await), (1..=31).collect::<Vec<u64>>());
}

/// Replicas of the release before write each update into the table `outbox` and read that and the log.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_of_the_release_before_writes_is_in_the_log_and_on_the_stream() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    bed.drained().await;
    bed.stream.take_published();
    let update = pb::Update { chat_id: chat_id.to_string(), seq: 2, ..pb::Update::default() };
    let payload: String = update.encode_to_vec().iter().map(|byte| format!("{byte:02x}")).collect();
    bed.run_sql(&format!(
        "BEGIN;
         UPDATE chat_heads SET last_seq = 2 WHERE chat_id = '{chat_id}';
         INSERT INTO outbox (chat_id, seq, payload, occurred_at, headers, next_attempt_at)
         VALUES ('{chat_id}', 2, '\\x{payload}', clock_timestamp(), '{{}}', clock_timestamp());
         COMMIT;"
    ))
    .await;
    assert_eq!(bed.number("SELECT count(*) FROM outbox").await, 0);
    assert_eq!(seqs(&replica.client(bob).whole_log(chat_id, 0).await), [1, 2]);
    bed.drained().await;
    assert_eq!(bed.stream.take_published(), [update.encode_to_vec()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_been_swept_is_due_again_after_a_growing_pause() {
    let bed = Bed::new().await;
    let chat_id = godwit_kernel::ChatId::from_uuid(uuid::Uuid::from_u128(5));
    let mut conn = bed.pool.get().await.unwrap();
    commit(&mut conn, &[beginning(chat_id)]).await;
    assert!(store::claim_batches(&mut conn, store::Sweep::First, 10).await.unwrap().is_empty(), "it is too young");
    let mut pauses = Vec::new();
    for round in 0..10 {
        bed.run_sql("UPDATE outbox_batches SET next_attempt_at = now()").await;
        let sweep = if round == 0 { store::Sweep::First } else { store::Sweep::Again };
        assert_eq!(store::claim_batches(&mut conn, sweep, 10).await.unwrap().len(), 1);
        let pause = "SELECT round(extract(epoch FROM next_attempt_at - now())) FROM outbox_batches";
        pauses.push(bed.number(pause).await);
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
}
