use std::sync::{Arc, Mutex};

use godwit_contract::events::v1::{MessageReported, ModerationEvent, moderation_event};
use godwit_contract::message::v1 as api;
use godwit_contract::message::v1::message_service_server::MessageService as _;
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, EventLog as _, Record, topics};
use godwit_rpc::Failure;
use godwit_testkit::eventually;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, async_trait};

use crate::harness::{Bed, Client, PATIENCE, reason, user};

/// Reports a message.
pub async fn report(client: &Client, message_id: &str, reason: i32, comment: &str) -> Result<(), Status> {
    let request = api::ReportMessageRequest { message_id: message_id.to_owned(), reason, comment: comment.to_owned() };
    client.server().report_message(client.request(request)).await.map(drop)
}

/// Moderators who read what they are told.
#[derive(Clone, Default)]
struct Moderators(Arc<Mutex<Vec<KeyedEvent>>>);

/// A record's key and payload.
type KeyedEvent = (Vec<u8>, ModerationEvent);

#[async_trait]
impl BatchHandler for Moderators {
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        for record in batch {
            let event = ModerationEvent::decode(record.payload.clone()).unwrap();
            self.0.lock().unwrap().push((record.key.to_vec(), event));
        }
        Ok(())
    }
}

impl Moderators {
    fn listen(bed: &Bed) -> Self {
        let moderators = Self::default();
        let (stream, handler) = (Arc::clone(&bed.stream), Arc::new(moderators.clone()));
        bed.tasks.spawn("test.moderators", |stop: CancellationToken| async move {
            let group = ConsumerGroup { name: "test.moderators", topics: vec![&topics::MODERATION], max_batch: 10 };
            Ok(stream.consume(group, handler, stop).await?)
        });
        moderators
    }

    /// What was reported, each event once.
    fn told(&self) -> Vec<MessageReported> {
        let mut events = self.0.lock().unwrap().clone();
        events.dedup_by(|one, other| one.1.event_id == other.1.event_id);
        events
            .into_iter()
            .map(|(_, event)| match event.event.unwrap() {
                moderation_event::Event::MessageReported(reported) => reported,
            })
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moderators_are_told_of_a_report_once_with_the_message_as_it_was() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let message = replica.client(bob).send(chat_id, "m", "Buy now!").await.unwrap();
    let client = replica.client(ada);
    bed.stream.take_down();
    for (number, comment) in ["he does it again", "and again"].into_iter().enumerate() {
        report(&client, &message.id, i32::try_from(number + 1).unwrap(), comment).await.unwrap();
    }
    replica.client(bob).delete(&message.id).await.unwrap();
    let moderators = Moderators::listen(&bed);
    bed.stream.bring_up();
    let told = eventually(PATIENCE, async || Some(moderators.told()).filter(|told| !told.is_empty())).await;
    assert_eq!(told.len(), 1);
    let MessageReported { reporter_id, reason, comment, message: reported } = &told[0];
    assert_eq!((reporter_id.as_str(), *reason, comment.as_str()), (ada.to_string().as_str(), 1, "he does it again"));
    assert_eq!(reported.as_ref(), Some(&message), "also when it is deleted since");
    let key = moderators.0.lock().unwrap()[0].0.clone();
    assert_eq!(key, chat_id.as_bytes());
    let kept = "SELECT count(*) FROM reports WHERE payload IS NOT NULL";
    eventually(PATIENCE, async || bed.number(kept).await == 0).await;
    assert_eq!(reason_of(report(&client, &message.id, 1, "").await), "MESSAGE_NOT_FOUND");
}

fn reason_of(result: Result<(), Status>) -> String {
    reason(&result.unwrap_err())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_one_can_see_is_reported_and_only_for_a_reason() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let message = replica.client(bob).send(chat_id, "m", "hello").await.unwrap();
    assert_eq!(reason_of(report(&replica.client(user()), &message.id, 1, "").await), "MESSAGE_NOT_FOUND");
    for (field, reason, comment) in
        [("reason", 0, String::new()), ("reason", 99, String::new()), ("comment", 1, "é".repeat(513))]
    {
        let refused = report(&replica.client(ada), &message.id, reason, &comment).await.unwrap_err();
        let failure = Failure::from_status(&refused);
        assert_eq!((failure.code, failure.fields[0].field.as_str()), (Code::InvalidArgument, field));
    }
    assert_eq!(bed.number("SELECT count(*) FROM reports").await, 0);
    report(&replica.client(ada), &message.id, 6, &"é".repeat(512)).await.unwrap();
    assert_eq!(bed.number("SELECT count(*) FROM reports").await, 1);
}
