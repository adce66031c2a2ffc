//! Batches that are written by one statement, on what their appender remembers; and what happens when that does not hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::connection::InstrumentationEvent;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use futures_util::future::join_all;
use godwit_kernel::{ChatId, Clock as _, MessageId, Seq, SystemClock, SystemEntropy};
use godwit_message::domain::{
    Act, Action, Change, Entry, Extras, Headers, MembershipVersion, Outcome, Placed, Refusal, Reply,
};
use godwit_message::store::{self, Raise, Remembered};

use crate::append::{beginning, commit, commit_remembering, message, messages_to};
use crate::harness::{Bed, user};

/// An appender that remembers, and whose statements are counted.
struct Appender {
    conn: AsyncPgConnection,
    remembered: Remembered,
    statements: Arc<AtomicUsize>,
}

impl Appender {
    async fn new(bed: &Bed) -> Self {
        let mut conn = AsyncPgConnection::establish(&bed.db.role_url(&store::SCHEMA)).await.unwrap();
        let statements = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&statements);
        conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if matches!(event, InstrumentationEvent::StartQuery { .. }) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { conn, remembered: Remembered::default(), statements }
    }

    async fn commit(&mut self, entries: &[Entry]) -> Vec<Outcome> {
        commit_remembering(&mut self.conn, entries, &mut self.remembered).await.outcomes
    }

    async fn commit_one(&mut self, entry: Entry) -> Outcome {
        self.commit(&[entry]).await.remove(0)
    }

    /// What a batch comes to, and in how many statements.
    async fn counted(&mut self, entries: &[Entry]) -> (Vec<Outcome>, usize) {
        let before = self.statements.load(Ordering::Relaxed);
        let outcomes = self.commit(entries).await;
        (outcomes, self.statements.load(Ordering::Relaxed) - before)
    }
}

fn chat_id() -> ChatId {
    ChatId::generate(&SystemClock, &SystemEntropy)
}

fn placed(outcome: &Outcome) -> &Placed {
    match outcome {
        Outcome::Appended(placed) | Outcome::Repeated(placed) => placed,
        other => panic!("{other:?}"),
    }
}

fn deletion(entry: &Entry, seq: Seq) -> Entry {
    let Change::Message(message) = &entry.change else { panic!("not a message") };
    let act = Act::Delete { seq, may_be_of_others: false };
    let policy_version = message.policy_version;
    let action = Action { actor_id: message.sender_id, policy_version, may_be_absent: true, act };
    Entry { chat_id: entry.chat_id, headers: Headers::new(), change: Change::Action(action) }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_remembered_logs_take_one_statement_whatever_their_number() {
    let bed = Bed::new().await;
    let mut appender = Appender::new(&bed).await;
    let chats: Vec<ChatId> = (0..50).map(|_| chat_id()).collect();
    appender.commit(&chats.iter().map(|id| beginning(*id)).collect::<Vec<_>>()).await;
    let sender = user();
    let mut counts = Vec::new();
    for (round, size) in [1_usize, 2, 50, 1_000].into_iter().enumerate() {
        let entries = messages_to(&chats, sender, round, size);
        let (outcomes, count) = appender.counted(&entries).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Appended(_))));
        counts.push(count);
    }
    assert_eq!(counts, [1, 1, 1, 1]);
    let gaps = "SELECT count(*) FROM chat_heads h WHERE last_seq <> (SELECT count(*) FROM sync_log l WHERE l.chat_id = h.chat_id)
                OR last_seq <> (SELECT max(seq) FROM sync_log l WHERE l.chat_id = h.chat_id)";
    assert_eq!(bed.number(gaps).await, 0);
    assert_eq!(bed.number("SELECT count(*) FROM messages").await, 1_053);
    let late = "SELECT count(*) FROM outbox_batches b, unnest(chat_ids, seqs) AS u (chat_id, seq)
                JOIN sync_log l USING (chat_id, seq) WHERE l.occurred_at < b.begun_at";
    assert_eq!(bed.number(late).await, 0, "no update occurred before its batch began");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_another_wrote_to_is_asked_for_and_has_no_gap() {
    let bed = Bed::new().await;
    let mut appenders = [Appender::new(&bed).await, Appender::new(&bed).await];
    let (id, sender) = (chat_id(), user());
    appenders[0].commit(&[beginning(id)]).await;
    let mut seqs = Vec::new();
    for (number, turn) in [0, 1, 0, 0, 1, 1, 0].into_iter().enumerate() {
        let outcome = appenders[turn].commit_one(message(id, sender, &number.to_string(), "hi")).await;
        seqs.push(placed(&outcome).seq.get());
    }
    assert_eq!(seqs, [2, 3, 4, 5, 6, 7, 8]);
    let (_, again) = appenders[0].counted(&[message(id, sender, "last", "hi")]).await;
    assert_eq!(again, 1, "it is remembered again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_at_once_is_what_is_kept() {
    let bed = Bed::new().await;
    let mut appender = Appender::new(&bed).await;
    let (id, sender) = (chat_id(), user());
    appender.commit(&[beginning(id)]).await;
    for number in 0..5 {
        let outcome = appender.commit_one(message(id, sender, &number.to_string(), "hi")).await;
        let placed = placed(&outcome);
        let micros = placed.occurred_at.unix_timestamp_nanos() / 1_000;
        assert_eq!(placed.occurred_at.nanosecond() % 1_000, 0);
        let kept = format!(
            "SELECT count(*) FROM messages m JOIN sync_log l USING (chat_id, seq) WHERE seq = {} AND sent_at = occurred_at
             AND (extract(epoch FROM sent_at) * 1000000)::bigint = {micros}",
            placed.seq.get()
        );
        assert_eq!(bed.number(&kept).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_write_to_the_same_logs_at_once_lose_nothing() {
    const WRITERS: usize = 4;
    const ROUNDS: usize = 40;
    let bed = Bed::new().await;
    let (chats, sender) = ([chat_id(), chat_id(), chat_id()], user());
    let mut first = Appender::new(&bed).await;
    first.commit(&chats.map(beginning)).await;
    let writers = (0..WRITERS).map(|writer| {
        let bed = &bed;
        async move {
            let mut appender = Appender::new(bed).await;
            for round in 0..ROUNDS {
                let entries = chats.map(|id| message(id, sender, &format!("{writer}-{round}"), "hi"));
                let outcomes = appender.commit(&entries).await;
                assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Appended(_))), "{outcomes:?}");
            }
        }
    });
    join_all(writers).await;
    let expected = i64::try_from(WRITERS * ROUNDS + 1).unwrap();
    for id in chats {
        let of_chat = |what: &str| format!("SELECT {what} FROM sync_log WHERE chat_id = '{id}'");
        assert_eq!(bed.number(&of_chat("count(*)")).await, expected);
        assert_eq!(bed.number(&of_chat("max(seq)")).await, expected);
        let messages = format!("SELECT count(*) FROM messages WHERE chat_id = '{id}'");
        assert_eq!(bed.number(&messages).await, expected - 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_sent_before_is_found() {
    let bed = Bed::new().await;
    let mut appender = Appender::new(&bed).await;
    let (id, sender) = (chat_id(), user());
    appender.commit(&[beginning(id)]).await;
    let first = appender.commit_one(message(id, sender, "a", "hi")).await;
    let entries = [message(id, sender, "b", "hi"), message(id, sender, "a", "hi"), message(id, sender, "a", "another")];
    let outcomes = appender.commit(&entries).await;
    assert!(matches!(&outcomes[0], Outcome::Appended(placed) if placed.seq.get() == 3), "{outcomes:?}");
    assert!(matches!(&outcomes[1], Outcome::Repeated(again) if again.seq == placed(&first).seq), "{outcomes:?}");
    assert!(matches!(outcomes[2], Outcome::Reused), "{outcomes:?}");
    let resent = message(id, sender, "a", "hi");
    appender.commit_one(deletion(&resent, placed(&first).seq)).await;
    let outcome = appender.commit_one(resent).await;
    assert!(matches!(&outcome, Outcome::Repeated(again) if again.seq == placed(&first).seq), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_meanwhile_is_refused() {
    let bed = Bed::new().await;
    let mut appender = Appender::new(&bed).await;
    let (id, sender) = (chat_id(), user());
    appender.commit(&[beginning(id)]).await;
    appender.commit_one(message(id, sender, "a", "hi")).await;
    let version = MembershipVersion::new(9).unwrap();
    let raise = Raise { chat_id: id, version, joined: Vec::new(), left: vec![sender] };
    let mut conn = bed.pool.get().await.unwrap();
    store::raise_membership_version(&mut conn, &raise).await.unwrap();
    let outcome = appender.commit_one(message(id, sender, "b", "hi")).await;
    assert!(matches!(outcome, Outcome::StalePolicy), "{outcome:?}");
    assert_eq!(bed.number("SELECT count(*) FROM messages").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_what_another_deleted_is_refused() {
    let bed = Bed::new().await;
    let mut appender = Appender::new(&bed).await;
    let (id, sender) = (chat_id(), user());
    appender.commit(&[beginning(id)]).await;
    let asked = message(id, sender, "a", "hi");
    let seq = placed(&appender.commit_one(asked.clone()).await).seq;
    let answer = |name: &str| {
        let mut entry = message(id, sender, name, "hi");
        let Change::Message(new) = &mut entry.change else { panic!("not a message") };
        let reply_to = Some(Reply::to(MessageId { chat_id: id, seq }, sender, "hi"));
        new.extras = Some(Arc::new(Extras { reply_to, ..Extras::default() }));
        entry
    };
    let (outcomes, count) = appender.counted(&[answer("b")]).await;
    assert!(matches!(outcomes[0], Outcome::Appended(_)), "{outcomes:?}");
    assert_eq!(count, 2, "what is answered is looked at first");
    let mut other = AsyncPgConnection::establish(&bed.db.role_url(&store::SCHEMA)).await.unwrap();
    commit(&mut other, &[deletion(&asked, seq)]).await;
    let outcome = appender.commit_one(answer("c")).await;
    assert!(matches!(outcome, Outcome::Refused(Refusal::ReplyNotFound)), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_renewed_is_written_under_its_new_name() {
    let bed = Bed::new().await;
    let mut appender = Appender::new(&bed).await;
    let (id, sender) = (chat_id(), user());
    appender.commit(&[beginning(id)]).await;
    let before = appender.commit_one(message(id, sender, "a", "hi")).await;
    let mut conn = bed.pool.get().await.unwrap();
    conn.batch_execute("SELECT renew_logs()").await.unwrap();
    let after = appender.commit_one(message(id, sender, "b", "hi")).await;
    assert_ne!(placed(&before).epoch, placed(&after).epoch);
}

/// The log's clock is not read for a batch that is remembered: one that waits for a lock would be dated as of before.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_long_is_dated_anew() {
    let bed = Bed::new().await;
    let mut appender = Appender::new(&bed).await;
    let (id, sender) = (chat_id(), user());
    appender.commit(&[beginning(id)]).await;
    let mut holder = AsyncPgConnection::establish(&bed.db.role_url(&store::SCHEMA)).await.unwrap();
    holder.batch_execute("BEGIN; SELECT FROM chat_heads FOR UPDATE").await.unwrap();
    let release = async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let released_at = SystemClock.now();
        holder.batch_execute("COMMIT").await.unwrap();
        released_at
    };
    let (outcome, released_at) = tokio::join!(appender.commit_one(message(id, sender, "a", "hi")), release);
    assert!(placed(&outcome).occurred_at >= released_at, "{outcome:?} {released_at}");
}
