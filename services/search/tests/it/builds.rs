use std::time::Duration;

use godwit_contract::chat::v1::GetChannelResponse;
use godwit_contract::v1::{ChatInfo, Message};
use godwit_events::BatchHandler as _;
use godwit_kernel::{ChatId, MessageId, Seq};
use godwit_rpc::{ServiceError as _, timestamp};
use godwit_search::app::Progress;
use godwit_search::domain::{BuildOrder, Part};

use crate::fake_chats::AS_OF;
use crate::names::{channels, people};
use crate::world::{World, record};

/// A message that the message service has and nobody told of.
fn said(world: &World, chat_id: ChatId, seq: u64, text: &str) -> Message {
    world.clock.advance(Duration::from_secs(1));
    let message = Message {
        id: MessageId { chat_id, seq: Seq::new(seq).unwrap() }.to_string(),
        chat_id: chat_id.to_string(),
        seq,
        sender_id: world.user().to_string(),
        text: text.to_owned(),
        sent_at: Some(timestamp(world.clock_now())),
        ..Message::default()
    };
    world.chats.say(message.clone());
    message
}

/// Builds the messages to the end, and tells in how many pages.
async fn build(world: &World, label: &str) -> usize {
    build_part(world, Part::Messages, label).await
}

async fn build_part(world: &World, part: Part, label: &str) -> usize {
    let order = world.order(label);
    let mut pages = 1;
    while world.app.build_page(part, &order).await.unwrap() == Progress::More {
        pages += 1;
    }
    pages
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_index_is_built_from_the_message_service() {
    let world = World::new().await;
    let ada = world.user();
    let chats = [world.chat_of(&[ada]), world.chat_of(&[ada])];
    for seq in 2..7 {
        for chat_id in chats {
            said(&world, chat_id, seq, &format!("tide {seq}"));
        }
    }
    assert!(world.search(ada, "tide").await.is_empty());
    assert_eq!(build(&world, "1/a").await, 4);
    assert_eq!(world.search(ada, "tide").await.len(), 10);
    assert_eq!(build(&world, "1/a").await, 1, "it is built once");
    said(&world, chats[0], 9, "late tide");
    assert_eq!(build(&world, "1/a").await, 1);
    assert_eq!(world.search(ada, "late").await.len(), 0);
    assert_eq!(build(&world, "1/b").await, 4, "under another name it is built again");
    assert_eq!(world.search(ada, "late").await, ["late tide"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_goes_on_where_it_was_left() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    for seq in 2..12 {
        said(&world, chat_id, seq, "tide");
    }
    assert_eq!(world.app.build_page(Part::Messages, &world.order("1/a")).await.unwrap(), Progress::More);
    world.chats.set_down();
    assert_eq!(
        world.app.build_page(Part::Messages, &world.order("1/a")).await.unwrap_err().reason(),
        "PEER_UNAVAILABLE"
    );
    world.chats.set_up();
    assert_eq!(world.number("SELECT taken_count AS number FROM builds").await, 3);
    assert_eq!(world.search(ada, "tide").await.len(), 3, "it serves while it is built");
    assert_eq!(build(&world, "1/a").await, 3);
    assert_eq!(world.search(ada, "tide").await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_that_build_at_once_do_no_harm() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    for seq in 2..42 {
        said(&world, chat_id, seq, "tide");
    }
    tokio::join!(build(&world, "1/a"), build(&world, "1/a"));
    assert_eq!(world.number("SELECT taken_count AS number FROM builds").await, 40);
    assert_eq!(world.number("SELECT count(*) AS number FROM entries").await, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_that_build_for_different_names_the_one_that_started_later_goes_on() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    let page = async |order: &BuildOrder| world.app.build_page(Part::Messages, order).await.unwrap();
    let before = world.order("1/a");
    for seq in 2..9 {
        said(&world, chat_id, seq, "tide");
    }
    let after = world.order("1/b");
    assert_eq!(page(&before).await, Progress::More);
    for progress in [Progress::More, Progress::More, Progress::Ended, Progress::Ended] {
        assert_eq!(page(&after).await, progress);
        assert_eq!(page(&before).await, Progress::Superseded);
    }
    assert_eq!(world.number("SELECT taken_count AS number FROM builds WHERE label = '1/b'").await, 7);

    world.clock.advance(Duration::from_secs(1));
    let back = world.order("1/a");
    assert_eq!(page(&back).await, Progress::More, "who starts again with the first name is later");
    assert_eq!(page(&after).await, Progress::Superseded);
    assert_eq!(page(&before).await, Progress::More, "and helped by who has it still");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stream_says_beside_a_build_stands_by_its_version() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    let created = record(&world.update(chat_id, 2, "first tide"));
    let edited = record(&world.edit(chat_id, 2, 5, "second tide"));
    build(&world, "1/a").await;
    // The build has seen the edit, so neither record is news.
    world.handler.handle(&[created]).await.unwrap();
    world.handler.handle(&[edited]).await.unwrap();
    assert_eq!(world.search(ada, "second").await, ["second tide"]);
    let later = record(&world.edit(chat_id, 2, AS_OF + 1, "third tide"));
    world.handler.handle(&[later]).await.unwrap();
    assert_eq!(world.search(ada, "third").await, ["third tide"]);
    let deleted = record(&world.delete(chat_id, 2, AS_OF + 2));
    world.handler.handle(&[deleted]).await.unwrap();
    build(&world, "1/b").await;
    assert!(world.search(ada, "tide").await.is_empty());
    assert_eq!(world.entries_found().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_takes_out_what_is_there_no_more_and_leaves_what_is_new() {
    let world = World::new().await;
    let ada = world.user();
    let chats = [world.chat_of(&[ada]), world.chat_of(&[ada]), world.chat_of(&[ada])];
    for chat_id in chats {
        for seq in 2..6 {
            world.index(chat_id, seq, "tide").await;
        }
    }
    // Deleted, and the records that said so were lost.
    for (chat_id, seq) in [(chats[0], 2), (chats[1], 4), (chats[2], 5)] {
        world.delete(chat_id, seq, 9);
    }
    world.clock.advance(Duration::from_secs(600));
    // Sent while the build reads: the stream was faster.
    let new = world.update(chats[2], 20, "new tide");
    world.handler.handle(&[record(&new)]).await.unwrap();
    world.chats.delete(MessageId { chat_id: chats[2], seq: Seq::new(20).unwrap() });
    build(&world, "1/a").await;
    assert_eq!(world.number("SELECT count(*) AS number FROM entries").await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_texts_of_the_index_before_are_forgotten() {
    let world = World::new().await;
    let sql = "INSERT INTO messages (chat_id, seq, sender_id, client_message_id, text, sent_at)
               SELECT gen_random_uuid(), 1, gen_random_uuid(), 'c', 'secret', now()
               RETURNING seq AS number";
    world.number(sql).await;
    world.app.forget_texts().await.unwrap();
    assert_eq!(world.number("SELECT count(*) AS number FROM messages").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_channels_of_before_the_stream_are_found_once_they_are_built() {
    let world = World::new().await;
    let ada = world.user();
    for number in 0..5 {
        world.chats.people().put(world.user(), &format!("wader_{number}"), "Wader");
    }
    let gone = world.user();
    world.chats.people().put(gone, "wader_gone", "Wader");
    world.chats.people().delete(gone);
    for handle in ["waders", "waders_two"] {
        let info = Some(ChatInfo { handle: handle.to_owned(), title: "Waders".to_owned(), ..ChatInfo::default() });
        let chat_id = world.chat_of(&[]).to_string();
        world.chats.put_channel(handle, GetChannelResponse { chat_id, info, ..GetChannelResponse::default() });
    }
    assert!(people(&world, ada, "wader").await.is_empty());
    assert_eq!(build_part(&world, Part::People, "1/a").await, 3);
    assert_eq!(build_part(&world, Part::Channels, "1/a").await, 2);
    assert_eq!(people(&world, ada, "wader").await.len(), 5);
    assert_eq!(channels(&world, ada, "waders").await, ["waders", "waders_two"]);
}
