//! People who talk over sockets while what carries their events restarts, dies and freezes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use godwit_client::{Connection, Encoding, Event, Events};
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{Message, Update};
use godwit_kernel::ChatId;
use godwit_testkit::{ClusterOptions, Shape, TestCluster, eventually};
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use crate::support::{Ledger, OwnServers, Pair, connect_sdk};

/// Messages that each person has under way.
const UNDER_WAY: usize = 4;
const PAUSE: Duration = Duration::from_millis(20);
const MESSAGES_BETWEEN: usize = 100;
/// How long nothing comes through what is frozen.
const FROZEN: Duration = Duration::from_secs(10);
/// A process that starts again included.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(120);
const TIMEOUT: Duration = Duration::from_secs(480);

/// What all senders know together.
#[derive(Default)]
struct Talk {
    ledger: Mutex<Ledger>,
    acknowledged: AtomicUsize,
    is_over: AtomicBool,
}

impl Talk {
    /// Sends over a socket, one message after the other, until it is over. The SDK repeats what was not answered.
    async fn send(&self, connection: &Connection, chat_id: ChatId) {
        let mut number = 0;
        while !self.is_over.load(Ordering::Relaxed) {
            number += 1;
            let message = connection.send(chat_id, format!("number {number}")).unwrap().outcome().await.unwrap();
            self.ledger.lock().await.note(&message);
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
            sleep(PAUSE).await;
        }
    }

    /// Waits until more messages are acknowledged.
    async fn progress(&self) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + MESSAGES_BETWEEN;
        eventually(PROGRESS_TIMEOUT, || async { self.acknowledged.load(Ordering::Relaxed) >= goal }).await;
    }
}

#[tokio::test]
async fn whatever_freezes_restarts_or_dies_each_message_is_kept_and_shown_once() {
    let servers = OwnServers::start(&["redis"]);
    let redis = servers.variable("GODWIT_TEST_REDIS_URL");
    let mut cluster = ClusterOptions::new(Shape::Separate).variable("GODWIT_REDIS_URL", redis).start().await;
    let pair = Pair::create(&cluster).await;
    let chat_id: ChatId = pair.chat_id.parse().unwrap();
    let (adas, adas_events) = connect_sdk(cluster.gateway(), &pair.ada, Encoding::Binary).await;
    let (bobs, bobs_events) = connect_sdk(cluster.other_gateway(), &pair.bob, Encoding::Json).await;

    let talk = Talk::default();
    let (last, until) = watch::channel(None);
    let sending = async {
        let senders = [&adas, &bobs].into_iter().flat_map(|connection| [connection; UNDER_WAY]);
        let all = join_all(senders.map(|connection| talk.send(connection, chat_id)));
        tokio::join!(all, disturb(&talk, &servers, &mut cluster));
        let log = pair.ada.whole_log(&pair.chat_id).await;
        last.send_replace(log.last().map(|update| update.seq));
        log
    };
    let adas_side = follow(adas_events, &pair.chat_id, until.clone());
    let bobs_side = follow(bobs_events, &pair.chat_id, until);
    let everything = async { tokio::join!(sending, adas_side, bobs_side) };
    let (log, told_ada, told_bob) = timeout(TIMEOUT, everything).await.expect("everything is sent and told in time");

    talk.ledger.into_inner().assert_kept_by(&log);
    let kept: Vec<Message> = log.into_iter().filter_map(message_of).collect();
    assert_eq!(told_ada, kept, "Ada was told each message once, in the order of the log");
    assert_eq!(told_bob, kept, "Bob was told each message once, in the order of the log");
}

async fn disturb(talk: &Talk, servers: &OwnServers, cluster: &mut TestCluster) {
    talk.progress().await;
    servers.stop("redis").await;
    servers.start_again("redis").await;
    talk.progress().await;
    servers.signal("redis", "STOP");
    sleep(FROZEN).await;
    servers.signal("redis", "CONT");
    talk.progress().await;
    for frozen in ["gateway-1", "message"] {
        cluster.pause(frozen);
        sleep(FROZEN).await;
        cluster.resume(frozen);
        talk.progress().await;
    }
    cluster.kill("gateway-2");
    cluster.start_again("gateway-2").await;
    talk.progress().await;
    talk.is_over.store(true, Ordering::Relaxed);
}

/// The messages that the application is told, up to the update with this seq. Each update follows the one before.
async fn follow(mut events: Events, chat_id: &str, mut until: watch::Receiver<Option<u64>>) -> Vec<Message> {
    let mut position = None;
    let mut told = Vec::new();
    loop {
        let last = *until.borrow_and_update();
        if last.is_some() && last == position {
            return told;
        }
        let event = tokio::select! {
            event = events.next() => event.expect("the connection goes on"),
            changed = until.changed(), if last.is_none() => {
                changed.unwrap();
                continue;
            }
        };
        match event {
            Event::ChatLoaded(chat) if chat.id == chat_id => {
                assert_eq!(position, None, "the log is continued, not loaded again");
                position = Some(chat.seq);
            }
            Event::Update(update) if update.chat_id == chat_id => {
                assert_eq!(Some(update.seq - 1), position, "an update follows the one before");
                position = Some(update.seq);
                told.extend(message_of(*update));
            }
            _ => {}
        }
    }
}

fn message_of(update: Update) -> Option<Message> {
    match update.change {
        Some(Change::MessageCreated(created)) => created.message,
        _ => None,
    }
}
