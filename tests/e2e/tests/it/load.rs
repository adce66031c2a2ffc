//! Senders that do not give up, for tests that kill what they send to.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use godwit_contract::message::v1::SendMessageResponse;
use godwit_testkit::eventually;
use serde_json::json;
use tokio::sync::Mutex;

use crate::support::{Account, Ledger, Pair};

/// Several senders for each of the two people: what one chat's appender gets at once.
const SENDERS_EACH: usize = 4;
const PAUSE: Duration = Duration::from_millis(20);
/// Starting a process again included.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(120);

/// Both people sending, from many tasks, until they are told to stop.
pub struct Load<'a> {
    pair: &'a Pair,
    ledger: Mutex<Ledger>,
    acknowledged: AtomicUsize,
    over: AtomicBool,
}

impl<'a> Load<'a> {
    pub fn new(pair: &'a Pair) -> Self {
        let (ledger, acknowledged, over) = Default::default();
        Self { pair, ledger, acknowledged, over }
    }

    /// Sends for as long as `disturb` runs, and returns what was acknowledged.
    pub async fn run_while(self, disturb: impl AsyncFnOnce(&Self)) -> Ledger {
        let people = [("ada", &self.pair.ada), ("bob", &self.pair.bob)];
        let senders = people
            .into_iter()
            .flat_map(|(name, person)| (0..SENDERS_EACH).map(move |number| (format!("{name}-{number}"), person)));
        let sending = join_all(senders.map(|(name, person)| self.send_until_over(name, person)));
        tokio::join!(sending, async {
            disturb(&self).await;
            self.over.store(true, Ordering::Relaxed);
        });
        self.ledger.into_inner()
    }

    /// Waits until `count` more messages are acknowledged.
    pub async fn progress(&self, count: usize) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + count;
        eventually(PROGRESS_TIMEOUT, || async { self.acknowledged.load(Ordering::Relaxed) >= goal }).await;
    }

    async fn send_until_over(&self, name: String, person: &Account) {
        let path = format!("/chats/{}/messages", self.pair.chat_id);
        let mut number = 0;
        while !self.over.load(Ordering::Relaxed) {
            number += 1;
            let body = json!({"client_message_id": format!("{name}-{number}"), "text": format!("Number {number}")});
            let answer = loop {
                // No answer says nothing: the message may be there. The same id again settles it.
                match person.rest.try_post(&path, body.clone()).await {
                    Some(answer) if !answer.is_temporary() => break answer,
                    _ => tokio::time::sleep(PAUSE).await,
                }
            };
            let sent: SendMessageResponse = answer.created();
            self.ledger.lock().await.note(&sent.message.expect("the message is returned"));
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }
}
