//! What every adapter of [`EventLog`] promises.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use godwit_events::topics::{ACCOUNTS, CALLS, CHAT_UPDATES, DEAD_LETTERS};
use godwit_events::{BatchError, Error, EventLog, NewRecord, RECORD_BYTES_MAX, Record, dead_letter};
use godwit_testkit::eventually;
use tokio::task::JoinSet;

use crate::group::{Answer, Ledger, Member, group, record, text, texts};
use crate::streams::{Kafka, Postgres, Stream};

const LONG: Duration = Duration::from_secs(60);
/// More is published only as it is read, however fast the machine.
const AHEAD_MAX: usize = 2_000;

macro_rules! conformance {
    ($($name:ident)+) => {
        mod kafka {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(&Kafka::open().await).await; })+
        }
        mod postgres {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(&Postgres::open().await).await; })+
        }
    };
}

conformance! {
    records_of_a_key_keep_their_order
    every_group_gets_every_record
    a_member_that_leaves_keeps_its_place
    a_crash_in_the_middle_of_a_batch_loses_nothing
    members_that_come_and_go_lose_nothing
    a_backlog_is_read_whole
    a_refused_batch_holds_up_its_partition_only
    a_poison_record_becomes_a_dead_letter_and_the_others_are_taken
    a_dead_letter_that_cannot_be_read_is_passed_over
    large_records_make_small_batches
    a_record_over_the_limit_is_refused
    a_stream_that_is_away_refuses_in_time
    the_trace_of_the_publisher_reaches_the_handler
}

/// Publishes `texts` with one key, a few at a time.
async fn publish(log: &Arc<dyn EventLog>, key: &str, texts: &[String]) {
    for chunk in texts.chunks(7) {
        log.publish(chunk.iter().map(|text| record(&CHAT_UPDATES, key, text)).collect()).await.unwrap();
    }
}

async fn records_of_a_key_keep_their_order(stream: &impl Stream) {
    let ledger = Ledger::open();
    let member = Member::join(stream.member(), group("order", &[&CHAT_UPDATES], 7), ledger.clone());
    let mut publishers = JoinSet::new();
    for number in 0..20 {
        let log = stream.member();
        publishers.spawn(async move {
            let key = format!("key{number}");
            publish(&log, &key, &texts(&key, 60)).await;
        });
    }
    publishers.join_all().await;
    eventually(LONG, async || ledger.records().len() >= 20 * 60).await;
    member.leave().await;
    for (key, arrived) in ledger.first_arrivals() {
        assert_eq!(arrived, texts(&key, 60));
    }
    assert!(ledger.batches().iter().all(|batch| batch.len() <= 7));
    for batch in ledger.batches() {
        let mut last: BTreeMap<i32, i64> = BTreeMap::new();
        for record in &batch {
            let before = last.insert(record.partition, record.offset);
            assert!(before.is_none_or(|before| before < record.offset), "offset order within a partition");
        }
    }
}

async fn every_group_gets_every_record(stream: &impl Stream) {
    let log = stream.member();
    let (one, other) = (Ledger::open(), Ledger::open());
    let early = Member::join(stream.member(), group("early", &[&CHAT_UPDATES, &ACCOUNTS], 10), one.clone());
    log.publish(vec![record(&CHAT_UPDATES, "a", "1"), record(&ACCOUNTS, "b", "2")]).await.unwrap();
    let late = Member::join(stream.member(), group("late", &[&CHAT_UPDATES, &ACCOUNTS], 10), other.clone());
    let all = ["1".to_owned(), "2".to_owned()];
    eventually(LONG, async || one.has_all(&all) && other.has_all(&all)).await;
    let account = one.records().into_iter().find(|record| record.topic == ACCOUNTS.name).unwrap();
    assert_eq!((text(&account.key), account.offset), ("b".to_owned(), 0));
    early.leave().await;
    late.leave().await;
}

async fn a_member_that_leaves_keeps_its_place(stream: &impl Stream) {
    let log = stream.member();
    let before = Ledger::open();
    let member = Member::join(stream.member(), group("place", &[&CALLS], 10), before.clone());
    log.publish(vec![record(&CALLS, "k", "old-0"), record(&CALLS, "k", "old-1")]).await.unwrap();
    eventually(LONG, async || before.records().len() == 2).await;
    member.leave().await;

    let after = Ledger::open();
    let member = Member::join(stream.member(), group("place", &[&CALLS], 10), after.clone());
    log.publish(vec![record(&CALLS, "k", "new")]).await.unwrap();
    eventually(LONG, async || after.has_all(&["new".to_owned()])).await;
    member.leave().await;
    assert_eq!(after.texts(), ["new"]);
}

async fn a_crash_in_the_middle_of_a_batch_loses_nothing(stream: &impl Stream) {
    let log = stream.member();
    let all = texts("k", 40);
    publish(&log, "k", &all).await;
    let started = Arc::new(AtomicUsize::new(0));
    let hangs_in_the_third = {
        let started = Arc::clone(&started);
        move |_: &[Record]| if started.fetch_add(1, Ordering::SeqCst) < 2 { Answer::Take } else { Answer::Hang }
    };
    let first = Ledger::new(hangs_in_the_third);
    let doomed = Member::join(stream.member(), group("crash", &[&CHAT_UPDATES], 5), first.clone());
    eventually(LONG, async || started.load(Ordering::SeqCst) == 3).await;
    assert_eq!(first.records().len(), 10);
    doomed.crash().await;

    let second = first.sharing(|_| Answer::Take);
    let heir = Member::join(stream.member(), group("crash", &[&CHAT_UPDATES], 5), second.clone());
    eventually(LONG, async || second.has_all(&all)).await;
    heir.leave().await;
    assert_eq!(second.first_arrivals()["k"], all);
}

/// As after an outage: far more waits than is read before something else has its turn.
async fn a_backlog_is_read_whole(stream: &impl Stream) {
    let all = texts("k", 6_000);
    for some in all.chunks(500) {
        let records = some.iter().map(|text| record(&CHAT_UPDATES, "k", text)).collect();
        stream.member().publish(records).await.unwrap();
    }
    let ledger = Ledger::new(|_| Answer::Take);
    let member = Member::join(stream.member(), group("backlog", &[&CHAT_UPDATES], 2_000), ledger.clone());
    eventually(LONG, async || ledger.records().len() >= all.len()).await;
    member.leave().await;
    assert_eq!(ledger.first_arrivals()["k"], all);
}

async fn members_that_come_and_go_lose_nothing(stream: &impl Stream) {
    let (one, other) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counting = |count: &Arc<AtomicUsize>| {
        let count = Arc::clone(count);
        move |batch: &[Record]| {
            count.fetch_add(batch.len(), Ordering::SeqCst);
            Answer::Take
        }
    };
    let ledger = Ledger::new(counting(&one));
    let first = Member::join(stream.member(), group("rebalance", &[&CHAT_UPDATES], 5), ledger.clone());

    let done = Arc::new(AtomicBool::new(false));
    let mut publisher = JoinSet::new();
    let (log, finished) = (stream.member(), Arc::clone(&done));
    let taken = [Arc::clone(&one), Arc::clone(&other)];
    publisher.spawn(async move {
        let mut published: Vec<String> = Vec::new();
        while !finished.load(Ordering::SeqCst) {
            let read: usize = taken.iter().map(|count| count.load(Ordering::SeqCst)).sum();
            if published.len() > read + AHEAD_MAX {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
            let round = published.len() / 24;
            let texts: Vec<(String, String)> =
                (0..24).map(|key| (format!("key{key}"), format!("key{key}-{round}"))).collect();
            log.publish(texts.iter().map(|(key, text)| record(&CHAT_UPDATES, key, text)).collect()).await.unwrap();
            published.extend(texts.into_iter().map(|(_, text)| text));
        }
        published
    });

    eventually(LONG, async || one.load(Ordering::SeqCst) > 100).await;
    let second =
        Member::join(stream.member(), group("rebalance", &[&CHAT_UPDATES], 5), ledger.sharing(counting(&other)));
    eventually(LONG, async || other.load(Ordering::SeqCst) > 100).await;
    first.leave().await;
    let so_far = other.load(Ordering::SeqCst);
    eventually(LONG, async || other.load(Ordering::SeqCst) > so_far + 500).await;
    done.store(true, Ordering::SeqCst);
    let published = publisher.join_next().await.unwrap().unwrap();
    eventually(LONG, async || ledger.has_all(&published)).await;
    second.leave().await;
    for (key, arrived) in ledger.first_arrivals() {
        assert_eq!(arrived, texts(&key, arrived.len()), "in order and without gap");
    }
}

async fn a_refused_batch_holds_up_its_partition_only(stream: &impl Stream) {
    let log = stream.member();
    let open = Arc::new(AtomicBool::new(false));
    let (refused, gate) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&open));
    let counter = Arc::clone(&refused);
    let ledger = Ledger::new(move |batch| {
        if batch.iter().any(|record| text(&record.key) == "stuck") && !gate.load(Ordering::SeqCst) {
            counter.fetch_add(1, Ordering::SeqCst);
            return Answer::Refuse(BatchError::retry("the gate is closed"));
        }
        Answer::Take
    });
    let member = Member::join(stream.member(), group("retry", &[&CHAT_UPDATES], 5), ledger.clone());
    // Far more than the member may hold in memory for one partition.
    let stuck = texts("stuck", 200);
    publish(&log, "stuck", &stuck).await;
    eventually(LONG, async || refused.load(Ordering::SeqCst) > 0).await;

    let stuck_partition = partition_of(&log, stream, "stuck").await;
    let mut others = HashSet::new();
    for number in 0..30 {
        let key = format!("free{number}");
        publish(&log, &key, &texts(&key, 10)).await;
        others.insert(key);
    }
    let elsewhere = async || {
        let arrived = ledger.first_arrivals();
        let complete = others.iter().filter(|key| arrived.get(*key).is_some_and(|texts| texts.len() == 10)).count();
        // At most one in three of the keys shares the partition.
        complete >= 20
    };
    eventually(LONG, elsewhere).await;
    eventually(LONG, async || refused.load(Ordering::SeqCst) > 2).await;
    assert!(ledger.records().iter().all(|record| record.partition != stuck_partition));

    open.store(true, Ordering::SeqCst);
    eventually(LONG, async || ledger.has_all(&stuck)).await;
    member.leave().await;
    assert_eq!(ledger.first_arrivals()["stuck"], stuck);
}

/// The partition of a key of [`CHAT_UPDATES`], seen by a group of its own.
async fn partition_of(log: &Arc<dyn EventLog>, stream: &impl Stream, key: &str) -> i32 {
    let ledger = Ledger::open();
    let probe = Member::join(stream.member(), group("probe", &[&CHAT_UPDATES], 100), ledger.clone());
    log.check().await.unwrap();
    let found = async || ledger.records().iter().find(|record| text(&record.key) == key).map(|found| found.partition);
    let partition = eventually(LONG, found).await;
    probe.leave().await;
    partition
}

async fn a_poison_record_becomes_a_dead_letter_and_the_others_are_taken(stream: &impl Stream) {
    let log = stream.member();
    let ledger = Ledger::new(|batch| match batch.iter().position(|record| record.payload.starts_with(b"poison")) {
        Some(index) => Answer::Refuse(BatchError::Poison { index, reason: "it is poison".to_owned() }),
        None => Answer::Take,
    });
    let member = Member::join(stream.member(), group("poison", &[&CHAT_UPDATES], 10), ledger.clone());
    let mut poison = record(&CHAT_UPDATES, "k", "poison");
    poison.headers.push(("kept".to_owned(), "yes".to_owned()));
    let records = vec![record(&CHAT_UPDATES, "k", "a"), poison, record(&CHAT_UPDATES, "k", "b")];
    log.publish(records).await.unwrap();
    log.publish(vec![record(&CHAT_UPDATES, "k", "c")]).await.unwrap();
    let healthy = ["a", "b", "c"].map(str::to_owned);
    eventually(LONG, async || ledger.has_all(&healthy)).await;
    member.leave().await;
    assert_eq!(ledger.first_arrivals()["k"], healthy);

    let graveyard = Ledger::open();
    let digger = Member::join(stream.member(), group("graveyard", &[&DEAD_LETTERS], 10), graveyard.clone());
    eventually(LONG, async || !graveyard.records().is_empty()).await;
    digger.leave().await;
    let letter = graveyard.records().remove(0);
    assert_eq!((text(&letter.key), text(&letter.payload)), ("k".to_owned(), "poison".to_owned()));
    let a = ledger.records().into_iter().find(|record| record.payload == "a").unwrap();
    let expected = [
        ("kept", "yes".to_owned()),
        (dead_letter::ORIGIN_TOPIC, CHAT_UPDATES.name.to_owned()),
        (dead_letter::ORIGIN_PARTITION, a.partition.to_string()),
        (dead_letter::ORIGIN_OFFSET, (a.offset + 1).to_string()),
        (dead_letter::CONSUMER_GROUP, "poison".to_owned()),
        (dead_letter::REASON, "it is poison".to_owned()),
    ];
    for (name, value) in expected {
        assert_eq!(letter.header(name), Some(value.as_str()), "{name}");
    }
}

async fn a_dead_letter_that_cannot_be_read_is_passed_over(stream: &impl Stream) {
    let log = stream.member();
    let ledger = Ledger::new(|batch| match batch.iter().position(|record| record.payload == "unreadable") {
        Some(index) => Answer::Refuse(BatchError::Poison { index, reason: "again".to_owned() }),
        None => Answer::Take,
    });
    let member = Member::join(stream.member(), group("dead", &[&DEAD_LETTERS], 1), ledger.clone());
    log.publish(vec![record(&DEAD_LETTERS, "k", "unreadable"), record(&DEAD_LETTERS, "k", "fine")]).await.unwrap();
    eventually(LONG, async || ledger.has_all(&["fine".to_owned()])).await;
    member.leave().await;
    // A letter about the letter would have the third place.
    let fine = ledger.records().remove(0);
    assert_eq!((ledger.records().len(), fine.offset), (1, 1));
}

async fn large_records_make_small_batches(stream: &impl Stream) {
    let log = stream.member();
    let size = 400 * 1024;
    for number in 0..8 {
        let payload = vec![number; size];
        log.publish(vec![NewRecord::new(&CHAT_UPDATES, "k", payload)]).await.unwrap();
    }
    let ledger = Ledger::open();
    let member = Member::join(stream.member(), group("large", &[&CHAT_UPDATES], 100), ledger.clone());
    eventually(LONG, async || ledger.records().len() == 8).await;
    member.leave().await;
    let numbers: Vec<u8> = ledger.records().iter().map(|record| record.payload[0]).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert!(ledger.batches().iter().all(|batch| batch.len() * size < 1_600 * 1024));
}

async fn a_record_over_the_limit_is_refused(stream: &impl Stream) {
    let log = stream.member();
    let too_large = NewRecord::new(&CHAT_UPDATES, "k", vec![0; RECORD_BYTES_MAX]);
    let error = log.publish(vec![too_large]).await.unwrap_err();
    assert!(matches!(error, Error::RecordTooLarge { .. }) && !error.is_transient(), "{error:?}");
    let largest = NewRecord::new(&CHAT_UPDATES, "", vec![0; RECORD_BYTES_MAX]);
    log.publish(vec![NewRecord { headers: Vec::new(), ..largest }]).await.unwrap();
}

/// `S` is the adapter; the stream itself is there.
async fn a_stream_that_is_away_refuses_in_time<S: Stream>(stream: &S) {
    stream.member().check().await.unwrap();
    let nowhere = S::nowhere();
    let error = nowhere.publish(vec![record(&CHAT_UPDATES, "k", "lost")]).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    nowhere.check().await.unwrap_err();
    // Reading waits for it instead, and can be stopped.
    let member = Member::join(nowhere, group("nowhere", &[&CHAT_UPDATES], 10), Ledger::open());
    tokio::time::timeout(LONG, member.leave()).await.unwrap();
}

async fn the_trace_of_the_publisher_reaches_the_handler(stream: &impl Stream) {
    use opentelemetry::trace::{TraceContextExt as _, TraceId};
    use tracing::Instrument as _;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    fn current_trace() -> TraceId {
        tracing::Span::current().context().span().span_context().trace_id()
    }

    trace_everything();
    let log = stream.member();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let remember = Arc::clone(&seen);
    let ledger = Ledger::new(move |_| {
        remember.lock().unwrap().push(current_trace());
        Answer::Take
    });
    let member = Member::join(stream.member(), group("trace", &[&CHAT_UPDATES], 1), ledger.clone());
    let publishing = async {
        log.publish(vec![record(&CHAT_UPDATES, "k", "traced")]).await.unwrap();
        current_trace()
    };
    let trace = publishing.instrument(tracing::info_span!("publishing")).await;
    eventually(LONG, async || !seen.lock().unwrap().is_empty()).await;
    member.leave().await;
    assert_ne!(trace, TraceId::INVALID);
    assert_eq!(*seen.lock().unwrap(), [trace]);
    assert!(ledger.records()[0].header("traceparent").unwrap().contains(&trace.to_string()));
}

fn trace_everything() {
    use opentelemetry::trace::TracerProvider as _;
    use tracing_subscriber::layer::SubscriberExt as _;

    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        opentelemetry::global::set_text_map_propagator(opentelemetry_sdk::propagation::TraceContextPropagator::new());
        let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    });
}
