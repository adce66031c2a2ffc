mod replicas;

use futures_util::future::join_all;
use godwit_contract::events::v1::account_event::Event;
use godwit_contract::events::v1::{AccountDeleted, AccountEvent};
use godwit_contract::message::v1 as api;
use godwit_contract::message::v1::scheduled_service_server::ScheduledService as _;
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_events::{BatchError, BatchHandler as _, Record, topics};
use godwit_kernel::{ChatId, Clock as _, SystemClock, UserId};
use godwit_message::events::incoming::AccountsHandler;
use godwit_rpc::{Failure, timestamp};
use godwit_testkit::eventually;
use prost::Message as _;
use time::OffsetDateTime;
use tonic::{Code, Status};

use crate::harness::{Bed, Client, PATIENCE, reason, user};

/// How late a message may be sent.
const LATE_MS_MAX: i128 = 1_000;
/// How much longer a single one may take here: all other tests run beside this one.
const BUSY_MS_MAX: i128 = 2_000;

/// So long from now.
pub fn ahead(ms: i64) -> OffsetDateTime {
    SystemClock.now() + time::Duration::milliseconds(ms)
}

/// A text that is to be sent then.
pub fn request(chat_id: ChatId, id: &str, text: &str, send_at: OffsetDateTime) -> api::ScheduleMessageRequest {
    api::ScheduleMessageRequest {
        chat_id: chat_id.to_string(),
        client_message_id: id.to_owned(),
        text: text.to_owned(),
        send_at: Some(timestamp(send_at)),
        ..api::ScheduleMessageRequest::default()
    }
}

/// Schedules a message.
pub async fn schedule(client: &Client, request: api::ScheduleMessageRequest) -> Result<api::ScheduledMessage, Status> {
    Ok(client.server().schedule_message(client.request(request)).await?.into_inner().scheduled.unwrap())
}

/// What the client has scheduled in a chat.
pub async fn list(client: &Client, chat_id: ChatId) -> Result<Vec<api::ScheduledMessage>, Status> {
    let request = api::ListScheduledRequest { chat_id: chat_id.to_string() };
    Ok(client.server().list_scheduled(client.request(request)).await?.into_inner().scheduled)
}

/// Changes a scheduled message.
pub async fn update(client: &Client, request: api::UpdateScheduledRequest) -> Result<api::ScheduledMessage, Status> {
    Ok(client.server().update_scheduled(client.request(request)).await?.into_inner().scheduled.unwrap())
}

/// Deletes a scheduled message.
pub async fn delete(client: &Client, id: &str) -> Result<(), Status> {
    let request = api::DeleteScheduledRequest { scheduled_id: id.to_owned() };
    client.server().delete_scheduled(client.request(request)).await.map(drop)
}

/// The messages of a chat, oldest first.
async fn sent(client: &Client, chat_id: ChatId) -> Vec<pb::Message> {
    let log = client.whole_log(chat_id, 1_000).await;
    log.iter().filter_map(crate::harness::message_in).collect()
}

/// Waits until so many messages are in a chat.
async fn sent_count(client: &Client, chat_id: ChatId, count: usize) -> Vec<pb::Message> {
    eventually(PATIENCE, async || {
        let messages = sent(client, chat_id).await;
        if messages.len() == count { Ok(messages) } else { Err(format!("{} messages", messages.len())) }
    })
    .await
}

/// How often a person's devices were told to list again.
async fn told(client: &Client, owner: UserId, chat_id: ChatId) -> usize {
    let own = ChatId::from_uuid(owner.as_uuid());
    let changed = Change::ScheduledChanged(pb::ScheduledChanged { chat_id: chat_id.to_string() });
    let log = client.whole_log(own, 1_000).await;
    log.iter().filter(|update| update.change.as_ref() == Some(&changed)).count()
}

#[expect(clippy::print_stderr, reason = "a measurement is printed")]
fn check_lateness(what: &str, messages: &[pb::Message], send_at: impl Fn(&pb::Message) -> OffsetDateTime) {
    let mut late_ms: Vec<i128> = messages
        .iter()
        .map(|message| godwit_rpc::instant(message.sent_at.as_ref().unwrap()).unwrap() - send_at(message))
        .map(|late| late.whole_milliseconds())
        .collect();
    late_ms.sort_unstable();
    let (median, most) = (late_ms[late_ms.len() / 2], late_ms[late_ms.len() - 1]);
    eprintln!("{what}: {} scheduled messages, {median} ms late in the middle, {most} ms at most", messages.len());
    assert!(late_ms[0] >= 0, "not before");
    assert!(median <= LATE_MS_MAX && most <= LATE_MS_MAX + BUSY_MS_MAX, "{what}: too late");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_scheduled_is_sent_when_it_is_due_as_if_its_sender_sent_it_then() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let client = replica.client(ada);
    let first = client.send(chat_id, "first", "first").await.unwrap();
    let send_at = ahead(3_000);
    let bold = pb::MessageEntity { kind: pb::EntityKind::Bold.into(), length: 5, ..pb::MessageEntity::default() };
    let later = api::ScheduleMessageRequest {
        entities: vec![bold.clone()],
        reply_to_message_id: first.id.clone(),
        is_silent: true,
        ..request(chat_id, "later", "later", send_at)
    };
    let scheduled = schedule(&client, later).await.unwrap();
    assert_eq!((scheduled.text.as_str(), scheduled.is_silent), ("later", true));
    assert_eq!(list(&client, chat_id).await.unwrap(), std::slice::from_ref(&scheduled));
    assert!(list(&replica.client(bob), chat_id).await.unwrap().is_empty(), "it is its sender's alone");
    assert_eq!(sent(&client, chat_id).await.len(), 1);

    let messages = sent_count(&client, chat_id, 2).await;
    let message = messages.last().unwrap();
    assert_eq!((message.text.as_str(), message.sender_id.as_str()), ("later", ada.to_string().as_str()));
    assert_eq!((&message.entities[..], message.is_silent), (&[bold][..], true));
    assert_eq!(message.reply_to.as_ref().unwrap().message_id, first.id);
    assert_eq!(message.client_message_id, format!("scheduled-{}", scheduled.id));
    check_lateness("one message", std::slice::from_ref(message), |_| send_at);
    eventually(PATIENCE, async || list(&client, chat_id).await.unwrap().is_empty()).await;
    // Once when it was scheduled, once when it was sent.
    eventually(PATIENCE, async || told(&client, ada, chat_id).await == 2).await;
    let kept = "SELECT count(*) FROM scheduled_messages WHERE octet_length(payload) > 0";
    assert_eq!(bed.number(kept).await, 0, "nothing that it said is kept beside the message");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_with_a_time_is_scheduled_and_a_repeat_schedules_no_other_also_once_it_is_sent() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let ada = user();
    let chat_id = bed.chat(&replica, &[ada, user()]).await;
    let client = replica.client(ada);
    let send = api::SendMessageRequest {
        chat_id: chat_id.to_string(),
        client_message_id: "later".to_owned(),
        text: "later".to_owned(),
        send_at: Some(timestamp(ahead(3_000))),
        ..api::SendMessageRequest::default()
    };
    let answer = async |send: api::SendMessageRequest| {
        use godwit_contract::message::v1::message_service_server::MessageService as _;
        let answer = client.server().send_message(client.request(send)).await.unwrap().into_inner();
        assert!(answer.message.is_none());
        answer.scheduled.unwrap()
    };
    let first = answer(send.clone()).await;
    assert_eq!(answer(send.clone()).await, first);
    let other = request(chat_id, "later", "other", ahead(3_000));
    assert_eq!(reason(&schedule(&client, other).await.unwrap_err()), "CLIENT_MESSAGE_ID_REUSED");
    sent_count(&client, chat_id, 1).await;
    eventually(PATIENCE, async || list(&client, chat_id).await.unwrap().is_empty()).await;
    assert_eq!(answer(send).await.id, first.id);
    assert!(list(&client, chat_id).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_scheduled_is_refused() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let client = replica.client(ada);
    for (field, refused) in [
        ("send_at", request(chat_id, "a", "text", ahead(900))),
        ("send_at", request(chat_id, "a", "text", ahead(-1))),
        ("send_at", request(chat_id, "a", "text", SystemClock.now() + time::Duration::days(367))),
        ("send_at", api::ScheduleMessageRequest { send_at: None, ..request(chat_id, "a", "text", ahead(2_000)) }),
        ("text", request(chat_id, "a", " ", ahead(60_000))),
        ("client_message_id", request(chat_id, "", "text", ahead(60_000))),
    ] {
        let failure = Failure::from_status(&schedule(&client, refused).await.unwrap_err());
        assert_eq!((failure.code, failure.fields[0].field.as_str()), (Code::InvalidArgument, field));
    }
    let stranger = replica.client(user());
    let refused = schedule(&stranger, request(chat_id, "a", "text", ahead(60_000))).await.unwrap_err();
    assert_eq!(reason(&refused), "CHAT_NOT_FOUND");
    assert_eq!(reason(&list(&stranger, chat_id).await.unwrap_err()), "CHAT_NOT_FOUND");

    let many = (0..100).map(|number| schedule(&client, request(chat_id, &number.to_string(), "text", ahead(600_000))));
    let many: Result<Vec<_>, _> = join_all(many).await.into_iter().collect();
    let one = many.unwrap().swap_remove(0);
    let refused = schedule(&client, request(chat_id, "x", "text", ahead(600_000))).await.unwrap_err();
    assert_eq!(reason(&refused), "TOO_MANY_SCHEDULED");
    schedule(&replica.client(bob), request(chat_id, "x", "text", ahead(600_000))).await.unwrap();
    for client in [&replica.client(bob), &stranger] {
        assert_eq!(reason(&delete(client, &one.id).await.unwrap_err()), "SCHEDULED_NOT_FOUND");
        let theirs = api::UpdateScheduledRequest { scheduled_id: one.id.clone(), ..Default::default() };
        assert_eq!(reason(&update(client, theirs).await.unwrap_err()), "SCHEDULED_NOT_FOUND");
    }
    delete(&client, &one.id).await.unwrap();
    assert_eq!(reason(&delete(&client, &one.id).await.unwrap_err()), "SCHEDULED_NOT_FOUND");
    schedule(&client, request(chat_id, "x", "text", ahead(600_000))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn permission_is_asked_when_it_is_due_and_a_refusal_is_kept_until_it_is_changed() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let ada = user();
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[user(), ada]).await;
    let client = replica.client(ada);
    let scheduled = schedule(&client, request(chat_id, "later", "later", ahead(3_000))).await.unwrap();
    let version = bed.chats.silence(chat_id);
    let raise = crate::harness::append(chat_id, Change::RolesChanged(pb::RolesChanged::default()), version);
    replica.app.append_update(raise).await.unwrap();
    let failed = eventually(PATIENCE, async || {
        list(&client, chat_id).await.unwrap().into_iter().find(|message| !message.failure.is_empty())
    })
    .await;
    assert_eq!((failed.failure.as_str(), failed.id.as_str()), ("POSTING_NOT_ALLOWED", scheduled.id.as_str()));
    eventually(PATIENCE, async || told(&client, ada, chat_id).await == 2).await;
    assert!(sent(&client, chat_id).await.is_empty());

    bed.chats.unsilence(chat_id);
    let again = api::UpdateScheduledRequest {
        scheduled_id: scheduled.id,
        text: Some("at last".to_owned()),
        send_at: Some(timestamp(ahead(3_000))),
        ..Default::default()
    };
    assert_eq!(update(&client, again).await.unwrap().failure, "");
    assert_eq!(sent_count(&client, chat_id, 1).await[0].text, "at last");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_schedules_no_other_also_when_it_could_not_be_scheduled_now() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let client = replica.client(ada);
    let question = replica.client(bob).send(chat_id, "question", "question").await.unwrap();
    let answer = api::ScheduleMessageRequest {
        reply_to_message_id: question.id.clone(),
        ..request(chat_id, "answer", "answer", ahead(600_000))
    };
    let first = schedule(&client, answer.clone()).await.unwrap();
    replica.client(bob).delete(&question.id).await.unwrap();
    assert_eq!(schedule(&client, answer.clone()).await.unwrap().id, first.id);
    let other = api::ScheduleMessageRequest { client_message_id: "other".to_owned(), ..answer };
    assert_eq!(reason(&schedule(&client, other).await.unwrap_err()), "REPLY_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_are_due_within_the_pause_of_slow_mode_follow_each_other_by_it() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let slow = bed.chat_as(&replica, pb::ChatKind::Group, &[user(), ada]).await;
    bed.chats.slow_down(slow, 3);
    let other = bed.chat(&replica, &[ada, bob]).await;
    let client = replica.client(ada);
    let due = ahead(1_500);
    for name in ["one", "two"] {
        schedule(&client, request(slow, name, name, due)).await.unwrap();
    }
    schedule(&client, request(other, "else", "else", due + time::Duration::milliseconds(500))).await.unwrap();
    let elsewhere = sent_count(&client, other, 1).await;
    check_lateness("beside one that waits", &elsewhere, |_| due + time::Duration::milliseconds(500));
    assert_eq!(sent(&client, slow).await.len(), 1);
    let messages = sent_count(&client, slow, 2).await;
    let at = |message: &pb::Message| godwit_rpc::instant(message.sent_at.as_ref().unwrap()).unwrap();
    assert!(at(&messages[1]) - at(&messages[0]) >= time::Duration::seconds(3));
    assert!(list(&client, slow).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_for_who_deleted_their_account() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let [gone, there] = [ada, bob].map(|person| replica.client(person));
    schedule(&gone, request(chat_id, "later", "later", ahead(600_000))).await.unwrap();
    let theirs = schedule(&there, request(chat_id, "later", "later", ahead(600_000))).await.unwrap();
    let deleted = Event::AccountDeleted(AccountDeleted { user_id: ada.to_string() });
    let record = Record {
        topic: topics::ACCOUNTS.name,
        partition: 0,
        offset: 0,
        key: bytes::Bytes::copy_from_slice(ada.as_bytes()),
        payload: AccountEvent { event: Some(deleted), ..AccountEvent::default() }.encode_to_vec().into(),
        headers: Vec::new(),
        published_at: OffsetDateTime::UNIX_EPOCH,
    };
    let garbage = Record { payload: bytes::Bytes::from_static(b"garbage"), ..record.clone() };
    let handler = AccountsHandler(std::sync::Arc::clone(&replica.app));
    assert!(matches!(handler.handle(&[record.clone(), garbage]).await, Err(BatchError::Poison { index: 1, .. })));
    handler.handle(&[record]).await.unwrap();
    assert!(list(&gone, chat_id).await.unwrap().is_empty());
    assert_eq!(list(&there, chat_id).await.unwrap(), [theirs]);
    assert_eq!(bed.number("SELECT count(*) FROM scheduled_messages").await, 1, "nothing that they said is kept");
}
