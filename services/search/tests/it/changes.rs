use godwit_contract::v1::update::Change;
use godwit_contract::v1::{ChatDeleted, Update};
use godwit_events::{BatchError, BatchHandler as _, Record};
use godwit_search::app::MessageSearch;
use godwit_search::domain::Cursor;

use crate::world::{World, asked, record, texts};

/// All orders of a few records.
fn orders(records: &[Record]) -> Vec<Vec<Record>> {
    let Some((first, rest)) = records.split_first() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for order in orders(rest) {
        for place in 0..=order.len() {
            let mut longer = order.clone();
            longer.insert(place, first.clone());
            all.push(longer);
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_edit_is_found_in_whatever_order_records_come() {
    let world = World::new().await;
    let ada = world.user();
    for order in 0..6 {
        let chat_id = world.chat_of(&[ada]);
        let records = [
            record(&world.update(chat_id, 2, "tide first")),
            record(&world.edit(chat_id, 2, 5, "tide second")),
            record(&world.edit(chat_id, 2, 9, "tide third")),
        ];
        let mut shuffled = orders(&records).swap_remove(order);
        // One by one the first time, all of them again together.
        for one in &shuffled {
            world.handler.handle(std::slice::from_ref(one)).await.unwrap();
        }
        shuffled.reverse();
        world.handler.handle(&shuffled).await.unwrap();
        let within = MessageSearch { chat_id: Some(chat_id), ..asked("tide") };
        assert_eq!(texts(&world.app.search_messages(ada, &within).await.unwrap()), ["tide third"], "{order}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_message_is_never_found_again_in_whatever_order_records_come() {
    let world = World::new().await;
    let ada = world.user();
    for order in 0..6 {
        let chat_id = world.chat_of(&[ada]);
        let records = [
            record(&world.update(chat_id, 2, "regret")),
            record(&world.edit(chat_id, 2, 5, "more regret")),
            record(&world.delete(chat_id, 2, 9)),
        ];
        for one in &orders(&records).swap_remove(order) {
            world.handler.handle(std::slice::from_ref(one)).await.unwrap();
        }
        world.handler.handle(&orders(&records).swap_remove(5 - order)).await.unwrap();
        world.handler.handle(&records[..1]).await.unwrap();
    }
    assert!(world.search(ada, "regret").await.is_empty());
    assert_eq!(world.entries_found().await, 0, "nor is anything of it kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_says_its_message_is_deleted_since_is_a_deletion() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    world.index(chat_id, 2, "regret").await;
    for erased in [world.update(chat_id, 2, ""), world.edit(chat_id, 3, 8, "")] {
        let mut erased = erased;
        if let Some(Change::MessageCreated(created)) = &mut erased.change {
            created.message.as_mut().unwrap().is_deleted = true;
        }
        if let Some(Change::MessageEdited(edited)) = &mut erased.change {
            edited.message.as_mut().unwrap().is_deleted = true;
        }
        world.handler.handle(&[record(&erased)]).await.unwrap();
    }
    world.index(chat_id, 2, "regret").await;
    world.index(chat_id, 3, "regret").await;
    assert!(world.search(ada, "regret").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_touches_no_other_message() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    for seq in 2..5 {
        world.index(chat_id, seq, &format!("tide {seq}")).await;
    }
    world.handler.handle(&[record(&world.delete(chat_id, 3, 9))]).await.unwrap();
    assert_eq!(world.search(ada, "tide").await, ["tide 4", "tide 2"]);
}

fn chat_deleted(update: Update) -> Record {
    record(&Update { change: Some(Change::ChatDeleted(ChatDeleted {})), ..update })
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_deleted_chat_is_kept_or_taken_again() {
    let world = World::new().await;
    let ada = world.user();
    let (gone, stays) = (world.chat_of(&[ada]), world.chat_of(&[ada]));
    let old = record(&world.update(gone, 2, "farewell"));
    world.handler.handle(std::slice::from_ref(&old)).await.unwrap();
    world.index(stays, 2, "farewell, but here").await;
    let late = record(&world.edit(gone, 2, 5, "farewell again"));
    let end = chat_deleted(world.update(gone, 9, ""));
    // The chat's end comes before the rest of its batch is written.
    world.handler.handle(&[end.clone(), late.clone()]).await.unwrap();
    world.handler.handle(&[old, end, late]).await.unwrap();
    assert_eq!(world.search(ada, "farewell").await, ["farewell, but here"]);
    assert_eq!(world.entries_found().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_before_somebody_could_see_the_chat_is_not_found() {
    let world = World::new().await;
    let (ada, bob) = (world.user(), world.user());
    let chat_id = world.chat_of(&[ada, bob]);
    for seq in 2..40 {
        world.index(chat_id, seq, &format!("tide {seq}")).await;
    }
    world.chats.hide_before(chat_id, bob, 10);
    assert_eq!(world.search(ada, "tide").await.len(), 38);
    let (mut found, mut search) = (Vec::new(), MessageSearch { limit: 7, ..asked("tide") });
    loop {
        let hits = world.app.search_messages(bob, &search).await.unwrap();
        found.extend(hits.hits.iter().map(|hit| hit.message.seq));
        let Some(next) = hits.next else { break };
        assert!(matches!(next, Cursor::Newest(place) if place.message_id.seq.get() >= 10), "what is hidden: {next}");
        search.after = Some(next);
    }
    assert_eq!(found, (10..40).rev().collect::<Vec<u64>>());
    assert!(world.search(bob, "\"tide 9\"").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_applied_is_poison() {
    let world = World::new().await;
    let (chat_id, other) = (world.chat_of(&[]), world.chat_of(&[]));
    let of_another_chat = Update { chat_id: chat_id.to_string(), ..world.delete(other, 2, 9) };
    let mut nameless = world.delete(chat_id, 2, 9);
    if let Some(Change::MessageDeleted(deleted)) = &mut nameless.change {
        deleted.message_id = "nonsense".to_owned();
    }
    let timeless = Update { occurred_at: None, ..world.delete(chat_id, 2, 9) };
    let mut mixed = world.edit(chat_id, 2, 9, "text");
    if let Some(Change::MessageEdited(edited)) = &mut mixed.change {
        edited.message.as_mut().unwrap().chat_id = other.to_string();
    }
    for update in [of_another_chat, nameless, timeless, mixed] {
        let refused = world.handler.handle(&[record(&update)]).await.unwrap_err();
        assert!(matches!(refused, BatchError::Poison { index: 0, .. }), "{refused}: {update:?}");
    }
}
