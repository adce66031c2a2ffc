use godwit_contract::search::v1::{SearchMessagesRequest, SearchMessagesResponse};
use godwit_kernel::{ChatId, DeviceId, MessageId, Seq, SessionId, SystemEntropy, UserId};
use godwit_rpc::{Caller, Failure};
use tonic::{Code, Request, Status};

use crate::world::World;

pub async fn ask(
    world: &World,
    caller: UserId,
    request: SearchMessagesRequest,
) -> Result<SearchMessagesResponse, Status> {
    Ok(world.client().search_messages(by(world, caller, request)).await?.into_inner())
}

pub fn by<T>(world: &World, user_id: UserId, request: T) -> Request<T> {
    let session_id = SessionId::generate(world.clock.as_ref(), &SystemEntropy);
    let device_id = DeviceId::generate(world.clock.as_ref(), &SystemEntropy);
    let mut request = Request::new(request);
    Caller { user_id, session_id, device_id }.attach(&mut request);
    request
}

pub fn question(q: &str) -> SearchMessagesRequest {
    SearchMessagesRequest { q: q.to_owned(), ..SearchMessagesRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_carries_its_address_and_all_of_the_message() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    world.index(chat_id, 7, "Jump here").await;
    let answer = ask(&world, ada, question("jump")).await.unwrap();
    let [hit] = answer.messages.as_slice() else { unreachable!("one hit: {answer:?}") };
    let id = MessageId { chat_id, seq: Seq::new(7).unwrap() };
    assert_eq!((hit.id.parse(), hit.chat_id.parse(), hit.seq), (Ok(id), Ok(chat_id), 7));
    assert_eq!((hit.text.as_str(), hit.client_message_id.as_str()), ("Jump here", "c7"));
    assert!(hit.sender_id.parse::<UserId>().is_ok() && hit.sent_at.is_some());
    assert!(answer.next_cursor.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_fifty_hits_and_at_most_two_hundred() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    for seq in 1..=230 {
        world.index(chat_id, seq, "wave").await;
    }
    for (limit, expected) in [(0, 50), (1, 1), (200, 200), (u32::MAX, 200)] {
        let page = ask(&world, ada, SearchMessagesRequest { limit, ..question("wave") }).await.unwrap();
        assert_eq!(page.messages.len(), expected);
        let cursor = page.next_cursor;
        let next = ask(&world, ada, SearchMessagesRequest { cursor, ..question("wave") }).await.unwrap();
        assert_eq!(next.messages.first().unwrap().seq, 230 - u64::try_from(expected).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_beyond_the_limits_are_refused_with_the_field() {
    let world = World::new().await;
    let ada = world.user();
    let bad_chat = SearchMessagesRequest { chat_id: "all".to_owned(), ..question("word") };
    let no_instant = pbjson_types::Timestamp { seconds: i64::MAX, nanos: 0 };
    let bad_cursor = SearchMessagesRequest { cursor: "x".repeat(10_000), ..question("word") };
    for (request, field) in [
        (question(""), "q"),
        (question(" \n "), "q"),
        (question(&"é".repeat(257)), "q"),
        (question("a\0b"), "q"),
        (SearchMessagesRequest { sender_id: "me".to_owned(), ..question("word") }, "sender_id"),
        (SearchMessagesRequest { kind: 99, ..question("word") }, "kind"),
        (SearchMessagesRequest { order: 99, ..question("word") }, "order"),
        (SearchMessagesRequest { from: Some(no_instant), ..question("word") }, "from"),
        (SearchMessagesRequest { to: Some(no_instant), ..question("word") }, "to"),
        (bad_chat, "chat_id"),
        (bad_cursor, "cursor"),
    ] {
        let failure = Failure::from_status(&ask(&world, ada, request).await.unwrap_err());
        assert_eq!((failure.code, failure.reason.as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"));
        assert_eq!(failure.fields.first().unwrap().field, field);
    }
    assert!(ask(&world, ada, question(&"é".repeat(256))).await.unwrap().messages.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_of_others_is_like_none() {
    let world = World::new().await;
    let (ada, eve) = (world.user(), world.user());
    let theirs = world.chat_of(&[eve]);
    world.index(theirs, 2, "hidden").await;
    let none = ChatId::generate(world.clock.as_ref(), &SystemEntropy);
    let mut answers = Vec::new();
    for chat_id in [theirs, none] {
        let within = SearchMessagesRequest { chat_id: chat_id.to_string(), ..question("hidden") };
        let failure = Failure::from_status(&ask(&world, ada, within).await.unwrap_err());
        answers.push((failure.code, failure.reason, failure.detail));
    }
    answers.dedup();
    assert_eq!(answers, [(Code::NotFound, "CHAT_NOT_FOUND".to_owned(), "there is no such chat".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_answered_without_a_caller() {
    let world = World::new().await;
    let refused = world.client().search_messages(question("word")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_down_is_told_as_unavailable() {
    let world = World::new().await;
    let ada = world.user();
    world.chat_of(&[ada]);
    let mut client = world.client_without_database();
    let failure = client.search_messages(by(&world, ada, question("word"))).await.unwrap_err();
    let failure = Failure::from_status(&failure);
    assert_eq!((failure.code, failure.reason.as_str()), (Code::Unavailable, "DATABASE_UNAVAILABLE"));
    world.chats.set_down();
    let failure = Failure::from_status(&ask(&world, ada, question("word")).await.unwrap_err());
    assert_eq!((failure.code, failure.reason.as_str()), (Code::Unavailable, "PEER_UNAVAILABLE"));
}
