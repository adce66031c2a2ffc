//! The servers that Godwit stands on, restarted under load; and what was to be sent later.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use godwit_contract::message::v1::SendMessageResponse;
use godwit_contract::v1::update::Change;
use godwit_kernel::{Clock as _, SystemClock};
use godwit_testkit::{ClusterOptions, Shape, TestCluster, eventually};
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use crate::load::Load;
use crate::support::{OwnServers, Pair};

const MESSAGES_BETWEEN: usize = 40;
const SCHEDULED: usize = 20;

#[tokio::test]
async fn restarting_redis_kafka_and_postgresql_under_load_loses_repeats_and_skips_nothing() {
    let servers = OwnServers::start(&["postgres", "redis", "kafka"]);
    let cluster = ClusterOptions::new(Shape::FullStack)
        .database_url(servers.setting("GODWIT_DATABASE_URL"))
        .variable("GODWIT_REDIS_URL", servers.variable("GODWIT_TEST_REDIS_URL"))
        .variable("GODWIT_KAFKA_BOOTSTRAP_SERVERS", servers.variable("GODWIT_TEST_KAFKA"))
        .start()
        .await;
    let pair = Pair::create(&cluster).await;
    let ledger = Load::new(&pair)
        .run_while(async |load| {
            for part in ["redis", "kafka", "postgres"] {
                load.progress(MESSAGES_BETWEEN).await;
                servers.stack("down", &[part]);
                servers.stack("up", &[part]);
                load.progress(MESSAGES_BETWEEN).await;
            }
        })
        .await;
    ledger.assert_kept_by(&pair.ada.whole_log(&pair.chat_id).await);
    ledger.assert_kept_by(&pair.bob.whole_log(&pair.chat_id).await);
}

#[tokio::test]
async fn what_is_scheduled_is_sent_once_although_the_message_service_dies_meanwhile() {
    let mut cluster = TestCluster::start(Shape::Separate).await;
    let pair = Pair::create(&cluster).await;
    let due_at = SystemClock.now() + Duration::from_secs(10);
    let due_at = due_at.format(&Rfc3339).unwrap();
    let path = format!("/chats/{}/messages", pair.chat_id);
    let scheduling = (0..SCHEDULED).map(|number| {
        let body = json!({"client_message_id": format!("later-{number}"), "text": "later", "send_at": due_at});
        pair.ada.rest.post(&path, body)
    });
    for answer in join_all(scheduling).await {
        assert!(answer.created::<SendMessageResponse>().scheduled.is_some());
    }
    for _ in 0..3 {
        cluster.kill("message");
        cluster.start_again("message").await;
    }
    let count = async || {
        let mut sent: HashMap<String, usize> = HashMap::new();
        for update in pair.bob.whole_log(&pair.chat_id).await {
            if let Some(Change::MessageCreated(created)) = update.change {
                *sent.entry(created.message.unwrap().client_message_id).or_default() += 1;
            }
        }
        sent
    };
    eventually(Duration::from_secs(60), || async { count().await.len() == SCHEDULED }).await;
    cluster.kill("message");
    cluster.start_again("message").await;
    let sent = count().await;
    assert_eq!((sent.len(), sent.values().sum::<usize>()), (SCHEDULED, SCHEDULED), "each once: {sent:?}");
}
