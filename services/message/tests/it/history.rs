use godwit_contract::message::v1::message_internal_service_server::MessageInternalService as _;
use godwit_contract::message::v1::{GetHeadsRequest, ListMessagesRequest};
use godwit_kernel::{ChatId, MessageId, Seq, SystemClock, SystemEntropy, UserId};
use tonic::{Code, Request};

use crate::harness::{Bed, reason, user};

fn heads_for(viewer: UserId, chat_ids: Vec<String>) -> GetHeadsRequest {
    GetHeadsRequest { chat_ids, viewer_id: viewer.to_string(), with_receipts: false }
}

fn list(chat_id: ChatId) -> ListMessagesRequest {
    ListMessagesRequest { chat_id: chat_id.to_string(), ..ListMessagesRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_paged_in_both_directions() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let client = replica.client(ada);
    for name in 2..=11 {
        client.send(chat_id, &name.to_string(), &name.to_string()).await.unwrap();
    }
    let seqs = |answer: &godwit_contract::message::v1::ListMessagesResponse| {
        answer.messages.iter().map(|message| message.seq).collect::<Vec<_>>()
    };
    let newest = client.list(ListMessagesRequest { limit: 4, ..list(chat_id) }).await.unwrap();
    assert_eq!((seqs(&newest), newest.has_more), (vec![11, 10, 9, 8], true));
    let before = client.list(ListMessagesRequest { before_seq: Some(4), limit: 4, ..list(chat_id) }).await.unwrap();
    assert_eq!((seqs(&before), before.has_more), (vec![3, 2], false));
    let after = client.list(ListMessagesRequest { after_seq: Some(8), limit: 2, ..list(chat_id) }).await.unwrap();
    assert_eq!((seqs(&after), after.has_more), (vec![9, 10], true));
    let exact = client.list(ListMessagesRequest { after_seq: Some(9), limit: 2, ..list(chat_id) }).await.unwrap();
    assert_eq!((seqs(&exact), exact.has_more), (vec![10, 11], false));
    let none = client.list(ListMessagesRequest { before_seq: Some(0), ..list(chat_id) }).await.unwrap();
    assert_eq!((seqs(&none), none.has_more), (vec![], false));

    let both = ListMessagesRequest { before_seq: Some(5), after_seq: Some(1), ..list(chat_id) };
    assert_eq!(client.list(both).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_long_messages_is_bounded_in_bytes_and_says_that_there_is_more() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let client = replica.client(ada);
    let text = "🐦".repeat(4_096);
    for name in 0..80 {
        client.send(chat_id, &name.to_string(), &text).await.unwrap();
    }
    let mut before_seq = None;
    let mut seen = Vec::new();
    loop {
        let page = client.list(ListMessagesRequest { before_seq, limit: 200, ..list(chat_id) }).await.unwrap();
        assert!(page.messages.iter().map(|message| message.text.len()).sum::<usize>() <= 1024 * 1024 + text.len());
        seen.extend(page.messages.iter().map(|message| message.seq));
        before_seq = seen.last().copied();
        if !page.has_more {
            break;
        }
    }
    assert_eq!(seen, (2..=81).rev().collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_found_by_its_address() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let sent = replica.client(ada).send(chat_id, "m", "hi").await.unwrap();
    assert_eq!(replica.client(bob).get(&sent.id).await.unwrap(), sent);

    for seq in [1, 3] {
        let id = MessageId { chat_id, seq: Seq::new(seq).unwrap() };
        let refused = replica.client(bob).get(&id.to_string()).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "MESSAGE_NOT_FOUND"));
    }
    assert_eq!(replica.client(bob).get("nonsense").await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_tell_where_logs_stand_and_what_was_said_last() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let silent = bed.chat(&replica, &[ada, bob]).await;
    let spoken = bed.chat(&replica, &[ada, bob]).await;
    replica.client(ada).send(spoken, "m", "first").await.unwrap();
    let last = replica.client(bob).send(spoken, "m", "last").await.unwrap();

    let unknown = ChatId::generate(&SystemClock, &SystemEntropy);
    let chat_ids = [silent, spoken, unknown].iter().map(ChatId::to_string).collect();
    let mut heads = replica.server.get_heads(Request::new(heads_for(bob, chat_ids))).await.unwrap().into_inner().heads;
    heads.sort_by_key(|head| head.last_seq);
    assert_eq!(heads.len(), 2);
    assert_eq!((heads[0].last_seq, heads[0].last_message.clone()), (1, None));
    assert_eq!((heads[1].last_seq, heads[1].last_message.clone()), (3, Some(last)));
    let page = replica.client(ada).sync_chat(spoken, 3, 0, &heads[1].epoch).await.unwrap();
    assert!(!page.reset && page.updates.is_empty(), "a client continues from the head it was told");

    let too_many = vec![unknown.to_string(); 201];
    let refused = replica.server.get_heads(Request::new(heads_for(bob, too_many))).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}
