//! The appender's transaction on its own, and what other services have appended.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use diesel::connection::InstrumentationEvent;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use futures_util::future::join_all;
use godwit_contract::message::v1 as api;
use godwit_contract::message::v1::message_internal_service_server::MessageInternalService as _;
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, MessageId, Seq, SystemClock, SystemEntropy, UserId};
use godwit_message::domain::Direction;
use godwit_message::domain::{
    Act, Action, Change, ClientMessageId, ContentHash, Cursors, Emoji, Entry, Extras, Headers, LinkPreview,
    MembershipVersion, MessageText, NewEdit, NewEvent, NewMessage, NewPreview, Outcome, ReceiptAudience, Refusal,
    Reply, own_log,
};
use godwit_message::store::{self, Append, LogPage, Raise, Remembered, WantedReceipts, Written};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use time::OffsetDateTime;
use tonic::{Code, Request};

use crate::harness::{Bed, count_statements, created, event_id, seqs, user};

/// A send as it reaches the store.
pub fn message(chat_id: ChatId, sender_id: UserId, name: &str, text: &str) -> Entry {
    let text = MessageText::from_store(text.to_owned());
    let change = Change::Message(NewMessage {
        sender_id,
        client_message_id: ClientMessageId::parse(name.to_owned()).unwrap(),
        content_hash: ContentHash::of(&text),
        text,
        extras: None,
        mentions: Vec::new(),
        policy_version: MembershipVersion::new(1).unwrap(),
        slow_mode_secs: 0,
    });
    Entry { chat_id, headers: Headers::new(), change }
}

/// So many sends, to one chat after the other.
pub fn messages_to(chats: &[ChatId], sender: UserId, round: usize, count: usize) -> Vec<Entry> {
    let to = |number: usize| message(chats[number % chats.len()], sender, &format!("{round}-{number}"), "hi");
    (0..count).map(to).collect()
}

/// The beginning of a chat's log as it reaches the store.
pub fn beginning(chat_id: ChatId) -> Entry {
    let created = created(chat_id, &[]);
    let change = Change::Event(NewEvent {
        event_id: created.event_id,
        membership_version: created.membership_version,
        partial_update: created.partial_update,
        announced_to: created.announced_to,
        membership: created.membership,
    });
    Entry { chat_id, headers: Headers::new(), change }
}

/// Commits a batch as an appender does, and publishes nothing: what is left of a process that was killed then.
pub async fn commit(conn: &mut AsyncPgConnection, entries: &[Entry]) -> Written {
    commit_remembering(conn, entries, &mut Remembered::default()).await
}

/// The same by an appender that wrote before.
pub async fn commit_remembering(
    conn: &mut AsyncPgConnection,
    entries: &[Entry],
    remembered: &mut Remembered,
) -> Written {
    let batch = Append { entries, entropy: &SystemEntropy, remembered };
    store::append(conn, batch).await.unwrap()
}

fn chat_id() -> ChatId {
    ChatId::generate(&SystemClock, &SystemEntropy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_the_same_number_of_statements_whatever_its_size() {
    let bed = Bed::new().await;
    let mut conn = AsyncPgConnection::establish(&bed.db.role_url(&store::SCHEMA)).await.unwrap();
    let chats: Vec<ChatId> = (0..50).map(|_| chat_id()).collect();
    commit(&mut conn, &chats.iter().map(|id| beginning(*id)).collect::<Vec<_>>()).await;

    let statements = count_statements(&mut conn);
    let sender = user();
    let mut counts = Vec::new();
    for (round, size) in [1_usize, 2, 50, 1_000].into_iter().enumerate() {
        let entries = messages_to(&chats, sender, round, size);
        let before = statements.load(Ordering::Relaxed);
        let written = commit(&mut conn, &entries).await;
        assert!(written.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Appended(_))));
        counts.push(statements.load(Ordering::Relaxed) - before);
    }
    // BEGIN, lock, find, write, COMMIT.
    assert_eq!(counts, [5, 5, 5, 5]);
}

/// How many rows the schema's tables have taken, changed and given up, those of this connection included.
async fn rows_written(bed: &Bed, conn: &mut AsyncPgConnection) -> i64 {
    conn.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    let rows = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables WHERE schemaname = 'message'";
    bed.number(rows).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_to_a_channel_costs_the_same_for_one_subscriber_and_for_five_thousand() {
    let bed = Bed::new().await;
    let mut conn = AsyncPgConnection::establish(&bed.db.role_url(&store::SCHEMA)).await.unwrap();
    let statements = count_statements(&mut conn);
    let mut costs = Vec::new();
    for subscriber_count in [1, 5_000] {
        let (channel, sender) = (chat_id(), user());
        commit(&mut conn, &[beginning(channel)]).await;
        // By the connection that is measured: what another one did could be counted later.
        let subscribe = format!(
            "INSERT INTO participants (chat_id, user_id, joined_seq)
             SELECT '{channel}', gen_random_uuid(), 1 FROM generate_series(1, {subscriber_count})"
        );
        conn.batch_execute(&subscribe).await.unwrap();
        let rows_before = rows_written(&bed, &mut conn).await;
        let statements_before = statements.load(Ordering::Relaxed);
        commit(&mut conn, &[message(channel, sender, "m", "news")]).await;
        let statement_count = statements.load(Ordering::Relaxed) - statements_before;
        costs.push((statement_count, rows_written(&bed, &mut conn).await - rows_before));
    }
    assert_eq!(costs[0], costs[1]);
    assert!(costs[0].0 > 0 && costs[0].1 > 0, "{costs:?}");
}

/// A send that says more than its text.
fn message_with(chat: ChatId, sender: UserId, name: &str, more: impl FnOnce(&mut NewMessage)) -> Entry {
    let mut entry = message(chat, sender, name, "hi");
    let Change::Message(new) = &mut entry.change else { panic!("not a message") };
    more(new);
    entry
}

/// An answer to a message.
fn answer(chat: ChatId, sender: UserId, name: &str, to: Seq) -> Entry {
    message_with(chat, sender, name, |new| {
        let reply_to = Some(Reply::to(MessageId { chat_id: chat, seq: to }, sender, "hi"));
        new.extras = Some(Arc::new(Extras { reply_to, ..Extras::default() }));
    })
}

/// These come into the chat.
fn joining(chat: ChatId, joined: &[UserId]) -> Entry {
    let mut entry = beginning(chat);
    let Change::Event(event) = &mut entry.change else { panic!("not an event") };
    event.membership.joined = joined.to_vec();
    entry
}

/// Every kind of entry there is, for one chat and each of its messages.
fn mix(chat: ChatId, actor: UserId, messages: &[Seq], round: usize) -> Vec<Entry> {
    let act = |act| {
        let policy_version = MembershipVersion::new(1).unwrap();
        let action = Action { actor_id: actor, policy_version, may_be_absent: true, act };
        Entry { chat_id: chat, headers: Headers::new(), change: Change::Action(action) }
    };
    let text = |number: usize| MessageText::from_store(format!("edit {round} {number}"));
    let hasty: Vec<UserId> = messages.iter().map(|_| user()).collect();
    let mut entries = vec![beginning(chat), joining(chat, &hasty)];
    for (number, seq) in messages.iter().copied().enumerate() {
        let edit = NewEdit { seq, text: text(number), entities: Vec::new(), mentions: vec![user()] };
        let cursors = Cursors { read_seq: seq, delivered_seq: seq };
        let url = || format!("{round} {number}");
        let preview = LinkPreview { url: url(), title: url(), description: url(), site_name: url() };
        let preview = NewPreview { seq, edit_count: 1, preview };
        let (delete, keep) = (number % 2 == 0, Some(Emoji::from_store(format!("{}", number % 15))));
        let name = |kind: &str| format!("{kind}{round}-{number}");
        entries.push(message(chat, actor, &name(""), "hi"));
        entries.push(message_with(chat, actor, &name("mention"), |new| new.mentions = vec![user(), user()]));
        entries.push(answer(chat, actor, &name("answer"), seq));
        // The second one comes before its pause is over.
        for kind in ["slow", "hasty"] {
            entries.push(message_with(chat, hasty[number], &name(kind), |new| new.slow_mode_secs = 60));
        }
        entries.push(act(Act::Edit(edit)));
        entries.push(Entry { chat_id: chat, headers: Headers::new(), change: Change::Preview(preview) });
        entries.push(act(Act::React { seq, emoji: keep, is_anonymous: true }));
        entries.push(act(Act::Advance { cursors, audience: ReceiptAudience::Chat }));
        entries.push(act(Act::Pin { seq }));
        entries.push(act(Act::Hide { seq }));
        if delete {
            entries.push(act(Act::Unpin { seq }));
            entries.push(act(Act::Delete { seq, may_be_of_others: false }));
        }
    }
    entries.push(act(Act::Clear));
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mixed_batch_takes_the_same_number_of_statements_whatever_its_size() {
    let bed = Bed::new().await;
    let mut conn = AsyncPgConnection::establish(&bed.db.role_url(&store::SCHEMA)).await.unwrap();
    let actor = user();
    commit(&mut conn, &[beginning(own_log(actor))]).await;
    let statements = count_statements(&mut conn);
    let mut counts = Vec::new();
    for (round, size) in [2_usize, 20, 150].into_iter().enumerate() {
        let chat = chat_id();
        let sends: Vec<Entry> = (0..size).map(|number| message(chat, actor, &format!("m{number}"), "hi")).collect();
        let mut setup = vec![beginning(chat)];
        setup.extend(sends);
        let written = commit(&mut conn, &setup).await;
        let seqs: Vec<Seq> = written.outcomes[1..]
            .iter()
            .map(|outcome| match outcome {
                Outcome::Appended(placed) => placed.seq,
                other => panic!("{other:?}"),
            })
            .collect();
        // A reply to each, so that deletions have snippets to empty.
        let replies: Vec<Entry> =
            seqs.iter().map(|seq| answer(chat, actor, &format!("r{}", seq.get()), *seq)).collect();
        commit(&mut conn, &replies).await;

        let before = statements.load(Ordering::Relaxed);
        let written = commit(&mut conn, &mix(chat, actor, &seqs, round)).await;
        counts.push(statements.load(Ordering::Relaxed) - before);
        let refused = |is_it: fn(&Refusal) -> bool| {
            let refusals = written.outcomes.iter().filter(|outcome| match outcome {
                Outcome::Refused(refusal) => is_it(refusal),
                _ => false,
            });
            refusals.count()
        };
        assert_eq!(refused(|refusal| matches!(refusal, Refusal::SlowMode { .. })), size);
        let others = |refusal: &Refusal| !matches!(refusal, Refusal::SlowMode { .. } | Refusal::TooManyPins);
        assert_eq!(refused(others), 0, "{:?}", written.outcomes);
        assert!(written.updates.len() > 9 * size, "each kind of entry had its effect");
    }
    assert_eq!(counts[0], counts[1]);
    assert_eq!(counts[1], counts[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_prepared_once() {
    let bed = Bed::new().await;
    let mut conn = AsyncPgConnection::establish(&bed.db.role_url(&store::SCHEMA)).await.unwrap();
    let id = chat_id();
    commit(&mut conn, &[beginning(id)]).await;
    let caches = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&caches);
    conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if matches!(event, InstrumentationEvent::CacheQuery { .. }) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    commit(&mut conn, &[message(id, user(), "a", "hi")]).await;
    let prepared = caches.load(Ordering::Relaxed);
    commit(&mut conn, &[message(id, user(), "b", "hi")]).await;
    assert_eq!(caches.load(Ordering::Relaxed), prepared);
}

/// A plan is kept for the life of its connection, so one that was made while the tables were small must not scan them.
#[tokio::test(flavor = "multi_thread")]
async fn every_statement_reaches_rows_by_key_even_in_small_tables() {
    let bed = Bed::new().await;
    let mut conn = bed.pool.get().await.unwrap();
    let (id, sender) = (chat_id(), user());
    let mut remembered = Remembered::default();
    commit_remembering(&mut conn, &[beginning(id)], &mut remembered).await;
    for round in 0..3 {
        commit(&mut conn, &[beginning(own_log(sender))]).await;
        // In the first round as remembered; in the others the log was written to meanwhile.
        commit_remembering(&mut conn, &[message(id, sender, &format!("{round}r"), "hi")], &mut remembered).await;
        let written = commit(&mut conn, &[message(id, sender, &round.to_string(), "hi")]).await;
        let Outcome::Appended(placed) = &written.outcomes[0] else { panic!("{written:?}") };
        commit(&mut conn, &mix(id, sender, &[placed.seq, placed.seq.next()], round + 100)).await;
        store::claim_batches(&mut conn, store::Sweep::First, 10).await.unwrap();
        store::claim_batches(&mut conn, store::Sweep::Again, 10).await.unwrap();
        store::stored_payloads(&mut conn, &[(id, Seq::ZERO.next())]).await.unwrap();
        store::forget_batches(&mut conn, &[written.batch_id]).await.unwrap();
        store::backlog(&mut conn).await.unwrap();
        store::log_clock(&mut conn).await.unwrap();
        let page = LogPage { chat_id: id, viewer: sender, after: Seq::ZERO, limit: 10, max_bytes: 1_000 };
        store::chat_log(&mut conn, page).await.unwrap();
        store::changed_chats(&mut conn, &[id], sender, OffsetDateTime::UNIX_EPOCH, 10).await.unwrap();
        store::updates_from(&mut conn, &[(id, Seq::ZERO)], 10, 1_000).await.unwrap();
        store::list_messages(&mut conn, id, sender, Direction::After(Seq::ZERO), 10).await.unwrap();
        let first = MessageId { chat_id: id, seq: Seq::ZERO.next() };
        store::find_message(&mut conn, first, sender).await.unwrap();
        store::messages_by_id(&mut conn, &[first]).await.unwrap();
        store::versions(&mut conn, first).await.unwrap();
        store::list_reactions(&mut conn, first, None, None, 10).await.unwrap();
        store::pinned_messages(&mut conn, id, sender).await.unwrap();
        store::heads(&mut conn, &[id]).await.unwrap();
        store::seen_heads(&mut conn, &[id], sender, WantedReceipts::OfAll).await.unwrap();
        store::rank_chats(&mut conn, &[id], None, 10).await.unwrap();
        store::members_among(&mut conn, id, &[sender]).await.unwrap();
        store::membership_version(&mut conn, id).await.unwrap();
        store::message_receipts(&mut conn, first, sender).await.unwrap();
        store::next_purge(&mut conn, None).await.unwrap();
        store::scrub_some(&mut conn).await.unwrap();
        store::expire_logs(&mut conn, None, Duration::from_secs(1)).await.unwrap();
        let raise = Raise {
            chat_id: id,
            version: MembershipVersion::new(1).unwrap(),
            joined: vec![sender],
            left: vec![user()],
        };
        store::raise_membership_version(&mut conn, &raise).await.unwrap();
        conn.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    }
    drop(conn);
    let scans = |column: &str| format!("SELECT sum({column}) FROM pg_stat_user_tables WHERE schemaname = 'message'");
    assert_ne!(bed.number(&scans("idx_scan")).await, 0, "the statistics are there");
    assert_eq!(bed.number(&scans("seq_scan")).await, 0);
}

/// What all tests of this process record together: appenders have threads of their own.
fn metrics_page() -> &'static PrometheusHandle {
    static HANDLE: LazyLock<PrometheusHandle> = LazyLock::new(|| PrometheusBuilder::new().install_recorder().unwrap());
    &HANDLE
}

#[tokio::test]
async fn the_size_of_batches_and_the_time_of_waiting_and_committing_are_measured() {
    const MESSAGES: f64 = 40.0;
    let measured = |name: &str| -> f64 {
        let page = metrics_page().render();
        page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()).unwrap_or_default()
    };
    let names = ["batch_size_sum", "append_wait_seconds_count", "append_seconds_count", "batch_size_count"];
    let names = names.map(|name| format!("godwit_message_{name}"));
    let before = names.each_ref().map(|name| measured(name));
    let bed = Bed::new().await;
    let replica = bed.replica();
    let ada = user();
    let id = bed.chat(&replica, &[ada, user()]).await;
    let appends = (0..40).map(|number| replica.app.appenders.append(message(id, ada, &number.to_string(), "hi")));
    for answer in join_all(appends).await {
        assert!(matches!(answer.unwrap(), Outcome::Appended(_)));
    }
    // The first is the chat's beginning. Other tests append meanwhile.
    let [sizes, waits, appended, batches] = [0, 1, 2, 3].map(|place| measured(&names[place]) - before[place]);
    assert!(sizes > MESSAGES && waits > MESSAGES && appended > MESSAGES && batches >= 2.0);
    assert!(measured("godwit_message_commit_seconds_sum") > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_appended_once_however_often_it_is_asked_for() {
    let bed = Bed::new().await;
    let replicas = [bed.replica(), bed.replica()];
    let (ada, bob) = (user(), user());
    let id = chat_id();
    bed.chats.put(id, &[ada, bob], 1);
    let update = created(id, &[ada, bob]);
    let appends = (0..30).map(|number| replicas[number % 2].app.append_update(update.clone()));
    for placed in join_all(appends).await {
        assert_eq!(placed.unwrap().seq.get(), 1);
    }
    assert_eq!(seqs(&replicas[0].client(ada).whole_log(id, 0).await), [1]);
    let other = replicas[1].app.append_update(created(id, &[])).await.unwrap();
    assert_eq!(other.seq.get(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_membership_version_never_goes_back() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let id = chat_id();
    for version in [1, 7, 3] {
        let mut update = created(id, &[]);
        update.membership_version = MembershipVersion::new(version).unwrap();
        replica.app.append_update(update).await.unwrap();
    }
    let stored = bed.number(&format!("SELECT membership_version FROM chat_heads WHERE chat_id = '{id}'")).await;
    assert_eq!(stored, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_the_log_cannot_take_is_refused() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let good = api::AppendUpdateRequest {
        event_id: event_id().to_string(),
        update: Some(pb::Update {
            chat_id: chat_id().to_string(),
            change: Some(pb::update::Change::ChatCreated(pb::ChatCreated::default())),
            ..pb::Update::default()
        }),
        membership_version: 1,
    };
    let with = |change: &dyn Fn(&mut pb::Update)| {
        let mut request = good.clone();
        change(request.update.as_mut().unwrap());
        request
    };
    let huge = pb::ChatCreated { member_ids: vec!["x".repeat(300_000)], ..pb::ChatCreated::default() };
    let bad = [
        api::AppendUpdateRequest { event_id: "e".to_owned(), ..good.clone() },
        api::AppendUpdateRequest { update: None, ..good.clone() },
        api::AppendUpdateRequest { membership_version: u64::MAX, ..good.clone() },
        with(&|update| update.chat_id.clear()),
        with(&|update| "nobody".clone_into(&mut update.actor_id)),
        with(&|update| update.change = None),
        with(&|update| update.change = Some(pb::update::Change::MessageCreated(pb::MessageCreated::default()))),
        with(&|update| update.change = Some(pb::update::Change::ChatCreated(huge.clone()))),
    ];
    for request in bad {
        let refused = replica.server.append_update(Request::new(request)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    assert_eq!(bed.number("SELECT count(*) FROM chat_heads").await, 0);
    let answer = replica.server.append_update(Request::new(good)).await.unwrap().into_inner();
    assert_eq!(answer.seq, 1);
    assert!(!answer.epoch.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_entry_that_the_database_refuses_does_not_fail_its_batch() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let id = bed.chat(&replica, &[ada, bob]).await;
    let appends = (0..40).map(|number| {
        let text = if number == 17 { "the character \0 is poison" } else { "fine" };
        replica.app.appenders.append(message(id, ada, &number.to_string(), text))
    });
    let answers = join_all(appends).await;
    let failed: Vec<usize> = (0..40).filter(|number| answers[*number].is_err()).collect();
    assert_eq!(failed, [17]);
    assert_eq!(seqs(&replica.client(bob).whole_log(id, 0).await), (1..=40).collect::<Vec<u64>>());
}
