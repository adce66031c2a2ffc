//! Calls by the Rust SDK.

use std::time::Duration;

use godwit_client::{Client, ConnectOptions, Connection, Event, Events};
use godwit_contract::call::v1::{CallDirection, CreateCallRequest, ListCallHistoryRequest};
use godwit_contract::v1::{Call, CallMedia, CallSignal, CallState, call_signal};
use godwit_kernel::CallId;
use godwit_testkit::eventually;
use tokio::time::timeout;

use crate::support::{Account, Pair, embedded, fresh_uuid, log_in_sdk};

const SOON: Duration = Duration::from_secs(30);

/// A device with the SDK.
struct Phone {
    client: Client,
    connection: Connection,
    events: Events,
}

impl Phone {
    async fn of(gateway: &str, person: &Account) -> Self {
        let client = log_in_sdk(gateway, person).await;
        let (connection, events) = client.connect(ConnectOptions::default());
        connection.live().await.unwrap();
        Self { client, connection, events }
    }

    async fn ring(&self, person: &Account) -> CallId {
        let call_id: CallId = fresh_uuid().parse().unwrap();
        let (callee_id, media) = (person.user_id.clone(), CallMedia::Voice.into());
        let request = CreateCallRequest { callee_id, media, call_id: call_id.to_string() };
        let call = self.client.create_call(&request).await.unwrap().call.unwrap();
        assert_eq!((call.id, call.chat_id.is_empty()), (call_id.to_string(), false));
        call_id
    }

    async fn next<T>(&mut self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        let found = timeout(SOON, async {
            loop {
                if let Some(found) = pick(self.events.next().await.expect("the connection goes on")) {
                    return found;
                }
            }
        });
        found.await.expect("it is told soon")
    }

    /// Waits until the call is told to be so.
    async fn hears(&mut self, call_id: CallId, state: CallState) -> Call {
        let id = call_id.to_string();
        self.next(|event| match event {
            Event::Call(call) if call.id == id && call.state() == state => Some(call),
            _ => None,
        })
        .await
    }

    /// The ids of the calls that are over, once there are so many.
    async fn history(&self, request: ListCallHistoryRequest, count: usize) -> Vec<String> {
        eventually(SOON, async || {
            let calls = self.client.list_call_history(&request).await.unwrap().calls;
            let ids: Vec<String> = calls.into_iter().map(|call| call.id).collect();
            if ids.len() == count { Ok(ids) } else { Err(ids) }
        })
        .await
    }
}

#[tokio::test]
async fn the_sdk_makes_and_takes_calls_and_lists_those_that_are_over() {
    let cluster = embedded().await;
    let pair = Pair::create(cluster).await;
    let mut adas = Phone::of(cluster.gateway(), &pair.ada).await;
    let mut bobs = Phone::of(cluster.other_gateway(), &pair.bob).await;
    assert!(adas.client.list_ice_servers().await.unwrap().ice_servers.is_empty(), "none are configured");

    let talked = adas.ring(&pair.bob).await;
    bobs.hears(talked, CallState::Ringing).await;
    bobs.client.accept_call(talked).await.unwrap();
    let call = adas.hears(talked, CallState::Accepted).await;
    let offer = call_signal::Content::Offer("v=0".to_owned());
    adas.connection.signal(talked, None, CallSignal { content: Some(offer.clone()) }).unwrap();
    let heard = bobs.next(|event| match event {
        Event::CallSignal(signal) => Some(signal),
        _ => None,
    });
    let heard = heard.await;
    assert_eq!(heard.from_device_id, call.caller_device_id);
    assert_eq!(heard.signal.and_then(|signal| signal.content), Some(offer));
    adas.client.end_call(talked).await.unwrap();
    bobs.hears(talked, CallState::Ended).await;

    let given_up = adas.ring(&pair.bob).await;
    bobs.hears(given_up, CallState::Ringing).await;
    adas.client.cancel_call(given_up).await.unwrap();
    bobs.hears(given_up, CallState::Cancelled).await;

    let [talked, given_up] = [talked, given_up].map(|id| id.to_string());
    let all = ListCallHistoryRequest::default();
    let both = bobs.history(all.clone(), 2).await;
    assert_eq!(both, [given_up.as_str(), talked.as_str()], "the newest first");
    let missed = ListCallHistoryRequest { missed_only: true, ..all.clone() };
    assert_eq!(bobs.history(missed, 1).await, [given_up.as_str()]);
    let received = ListCallHistoryRequest { direction: CallDirection::Received.into(), ..all.clone() };
    assert_eq!(adas.history(received, 0).await, [""; 0]);
    let videos = ListCallHistoryRequest { media: CallMedia::Video.into(), ..all.clone() };
    assert_eq!(adas.history(videos, 0).await, [""; 0]);
    let first = ListCallHistoryRequest { peer_id: pair.bob.user_id.clone(), limit: 1, ..all };
    let page = adas.client.list_call_history(&first).await.unwrap();
    assert_eq!(page.calls.len(), 1);
    let rest = ListCallHistoryRequest { cursor: page.next_cursor, ..first };
    assert_eq!(adas.history(rest, 1).await, [talked.as_str()]);
}
