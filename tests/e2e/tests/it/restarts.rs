//! The servers that Godwit stands on, restarted under load; and what was to be sent later.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use godwit_contract::message::v1::SendMessageResponse;
use godwit_contract::v1::update::Change;
use godwit_kernel::{Clock as _, SystemClock};
use godwit_testkit::{Shape, TestCluster, eventually};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::load::Load;
use crate::support::{Account, OwnServers, Pair, assert_all_found};

const MESSAGES_BETWEEN: usize = 40;
const SCHEDULED: u32 = 20;
/// From one due time to the next: ten seconds for all.
const DUE_EVERY: Duration = Duration::from_millis(500);
/// Starting the process again included.
const SENT_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn restarting_redis_kafka_and_postgresql_under_load_loses_repeats_and_skips_nothing() {
    let servers = OwnServers::start(&["postgres", "redis", "kafka"]);
    let cluster = servers.cluster(Shape::FullStack).await;
    let pair = Pair::create(&cluster).await;
    let ledger = Load::new(&pair)
        .run_while(async |load| {
            for part in ["redis", "kafka", "postgres"] {
                load.progress(MESSAGES_BETWEEN).await;
                servers.stop(part).await;
                servers.start_again(part).await;
                load.progress(MESSAGES_BETWEEN).await;
            }
        })
        .await;
    ledger.assert_kept_by(&pair.ada.whole_log(&pair.chat_id).await);
    ledger.assert_kept_by(&pair.bob.whole_log(&pair.chat_id).await);
    let log = pair.bob.whole_log(&pair.chat_id).await;
    assert_all_found(&pair.bob, "number", &log, "Number").await;
}

/// By their number, how late messages were sent, each as often as it is in the log.
async fn late_ms(person: &Account, chat_id: &str, due_at: impl Fn(u32) -> OffsetDateTime) -> HashMap<u32, Vec<i128>> {
    let mut late_ms: HashMap<u32, Vec<i128>> = HashMap::new();
    for update in person.whole_log(chat_id).await {
        let Some(Change::MessageCreated(created)) = update.change else { continue };
        let message = created.message.unwrap();
        let number: u32 = message.text.parse().unwrap();
        let sent_at = message.sent_at.unwrap();
        let sent_at_ns = i128::from(sent_at.seconds) * 1_000_000_000 + i128::from(sent_at.nanos);
        let late_ns = sent_at_ns - due_at(number).unix_timestamp_nanos();
        late_ms.entry(number).or_default().push(late_ns.div_euclid(1_000_000));
    }
    late_ms
}

#[expect(clippy::print_stderr, reason = "a measurement is printed")]
fn report_lateness(mut late_ms: Vec<i128>, kill_count: usize) {
    late_ms.sort_unstable();
    let (median, most) = (late_ms[late_ms.len() / 2], late_ms[late_ms.len() - 1]);
    eprintln!("{kill_count} kills: scheduled messages are {median} ms late in the middle, {most} ms at most");
}

#[tokio::test]
async fn what_is_scheduled_is_sent_once_although_the_message_service_dies_meanwhile() {
    let mut cluster = TestCluster::start(Shape::Separate).await;
    let pair = Pair::create(&cluster).await;
    let begin = SystemClock.now() + Duration::from_secs(10);
    let due_at = |number: u32| begin + DUE_EVERY * number;
    let path = format!("/chats/{}/messages", pair.chat_id);
    let scheduling = (0..SCHEDULED).map(|number| {
        let (id, send_at) = (format!("later-{number}"), due_at(number).format(&Rfc3339).unwrap());
        let body = json!({"client_message_id": id, "text": number.to_string(), "send_at": send_at});
        pair.ada.rest.post(&path, body)
    });
    for answer in join_all(scheduling).await {
        assert!(answer.created::<SendMessageResponse>().scheduled.is_some());
    }
    let sent = async || late_ms(&pair.bob, &pair.chat_id, due_at).await;
    let mut kill_count = 0;
    while SystemClock.now() < due_at(SCHEDULED - 1) {
        // It dies while it sends what is due.
        let before = sent().await.len();
        eventually(SENT_WITHIN, async || sent().await.len() > before).await;
        cluster.kill("message");
        cluster.start_again("message").await;
        kill_count += 1;
    }
    assert!(kill_count >= 2, "it dies among the due times");
    let all: HashSet<u32> = (0..SCHEDULED).collect();
    eventually(SENT_WITHIN, async || sent().await.into_keys().collect::<HashSet<u32>>() == all).await;
    cluster.kill("message");
    cluster.start_again("message").await;
    let sent = sent().await;
    assert!(sent.len() == all.len() && sent.values().all(|times| times.len() == 1), "each once: {sent:?}");
    report_lateness(sent.into_values().flatten().collect(), kill_count);
}
