use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use godwit_contract::v1::{ChatCreated, Message, MessageCreated, Update, update};
use godwit_events::postgres::PostgresLog;
use godwit_events::{BatchError, BatchHandler as _, EventLog as _, NewRecord, topics};
use godwit_search::events::incoming::{IndexHandler, index_group};
use godwit_testkit::eventually;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use crate::world::{World, raw_record, record};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_again_is_found_once() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    let again = record(&world.update(chat_id, 2, "only once"));
    world.handler.handle(&[again.clone(), again.clone()]).await.unwrap();
    world.handler.handle(&[again]).await.unwrap();
    assert_eq!(world.search(ada, "once").await, ["only once"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_address_in_another_epoch_is_another_message() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    world.index(chat_id, 2, "before the disaster").await;
    let again = Update { epoch: "second".to_owned(), ..world.update(chat_id, 2, "after the disaster") };
    world.handler.handle(&[record(&again), record(&again)]).await.unwrap();
    assert_eq!(world.search(ada, "disaster").await, ["after the disaster"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_updates_are_passed_over() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    let created = update::Change::ChatCreated(ChatCreated::default());
    let created = Update { change: Some(created), ..world.update(chat_id, 1, "") };
    let unknown = Update { change: None, ..world.update(chat_id, 2, "") };
    let batch = [record(&created), record(&unknown), record(&world.update(chat_id, 3, "found"))];
    world.handler.handle(&batch).await.unwrap();
    assert_eq!(world.search(ada, "found").await, ["found"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_texts_are_taken() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    world.index(chat_id, 2, &"字".repeat(4_096)).await;
    world.index(chat_id, 3, &"ab ".repeat(1_365)).await;
    world.index(chat_id, 4, "'; DROP TABLE messages; --").await;
    assert_eq!(world.search(ada, "ab").await.len(), 1);
    assert_eq!(world.search(ada, "drop table").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_indexed_is_poison_and_names_its_place() {
    let world = World::new().await;
    let chat_id = world.chat_of(&[]);
    let good = record(&world.update(chat_id, 2, "fine"));
    let key = Bytes::copy_from_slice(chat_id.as_bytes());
    let with = |change: fn(&mut Message)| {
        let mut update = world.update(chat_id, 3, "text");
        if let Some(update::Change::MessageCreated(MessageCreated { message: Some(message) })) = &mut update.change {
            change(message);
        }
        record(&update)
    };
    let poison = [
        raw_record(key, vec![0xff]),
        raw_record(Bytes::from_static(b"another chat"), world.update(chat_id, 3, "text").encode_to_vec()),
        with(|message| message.text = "a\0b".to_owned()),
        with(|message| message.text = "x".repeat(4_097)),
        with(|message| message.sender_id.clear()),
        with(|message| message.sent_at = None),
        with(|message| message.seq = 4),
        with(|message| message.chat_id.clear()),
        record(&Update { epoch: "\0".to_owned(), ..world.update(chat_id, 3, "text") }),
        record(&world.update(chat_id, 0, "text")),
        record(&world.update(chat_id, u64::MAX, "text")),
    ];
    for record in poison {
        let refused = world.handler.handle(&[good.clone(), record.clone()]).await.unwrap_err();
        assert!(matches!(refused, BatchError::Poison { index: 1, .. }), "{refused}: {record:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_down_a_batch_waits() {
    let world = World::new().await;
    let update = record(&world.update(world.chat_of(&[]), 2, "later"));
    let refused = IndexHandler(world.app_without_database()).handle(&[update]).await.unwrap_err();
    assert!(matches!(refused, BatchError::Retry(_)), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_found_also_behind_poison() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    let stream = PostgresLog::new(world.db.pool(&godwit_events::postgres::SCHEMA));
    let stop = CancellationToken::new();
    let consumer = {
        let (stream, stop) = (stream.clone(), stop.clone());
        let handler = Arc::new(IndexHandler(Arc::clone(&world.app)));
        spawn(async move { stream.consume(index_group(100), handler, stop).await })
    };
    let payload = world.update(chat_id, 2, "through the stream").encode_to_vec();
    let key = Bytes::copy_from_slice(chat_id.as_bytes());
    let poison = NewRecord::new(&topics::CHAT_UPDATES, key.clone(), Bytes::from_static(b"poison"));
    stream.publish(vec![poison, NewRecord::new(&topics::CHAT_UPDATES, key, payload)]).await.unwrap();
    eventually(Duration::from_secs(20), async || !world.search(ada, "stream").await.is_empty()).await;
    stop.cancel();
    consumer.await.unwrap().unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn spawn<F>(work: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(work)
}
