use godwit_contract::message::v1 as api;
use godwit_contract::message::v1::message_service_server::MessageService as _;
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, MediaId, SystemClock, SystemEntropy};
use godwit_rpc::Failure;
use tonic::{Code, Status};

use crate::harness::{Bed, Client, reason, user};

/// Forwards messages to chats.
pub async fn forward(
    client: &Client,
    id: &str,
    message_ids: &[&str],
    chat_ids: &[ChatId],
) -> Result<Vec<api::ForwardResult>, Status> {
    let request = api::ForwardMessagesRequest {
        message_ids: message_ids.iter().map(|&id| id.to_owned()).collect(),
        chat_ids: chat_ids.iter().map(ChatId::to_string).collect(),
        client_forward_id: id.to_owned(),
        is_silent: false,
    };
    Ok(client.server().forward_messages(client.request(request)).await?.into_inner().results)
}

fn origin(message: &pb::Message) -> &pb::ForwardOrigin {
    message.forwarded_from.as_ref().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_come_in_order_in_every_chat_with_what_the_first_said_and_where_it_was() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob, eve) = (user(), user(), user());
    let source = bed.chat(&replica, &[ada, bob]).await;
    let targets = [bed.chat(&replica, &[ada, eve]).await, bed.chat(&replica, &[ada]).await];
    let media_id = MediaId::generate(&SystemClock, &SystemEntropy);
    bed.chats.media.upload(media_id, bob);
    let bold = pb::MessageEntity { kind: pb::EntityKind::Bold.into(), length: 4, ..pb::MessageEntity::default() };
    let first = api::SendMessageRequest {
        chat_id: source.to_string(),
        client_message_id: "a".to_owned(),
        text: "look".to_owned(),
        entities: vec![bold.clone()],
        media_ids: vec![media_id.to_string()],
        ..api::SendMessageRequest::default()
    };
    let first = replica.client(bob).send_full(first).await.unwrap();
    let second = replica.client(bob).send(source, "b", "and this").await.unwrap();
    let results = forward(&replica.client(ada), "f", &[&second.id, &first.id], &targets).await.unwrap();
    assert_eq!(
        results.iter().map(|result| result.chat_id.clone()).collect::<Vec<_>>(),
        targets.map(|id| id.to_string())
    );
    for result in &results {
        assert_eq!(result.failure, "");
        let texts: Vec<&str> = result.messages.iter().map(|message| message.text.as_str()).collect();
        assert_eq!(texts, ["and this", "look"]);
        let copy = &result.messages[1];
        assert_eq!((&copy.entities, &copy.attachments), (&vec![bold.clone()], &first.attachments));
        assert_eq!(copy.sender_id, ada.to_string());
        assert_eq!((origin(copy).sender_id.as_str(), origin(copy).chat_id.as_str()), (bob.to_string().as_str(), ""));
        assert_eq!(origin(copy).sent_at, first.sent_at);
        assert!(result.messages[0].seq < copy.seq);
    }
    // A copy of a copy names the first, and is not edited.
    let copy = &results[0].messages[1];
    let again = forward(&replica.client(eve), "g", &[&copy.id], &[targets[0]]).await.unwrap();
    assert_eq!(origin(&again[0].messages[0]), origin(copy));
    let refused = replica.client(ada).edit(&copy.id, "other").await.unwrap_err();
    assert_eq!(reason(&refused), "FORWARD_NOT_EDITABLE");
    // What the log tells is the same as what was answered.
    let told = replica.client(eve).get(&copy.id).await.unwrap();
    assert_eq!(&told, copy);
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_again_makes_no_copy_twice_also_where_some_were_missing() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let ada = user();
    let source = bed.chat(&replica, &[ada, user()]).await;
    let open = bed.chat(&replica, &[ada, user()]).await;
    let closed = bed.chat_as(&replica, pb::ChatKind::Group, &[user(), ada]).await;
    let client = replica.client(ada);
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(client.send(source, &number.to_string(), &number.to_string()).await.unwrap().id);
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    bed.chats.silence(closed);
    let first = forward(&client, "f", &ids, &[open, closed]).await.unwrap();
    assert_eq!((first[0].messages.len(), first[1].messages.len()), (5, 0));
    assert_eq!((first[0].failure.as_str(), first[1].failure.as_str()), ("", "POSTING_NOT_ALLOWED"));
    bed.chats.unsilence(closed);
    let second = forward(&client, "f", &ids, &[open, closed]).await.unwrap();
    assert_eq!(second[0], first[0]);
    assert_eq!(second[1].messages.len(), 5);
    assert_eq!(client.whole_log(open, 100).await.len(), 6);
    assert_eq!(client.whole_log(closed, 100).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_an_edit_answers_the_first_copy_and_another_source_is_refused() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let source = bed.chat(&replica, &[ada, bob]).await;
    let target = [bed.chat(&replica, &[ada]).await];
    let client = replica.client(ada);
    let message = replica.client(bob).send(source, "a", "before").await.unwrap();
    let other = replica.client(bob).send(source, "b", "before").await.unwrap();
    let copies = forward(&client, "f", &[&message.id], &target).await.unwrap();
    replica.client(bob).edit(&message.id, "after").await.unwrap();
    let repeated = forward(&client, "f", &[&message.id], &target).await.unwrap();
    assert_eq!((repeated[0].failure.as_str(), &repeated[0].messages), ("", &copies[0].messages));
    assert_eq!(copies[0].messages[0].text, "before");
    let refused = forward(&client, "f", &[&other.id], &target).await.unwrap();
    assert_eq!(refused[0].failure, "CLIENT_MESSAGE_ID_REUSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_want_to_be_named_is_not_and_oneself_always_is() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob, eve) = (user(), user(), user());
    let source = bed.chat(&replica, &[ada, bob, eve]).await;
    let target = bed.chat(&replica, &[ada, user()]).await;
    let mut ids = Vec::new();
    for sender in [ada, bob, eve] {
        bed.chats.users.hide(sender);
        ids.push(replica.client(sender).send(source, "m", "hello").await.unwrap().id);
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let results = forward(&replica.client(ada), "f", &ids, &[target]).await.unwrap();
    let named: Vec<&str> = results[0].messages.iter().map(|message| origin(message).sender_id.as_str()).collect();
    assert_eq!(named, [ada.to_string().as_str(), "", ""]);
    bed.chats.users.take_down();
    let refused = forward(&replica.client(ada), "g", &ids, &[target]).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "AUTH_SERVICE_UNAVAILABLE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_seen_or_is_gone_cannot_be_forwarded() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let source = bed.chat(&replica, &[ada, bob]).await;
    let (theirs, target) = (bed.chat(&replica, &[bob, user()]).await, bed.chat(&replica, &[ada, user()]).await);
    let client = replica.client(ada);
    let mine = client.send(source, "a", "mine").await.unwrap().id;
    let hidden = replica.client(bob).send(theirs, "a", "theirs").await.unwrap().id;
    let deleted = client.send(source, "b", "regretted").await.unwrap().id;
    client.delete(&deleted).await.unwrap();
    for gone in [&hidden, &deleted] {
        let refused = forward(&client, "f", &[&mine, gone], &[target]).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "MESSAGE_NOT_FOUND"));
    }
    let results = forward(&client, "f", &[&mine], &[target, theirs]).await.unwrap();
    assert_eq!((results[0].failure.as_str(), results[1].failure.as_str()), ("", "CHAT_NOT_FOUND"));
    assert_eq!(client.whole_log(target, 100).await.len(), 2, "of what was refused nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forward_beyond_the_limits_is_refused_with_its_field() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let ada = user();
    let chat = bed.chat(&replica, &[ada, user()]).await;
    let client = replica.client(ada);
    let mine = client.send(chat, "a", "mine").await.unwrap().id;
    let many: Vec<String> = (0..101).map(|_| mine.clone()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let chats: Vec<ChatId> = (0..21).map(|_| ChatId::generate(&SystemClock, &SystemEntropy)).collect();
    for (field, id, message_ids, chat_ids) in [
        ("message_ids", "f", &many[..], &[chat][..]),
        ("message_ids", "f", &[][..], &[chat][..]),
        ("message_ids", "f", &[mine.as_str(), mine.as_str()][..], &[chat][..]),
        ("message_ids", "f", &["nonsense"][..], &[chat][..]),
        ("chat_ids", "f", &[mine.as_str()][..], &chats[..]),
        ("chat_ids", "f", &[mine.as_str()][..], &[][..]),
        ("chat_ids", "f", &[mine.as_str()][..], &[chat, chat][..]),
        ("client_forward_id", "", &[mine.as_str()][..], &[chat][..]),
        ("client_forward_id", "a b", &[mine.as_str()][..], &[chat][..]),
    ] {
        let failure = Failure::from_status(&forward(&client, id, message_ids, chat_ids).await.unwrap_err());
        assert_eq!((failure.code, failure.fields[0].field.as_str()), (Code::InvalidArgument, field));
    }
    assert_eq!(client.whole_log(chat, 100).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_copies_than_an_answer_can_hold_are_refused_before_any_is_made() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let ada = user();
    let source = bed.chat(&replica, &[ada, user()]).await;
    let client = replica.client(ada);
    let text = "🙂".repeat(4_096);
    let sends = (0..100).map(|number| (number.to_string(), text.clone()));
    let mut ids = Vec::new();
    for (name, text) in sends {
        ids.push(client.send(source, &name, &text).await.unwrap().id);
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut targets = Vec::new();
    for _ in 0..20 {
        targets.push(bed.chat(&replica, &[ada, user()]).await);
    }
    let failure = Failure::from_status(&forward(&client, "f", &ids, &targets).await.unwrap_err());
    assert_eq!((failure.code, failure.fields[0].field.as_str()), (Code::InvalidArgument, "message_ids"));
    for target in &targets {
        assert_eq!(client.head(*target).await.last_seq, 1);
    }
    let some = forward(&client, "f", &ids, &targets[..5]).await.unwrap();
    assert!(some.iter().all(|result| result.messages.len() == 100));
}
