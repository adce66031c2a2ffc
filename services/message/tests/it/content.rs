//! What a message can be besides a text.

use std::sync::atomic::Ordering;

use godwit_contract::message::v1 as api;
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, MediaId, SystemClock, SystemEntropy};
use godwit_message::store;
use godwit_pg::{Pool, PoolOptions};
use tonic::Code;

use crate::harness::{Bed, count_statements, message_in, reason, user};

fn request(chat_id: ChatId, name: &str, text: &str) -> api::SendMessageRequest {
    api::SendMessageRequest {
        chat_id: chat_id.to_string(),
        client_message_id: name.to_owned(),
        text: text.to_owned(),
        ..api::SendMessageRequest::default()
    }
}

fn entity(kind: pb::EntityKind, offset: u32, length: u32) -> pb::MessageEntity {
    pb::MessageEntity { kind: kind.into(), offset, length, ..pb::MessageEntity::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_message_is_kept_and_the_same_wherever_it_is_read() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    bed.chats.users.name("bob", bob);
    let media_id = MediaId::generate(&SystemClock, &SystemEntropy);
    bed.chats.media.upload(media_id, ada);
    let first = replica.client(bob).send(chat_id, "q", "a question").await.unwrap();

    let full = api::SendMessageRequest {
        entities: vec![entity(pb::EntityKind::Bold, 0, 2)],
        media_ids: vec![media_id.to_string()],
        reply_to_message_id: first.id.clone(),
        is_silent: true,
        ..request(chat_id, "m", "🐦 for @Bob")
    };
    let sent = replica.client(ada).send_full(full.clone()).await.unwrap();
    let mention = pb::MessageEntity { user_id: bob.to_string(), ..entity(pb::EntityKind::Mention, 7, 4) };
    assert_eq!(sent.entities, [entity(pb::EntityKind::Bold, 0, 2), mention]);
    let sent_file = &sent.attachments[0];
    assert_eq!(sent_file.media_id, media_id.to_string());
    assert_eq!((sent_file.kind(), sent_file.width, sent_file.height), (pb::AttachmentKind::Image, 640, 480));
    assert_eq!(sent_file.blurhash, "b");
    let reply = sent.reply_to.clone().unwrap();
    assert_eq!(
        (reply.message_id, reply.sender_id, reply.snippet),
        (first.id, bob.to_string(), "a question".to_owned())
    );
    assert!(sent.is_silent);

    let reader = replica.client(bob);
    assert_eq!(reader.get(&sent.id).await.unwrap(), sent);
    assert_eq!(reader.messages(chat_id).await[0], sent);
    assert_eq!(message_in(reader.whole_log(chat_id, 0).await.last().unwrap()), Some(sent.clone()));
    let head = reader.head(chat_id).await;
    assert_eq!((head.last_message, head.unread_mention_count), (Some(sent.clone()), 1));
    assert_eq!(
        replica.client(ada).send_full(full.clone()).await.unwrap(),
        sent,
        "a resend gets the first result, whole"
    );
    let other = api::SendMessageRequest { is_silent: false, ..full };
    assert_eq!(reason(&replica.client(ada).send_full(other).await.unwrap_err()), "CLIENT_MESSAGE_ID_REUSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_and_nothing_is_sent() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let elsewhere = bed.chat(&replica, &[ada, bob]).await;
    let (writer, strange) = (replica.client(ada), MediaId::generate(&SystemClock, &SystemEntropy));
    bed.chats.media.upload(strange, bob);
    let far = writer.send(elsewhere, "m", "elsewhere").await.unwrap();
    let plain = || request(chat_id, "m", "🐦");
    let with = |entity| api::SendMessageRequest { entities: vec![entity], ..plain() };
    let invalid = [
        with(entity(pb::EntityKind::Bold, 1, 1)),
        with(entity(pb::EntityKind::Bold, 0, 3)),
        with(entity(pb::EntityKind::Unspecified, 0, 2)),
        with(pb::MessageEntity { url: "javascript:alert(1)".to_owned(), ..entity(pb::EntityKind::Link, 0, 2) }),
        api::SendMessageRequest { entities: vec![entity(pb::EntityKind::Bold, 0, 2); 101], ..plain() },
        api::SendMessageRequest { media_ids: vec![strange.to_string(); 11], ..plain() },
        api::SendMessageRequest { media_ids: vec![strange.to_string(); 2], ..plain() },
        api::SendMessageRequest { reply_to_message_id: "nonsense".to_owned(), ..plain() },
        request(chat_id, "m", ""),
    ];
    for request in invalid {
        assert_eq!(writer.send_full(request).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let reply = api::SendMessageRequest { reply_to_message_id: far.id, ..plain() };
    assert_eq!(reason(&writer.send_full(reply).await.unwrap_err()), "REPLY_NOT_FOUND");
    let stolen = api::SendMessageRequest { media_ids: vec![strange.to_string()], ..plain() };
    assert_eq!(reason(&writer.send_full(stolen).await.unwrap_err()), "ATTACHMENT_NOT_FOUND");
    assert!(writer.messages(chat_id).await.is_empty());
    let caption = api::SendMessageRequest { media_ids: vec![strange.to_string()], ..request(chat_id, "m", "") };
    replica.client(bob).send_full(caption).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn mentions_are_of_members_alone_and_a_plain_text_asks_nobody() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob, eve) = (user(), user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada, bob]).await;
    bed.chats.users.name("bob", bob);
    bed.chats.users.name("eve", eve);
    let writer = replica.client(ada);
    writer.send(chat_id, "plain", "nobody is named").await.unwrap();
    assert_eq!(bed.chats.users.reads(), 0);

    let given = pb::MessageEntity { user_id: eve.to_string(), ..entity(pb::EntityKind::Mention, 0, 2) };
    let named = api::SendMessageRequest { entities: vec![given], ..request(chat_id, "m", "hi @bob, @eve and @nobody") };
    let sent = writer.send_full(named).await.unwrap();
    let mentioned: Vec<&str> = sent.entities.iter().map(|entity| entity.user_id.as_str()).collect();
    assert_eq!(mentioned, [bob.to_string()]);
    assert_eq!(replica.client(bob).head(chat_id).await.unread_mention_count, 1);

    writer.edit(&sent.id, "hi all").await.unwrap();
    assert_eq!(replica.client(bob).head(chat_id).await.unread_mention_count, 0);
    writer.edit(&sent.id, "hi @bob").await.unwrap();
    assert_eq!(replica.client(bob).head(chat_id).await.unread_mention_count, 1);

    bed.chats.users.take_down();
    assert!(
        writer.send(chat_id, "n", "hi @bob").await.unwrap().entities.is_empty(),
        "a message does not wait for names"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_keeps_every_version_and_the_same_text_is_none() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let writer = replica.client(ada);
    let sent = writer.send(chat_id, "m", "one").await.unwrap();
    writer.edit(&sent.id, "two").await.unwrap();
    let edited = writer.edit(&sent.id, "three").await.unwrap();
    assert_eq!((edited.text.as_str(), edited.edit_count), ("three", 2));
    assert_eq!(writer.edit(&sent.id, "three").await.unwrap(), edited);
    let log = writer.whole_log(chat_id, 0).await;
    assert_eq!(log.len(), 4, "the same text is no update");
    let Some(pb::update::Change::MessageEdited(last)) = &log[3].change else { panic!("{log:?}") };
    assert_eq!(last.message.as_ref(), Some(&edited));
    let said = replica.client(bob).history(&sent.id).await.unwrap();
    assert_eq!(said.iter().map(|version| version.text.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
    assert!(said.is_sorted_by_key(|version| version.written_at.as_ref().map(|at| (at.seconds, at.nanos))));
    assert_eq!(writer.send(chat_id, "m", "one").await.unwrap().seq, sent.seq, "a resend of what was sent first");

    let refused = replica.client(bob).edit(&sent.id, "mine").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "EDIT_NOT_ALLOWED"));
    bed.run_sql("UPDATE messages SET sent_at = now() - interval '48 hours 1 second'").await;
    assert_eq!(reason(&writer.edit(&sent.id, "late").await.unwrap_err()), "EDIT_WINDOW_OVER");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_emoji_a_person_is_counted_and_listed_in_pages() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let members: Vec<_> = (0..5).map(|_| user()).collect();
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &members).await;
    let sent = replica.client(members[0]).send(chat_id, "m", "hi").await.unwrap();
    for member in &members {
        replica.client(*member).react(&sent.id, "👍").await.unwrap();
    }
    replica.client(members[0]).react(&sent.id, "🎉").await.unwrap();
    replica.client(members[0]).react(&sent.id, "🎉").await.unwrap();
    replica.client(members[1]).react(&sent.id, "").await.unwrap();
    let reader = replica.client(members[0]);
    let message = reader.get(&sent.id).await.unwrap();
    let counts: Vec<(&str, u32)> = message.reactions.iter().map(|one| (one.emoji.as_str(), one.count)).collect();
    assert_eq!((counts, message.my_reaction.as_str()), (vec![("👍", 3), ("🎉", 1)], "🎉"));
    let log = reader.whole_log(chat_id, 0).await;
    assert_eq!(log.len(), 9, "the same reaction again is no update");
    let Some(pb::update::Change::ReactionsChanged(last)) = &log[8].change else { panic!("{log:?}") };
    assert_eq!((last.emoji.as_str(), &last.reactions), ("", &message.reactions));

    let mut cursor = String::new();
    let mut given = Vec::new();
    loop {
        let list = api::ListReactionsRequest { message_id: sent.id.clone(), limit: 2, cursor, ..Default::default() };
        let page = reader.reactions(list).await.unwrap();
        given.extend(page.reactions.into_iter().map(|one| one.user_id));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    let newest_first = [0, 4, 3, 2].map(|index: usize| members[index].to_string());
    assert_eq!(given, newest_first);
    assert_eq!(reader.react(&sent.id, "no emoji").await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_does_not_tell_who_reacts_but_to_themselves() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Channel, &[ada, bob]).await;
    let sent = replica.client(ada).send(chat_id, "m", "news").await.unwrap();
    let reader = replica.client(bob);
    reader.react(&sent.id, "👍").await.unwrap();
    let update = reader.whole_log(chat_id, 0).await.pop().unwrap();
    let Some(pb::update::Change::ReactionsChanged(changed)) = &update.change else { panic!("{update:?}") };
    assert_eq!((update.actor_id.as_str(), changed.emoji.as_str(), changed.reactions[0].count), ("", "", 1));
    let own = reader.whole_log(godwit_message::domain::own_log(bob), 0).await.pop().unwrap();
    let Some(pb::update::Change::OwnReactionChanged(changed)) = &own.change else { panic!("{own:?}") };
    assert_eq!((changed.message_id.as_str(), changed.emoji.as_str()), (sent.id.as_str(), "👍"));
    let list = api::ListReactionsRequest { message_id: sent.id.clone(), ..Default::default() };
    assert_eq!(reason(&reader.reactions(list.clone()).await.unwrap_err()), "REACTIONS_HIDDEN");
    assert_eq!(replica.client(ada).reactions(list).await.unwrap().reactions.len(), 1);
    assert_eq!(reason(&reader.send(chat_id, "n", "hi").await.unwrap_err()), "POSTING_NOT_ALLOWED");
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_stand_in_the_order_in_which_they_were_pinned() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let writer = replica.client(ada);
    let mut sent = Vec::new();
    for name in 0..4 {
        sent.push(writer.send(chat_id, &name.to_string(), "hi").await.unwrap().id);
    }
    for index in [2, 0, 3, 0] {
        writer.pin(chat_id, &sent[index]).await.unwrap();
    }
    writer.unpin(chat_id, &sent[3]).await.unwrap();
    writer.unpin(chat_id, &sent[3]).await.unwrap();
    let expected = [sent[0].clone(), sent[2].clone()];
    let pinned: Vec<String> = writer.pins(chat_id).await.unwrap().into_iter().map(|message| message.id).collect();
    assert_eq!(pinned, expected);
    assert_eq!(writer.head(chat_id).await.pinned_message_ids, expected);
    let log = writer.whole_log(chat_id, 0).await;
    assert_eq!(log.len(), 9);
    let Some(pb::update::Change::PinsChanged(last)) = &log[8].change else { panic!("{log:?}") };
    assert_eq!((&last.message_id, last.is_pinned, &last.pinned_message_ids), (&sent[3], false, &expected.to_vec()));
    let other = bed.chat(&replica, &[ada, bob]).await;
    assert_eq!(reason(&writer.pin(other, &sent[0]).await.unwrap_err()), "MESSAGE_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_member_has_the_pins_that_are_there_for_them() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob, eve) = (user(), user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada, bob]).await;
    let (writer, reader, late) = (replica.client(ada), replica.client(bob), replica.client(eve));
    let mut sent = Vec::new();
    for name in ["kept", "hidden", "deleted"] {
        sent.push(writer.send(chat_id, name, name).await.unwrap().id);
    }
    bed.join(&replica, chat_id, eve, true).await;
    sent.push(writer.send(chat_id, "late", "late").await.unwrap().id);
    for id in &sent {
        writer.pin(chat_id, id).await.unwrap();
    }
    reader.react(&sent[0], "👍").await.unwrap();
    reader.hide(&sent[1]).await.unwrap();
    writer.delete(&sent[2]).await.unwrap();

    for (client, places) in [(&writer, vec![3, 1, 0]), (&reader, vec![3, 0]), (&late, vec![3])] {
        let mut expected = Vec::new();
        for place in places {
            expected.push(client.get(&sent[place]).await.unwrap());
        }
        assert_eq!(client.pins(chat_id).await.unwrap(), expected);
    }
    reader.clear(chat_id).await.unwrap();
    assert!(reader.pins(chat_id).await.unwrap().is_empty());
    assert_eq!(writer.pins(chat_id).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_pins_are_read_by_as_many_statements_as_one() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let writer = replica.client(ada);
    // All that this replica asks goes over the connection that is counted.
    let options = PoolOptions { max_size: 1, ..PoolOptions::default() };
    let pool = Pool::connect(&bed.db.role_url(&store::SCHEMA), options).unwrap();
    let statements = count_statements(&mut pool.get().await.unwrap());
    let reader = bed.replica_on(pool, bed.tasks.clone()).client(bob);
    let mut counts = Vec::new();
    for pinned in [1..=1, 2..=50] {
        let all = *pinned.end();
        for number in pinned {
            let sent = writer.send(chat_id, &number.to_string(), "hi").await.unwrap();
            writer.pin(chat_id, &sent.id).await.unwrap();
        }
        // A connection that has rested is asked whether it lives, so the least of some readings counts.
        let mut least = usize::MAX;
        for _ in 0..5 {
            let before = statements.load(Ordering::Relaxed);
            assert_eq!(reader.pins(chat_id).await.unwrap().len(), all);
            least = least.min(statements.load(Ordering::Relaxed) - before);
        }
        counts.push(least);
    }
    assert_eq!(counts, [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_mode_tells_when_to_come_again_and_lets_admins_pass() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada, bob]).await;
    bed.chats.slow_down(chat_id, 30);
    let writer = replica.client(bob);
    let first = writer.send(chat_id, "a", "hi").await.unwrap();
    let refused = writer.send(chat_id, "b", "hi").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "SLOW_MODE"));
    let retry_after = godwit_rpc::Failure::from_status(&refused).retry_after.unwrap();
    assert!((20..=30).contains(&retry_after.as_secs()), "{retry_after:?}");
    assert_eq!(writer.send(chat_id, "a", "hi").await.unwrap(), first, "a resend is not held back");
    for name in ["a", "b"] {
        replica.client(ada).send(chat_id, name, "hi").await.unwrap();
    }
    bed.run_sql("UPDATE participants SET last_sent_at = last_sent_at - interval '30 seconds'").await;
    writer.send(chat_id, "b", "hi").await.unwrap();
    // Who leaves and comes back waits as long; who is new, not at all.
    let eve = user();
    bed.join(&replica, chat_id, eve, false).await;
    bed.leave(&replica, chat_id, bob).await;
    bed.join(&replica, chat_id, bob, false).await;
    assert_eq!(reason(&writer.send(chat_id, "c", "hi").await.unwrap_err()), "SLOW_MODE");
    replica.client(eve).send(chat_id, "a", "hi").await.unwrap();
    bed.run_sql("UPDATE messages SET sent_at = sent_at - interval '30 seconds'").await;
    writer.send(chat_id, "c", "hi").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn history_around_a_message_has_both_sides_of_it() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    for name in 2..=11 {
        replica.client(ada).send(chat_id, &name.to_string(), "hi").await.unwrap();
    }
    let around = |seq, limit| {
        let request = api::ListMessagesRequest {
            chat_id: chat_id.to_string(),
            around_seq: Some(seq),
            limit,
            ..Default::default()
        };
        let client = replica.client(bob);
        async move {
            let page = client.list(request).await.unwrap();
            (page.messages.iter().map(|message| message.seq).collect::<Vec<_>>(), page.has_more, page.has_newer)
        }
    };
    assert_eq!(around(6, 4).await, (vec![7, 6, 5, 4], true, true));
    assert_eq!(around(2, 4).await, (vec![3, 2], false, true));
    assert_eq!(around(11, 4).await, (vec![11, 10, 9], true, false));
}
