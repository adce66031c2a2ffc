use std::time::Duration;

use bytes::Bytes;
use godwit_kernel::{ChatId, SystemClock, SystemEntropy, UserId};
use godwit_live::{Channel, Delivery};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Long enough for a machine under load; a passing test does not wait for it.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub fn chat() -> Channel {
    Channel::Chat(ChatId::generate(&SystemClock, &SystemEntropy))
}

pub fn user() -> Channel {
    Channel::User(UserId::generate(&SystemClock, &SystemEntropy))
}

pub fn text(text: impl ToString) -> Bytes {
    text.to_string().into_bytes().into()
}

pub async fn next(deliveries: &mut mpsc::Receiver<Delivery>) -> Delivery {
    timeout(DEADLINE, deliveries.recv()).await.expect("a delivery in time").expect("the subscription goes on")
}

/// The next payload, and where it was published.
pub async fn message(deliveries: &mut mpsc::Receiver<Delivery>) -> (Channel, Bytes) {
    match next(deliveries).await {
        Delivery::Message { channel, payload } => (channel, payload),
        Delivery::Interrupted => panic!("interrupted although the link is good"),
    }
}

/// Reads until the interruption; what was delivered before it does not matter.
pub async fn interruption(deliveries: &mut mpsc::Receiver<Delivery>) {
    while next(deliveries).await != Delivery::Interrupted {}
}
