use godwit_contract::search::v1::{MessageKind, SearchMessagesRequest, SearchOrder};
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{Attachment, AttachmentKind, EntityKind, MessageEntity, Update};
use godwit_events::BatchHandler as _;
use godwit_kernel::ChatId;
use godwit_rpc::timestamp;
use godwit_search::app::MessageSearch;

use crate::contract::{ask, question};
use crate::world::{World, asked, record, texts};

/// Indexes a message with what is changed of it.
async fn index_with(
    world: &World,
    chat_id: ChatId,
    seq: u64,
    text: &str,
    change: impl FnOnce(&mut godwit_contract::v1::Message),
) -> Update {
    let mut update = world.update(chat_id, seq, text);
    let Some(Change::MessageCreated(created)) = &mut update.change else { unreachable!("a message") };
    let message = created.message.as_mut().unwrap();
    change(message);
    world.chats.say(message.clone());
    world.handler.handle(&[record(&update)]).await.unwrap();
    update
}

fn attached(content_type: &str) -> Vec<Attachment> {
    vec![Attachment { media_id: "m".to_owned(), content_type: content_type.to_owned(), ..Attachment::default() }]
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_in_their_other_forms_and_quotes_find_them_as_they_stand() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    for (seq, text) in [
        (2, "The dogs were running through the old harbour in the evening"),
        (3, "Die Häuser der Nachbarn stehen alle nebeneinander an der Straße"),
        (4, "Вчера мы читали интересные книги о дальних странах"),
        (5, "Les enfants jouaient tranquillement dans le jardin pendant la matinée"),
    ] {
        world.index(chat_id, seq, text).await;
    }
    for (q, seq) in [("dog run ", 2), ("haus ", 3), ("hauser ", 3), ("книга ", 4), ("jouer ", 5)] {
        let hits = world.app.search_messages(ada, &asked(q)).await.unwrap();
        let found: Vec<u64> = hits.hits.iter().map(|hit| hit.message.seq).collect();
        assert_eq!(found, [seq], "{q}");
    }
    assert!(world.search(ada, "\"dog\"").await.is_empty());
    assert_eq!(world.search(ada, "\"dogs were\"").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_typed_is_found() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    world.index(chat_id, 2, "Tomorrow: internationalisation").await;
    world.index(chat_id, 3, "Tomorrow: integers").await;
    for typed in ["int", "inte", "tomorrow inte"] {
        assert_eq!(world.search(ada, typed).await.len(), 2, "{typed}");
    }
    for typed in ["inter", "internat", "internationalisation"] {
        assert_eq!(world.search(ada, typed).await, ["Tomorrow: internationalisation"], "{typed}");
    }
    for typed in ["in", "tom int", "int tomorrow", "int "] {
        assert!(world.search(ada, typed).await.is_empty(), "{typed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_deleted_for_themselves_is_not_found_by_them_alone() {
    let world = World::new().await;
    let (ada, bob) = (world.user(), world.user());
    let chat_id = world.chat_of(&[ada, bob]);
    let update = world.update(chat_id, 2, "our tide");
    world.handler.handle(&[record(&update)]).await.unwrap();
    let Some(Change::MessageCreated(created)) = update.change else { unreachable!("a message") };
    world.chats.hide(&created.message.unwrap().id, bob);
    assert!(world.search(bob, "tide").await.is_empty());
    assert_eq!(world.search(ada, "tide").await, ["our tide"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_or_edited_is_not_found_also_before_the_stream_says_so() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    world.index(chat_id, 2, "first tide").await;
    world.index(chat_id, 3, "second tide").await;
    // Made, and not handled.
    world.delete(chat_id, 2, 9);
    world.edit(chat_id, 3, 10, "second thoughts");
    assert!(world.search(ada, "tide").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_found_by_sender_date_and_what_they_bring() {
    let world = World::new().await;
    let (ada, bob) = (world.user(), world.user());
    let chat_id = world.chat_of(&[ada, bob]);
    let by_bob = |message: &mut godwit_contract::v1::Message| message.sender_id = bob.to_string();
    let first = index_with(&world, chat_id, 2, "tide one", by_bob).await;
    let photo = |message: &mut godwit_contract::v1::Message| message.attachments = attached("image/jpeg");
    let second = index_with(&world, chat_id, 3, "tide two", photo).await;
    index_with(&world, chat_id, 4, "tide three https://example.org", |_| {}).await;
    let linked = |message: &mut godwit_contract::v1::Message| {
        let kind = EntityKind::Link.into();
        message.entities =
            vec![MessageEntity { kind, length: 4, url: "https://example.org".to_owned(), ..Default::default() }];
    };
    index_with(&world, chat_id, 5, "tide four", linked).await;
    let voice = |message: &mut godwit_contract::v1::Message| message.attachments = attached("audio/ogg");
    index_with(&world, chat_id, 6, "", voice).await;

    let found = async |change: &dyn Fn(&mut SearchMessagesRequest)| {
        let mut request = question("");
        change(&mut request);
        let answer = ask(&world, ada, request).await.unwrap();
        answer.messages.iter().map(|message| message.seq).collect::<Vec<u64>>()
    };
    assert_eq!(found(&|request| request.sender_id = bob.to_string()).await, [2]);
    assert_eq!(found(&|request| request.kind = MessageKind::Photo.into()).await, [3]);
    assert_eq!(found(&|request| request.kind = MessageKind::Link.into()).await, [5, 4]);
    assert_eq!(found(&|request| request.kind = MessageKind::Voice.into()).await, [6]);
    assert!(found(&|request| request.kind = MessageKind::Video.into()).await.is_empty());
    assert_eq!(found(&|request| request.chat_id = chat_id.to_string()).await, [6, 5, 4, 3, 2]);
    let (from, to) = (first.occurred_at, second.occurred_at);
    let from_first = |request: &mut SearchMessagesRequest| (request.q, request.from) = ("tide".to_owned(), from);
    assert_eq!(found(&from_first).await, [5, 4, 3, 2]);
    let between = |request: &mut SearchMessagesRequest| {
        (request.q, request.from, request.to) = ("tide".to_owned(), from, to);
    };
    assert_eq!(found(&between).await, [2]);
    let later = timestamp(world.clock_now() + time::Duration::seconds(1));
    assert!(found(&|request| (request.q, request.from) = ("tide".to_owned(), Some(later))).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_media_found_an_attachment_to_be_is_what_it_is_found_as() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    for (seq, content_type, kind) in [
        (2, "audio/ogg", AttachmentKind::Audio),
        (3, "audio/ogg", AttachmentKind::Voice),
        (4, "image/jpeg", AttachmentKind::Document),
        (5, "video/mp4", AttachmentKind::VideoNote),
        (6, "image/jpeg", AttachmentKind::Unspecified),
    ] {
        let attach = |message: &mut godwit_contract::v1::Message| {
            message.attachments = attached(content_type);
            message.attachments.iter_mut().for_each(|attachment| attachment.set_kind(kind));
        };
        index_with(&world, chat_id, seq, "", attach).await;
    }
    for (kind, expected) in [
        (MessageKind::Audio, 2),
        (MessageKind::Voice, 3),
        (MessageKind::File, 4),
        (MessageKind::Video, 5),
        (MessageKind::Photo, 6),
    ] {
        let answer = ask(&world, ada, SearchMessagesRequest { kind: kind.into(), ..question("") }).await.unwrap();
        assert_eq!(answer.messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [expected], "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn highlights_tell_what_matches_in_utf16_units() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    world.index(chat_id, 2, "👍 the Tides: a high tide").await;
    let answer = ask(&world, ada, question("tide ")).await.unwrap();
    let [highlights] = answer.highlights.as_slice() else { unreachable!("one a message: {answer:?}") };
    let ranges: Vec<(u32, u32)> = highlights.ranges.iter().map(|range| (range.offset, range.length)).collect();
    assert_eq!(ranges, [(7, 5), (21, 4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_relevance_what_comes_closer_comes_first_and_every_page_goes_on() {
    let world = World::new().await;
    let ada = world.user();
    let chats = [world.chat_of(&[ada]), world.chat_of(&[ada])];
    let mut written = Vec::new();
    for seq in 2..130 {
        for chat_id in chats {
            let text = format!("the tide number {} was not as high as others", written.len());
            world.index(chat_id, seq, &text).await;
            written.push(text);
        }
    }
    world.index(chats[0], 500, "high tide").await;
    world.index(chats[1], 500, "a higher tide, or so they say").await;
    let order = SearchOrder::Relevance.into();
    let (mut found, mut request) =
        (Vec::new(), SearchMessagesRequest { limit: 30, order, ..question("\"high\" tide ") });
    loop {
        let page = ask(&world, ada, request.clone()).await.unwrap();
        found.extend(page.messages.iter().map(|message| message.text.clone()));
        if page.next_cursor.is_empty() {
            break;
        }
        request.cursor = page.next_cursor;
    }
    assert_eq!(found[0], "high tide");
    written.push("high tide".to_owned());
    found.sort_unstable();
    written.sort_unstable();
    assert_eq!(found, written);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_relevance_the_closest_leads_although_it_is_the_oldest_and_of_equals_the_newer() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    for (seq, text) in [
        (2, "high tide"),
        (3, "the tide was high this morning"),
        (4, "the tide was high this morning"),
        (5, "they say that in the south, where nobody of us has ever been, a tide is never as high as it is here"),
    ] {
        world.index(chat_id, seq, text).await;
    }
    let found = async |order: SearchOrder| {
        let request = SearchMessagesRequest { order: order.into(), ..question("\"high\" tide ") };
        let answer = ask(&world, ada, request).await.unwrap();
        answer.messages.iter().map(|message| message.seq).collect::<Vec<u64>>()
    };
    assert_eq!(found(SearchOrder::Relevance).await, [2, 4, 3, 5]);
    assert_eq!(found(SearchOrder::Newest).await, [5, 4, 3, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_only_old_messages_have_is_found_among_many_chats() {
    let world = World::new().await;
    let ada = world.user();
    let chats: Vec<ChatId> = (0..70).map(|_| world.chat_of(&[ada])).collect();
    let strangers = world.chat_of(&[]);
    world.index(chats[3], 2, "a needle").await;
    world.index(strangers, 2, "their needle").await;
    for seq in 3..63 {
        let mut records = Vec::new();
        for chat_id in &chats {
            records.push(record(&world.update(*chat_id, seq, "some hay")));
        }
        world.handler.handle(&records).await.unwrap();
    }
    assert_eq!(world.search(ada, "needle").await, ["a needle"]);
    assert_eq!(world.search(ada, "\"hay\"").await.len(), 50);
    let within = MessageSearch { chat_id: Some(chats[3]), ..asked("needle") };
    assert_eq!(texts(&world.app.search_messages(ada, &within).await.unwrap()), ["a needle"]);
}

/// Pages and bounds of time, over chats of which some are busier than others.
#[tokio::test(flavor = "multi_thread")]
async fn pages_and_bounds_of_time_hold_over_busy_and_quiet_chats() {
    let world = World::new().await;
    let ada = world.user();
    let chats: Vec<ChatId> = (0..5).map(|_| world.chat_of(&[ada])).collect();
    let mut places = Vec::new();
    for seq in 2..40 {
        for (number, chat_id) in chats.iter().enumerate() {
            // The busier a chat, the lower its number.
            if seq % (number as u64 + 1) == 0 {
                let text = if seq % 3 == 0 { "tide and wind" } else { "wind alone" };
                world.index(*chat_id, seq, text).await;
                if seq % 3 == 0 {
                    places.push((world.clock_now(), *chat_id, seq));
                }
            }
        }
    }
    places.reverse();
    let mut search = MessageSearch { limit: 3, ..asked("tide") };
    let mut addresses = Vec::new();
    loop {
        let hits = world.app.search_messages(ada, &search).await.unwrap();
        addresses.extend(hits.hits.iter().map(|hit| (hit.message.chat_id.parse::<ChatId>().unwrap(), hit.message.seq)));
        let Some(next) = hits.next else { break };
        search.after = Some(next);
    }
    assert_eq!(addresses, places.iter().map(|(_, chat_id, seq)| (*chat_id, *seq)).collect::<Vec<_>>());
    for (at, ..) in places.iter().step_by(5) {
        let earlier = MessageSearch { to: Some(*at), limit: 200, ..asked("tide") };
        let expected = places.iter().filter(|(sent_at, ..)| sent_at < at).count();
        assert_eq!(world.app.search_messages(ada, &earlier).await.unwrap().hits.len(), expected);
        let later = MessageSearch { from: Some(*at), limit: 200, ..asked("tide") };
        assert_eq!(world.app.search_messages(ada, &later).await.unwrap().hits.len(), places.len() - expected);
    }
}
