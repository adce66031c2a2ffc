//! Processes that die without a word, under load.

use std::time::Duration;

use godwit_testkit::{Shape, TestCluster, eventually};

use crate::load::Load;
use crate::support::Pair;

const KILLS: usize = 3;
const MESSAGES_BETWEEN_KILLS: usize = 60;

#[tokio::test]
async fn killing_the_message_service_under_load_loses_repeats_and_skips_nothing() {
    kill_under_load(Shape::Separate, "message").await;
}

#[tokio::test]
async fn killing_the_chat_service_under_load_loses_repeats_and_skips_nothing() {
    kill_under_load(Shape::Separate, "chat").await;
}

#[tokio::test]
async fn killing_the_one_embedded_process_under_load_loses_repeats_and_skips_nothing() {
    kill_under_load(Shape::Embedded, "all").await;
}

#[tokio::test]
async fn killing_a_gateway_under_load_loses_repeats_and_skips_nothing() {
    kill_under_load(Shape::Separate, "gateway-1").await;
}

async fn kill_under_load(shape: Shape, process: &str) {
    let mut cluster = TestCluster::start(shape).await;
    let pair = Pair::create(&cluster).await;

    let ledger = Load::new(&pair)
        .run_while(async |load| {
            for _ in 0..KILLS {
                load.progress(MESSAGES_BETWEEN_KILLS).await;
                cluster.kill(process);
                cluster.start_again(process).await;
            }
            load.progress(MESSAGES_BETWEEN_KILLS).await;
        })
        .await;

    assert!(ledger.len() > KILLS * MESSAGES_BETWEEN_KILLS);
    ledger.assert_kept_by(&pair.ada.whole_log(&pair.chat_id).await);
    ledger.assert_kept_by(&pair.bob.whole_log(&pair.chat_id).await);
}

#[tokio::test]
async fn what_was_committed_before_a_kill_still_becomes_searchable() {
    let mut cluster = TestCluster::start(Shape::Embedded).await;
    let pair = Pair::create(&cluster).await;
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

#[tokio::test]
async fn a_process_that_is_told_to_end_ends_cleanly() {
    let mut cluster = TestCluster::start(Shape::Embedded).await;
    let pair = Pair::create(&cluster).await;
    let mut socket = pair.ada.connect(crate::support::Encoding::Json).await;
    let (code, closed) = tokio::join!(cluster.stop("all"), socket.closed());
    assert_eq!(code, Some(0));
    assert_eq!(closed.code, Some(1012), "a client is told to connect again");
}
