//! Parts that are down while people talk.

use std::time::Duration;

use godwit_contract::message::v1::SyncResponse;
use godwit_contract::search::v1::SearchMessagesResponse;
use godwit_testkit::{ClusterOptions, Shape, TestCluster, eventually};
use serde_json::json;

use crate::support::{Account, Encoding, OwnServers, Pair};

/// Sending, live delivery and every way to catch up.
async fn assert_people_can_talk(pair: &Pair, mark: &str) {
    let Pair { ada, bob, chat_id } = pair;
    let begin: SyncResponse = bob.rest.post("/sync", json!({})).await.ok();
    let mut bobs = bob.connect(Encoding::Json).await;
    let mut sent = Vec::new();
    for number in 0..5 {
        let message = ada.send(chat_id, &format!("{mark}-{number}"), &format!("{mark} {number}")).await;
        assert_eq!(bobs.message(chat_id).await, message);
        sent.push(message);
    }
    let log = bob.whole_log(chat_id).await;
    assert_eq!(log.last().unwrap().seq, sent.last().unwrap().seq);
    let page: SyncResponse = bob.rest.post("/sync", json!({"cursor": begin.next_cursor})).await.ok();
    let seqs: Vec<u64> = page.chats.iter().flat_map(|chat| &chat.updates).map(|update| update.seq).collect();
    assert!(sent.iter().all(|message| seqs.contains(&message.seq)), "{seqs:?} of {sent:?}");
}

async fn assert_found(person: &Account, word: &str, count: usize) {
    eventually(Duration::from_secs(60), || async {
        let answer = person.rest.get(&format!("/search/messages?q={word}")).await;
        let found = answer.ok::<SearchMessagesResponse>().messages.len();
        if found == count { Ok(()) } else { Err(format!("{found} of {count} messages with {word} are found")) }
    })
    .await;
}

#[tokio::test]
async fn without_kafka_from_the_start_people_log_in_send_receive_and_catch_up() {
    // Nobody listens on port 1 of the loopback.
    let options = ClusterOptions::new(Shape::FullStack).variable("GODWIT_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1");
    let cluster = options.start().await;
    assert_people_can_talk(&Pair::create(&cluster).await, "kafkaless").await;
}

#[tokio::test]
async fn while_kafka_hangs_people_talk_and_afterwards_the_stream_catches_up() {
    let servers = OwnServers::start(&["kafka"]);
    let kafka = servers.variable("GODWIT_TEST_KAFKA");
    let options = ClusterOptions::new(Shape::Separate).variable("GODWIT_KAFKA_BOOTSTRAP_SERVERS", kafka);
    let cluster = options.start().await;
    let pair = Pair::create(&cluster).await;
    assert_people_can_talk(&pair, "sunrise").await;
    assert_found(&pair.ada, "sunrise", 5).await;

    servers.signal("kafka", "STOP");
    assert_people_can_talk(&pair, "noonday").await;

    servers.signal("kafka", "CONT");
    assert_found(&pair.ada, "noonday", 5).await;
    assert_people_can_talk(&pair, "sunset").await;
    assert_found(&pair.ada, "sunset", 5).await;
}

#[tokio::test]
async fn without_redis_people_send_and_catch_up_and_afterwards_live_is_back() {
    let servers = OwnServers::start(&["redis"]);
    let redis = servers.variable("GODWIT_TEST_REDIS_URL");
    let cluster = ClusterOptions::new(Shape::FullStack).variable("GODWIT_REDIS_URL", redis).start().await;
    let pair = Pair::create(&cluster).await;
    assert_people_can_talk(&pair, "before").await;

    servers.stack("down", &["redis"]);
    let message = pair.ada.send(&pair.chat_id, "meanwhile", "Nobody is listening").await;
    assert_eq!(pair.bob.whole_log(&pair.chat_id).await.last().unwrap().seq, message.seq);
    Account::log_in(cluster.gateway(), &pair.ada.username, &pair.ada.email).await;

    servers.stack("up", &["redis"]);
    live_comes_back(&cluster, &pair).await;
    assert_people_can_talk(&pair, "after").await;
}

/// Sends until something arrives live: what was sent while the gateway's link was down came by nobody's socket.
async fn live_comes_back(cluster: &TestCluster, pair: &Pair) {
    let mut bobs = pair.bob.connect_at(cluster.gateway(), Encoding::Json).await;
    for number in 0..60 {
        pair.ada.send(&pair.chat_id, &format!("probe-{number}"), "Is it back?").await;
        if tokio::time::timeout(Duration::from_secs(1), bobs.update(&pair.chat_id)).await.is_ok() {
            return;
        }
    }
    panic!("nothing arrives live although Redis is back");
}
