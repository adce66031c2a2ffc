use std::collections::BTreeSet;

use futures_util::future::join_all;
use godwit_contract::message::v1 as api;
use godwit_contract::v1 as pb;
use godwit_contract::v1::RolesChanged;
use godwit_contract::v1::update::Change;
use godwit_message::Config;
use tonic::Code;

use crate::harness::{Bed, append, config, reason, seqs, texts, user};

#[tokio::test(flavor = "multi_thread")]
async fn a_sent_message_is_in_the_log_when_the_send_returns() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;

    let message = replica.client(ada).send(chat_id, "m-1", "hello").await.unwrap();
    assert_eq!((message.seq, message.text.as_str()), (2, "hello"));
    assert_eq!(message.sender_id, ada.to_string());
    assert_eq!(message.chat_id, chat_id.to_string());

    let log = replica.client(bob).whole_log(chat_id, 0).await;
    assert_eq!(seqs(&log), [1, 2]);
    assert_eq!(texts(&log), ["hello"]);
    assert_eq!(log[1].actor_id, ada.to_string());
    assert_eq!(log[1].occurred_at, message.sent_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_senders_get_every_number_once() {
    const SENDERS: usize = 24;
    const EACH: usize = 25;
    let bed = Bed::new().await;
    let replicas = [bed.replica(), bed.replica()];
    let members: Vec<_> = (0..SENDERS).map(|_| user()).collect();
    let chat_id = bed.chat(&replicas[0], &members).await;

    let senders = members.iter().enumerate().map(|(number, member)| {
        let client = replicas[number % 2].client(*member);
        async move {
            let mut seqs = Vec::new();
            for name in 0..EACH {
                seqs.push(client.send(chat_id, &name.to_string(), &format!("{number} {name}")).await.unwrap().seq);
            }
            seqs
        }
    });
    let acked: Vec<Vec<u64>> = join_all(senders).await;
    assert!(acked.iter().all(|seqs| seqs.is_sorted()), "a sender's messages keep their order");
    let mut all: Vec<u64> = acked.concat();
    all.sort_unstable();
    let expected: Vec<u64> = (2..).take(SENDERS * EACH).collect();
    assert_eq!(all, expected);

    let log = replicas[1].client(members[0]).whole_log(chat_id, 100).await;
    assert_eq!(seqs(&log), (1..=601).collect::<Vec<u64>>());
    assert!(log.is_sorted_by_key(|update| update.occurred_at.as_ref().map(|at| (at.seconds, at.nanos))));
    assert_eq!(texts(&log).into_iter().collect::<BTreeSet<_>>().len(), SENDERS * EACH);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_returns_the_first_result_from_any_replica() {
    let bed = Bed::new().await;
    let (first, second) = (bed.replica(), bed.replica());
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&first, &[ada, bob]).await;

    let sent = first.client(ada).send(chat_id, "m", "hello").await.unwrap();
    first.client(ada).send(chat_id, "n", "more").await.unwrap();
    assert_eq!(first.client(ada).send(chat_id, "m", "hello").await.unwrap(), sent);
    assert_eq!(second.client(ada).send(chat_id, "m", "hello").await.unwrap(), sent);
    let others = second.client(bob).send(chat_id, "m", "hello").await.unwrap();
    assert_eq!(others.seq, 4, "another sender's name is another message");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_resends_at_once_are_one_message() {
    let bed = Bed::new().await;
    let replicas = [bed.replica(), bed.replica()];
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replicas[0], &[ada, bob]).await;

    let clients = [replicas[0].client(ada), replicas[1].client(ada)];
    let sends = (0..60).map(|number| clients[number % 2].send(chat_id, "m", "hello"));
    for message in join_all(sends).await {
        assert_eq!(message.unwrap().seq, 2);
    }
    assert_eq!(seqs(&clients[0].whole_log(chat_id, 0).await), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_message_id_cannot_be_used_for_other_content() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let client = replica.client(ada);

    client.send(chat_id, "m", "hello").await.unwrap();
    let refused = client.send(chat_id, "m", "other").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::AlreadyExists, "CLIENT_MESSAGE_ID_REUSED"));

    // At once, one content wins and all sends of the other are refused.
    let sends = (0..20).map(|number| client.send(chat_id, "n", if number % 2 == 0 { "even" } else { "odd" }));
    let answers = join_all(sends).await;
    let accepted: BTreeSet<_> = answers.iter().flatten().map(|message| message.text.clone()).collect();
    assert_eq!(accepted.len(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 10);
    assert_eq!(seqs(&client.whole_log(chat_id, 0).await), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_limit_is_refused_and_changes_nothing() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let client = replica.client(ada);

    let long = "x".repeat(4_097);
    for (id, text) in
        [("m", ""), ("m", " \n"), ("m", long.as_str()), ("m", "a\0b"), ("", "a"), ("m n", "a"), (&long[..65], "a")]
    {
        let refused = client.send(chat_id, id, text).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"));
    }
    assert_eq!(client.whole_log(chat_id, 0).await.len(), 1);
    client.send(chat_id, "m", &"🐦".repeat(4_096)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_loses_nothing_it_took() {
    let bed = Bed::new().await;
    let replica = bed.replica_with(&Config { queue_max: 4, batch_max: 2, ..config(1) });
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let client = replica.client(ada);
    client.send(chat_id, "first", "fills the policy cache").await.unwrap();

    let names: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    let answers = join_all(names.iter().map(|name| client.send(chat_id, name, name))).await;
    let acked: BTreeSet<String> = answers.iter().flatten().map(|message| message.text.clone()).collect();
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert!(!refused.is_empty(), "200 sends at once do not fit into a queue of 4");
    for status in refused {
        assert_eq!((status.code(), reason(status).as_str()), (Code::Unavailable, "SEND_QUEUE_FULL"));
    }
    let logged: BTreeSet<String> = texts(&client.whole_log(chat_id, 0).await).into_iter().skip(1).collect();
    assert_eq!(logged, acked);
}

/// The client did not hear that it was sent, and asks again when it could not be sent any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_resend_returns_the_first_result_also_when_it_could_not_be_sent_now() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada, bob]).await;
    let asked = replica.client(ada).send(chat_id, "question", "question").await.unwrap();
    let client = replica.client(bob);
    let answer = api::SendMessageRequest {
        chat_id: chat_id.to_string(),
        client_message_id: "answer".to_owned(),
        text: "answer".to_owned(),
        reply_to_message_id: asked.id.clone(),
        ..api::SendMessageRequest::default()
    };
    let first = client.send_full(answer.clone()).await.unwrap();
    let plain = client.send(chat_id, "plain", "plain").await.unwrap();
    replica.client(ada).delete(&asked.id).await.unwrap();

    let again = client.send_full(answer.clone()).await.unwrap();
    assert_eq!((again.id, again.text.as_str()), (first.id.clone(), "answer"));
    let other = api::SendMessageRequest { text: "other".to_owned(), ..answer.clone() };
    assert_eq!(reason(&client.send_full(other).await.unwrap_err()), "REPLY_NOT_FOUND");
    let new = api::SendMessageRequest { client_message_id: "new".to_owned(), ..answer.clone() };
    assert_eq!(reason(&client.send_full(new).await.unwrap_err()), "REPLY_NOT_FOUND");

    let version = bed.chats.silence(chat_id);
    replica.app.append_update(append(chat_id, Change::RolesChanged(RolesChanged::default()), version)).await.unwrap();
    assert_eq!(client.send(chat_id, "plain", "plain").await.unwrap().id, plain.id);
    assert_eq!(client.send_full(answer.clone()).await.unwrap().id, first.id);
    assert_eq!(reason(&client.send(chat_id, "x", "x").await.unwrap_err()), "POSTING_NOT_ALLOWED");

    bed.leave(&replica, chat_id, bob).await;
    assert_eq!(reason(&client.send(chat_id, "plain", "plain").await.unwrap_err()), "CHAT_NOT_FOUND");
    assert_eq!(reason(&client.send_full(answer).await.unwrap_err()), "CHAT_NOT_FOUND");
}
