use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use godwit_contract::call::v1::ListCallHistoryResponse;
use godwit_contract::events::v1::CallEvent;
use godwit_contract::v1::Call;
use godwit_contract::v1::update::Change;
use godwit_events::kafka::{KafkaLog, KafkaOptions};
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, EventLog as _, NewRecord, topics};
use godwit_kernel::CallId;
use godwit_testkit::{env, eventually};
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use super::stage::{Group, PATIENCE, done, ring};
use crate::support::{Account, Pair, unique};

/// Ends what a test reads of the stream.
const END: &str = "end";

/// How calls must have ended, by their ids.
#[derive(Default)]
pub struct Record {
    ends: BTreeMap<String, Call>,
}

impl Record {
    /// A call is over; it is the same one however often that is said.
    pub fn note(&mut self, call: &Call) {
        let now = as_recorded(call.clone());
        if let Some(before) = self.ends.get(&now.id) {
            assert_eq!(*before, now, "it ended otherwise before");
        }
        self.ends.insert(now.id.clone(), now);
    }

    /// None of the calls of two people is stuck, and each is told of once: in the history of both, in the log of their chat,
    /// and in the stream.
    pub async fn assert_told_once(mut self, group: &Group, pair: &Pair) {
        // Who was stuck in a call could not make another.
        let last = ring(pair).await;
        self.note(&done(&pair.ada, &last, "cancel").await);
        self.told_to(pair).await;
        let events = events(group, &self.ends.keys().map(String::as_str).collect()).await;
        for (id, end) in &self.ends {
            // The stream may repeat an event: by its id it is the same.
            let told: BTreeMap<&str, &Call> = events
                .iter()
                .filter(|(call, _)| call.id == *id)
                .map(|(call, event_id)| (event_id.as_str(), call))
                .collect();
            let calls: Vec<&Call> = told.values().copied().collect();
            assert_eq!(calls, [end], "the stream tells of {id} as one event: {told:?}");
        }
        // Nothing was told twice a little later.
        self.told_to(pair).await;
    }

    async fn told_to(&self, pair: &Pair) {
        for person in [&pair.ada, &pair.bob] {
            eventually(PATIENCE, || async {
                self.compare("the history", history(person).await)?;
                self.compare("the log of the chat", logged(person, &pair.chat_id).await)
            })
            .await;
        }
    }

    fn compare(&self, whose: &str, told: Vec<Call>) -> Result<(), String> {
        let mut told: Vec<Call> = told.into_iter().map(as_recorded).collect();
        told.sort_by(|one, other| one.id.cmp(&other.id));
        let wanted: Vec<&Call> = self.ends.values().collect();
        if told.iter().eq(wanted.iter().copied()) {
            Ok(())
        } else {
            Err(format!("{whose} has {told:?} instead of {wanted:?}"))
        }
    }
}

/// The history does not keep who had no connection at the end.
fn as_recorded(call: Call) -> Call {
    Call { caller_lost_at: None, callee_lost_at: None, ..call }
}

/// A person's calls that are over, the newest first.
pub async fn history(person: &Account) -> Vec<Call> {
    let page: ListCallHistoryResponse = person.rest.get("/calls/history?limit=100").await.ok();
    assert_eq!(page.next_cursor, "", "the test makes fewer calls than a page holds");
    page.calls
}

async fn logged(person: &Account, chat_id: &str) -> Vec<Call> {
    let told = person.whole_log(chat_id).await.into_iter().filter_map(|update| match update.change {
        Some(Change::CallLogged(logged)) => logged.call,
        _ => None,
    });
    told.collect()
}

/// What the stream tells of these calls, with the ids of its events.
async fn events(group: &Group, ids: &BTreeSet<&str>) -> Vec<(Call, String)> {
    let options = KafkaOptions {
        bootstrap_servers: env::kafka(),
        topic_prefix: group.topic_prefix.clone(),
        ..KafkaOptions::default()
    };
    let stream = KafkaLog::new(options).unwrap();
    let reader = Arc::new(Reader::default());
    let stop = CancellationToken::new();
    // Tests that share a stream must not share its partitions.
    let name: &'static str = Box::leak(unique("tests.calls").into_boxed_str());
    let named = ConsumerGroup { name, topics: vec![&topics::CALLS], max_batch: 100 };
    let handler: Arc<dyn BatchHandler> = Arc::<Reader>::clone(&reader);
    let reading = stream.consume(named, handler, stop.clone());
    let watching = async {
        // A call is in the stream a moment after it is in the history.
        eventually(PATIENCE, async || reader.names_all(ids, |event| event.event_id != END)).await;
        stream.publish(ids.iter().map(|id| end(id)).collect()).await.unwrap();
        eventually(PATIENCE, async || reader.names_all(ids, |event| event.event_id == END)).await;
        stop.cancel();
    };
    let (read, ()) = tokio::join!(reading, watching);
    read.unwrap();
    let events = reader.events.lock().unwrap();
    let told = events.iter().filter(|event| event.event_id != END);
    told.map(|event| (as_recorded(event.call.clone().unwrap()), event.event_id.clone())).collect()
}

/// Comes behind whatever is told of the call, since it has the same key.
fn end(id: &str) -> NewRecord {
    let call = Some(Call { id: id.to_owned(), ..Call::default() });
    let event = CallEvent { event_id: END.to_owned(), call, ..CallEvent::default() };
    let key = id.parse::<CallId>().unwrap().as_bytes().to_vec();
    NewRecord::new(&topics::CALLS, key, event.encode_to_vec())
}

/// Keeps what it reads.
#[derive(Default)]
struct Reader {
    events: Mutex<Vec<CallEvent>>,
}

impl Reader {
    /// Whether each of these calls has such an event.
    fn names_all(&self, ids: &BTreeSet<&str>, is_such: impl Fn(&CallEvent) -> bool) -> bool {
        let events = self.events.lock().unwrap();
        let named: BTreeSet<&str> = events
            .iter()
            .filter(|event| is_such(event))
            .filter_map(|event| event.call.as_ref().map(|call| call.id.as_str()))
            .collect();
        ids.is_subset(&named)
    }
}

#[async_trait::async_trait]
impl BatchHandler for Reader {
    async fn handle(&self, batch: &[godwit_events::Record]) -> Result<(), BatchError> {
        let read = batch.iter().map(|record| CallEvent::decode(record.payload.clone()).unwrap());
        self.events.lock().unwrap().extend(read);
        Ok(())
    }
}
