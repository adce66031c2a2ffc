//! Who may fetch what messages carry, as the stream tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use godwit_contract::media::v1::ThumbnailSize;
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{
    Attachment, ChatDeleted, ChatInfo, ChatInfoChanged, Message, MessageCreated, MessageDeleted, MessageEdited, Update,
};
use godwit_events::{BatchHandler as _, Record, topics};
use godwit_kernel::Clock as _;
use godwit_kernel::{ChatId, MessageId, Seq, UserId};
use godwit_media::events::ChatUpdates;
use godwit_rpc::{Caller, Failure};
use godwit_testkit::TestClock;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use prost::Message as _;
use tonic::Code;

use crate::world::{World, person};

fn update(chat_id: ChatId, seq: u64, change: Change) -> Update {
    Update { chat_id: chat_id.to_string(), seq, change: Some(change), ..Default::default() }
}

fn message(chat_id: ChatId, seq: u64, media_ids: &[&str]) -> Message {
    let attachments = media_ids.iter().map(|&id| Attachment { media_id: id.to_owned(), ..Default::default() });
    Message { chat_id: chat_id.to_string(), seq, attachments: attachments.collect(), ..Default::default() }
}

fn sent(chat_id: ChatId, seq: u64, media_ids: &[&str]) -> Update {
    update(chat_id, seq, Change::MessageCreated(MessageCreated { message: Some(message(chat_id, seq, media_ids)) }))
}

fn edited(chat_id: ChatId, version: u64, seq: u64, media_ids: &[&str]) -> Update {
    update(chat_id, version, Change::MessageEdited(MessageEdited { message: Some(message(chat_id, seq, media_ids)) }))
}

fn deleted(chat_id: ChatId, version: u64, seq: u64) -> Update {
    let message_id = MessageId { chat_id, seq: Seq::new(seq).unwrap() }.to_string();
    update(chat_id, version, Change::MessageDeleted(MessageDeleted { message_id }))
}

fn record(update: &Update) -> Record {
    let chat_id: ChatId = update.chat_id.parse().unwrap();
    Record {
        topic: topics::CHAT_UPDATES.name,
        partition: 0,
        offset: 0,
        key: Bytes::copy_from_slice(chat_id.as_bytes()),
        payload: update.encode_to_vec().into(),
        headers: Vec::new(),
        published_at: TestClock::default().now(),
    }
}

async fn told(world: &World, updates: &[Update]) {
    let records: Vec<Record> = updates.iter().map(record).collect();
    ChatUpdates(Arc::clone(&world.app)).handle(&records).await.unwrap();
}

/// Whether somebody gets the record, an address and a thumbnail; all of them or none.
async fn sees(world: &World, caller: Caller, media_id: &str) -> bool {
    let record = world.get(caller, media_id).await;
    let others = [world.url(caller, media_id).await, world.thumbnail(caller, media_id, ThumbnailSize::Small).await];
    for other in others {
        assert_eq!(other.is_ok(), record.is_ok());
        if let Err(Failure { code, reason, .. }) = other {
            assert_eq!((code, reason.as_str()), (Code::NotFound, "MEDIA_NOT_FOUND"));
        }
    }
    record.is_ok()
}

#[tokio::test]
async fn members_of_a_chat_fetch_what_was_sent_there() {
    let world = World::new().await;
    let media = world.picture(b"a cat").await;
    let chat_id = world.chats.chat_of(&[world.ada.user_id, world.bob.user_id]);
    assert!(!sees(&world, world.bob, &media.id).await);
    told(&world, &[sent(chat_id, 3, &[&media.id])]).await;
    assert!(sees(&world, world.bob, &media.id).await);
    assert!(!sees(&world, person(), &media.id).await, "a stranger");
    world.chats.remove(chat_id, world.bob.user_id);
    assert!(!sees(&world, world.bob, &media.id).await, "who left");
    assert!(sees(&world, world.ada, &media.id).await);
}

#[tokio::test]
async fn a_deleted_message_takes_its_files_along_but_not_from_where_they_were_forwarded() {
    let world = World::new().await;
    let media = world.picture(b"a cat").await;
    let (first, second) = (world.chats.chat_of(&[world.bob.user_id]), world.chats.chat_of(&[world.bob.user_id]));
    let other = person();
    let third = world.chats.chat_of(&[other.user_id]);
    told(&world, &[sent(first, 1, &[&media.id]), sent(second, 5, &[&media.id]), sent(third, 1, &[&media.id])]).await;
    told(&world, &[deleted(first, 2, 1)]).await;
    assert!(sees(&world, world.bob, &media.id).await && sees(&world, other, &media.id).await);
    told(&world, &[deleted(second, 6, 5)]).await;
    assert!(!sees(&world, world.bob, &media.id).await && sees(&world, other, &media.id).await);
    // A record that comes again, as the stream may give it, brings nothing back.
    told(&world, &[sent(first, 1, &[&media.id]), sent(second, 5, &[&media.id])]).await;
    assert!(!sees(&world, world.bob, &media.id).await);
    told(&world, &[update(third, 2, Change::ChatDeleted(ChatDeleted {}))]).await;
    assert!(!sees(&world, other, &media.id).await);
    told(&world, &[sent(third, 1, &[&media.id])]).await;
    assert!(!sees(&world, other, &media.id).await);
}

#[tokio::test]
async fn who_is_faster_than_the_stream_waits_for_it() {
    let world = World::new().await;
    let media = world.picture(b"a cat").await;
    let chat_id = world.chats.chat_of(&[world.bob.user_id]);
    world.describe(world.ada, &[&media.id]).await.unwrap();
    let updates = [sent(chat_id, 1, &[&media.id])];
    let (seen, ()) = tokio::join!(world.get(world.bob, &media.id), async {
        tokio::task::yield_now().await;
        told(&world, &updates).await;
    });
    assert_eq!(seen.unwrap().id, media.id);
}

#[tokio::test]
async fn a_file_in_many_chats_is_found_for_the_members_of_each() {
    let world = World::new().await;
    let media = world.picture(b"a cat").await;
    let (bob, stranger) = (world.bob.user_id, person());
    for _ in 0..5 {
        world.chats.chat_of(&[bob]);
    }
    let chats: Vec<ChatId> = (0..7).map(|_| world.chats.chat_of(&[])).collect();
    let updates: Vec<Update> = chats.iter().map(|chat_id| sent(*chat_id, 1, &[&media.id])).collect();
    told(&world, &updates).await;
    assert!(!sees(&world, world.bob, &media.id).await && !sees(&world, stranger, &media.id).await);
    let chat_id = world.chats.chat_of(&[bob]);
    told(&world, &[sent(chat_id, 1, &[&media.id])]).await;
    assert!(sees(&world, world.bob, &media.id).await && !sees(&world, stranger, &media.id).await);
}

#[tokio::test]
async fn the_picture_of_a_chat_is_for_its_members() {
    let world = World::new().await;
    let (old, new) = (world.picture(b"old").await, world.picture(b"new").await);
    let chat_id = world.chats.chat_of(&[world.bob.user_id]);
    let changed = |seq, id: &str| {
        let info = ChatInfo { avatar_media_id: id.to_owned(), ..Default::default() };
        update(chat_id, seq, Change::ChatInfoChanged(ChatInfoChanged { info: Some(info) }))
    };
    told(&world, &[changed(2, &old.id)]).await;
    assert!(sees(&world, world.bob, &old.id).await && !sees(&world, person(), &old.id).await);
    told(&world, &[changed(3, &new.id)]).await;
    assert!(!sees(&world, world.bob, &old.id).await && sees(&world, world.bob, &new.id).await);
    told(&world, &[changed(4, "")]).await;
    assert!(!sees(&world, world.bob, &new.id).await);
}

#[tokio::test]
async fn the_picture_of_a_public_chat_is_for_everybody_and_what_is_sent_there_is_not() {
    let world = World::new().await;
    let (shown, sent_there) = (world.picture(b"shown").await, world.picture(b"sent").await);
    let chat_id = world.chats.chat_of(&[world.bob.user_id]);
    let info = ChatInfo { avatar_media_id: shown.id.clone(), ..Default::default() };
    let changed = update(chat_id, 2, Change::ChatInfoChanged(ChatInfoChanged { info: Some(info) }));
    told(&world, &[sent(chat_id, 1, &[&sent_there.id]), changed]).await;
    assert!(!sees(&world, person(), &shown.id).await);
    world.chats.publish(chat_id);
    assert!(sees(&world, person(), &shown.id).await && !sees(&world, person(), &sent_there.id).await);
    assert!(sees(&world, world.bob, &sent_there.id).await);
}

#[tokio::test]
async fn while_chat_cannot_be_asked_members_are_told_so() {
    let world = World::new().await;
    let media = world.picture(b"a cat").await;
    let chat_id = world.chats.chat_of(&[world.bob.user_id]);
    told(&world, &[sent(chat_id, 1, &[&media.id])]).await;
    world.chats.set_down(true);
    let failure = world.get(world.bob, &media.id).await.unwrap_err();
    assert_eq!((failure.code, failure.reason.as_str()), (Code::Unavailable, "CHAT_SERVICE_UNAVAILABLE"));
    assert!(world.get(world.ada, &media.id).await.is_ok());
}

#[tokio::test]
async fn what_is_no_update_stops_nothing() {
    let world = World::new().await;
    let media = world.picture(b"a cat").await;
    let chat_id = world.chats.chat_of(&[world.bob.user_id]);
    let good = record(&sent(chat_id, 1, &[&media.id]));
    let bad = Record { payload: Bytes::from_static(b"\xff\xff"), ..good.clone() };
    let no_id = record(&sent(chat_id, 2, &["no-id"]));
    let handler = ChatUpdates(Arc::clone(&world.app));
    for poison in [bad, no_id] {
        let refused = handler.handle(&[good.clone(), poison]).await.unwrap_err();
        assert!(matches!(refused, godwit_events::BatchError::Poison { index: 1, .. }), "{refused:?}");
    }
    handler.handle(&[good]).await.unwrap();
    assert!(sees(&world, world.bob, &media.id).await);
}

/// What happens to one message after the other.
#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Edit(usize, usize),
    Delete(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..4_usize).prop_map(Step::Send),
        (0..8_usize, 0..4_usize).prop_map(|(which, media)| Step::Edit(which, media)),
        (0..8_usize).prop_map(Step::Delete),
    ];
    prop::collection::vec(step, 1..24)
}

/// The updates of a chat's log after these steps, and what its messages carry then. `set` names which of two uploads: bit by bit.
fn log(chat_id: ChatId, steps: &[Step], media: &[String; 2]) -> (Vec<Update>, BTreeSet<String>) {
    let of = |set: usize| -> Vec<&str> {
        (0..2).filter(|bit| set & (1 << bit) != 0).map(|bit| media[bit].as_str()).collect()
    };
    let (mut updates, mut carried) = (Vec::new(), BTreeMap::<u64, Vec<&str>>::new());
    let mut sent_seqs = Vec::new();
    for step in steps {
        let seq = u64::try_from(updates.len()).unwrap() + 1;
        let known = |which: usize| sent_seqs.get(which % sent_seqs.len().max(1)).copied();
        let made = match step {
            Step::Send(set) => {
                carried.insert(seq, of(*set));
                Some(sent(chat_id, seq, &of(*set)))
            }
            Step::Edit(which, set) => known(*which).filter(|old| carried.contains_key(old)).map(|old| {
                carried.insert(old, of(*set));
                edited(chat_id, seq, old, &of(*set))
            }),
            Step::Delete(which) => known(*which).filter(|old| carried.contains_key(old)).map(|old| {
                carried.remove(&old);
                deleted(chat_id, seq, old)
            }),
        };
        if let Some(made) = made {
            if matches!(step, Step::Send(_)) {
                sent_seqs.push(seq);
            }
            updates.push(made);
        }
    }
    let there = carried.into_values().flatten().map(str::to_owned).collect();
    (updates, there)
}

#[test]
fn however_the_stream_cuts_and_repeats_it_access_is_what_the_messages_carry() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let media = runtime.block_on(async { [world.picture(b"one").await.id, world.picture(b"two").await.id] });
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let cuts = (steps(), prop::collection::vec((0..24_usize, 1..9_usize), 0..6), 1..7_usize);
    let property = |(steps, repeats, batch): (Vec<Step>, Vec<(usize, usize)>, usize)| {
        let reader: Caller = person();
        let reader_id: UserId = reader.user_id;
        let chat_id = world.chats.chat_of(&[reader_id]);
        let (updates, there) = log(chat_id, &steps, &media);
        runtime.block_on(async {
            for some in updates.chunks(batch) {
                told(&world, some).await;
            }
            // Old ones come again after new ones, in their order.
            for (from, count) in repeats {
                let again: Vec<Update> = updates.iter().skip(from).take(count).cloned().collect();
                told(&world, &again).await;
            }
            for media_id in &media {
                let is_seen = world.get(reader, media_id).await.is_ok();
                assert_eq!(is_seen, there.contains(media_id), "{steps:?}");
            }
        });
        Ok(())
    };
    runner.run(&cuts, property).unwrap();
}
