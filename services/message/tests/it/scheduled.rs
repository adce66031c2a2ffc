use std::collections::BTreeMap;
use std::time::Duration;

use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use futures_util::future::join_all;
use godwit_contract::message::v1 as api;
use godwit_contract::message::v1::scheduled_service_server::ScheduledService as _;
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_kernel::{ChatId, Clock as _, SystemClock, UserId};
use godwit_message::store;
use godwit_rpc::{Failure, timestamp};
use godwit_runtime::{Stage, Tasks};
use godwit_testkit::eventually;
use time::OffsetDateTime;
use tonic::{Code, Status};

use crate::harness::{Bed, Client, PATIENCE, Replica, reason, user};

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
async fn while_somebody_sends_the_first_nobody_else_gets_what_follows_it() {
    let bed = Bed::new().await;
    let tasks = Tasks::new();
    let replica = bed.replica_on(bed.db.pool(&store::SCHEMA), tasks.clone());
    let ada = user();
    let chat_id = bed.chat(&replica, &[ada, user()]).await;
    let client = replica.client(ada);
    let begin = ahead(5_000);
    let mut ids = Vec::new();
    for number in 0..3 {
        let due = begin + time::Duration::milliseconds(number);
        let request = request(chat_id, &number.to_string(), "text", due);
        ids.push(schedule(&client, request).await.unwrap().id);
    }
    drop(client);
    tasks.stop(Stage::Work, tokio::time::Instant::now()).await;
    eventually(PATIENCE, async || SystemClock.now() > begin + Duration::from_secs(1)).await;
    let claim = async |limit| {
        let mut conn = bed.pool.get().await.unwrap();
        let claimed = store::claim_due_messages(&mut conn, limit).await.unwrap();
        claimed.into_iter().map(|due| due.scheduled.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(claim(1).await, ids[..1]);
    // Either the first is still held, or its claim has ended: then all of them are to be had, from the first on.
    let others = claim(10).await;
    assert!(others.is_empty() || others == ids, "{others:?} of {ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_replica_held_another_one_sends_once() {
    const MESSAGES: usize = 50;
    let bed = Bed::new().await;
    let tasks = Tasks::new();
    let dying = bed.replica_on(bed.db.pool(&store::SCHEMA), tasks.clone());
    let ada = user();
    let chat_id = bed.chat(&dying, &[ada, user()]).await;
    let begin = ahead(8_000);
    let due = |number: usize| begin + time::Duration::milliseconds(i64::try_from(number).unwrap());
    let client = dying.client(ada);
    let all = (0..MESSAGES).map(|number| request(chat_id, &number.to_string(), &number.to_string(), due(number)));
    for scheduled in join_all(all.map(|request| schedule(&client, request))).await {
        scheduled.unwrap();
    }
    drop(client);
    tasks.stop(Stage::Work, tokio::time::Instant::now()).await;
    drop(dying);
    // It has just claimed what is due when it dies.
    let mut conn = bed.pool.get().await.unwrap();
    eventually(PATIENCE, async || SystemClock.now() > due(MESSAGES)).await;
    assert_eq!(store::claim_due_messages(&mut conn, 1_000).await.unwrap().len(), MESSAGES);
    let heirs = [bed.replica(), bed.replica()];
    let messages = sent_count(&heirs[0].client(ada), chat_id, MESSAGES).await;
    let texts: Vec<String> = messages.iter().map(|message| message.text.clone()).collect();
    assert_eq!(texts, (0..MESSAGES).map(|number| number.to_string()).collect::<Vec<_>>(), "in their order");
    let due = |message: &pb::Message| due(message.text.parse().unwrap());
    check_lateness("taken over from a dead replica", &messages, due);
    // Nothing comes again after the claims of the dead have ended.
    eventually(PATIENCE, async || {
        bed.number("SELECT count(*) FROM scheduled_messages WHERE ended_at IS NULL OR claimed_until IS NOT NULL").await
            == 0
    })
    .await;
    assert_eq!(sent(&heirs[1].client(ada), chat_id).await.len(), MESSAGES);
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

/// Messages that four people scheduled by two replicas, due one 10 ms after the other; each says its number.
struct Many {
    chat_id: ChatId,
    begin: OffsetDateTime,
    reader: Client,
}

impl Many {
    const COUNT: usize = 120;

    async fn schedule(bed: &Bed, replicas: &[Replica; 2], begin: OffsetDateTime) -> Self {
        let members: Vec<UserId> = (0..4).map(|_| user()).collect();
        let chat_id = bed.chat_as(&replicas[0], pb::ChatKind::Group, &members).await;
        let many = Self { chat_id, begin, reader: replicas[0].client(members[0]) };
        let all = (0..Self::COUNT).map(|number| {
            let client = replicas[number % 2].client(members[number % members.len()]);
            let request = request(chat_id, &number.to_string(), &number.to_string(), many.due(number));
            async move { schedule(&client, request).await }
        });
        for scheduled in join_all(all).await {
            scheduled.unwrap();
        }
        many
    }

    fn due(&self, number: usize) -> OffsetDateTime {
        self.begin + time::Duration::milliseconds(i64::try_from(number).unwrap() * 10)
    }

    /// Waits until each was sent once, and says how late.
    async fn check_sent(&self, what: &str) {
        let messages = sent_count(&self.reader, self.chat_id, Self::COUNT).await;
        let mut numbers: Vec<usize> = messages.iter().map(|message| message.text.parse().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..Self::COUNT).collect::<Vec<_>>(), "each once");
        check_lateness(what, &messages, |message| self.due(message.text.parse().unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_people_scheduled_is_sent_within_a_second_of_when_it_is_due() {
    let bed = Bed::new().await;
    let replicas = [bed.replica(), bed.replica()];
    let many = Many::schedule(&bed, &replicas, ahead(5_000)).await;
    many.check_sent("two replicas").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_send_each_message_once_while_one_of_them_dies() {
    let bed = Bed::new().await;
    let tasks = Tasks::new();
    let replicas = [bed.replica(), bed.replica_on(bed.db.pool(&store::SCHEMA), tasks.clone())];
    let many = Many::schedule(&bed, &replicas, ahead(8_000)).await;
    eventually(PATIENCE, async || sent(&many.reader, many.chat_id).await.len() > Many::COUNT / 3).await;
    tasks.stop(Stage::Work, tokio::time::Instant::now()).await;
    // The connections of a process that is gone end with it, and what they had begun.
    let mut admin = AsyncPgConnection::establish(bed.db.url()).await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    admin.batch_execute(end).await.unwrap();
    many.check_sent("two replicas, one dies").await;
}

/// Deletes every third message and changes the others; what became of it.
async fn change(client: &Client, id: &str, number: usize) -> &'static str {
    let result = if number.is_multiple_of(3) {
        delete(client, id).await.map(|()| "deleted")
    } else {
        let text = Some(format!("{number} changed"));
        let send_at = Some(timestamp(ahead(1_500)));
        let change = api::UpdateScheduledRequest { scheduled_id: id.to_owned(), text, send_at, ..Default::default() };
        update(client, change).await.map(|_| "changed")
    };
    result.unwrap_or_else(|status| {
        let too_late = ["SCHEDULED_NOT_FOUND", "SCHEDULED_BEING_SENT"];
        assert!(too_late.contains(&reason(&status).as_str()), "{status:?}");
        "as it was"
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_either_sent_as_it_was_or_changed_or_deleted_and_never_two_of_these() {
    const MESSAGES: usize = 60;
    let bed = Bed::new().await;
    let replicas = [bed.replica(), bed.replica()];
    let ada = user();
    let chat_id = bed.chat(&replicas[0], &[ada, user()]).await;
    let client = replicas[0].client(ada);
    let begin = ahead(6_000);
    let due = |number: usize| begin + time::Duration::milliseconds(i64::try_from(number).unwrap() * 20);
    let all =
        (0..MESSAGES).map(|number| request(chat_id, &number.to_string(), &format!("{number} as it was"), due(number)));
    let all = join_all(all.map(|request| schedule(&client, request))).await;
    let ids: Vec<String> = all.into_iter().map(|scheduled| scheduled.unwrap().id).collect();
    // A quarter is changed well before it is due, a half when it is, and a quarter when it is sent.
    let changes = ids.iter().enumerate().map(|(number, id)| {
        let client = replicas[number % 2].client(ada);
        let at = due(number) - time::Duration::milliseconds([400, 0, -50, 0][number % 4]);
        async move {
            eventually(PATIENCE, async || SystemClock.now() >= at).await;
            if number % 4 == 3 {
                let name = format!("{number} as it was");
                eventually(PATIENCE, async || sent(&client, chat_id).await.iter().any(|message| message.text == name))
                    .await;
            }
            (number, change(&client, id, number).await)
        }
    });
    let outcomes: BTreeMap<usize, &str> = join_all(changes).await.into_iter().collect();
    let expected: Vec<String> = outcomes
        .iter()
        .filter(|(_, outcome)| **outcome != "deleted")
        .map(|(number, outcome)| format!("{number} {outcome}"))
        .collect();
    let messages = sent_count(&client, chat_id, expected.len()).await;
    let mut texts: Vec<String> = messages.into_iter().map(|message| message.text).collect();
    texts.sort_by_key(|text| text.split(' ').next().unwrap().parse::<usize>().unwrap());
    assert_eq!(texts, expected);
    assert!(outcomes.values().any(|outcome| *outcome == "as it was"), "some were too late");
    assert!(outcomes.values().any(|outcome| *outcome != "as it was"), "some were not");
    eventually(PATIENCE, async || list(&client, chat_id).await.unwrap().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sent_message_that_a_dead_replica_did_not_note_is_not_a_refusal() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let client = replica.client(ada);
    let question = replica.client(bob).send(chat_id, "question", "question").await.unwrap();
    let answer = api::ScheduleMessageRequest {
        reply_to_message_id: question.id.clone(),
        ..request(chat_id, "answer", "answer", ahead(3_000))
    };
    schedule(&client, answer).await.unwrap();
    sent_count(&client, chat_id, 2).await;
    eventually(PATIENCE, async || list(&client, chat_id).await.unwrap().is_empty()).await;
    replica.client(bob).delete(&question.id).await.unwrap();
    // As if its sender had died before it could note that.
    bed.run_sql("UPDATE scheduled_messages SET ended_at = NULL, claimed_until = clock_timestamp()").await;
    eventually(PATIENCE, async || list(&client, chat_id).await.unwrap().is_empty()).await;
    assert_eq!(bed.number("SELECT count(*) FROM scheduled_messages WHERE failure IS NOT NULL").await, 0);
    let texts: Vec<String> = sent(&client, chat_id).await.into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["", "answer"]);
}
