//! What is deleted is gone: from every table, and from everything that is published after.

use godwit_contract::message::v1 as api;
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, MessageId, Seq};
use godwit_live::Channel;
use godwit_message::domain::{
    Act, Action, Change, Entry, Headers, LinkPreview, MembershipVersion, NewPreview, Outcome,
};
use tonic::Code;

use crate::append::{commit, message};
use crate::harness::{Bed, Client, PATIENCE, Replica, message_in, reason, user};

const SECRET: &str = "SECRET-thing";

/// How many rows of the schema's tables hold the secret, as a text or as bytes.
async fn rows_with_secret(bed: &Bed) -> i64 {
    bed.number(&format!(
        "SELECT coalesce(sum((xpath('/row/c/text()', query_to_xml(format(
             'SELECT count(*) AS c FROM message.%I t WHERE t::text LIKE %L OR t::text LIKE %L',
             tablename, '%{SECRET}%', '%' || encode('{SECRET}', 'hex') || '%'
         ), false, true, '')))[1]::text::bigint), 0) FROM pg_tables WHERE schemaname = 'message'"
    ))
    .await
}

fn has_secret(payload: &[u8]) -> bool {
    payload.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
}

async fn reply(client: &Client, chat_id: ChatId, name: &str, to: &pb::Message) -> pb::Message {
    let request = api::SendMessageRequest {
        chat_id: chat_id.to_string(),
        client_message_id: name.to_owned(),
        text: "an answer".to_owned(),
        reply_to_message_id: to.id.clone(),
        ..api::SendMessageRequest::default()
    };
    client.send_full(request).await.unwrap()
}

/// Has a message deleted to which there are so many replies, by who is returned.
async fn delete_with_replies(bed: &Bed, replica: &Replica, count: usize) -> (ChatId, Client) {
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(replica, &[ada, bob]).await;
    let sent = replica.client(ada).send(chat_id, "m", SECRET).await.unwrap();
    let bob = replica.client(bob);
    let names: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    futures_util::future::join_all(names.iter().map(|name| reply(&bob, chat_id, name, &sent))).await;
    replica.client(ada).delete(&sent.id).await.unwrap();
    (chat_id, bob)
}

async fn preview(replica: &Replica, sent: &pb::Message, edit_count: u32) -> Outcome {
    let id: MessageId = sent.id.parse().unwrap();
    let text = || SECRET.to_owned();
    let preview = LinkPreview { url: text(), title: text(), description: text(), site_name: text() };
    let change = Change::Preview(NewPreview { seq: id.seq, edit_count, preview });
    let entry = Entry { chat_id: id.chat_id, headers: Headers::new(), change };
    replica.app.appenders.append(entry).await.unwrap()
}

/// A message that was edited, previewed, answered, reacted to and pinned.
async fn told_and_retold(bed: &Bed, replica: &Replica) -> (ChatId, Client, Client, pb::Message) {
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(replica, &[ada, bob]).await;
    let (ada, bob) = (replica.client(ada), replica.client(bob));
    let sent = ada.send(chat_id, "m", &format!("{SECRET} one")).await.unwrap();
    let early = reply(&bob, chat_id, "early", &sent).await;
    assert!(early.reply_to.as_ref().unwrap().snippet.contains(SECRET));
    ada.edit(&sent.id, &format!("{SECRET} two")).await.unwrap();
    assert!(matches!(preview(replica, &sent, 1).await, Outcome::Appended(_)));
    reply(&bob, chat_id, "late", &sent).await;
    bob.edit(&early.id, "another answer").await.unwrap();
    bob.react(&sent.id, "👍").await.unwrap();
    bob.pin(chat_id, &sent.id).await.unwrap();
    (chat_id, ada, bob, sent)
}

async fn check_gone(bed: &Bed, client: &Client, chat_id: ChatId, sent: &pb::Message) {
    assert_eq!(rows_with_secret(bed).await, 0);
    assert_eq!(reason(&client.get(&sent.id).await.unwrap_err()), "MESSAGE_NOT_FOUND");
    assert_eq!(reason(&client.history(&sent.id).await.unwrap_err()), "MESSAGE_NOT_FOUND");
    assert!(client.pins(chat_id).await.unwrap().is_empty());
    let left = client.messages(chat_id).await;
    assert!(!left.is_empty() && left.iter().all(|message| message.reply_to.as_ref().unwrap().is_deleted));
    let log = client.whole_log(chat_id, 1_000).await;
    let created = log.iter().filter_map(message_in).find(|message| message.id == sent.id).unwrap();
    assert!(created.is_deleted && created.sender_id == sent.sender_id && created.sent_at == sent.sent_at);
    assert!(matches!(log.last().unwrap().change, Some(pb::update::Change::MessageDeleted(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_deleted_before_it_is_published_is_gone_from_what_is_published() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    bed.stream.take_down();
    let (chat_id, ada, bob, sent) = told_and_retold(&bed, &replica).await;
    assert!(rows_with_secret(&bed).await >= 6, "message, versions, updates and replies hold it");

    ada.delete(&sent.id).await.unwrap();
    let mut listener = bed.listen(&[Channel::Chat(chat_id)]).await;
    check_gone(&bed, &bob, chat_id, &sent).await;
    bed.stream.take_published();
    bed.stream.bring_up();
    bed.drained().await;
    let published = bed.stream.take_published();
    assert!(!published.is_empty() && !published.iter().any(|payload| has_secret(payload)), "nor on the stream");
    check_gone(&bed, &bob, chat_id, &sent).await;
    assert!(!listener.payloads().iter().any(|payload| has_secret(payload)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_message_is_gone_from_the_log() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (chat_id, _, bob, sent) = told_and_retold(&bed, &replica).await;
    bed.drained().await;
    assert!(rows_with_secret(&bed).await >= 6);
    // In a direct chat either one deletes.
    bob.delete(&sent.id).await.unwrap();
    check_gone(&bed, &bob, chat_id, &sent).await;
    bed.drained().await;
    check_gone(&bed, &bob, chat_id, &sent).await;
    bob.delete(&sent.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_is_left_though_deletions_overtake_their_messages_on_the_way_to_the_stream() {
    let bed = Bed::new().await;
    let replicas = [bed.replica(), bed.replica()];
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replicas[0], &[ada, bob]).await;
    for round in 0..60 {
        let sent = replicas[round % 2].client(ada).send(chat_id, &round.to_string(), SECRET).await.unwrap();
        // By then some are on the stream, some on the way, some wait.
        replicas[1 - round % 2].client(bob).delete(&sent.id).await.unwrap();
    }
    assert_eq!(rows_with_secret(&bed).await, 0);
    bed.drained().await;
    assert_eq!(rows_with_secret(&bed).await, 0);
    let log = replicas[0].client(bob).whole_log(chat_id, 1_000).await;
    assert_eq!(log.len(), 121);
    assert!(log.iter().filter_map(message_in).all(|message| message.is_deleted && message.text.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_left_is_published_without_the_text() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let entries = [message(chat_id, ada, "m", SECRET)];
    let written = commit(&mut bed.pool.get().await.unwrap(), &entries).await;
    let Outcome::Appended(placed) = &written.outcomes[0] else { panic!("{written:?}") };
    let id = MessageId { chat_id, seq: placed.seq };
    let mut listener = bed.listen(&[Channel::Chat(chat_id)]).await;
    replica.client(ada).delete(&id.to_string()).await.unwrap();
    bed.drained().await;
    assert!(!bed.stream.take_published().iter().any(|payload| has_secret(payload)));
    assert!(!listener.payloads().iter().any(|payload| has_secret(payload)));
    assert_eq!(rows_with_secret(&bed).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snippets_of_any_number_of_replies_are_emptied() {
    let bed = Bed::new().await;
    let replica = bed.replica_with(&godwit_message::Config { clean_interval_ms: 20, ..crate::harness::config(2) });
    delete_with_replies(&bed, &replica, 1_203).await;
    godwit_testkit::eventually(PATIENCE, || async {
        match rows_with_secret(&bed).await {
            0 => Ok(()),
            rows => Err(format!("{rows} rows hold it")),
        }
    })
    .await;
    godwit_testkit::eventually(PATIENCE, || async {
        match bed.number("SELECT count(*) FROM scrubs").await {
            0 => Ok(()),
            rows => Err(format!("{rows} scrubs wait")),
        }
    })
    .await;
}

/// One of more replies than a deletion reaches, edited before the worker comes to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_edited_before_its_snippet_is_emptied_does_not_tell_it_again() {
    let bed = Bed::new().await;
    let replica = bed.replica_with(&godwit_message::Config { clean_interval_ms: 600_000, ..crate::harness::config(2) });
    let (chat_id, bob) = delete_with_replies(&bed, &replica, 510).await;
    let quoting = "SELECT count(*) FROM messages WHERE reply_to_seq IS NOT NULL";
    let before = bed.number(quoting).await;
    assert!(before > 0, "the worker is not there yet");
    let seq = bed.number("SELECT min(seq) FROM messages WHERE reply_to_seq IS NOT NULL").await;
    let id = MessageId { chat_id, seq: Seq::from_i64(seq) }.to_string();
    bed.drained().await;
    bed.stream.take_published();
    let mut listener = bed.listen(&[Channel::Chat(chat_id)]).await;
    let edited = bob.edit(&id, "another answer").await.unwrap();
    assert!(edited.reply_to.unwrap().is_deleted);
    assert_eq!(bed.number(quoting).await, before - 1);
    bed.drained().await;
    let (told, published) = (listener.payloads(), bed.stream.take_published());
    assert!(!told.is_empty() && !published.is_empty());
    assert!(!told.iter().chain(&published).any(|payload| has_secret(payload)));
    let log = bob.whole_log(chat_id, 1_000).await;
    let of_reply = |update: &&pb::Update| match &update.change {
        Some(pb::update::Change::MessageCreated(created)) => created.message.as_ref().unwrap().id == id,
        Some(pb::update::Change::MessageEdited(edited)) => edited.message.as_ref().unwrap().id == id,
        _ => false,
    };
    let of_reply: Vec<&pb::Update> = log.iter().filter(of_reply).collect();
    assert_eq!(of_reply.len(), 2);
    assert!(!of_reply.iter().any(|update| has_secret(&prost::Message::encode_to_vec(*update))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_neither_answered_nor_previewed_nor_sent_again() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let ada = replica.client(ada);
    let sent = ada.send(chat_id, "m", SECRET).await.unwrap();
    ada.delete(&sent.id).await.unwrap();
    let request = api::SendMessageRequest {
        chat_id: chat_id.to_string(),
        client_message_id: "r".to_owned(),
        text: "an answer".to_owned(),
        reply_to_message_id: sent.id.clone(),
        ..api::SendMessageRequest::default()
    };
    assert_eq!(reason(&ada.send_full(request).await.unwrap_err()), "REPLY_NOT_FOUND");
    assert_eq!(reason(&ada.edit(&sent.id, "again").await.unwrap_err()), "MESSAGE_NOT_FOUND");
    assert_eq!(reason(&ada.react(&sent.id, "👍").await.unwrap_err()), "MESSAGE_NOT_FOUND");
    assert!(matches!(preview(&replica, &sent, 0).await, Outcome::Refused(_)));
    // The sender's queue may not know of the deletion yet.
    assert_eq!(ada.send(chat_id, "m", SECRET).await.unwrap().seq, sent.seq);
    assert_eq!(rows_with_secret(&bed).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_group_a_message_is_deleted_by_its_sender_and_by_admins() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob, eve) = (user(), user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada, bob, eve]).await;
    let sent = replica.client(bob).send(chat_id, "m", "hi").await.unwrap();
    let refused = replica.client(eve).delete(&sent.id).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "DELETION_NOT_ALLOWED"));
    replica.client(ada).delete(&sent.id).await.unwrap();

    let sent = replica.client(bob).send(chat_id, "n", "hi").await.unwrap();
    bed.chats.promote(chat_id, eve);
    replica.client(eve).delete(&sent.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_deletes_for_oneself_the_others_keep() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let (first, last) = (
        replica.client(ada).send(chat_id, "m", "first").await.unwrap(),
        replica.client(ada).send(chat_id, "n", "last").await.unwrap(),
    );
    let reader = replica.client(bob);
    reader.hide(&last.id).await.unwrap();
    assert_eq!(reason(&reader.get(&last.id).await.unwrap_err()), "MESSAGE_NOT_FOUND");
    assert_eq!(reader.head(chat_id).await.last_message.unwrap().id, first.id);
    assert_eq!(reader.head(chat_id).await.unread_count, 1);
    assert_eq!(replica.client(ada).messages(chat_id).await.len(), 2);

    let own = godwit_message::domain::own_log(bob);
    let log = reader.whole_log(own, 0).await;
    assert!(matches!(&log[1].change, Some(pb::update::Change::MessageHidden(hidden)) if hidden.message_id == last.id));
    assert_eq!(bed.chats.openings(), 1, "Saved Messages are made when they are needed");

    reader.clear(chat_id).await.unwrap();
    assert!(reader.messages(chat_id).await.is_empty());
    let head = reader.head(chat_id).await;
    assert_eq!((head.unread_count, head.last_message), (0, None));
    assert_eq!(replica.client(ada).messages(chat_id).await.len(), 2);
    replica.client(ada).send(chat_id, "o", "new").await.unwrap();
    assert_eq!((reader.messages(chat_id).await.len(), reader.head(chat_id).await.unread_count), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_its_head_is_left_of_a_deleted_chat() {
    let bed = Bed::new().await;
    let replica = bed.replica_with(&godwit_message::Config { clean_interval_ms: 20, ..crate::harness::config(2) });
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let (writer, reader) = (replica.client(ada), replica.client(bob));
    for number in 0..30 {
        let sent = writer.send(chat_id, &number.to_string(), SECRET).await.unwrap();
        writer.edit(&sent.id, &format!("{SECRET} again")).await.unwrap();
        reader.react(&sent.id, "👍").await.unwrap();
        reader.pin(chat_id, &sent.id).await.unwrap();
    }
    let kept = bed.chat(&replica, &[ada, bob]).await;
    writer.send(kept, "m", "stays").await.unwrap();
    let deleted = pb::update::Change::ChatDeleted(pb::ChatDeleted {});
    replica.app.append_update(crate::harness::append(chat_id, deleted, 2)).await.unwrap();
    godwit_testkit::eventually(PATIENCE, || async {
        match bed.number("SELECT count(*) FROM purges").await {
            0 => Ok(()),
            rows => Err(format!("{rows} purges wait")),
        }
    })
    .await;
    assert_eq!(rows_with_secret(&bed).await, 0);
    for table in ["messages", "sync_log", "reactions", "pins", "participants", "message_versions"] {
        let rows = bed.number(&format!("SELECT count(*) FROM {table} WHERE chat_id = '{chat_id}'")).await;
        assert_eq!(rows, 0, "{table}");
    }
    assert_eq!(writer.messages(kept).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_changed_in_the_batch_of_the_deletion_says_nothing_of_it() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let sent = replica.client(ada).send(chat_id, "m", SECRET).await.unwrap();
    let answer = reply(&replica.client(bob), chat_id, "answer", &sent).await;
    replica.client(bob).edit(&answer.id, "another answer").await.unwrap();
    bed.drained().await;
    assert!(rows_with_secret(&bed).await > 2);

    let act = |actor_id, act| Entry {
        chat_id,
        headers: Headers::new(),
        change: Change::Action(Action {
            actor_id,
            policy_version: MembershipVersion::new(1).unwrap(),
            may_be_absent: true,
            act,
        }),
    };
    let seq = |message: &pb::Message| message.id.parse::<MessageId>().unwrap().seq;
    let emoji = godwit_message::domain::Emoji::parse("👍").unwrap();
    let batch = [
        act(ada, Act::React { seq: seq(&answer), emoji: Some(emoji), is_anonymous: false }),
        act(ada, Act::Delete { seq: seq(&sent), may_be_of_others: false }),
    ];
    let written = commit(&mut bed.pool.get().await.unwrap(), &batch).await;
    assert!(written.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Appended(_))), "{written:?}");
    bed.drained().await;
    assert_eq!(rows_with_secret(&bed).await, 0);
}
