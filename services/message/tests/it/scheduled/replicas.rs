//! Several replicas, of which some die: each message is sent once, in its order and in time.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use futures_util::future::join_all;
use godwit_contract::message::v1 as api;
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, Clock as _, SystemClock, UserId};
use godwit_message::store::{self, Settled};
use godwit_rpc::timestamp;
use godwit_runtime::{Stage, Tasks};
use godwit_testkit::eventually;
use time::OffsetDateTime;

use super::{ahead, check_lateness, delete, list, request, schedule, sent, sent_count, update};
use crate::harness::{Bed, Client, PATIENCE, Replica, reason, user};

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

#[tokio::test(flavor = "multi_thread")]
async fn what_a_slow_replica_tells_of_an_earlier_try_does_not_end_the_claim_of_another() {
    let bed = Bed::new().await;
    let tasks = Tasks::new();
    let replica = bed.replica_on(bed.db.pool(&store::SCHEMA), tasks.clone());
    let ada = user();
    let chat_id = bed.chat(&replica, &[ada, user()]).await;
    let due = ahead(2_000);
    schedule(&replica.client(ada), request(chat_id, "later", "later", due)).await.unwrap();
    tasks.stop(Stage::Work, tokio::time::Instant::now()).await;
    let mut conn = bed.pool.get().await.unwrap();
    let claim = async |conn: &mut godwit_pg::Connection| store::claim_due_messages(conn, 10).await.unwrap().pop();
    let first = eventually(PATIENCE, async || claim(&mut bed.pool.get().await.unwrap()).await).await;
    let second = eventually(PATIENCE, async || claim(&mut bed.pool.get().await.unwrap()).await).await;
    assert_eq!((first.attempt, second.attempt), (1, 2));
    let claimed = "SELECT count(*) FROM scheduled_messages WHERE claimed_until IS NOT NULL";
    let tell = |due: &store::DueMessage, settled| store::Tried {
        chat_id,
        id: due.scheduled.id,
        attempt: due.attempt,
        settled,
    };
    let released = Settled::Released(Duration::from_secs(60));
    store::settle_scheduled(&mut conn, &[tell(&first, released.clone())]).await.unwrap();
    assert_eq!(bed.number(claimed).await, 1);
    store::settle_scheduled(&mut conn, &[tell(&second, released)]).await.unwrap();
    assert_eq!(bed.number(claimed).await, 0);
    assert!(claim(&mut conn).await.is_none(), "it waits for its next try");
}
