//! The Rust SDK against processes that die.

use std::time::Duration;

use futures_util::future::join_all;
use godwit_client::{Connection, Encoding, Event, Events};
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{Message, Update};
use godwit_kernel::ChatId;
use godwit_testkit::{Shape, TestCluster};
use tokio::time::timeout;

use crate::support::{Ledger, Pair, connect_sdk};

const MESSAGES_EACH: usize = 40;
const TIMEOUT: Duration = Duration::from_secs(180);

#[tokio::test]
async fn the_sdk_sends_and_tells_everything_once_and_in_order_while_processes_die() {
    let mut cluster = TestCluster::start(Shape::Separate).await;
    let pair = Pair::create(&cluster).await;
    let chat_id: ChatId = pair.chat_id.parse().unwrap();
    let (adas, _adas_events) = connect_sdk(cluster.gateway(), &pair.ada, Encoding::Binary).await;
    let (_bobs, bobs_events) = connect_sdk(cluster.other_gateway(), &pair.bob, Encoding::Json).await;

    let deaths = ["gateway-2", "message", "gateway-1"];
    let total = MESSAGES_EACH * (deaths.len() + 1);
    let sending = async {
        let mut outcomes = queue_messages(&adas, chat_id, "calm");
        for process in deaths {
            outcomes.extend(queue_messages(&adas, chat_id, process));
            cluster.kill(process);
            cluster.start_again(process).await;
        }
        join_all(outcomes.into_iter().map(|sending| async { sending.outcome().await.unwrap() })).await
    };
    let both = async { tokio::join!(sending, tell_messages(bobs_events, &pair.chat_id, total)) };
    let (sent, told) = timeout(TIMEOUT, both).await.expect("everything is sent and told in time");

    assert_eq!(told, sent, "Bob was told what Ada sent, in her order");
    let mut ledger = Ledger::default();
    sent.iter().for_each(|message| ledger.note(message));
    ledger.assert_kept_by(&pair.bob.whole_log(&pair.chat_id).await);
}

fn queue_messages(connection: &Connection, chat_id: ChatId, when: &str) -> Vec<godwit_client::Sending> {
    (0..MESSAGES_EACH).map(|number| connection.send(chat_id, format!("{when} {number}")).unwrap()).collect()
}

/// The messages that the application is told, once `count` have come. Each update follows the one before.
async fn tell_messages(mut events: Events, chat_id: &str, count: usize) -> Vec<Message> {
    let mut position = None;
    let mut told = Vec::new();
    while told.len() < count {
        match events.next().await.expect("the connection goes on") {
            Event::ChatLoaded(chat) if chat.id == chat_id => {
                assert_eq!(position, None, "the log is continued, not loaded again");
                position = Some(chat.seq);
            }
            Event::Update(update) if update.chat_id == chat_id => {
                let Update { seq, change, .. } = *update;
                assert_eq!(Some(seq - 1), position, "an update follows the one before");
                position = Some(seq);
                if let Some(Change::MessageCreated(created)) = change {
                    told.push(created.message.expect("the update has the message"));
                }
            }
            _ => {}
        }
    }
    told
}
