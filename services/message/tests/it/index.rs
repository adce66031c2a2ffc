//! What the search service is told: what somebody may see, and all there is.

use godwit_contract::message::v1 as api;
use godwit_contract::message::v1::index_internal_service_server::IndexInternalService as _;
use godwit_contract::v1 as pb;
use godwit_kernel::UserId;
use tonic::{Code, Request, Status};

use crate::harness::{Bed, Client, user};

async fn seen(client: &Client, viewer: UserId, sent: &[&pb::Message]) -> Result<Vec<String>, Status> {
    let message_ids = sent.iter().map(|message| message.id.clone()).collect();
    let request = api::GetSeenMessagesRequest { message_ids, viewer_id: viewer.to_string() };
    let answer = client.server().get_seen_messages(Request::new(request)).await?.into_inner();
    let mut texts: Vec<String> = answer.messages.into_iter().map(|message| message.text).collect();
    texts.sort_unstable();
    Ok(texts)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_deleted_or_cleared_for_themselves_is_not_shown_to_them_alone() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada_id, bob_id) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada_id, bob_id]).await;
    let (ada, bob) = (replica.client(ada_id), replica.client(bob_id));
    let one = ada.send(chat_id, "1", "one").await.unwrap();
    let two = ada.send(chat_id, "2", "two").await.unwrap();
    let three = ada.send(chat_id, "3", "three").await.unwrap();
    bob.hide(&two.id).await.unwrap();
    let all = [&one, &two, &three];
    assert_eq!(seen(&ada, ada_id, &all).await.unwrap(), ["one", "three", "two"]);
    assert_eq!(seen(&ada, bob_id, &all).await.unwrap(), ["one", "three"]);
    ada.edit(&three.id, "three again").await.unwrap();
    ada.delete(&one.id).await.unwrap();
    assert_eq!(seen(&ada, bob_id, &all).await.unwrap(), ["three again"]);
    bob.clear(chat_id).await.unwrap();
    assert!(seen(&ada, bob_id, &all).await.unwrap().is_empty());
    assert_eq!(seen(&ada, ada_id, &all).await.unwrap(), ["three again", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_came_later_sees_nothing_of_a_hidden_history() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada_id, bob_id, carl_id, dora_id) = (user(), user(), user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada_id, bob_id, user()]).await;
    let ada = replica.client(ada_id);
    let before = ada.send(chat_id, "1", "before").await.unwrap();
    bed.join(&replica, chat_id, carl_id, true).await;
    bed.join(&replica, chat_id, dora_id, false).await;
    let after = ada.send(chat_id, "2", "after").await.unwrap();
    let all = [&before, &after];
    assert_eq!(seen(&ada, carl_id, &all).await.unwrap(), ["after"]);
    assert_eq!(seen(&ada, dora_id, &all).await.unwrap(), ["after", "before"]);
    assert!(seen(&ada, user(), &all).await.unwrap().is_empty(), "nothing is a stranger's");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_messages_are_listed_once_in_pages_with_the_head_of_their_chat() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let mut expected = Vec::new();
    let ada_id = user();
    let ada = replica.client(ada_id);
    for chat in 0..3 {
        let chat_id = bed.chat(&replica, &[ada_id, user()]).await;
        for name in ["a", "b", "c"] {
            expected.push(ada.send(chat_id, name, &format!("{name} of {chat}")).await.unwrap());
        }
        let gone = ada.send(chat_id, "gone", "gone").await.unwrap();
        ada.delete(&gone.id).await.unwrap();
    }
    expected.sort_by_key(|message| (message.chat_id.clone(), message.seq));
    let (mut listed, mut after): (Vec<pb::Message>, String) = (Vec::new(), String::new());
    loop {
        let request = api::ListAllMessagesRequest { after_message_id: after, limit: 2 };
        let page = ada.server().list_all_messages(Request::new(request)).await.unwrap().into_inner();
        for one in page.messages {
            let message = one.message.unwrap();
            // Created, three messages, one more and its end.
            assert!(one.as_of_seq >= message.seq + 2 && !one.epoch.is_empty());
            listed.push(message);
        }
        if !page.has_more {
            break;
        }
        after = listed.last().unwrap().id.clone();
    }
    assert_eq!(listed, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_two_hundred_messages_are_asked_for() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let ada_id = user();
    let chat_id = bed.chat(&replica, &[ada_id, user()]).await;
    let ada = replica.client(ada_id);
    let sent = ada.send(chat_id, "1", "one").await.unwrap();
    let refused = seen(&ada, ada_id, &[&sent; 201]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}
