//! Processes, and the servers that they stand on, that die without a word, under load.

use std::time::Duration;

use godwit_testkit::{Shape, TestCluster, eventually};

use crate::load::Load;
use crate::support::{Later, OwnServers, Pair, assert_all_found};

const KILLS: usize = 3;
const MESSAGES_BETWEEN_KILLS: usize = 60;

#[tokio::test]
async fn killing_services_and_servers_under_load_loses_repeats_and_skips_nothing() {
    let servers = OwnServers::start(&["postgres", "redis", "kafka"]);
    let mut cluster = servers.cluster(Shape::Separate).await;
    let pair = Pair::create(&cluster).await;
    let mut later = Later::default();
    let ledger = Load::new(&pair)
        .run_while(async |load| {
            for process in ["message", "chat", "gateway-1"].repeat(KILLS) {
                load.progress(MESSAGES_BETWEEN_KILLS).await;
                later.schedule(&pair.bob, &pair.chat_id).await;
                cluster.kill(process);
                cluster.start_again(process).await;
            }
            for server in ["redis", "kafka", "postgres"] {
                load.progress(MESSAGES_BETWEEN_KILLS).await;
                later.schedule(&pair.bob, &pair.chat_id).await;
                servers.kill(server).await;
                servers.start_again(server).await;
            }
            load.progress(MESSAGES_BETWEEN_KILLS).await;
            later.schedule(&pair.bob, &pair.chat_id).await;
            all_at_once(&servers, &mut cluster).await;
            load.progress(MESSAGES_BETWEEN_KILLS).await;
        })
        .await;

    assert!(ledger.len() > (KILLS * 3 + 4) * MESSAGES_BETWEEN_KILLS);
    later.assert_sent_once(&pair.ada, &pair.chat_id).await;
    let log = pair.ada.whole_log(&pair.chat_id).await;
    ledger.assert_kept_by(&log);
    ledger.assert_kept_by(&pair.bob.whole_log(&pair.chat_id).await);
    assert_all_found(&pair.bob, "number", &log, "Number").await;
}

/// As when a machine fails on which they all are.
async fn all_at_once(servers: &OwnServers, cluster: &mut TestCluster) {
    let processes = ["message", "chat"];
    for process in processes {
        cluster.kill(process);
    }
    let parts = ["postgres", "redis", "kafka"];
    for part in parts {
        servers.kill(part).await;
    }
    for part in parts {
        servers.start_again(part).await;
    }
    for process in processes {
        cluster.start_again(process).await;
    }
}

#[tokio::test]
async fn the_one_embedded_process_may_die_at_any_moment_and_ends_cleanly_when_it_is_told_to() {
    let mut cluster = TestCluster::start(Shape::Embedded).await;
    let pair = Pair::create(&cluster).await;
    killing_it_under_load_loses_repeats_and_skips_nothing(&mut cluster, &pair).await;
    what_was_committed_before_a_kill_still_becomes_searchable(&mut cluster, &pair).await;
    told_to_end_it_ends_cleanly(&mut cluster, &pair).await;
}

async fn killing_it_under_load_loses_repeats_and_skips_nothing(cluster: &mut TestCluster, pair: &Pair) {
    let ledger = Load::new(pair)
        .run_while(async |load| {
            for _ in 0..KILLS {
                load.progress(MESSAGES_BETWEEN_KILLS).await;
                cluster.kill("all");
                cluster.start_again("all").await;
            }
            load.progress(MESSAGES_BETWEEN_KILLS).await;
        })
        .await;

    assert!(ledger.len() > KILLS * MESSAGES_BETWEEN_KILLS);
    ledger.assert_kept_by(&pair.ada.whole_log(&pair.chat_id).await);
    ledger.assert_kept_by(&pair.bob.whole_log(&pair.chat_id).await);
}

async fn what_was_committed_before_a_kill_still_becomes_searchable(cluster: &mut TestCluster, pair: &Pair) {
    // Acknowledged, and the process is gone before the stream has carried anything.
    let message = pair.ada.send(&pair.chat_id, "last", "quicksilver words").await;
    cluster.kill("all");
    cluster.start_again("all").await;
    eventually(Duration::from_secs(30), || async {
        let answer = pair.bob.rest.get("/search/messages?q=quicksilver").await;
        let found: godwit_contract::search::v1::SearchMessagesResponse = answer.ok();
        found.messages.first() == Some(&message)
    })
    .await;
}

async fn told_to_end_it_ends_cleanly(cluster: &mut TestCluster, pair: &Pair) {
    let mut socket = pair.ada.connect(crate::support::Encoding::Json).await;
    let (code, closed) = tokio::join!(cluster.stop("all"), socket.closed());
    assert_eq!(code, Some(0));
    assert_eq!(closed.code, Some(1012), "a client is told to connect again");
}
