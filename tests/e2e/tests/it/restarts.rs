//! The servers that Godwit stands on, restarted under load; and what was to be sent later.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use godwit_contract::message::v1::SendMessageResponse;
use godwit_contract::search::v1::SearchMessagesResponse;
use godwit_contract::v1::Update;
use godwit_contract::v1::update::Change;
use godwit_kernel::{Clock as _, SystemClock};
use godwit_testkit::{ClusterOptions, Shape, TestCluster, eventually};
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use crate::load::Load;
use crate::support::{Account, OwnServers, Pair};

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
    // The index took the same log over the same restarts: it has each message, and none twice.
    let mut logged = messages_of(&pair.bob.whole_log(&pair.chat_id).await);
    logged.sort_unstable();
    eventually(Duration::from_secs(120), || async {
        let mut found = all_found(&pair.bob, "number").await?;
        found.sort_unstable();
        if found == logged { Ok(()) } else { Err(format!("{} of {} are found", found.len(), logged.len())) }
    })
    .await;
}

fn messages_of(log: &[Update]) -> Vec<String> {
    let created = log.iter().filter_map(|update| match &update.change {
        Some(Change::MessageCreated(created)) => created.message.as_ref().map(|message| message.id.clone()),
        _ => None,
    });
    created.collect()
}

/// The ids of all hits, page by page.
async fn all_found(person: &Account, word: &str) -> Result<Vec<String>, String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = person.rest.get(&format!("/search/messages?q={word}&limit=200&cursor={cursor}")).await;
        if answer.status != 200 {
            return Err(format!("the search answers {}", answer.status));
        }
        let page: SearchMessagesResponse = answer.ok();
        found.extend(page.messages.into_iter().map(|message| message.id));
        if page.next_cursor.is_empty() {
            return Ok(found);
        }
        cursor = page.next_cursor;
    }
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
